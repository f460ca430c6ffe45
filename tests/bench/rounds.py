"""Measures two things side by side: in rounds, in turns, so that both meet the same machine in the same mood.

It knows how time is taken and what a ratio is. It refuses to know what is measured.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

ROUNDS = 5

Step = Callable[[int], object]
"""Something to be timed; it is told how often it was called, so that it need not do the same each time."""


@dataclass(slots=True, kw_only=True)
class Line:
    """One line of the table: what was measured, beside what, in each round.

    Attributes:
        part: of the benchmarks; lines of one part stand together.
        name: what was measured.
        beside: the yardstick.
        unit: of both figures.
        yardstick: its figure in each round.
        measured: the figure in each round.
        at_most: the goal for the median of the ratios.
        at_least: the same, where more is better.
        floor: the goal for the figure itself.
        ceiling: what the figure may not exceed in any round.
        more: how much more than the yardstick the figure may be.
    """

    part: str
    name: str
    beside: str
    unit: str
    yardstick: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    at_most: float | None = None
    at_least: float | None = None
    floor: float | None = None
    ceiling: float | None = None
    more: float | None = None

    @property
    def ratios(self) -> list[float]:
        """How many times the yardstick it was, in each round."""
        return [one / other for one, other in zip(self.measured, self.yardstick, strict=True)]

    @property
    def met(self) -> bool | None:
        """Whether the goals are met; None where there is none."""
        middle = median(self.ratios)
        verdicts = []
        if self.at_most is not None:
            verdicts.append(middle <= self.at_most)
        if self.at_least is not None:
            verdicts.append(middle >= self.at_least)
        if self.floor is not None:
            verdicts.append(median(self.measured) >= self.floor)
        if self.ceiling is not None:
            verdicts.append(max(self.measured) <= self.ceiling)
        if self.more is not None:
            differences = [one - other for one, other in zip(self.measured, self.yardstick, strict=True)]
            verdicts.append(median(differences) <= self.more)
        return all(verdicts) if verdicts else None


def seconds(step: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def side_by_side(yardstick: Step, measured: Step, *, times: int, warm_up: int = 5) -> tuple[list[float], list[float]]:
    """Call both in turns, `times` times in each of the rounds.

    Returns:
        The mean seconds a call of each round, of the yardstick and of what is measured. The mean leaves nothing out:
        work that a database puts off and does all at once is in it.
    """
    both = (yardstick, measured)
    for number in range(warm_up):
        for step in both:
            step(number)
    figures: tuple[list[float], list[float]] = ([], [])
    number = warm_up
    for _ in range(ROUNDS):
        spent = [0.0, 0.0]
        for _ in range(times):
            number += 1
            # Who goes first takes turns as well.
            for which in (0, 1) if number % 2 else (1, 0):
                begin = time.perf_counter()
                both[which](number)
                spent[which] += time.perf_counter() - begin
        for which in (0, 1):
            figures[which].append(spent[which] / times)
    return figures
