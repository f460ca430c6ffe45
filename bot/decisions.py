"""What came with a command, and what was decided about it: records, and the form in which a decision is kept.

It refuses to decide.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, Self

from bot.outcomes import Outcome
from bot.policy import Denial, Rule
from bot.store.outbox import Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What came with a command of Slack's.

    Attributes:
        key: the same for the same delivery, however often it comes; None where there is none.
        response_url: where the answer may be posted.
        response_url_s: for how many seconds it may be.
    """

    key: str | None = None
    response_url: str | None = None
    response_url_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One label of a command, and whether it was refused."""

    request_id: str
    label: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...]
    denial: Denial | None = None

    def as_denied(self) -> Ended:
        """Return it in the form of a request that has ended; only where it was refused."""
        return Ended(
            request_id=self.request_id,
            label=self.label,
            kinds=self.kinds,
            stations=self.stations,
            outcome=Outcome.DENIED,
            rule=None if self.denial is None else self.denial.rule,
            http_status=None,
            detail=None,
            until=None if self.denial is None else self.denial.until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is decided about a command before anything is sent.

    Attributes:
        command_id: None where nothing will be sent.
        items: its labels, in order.
        invalid: it held something that is no label, and was stopped.
        denial: the whole command was refused.
        ahead: how many requests leave before its first one; of a long queue, `standing.COUNTED`: so many, or more.
        wait_s: about how long the whole takes at least, seconds; None where that is not worth a word.
    """

    command_id: str | None = None
    items: tuple[Item, ...] = ()
    invalid: bool = False
    denial: Denial | None = None
    ahead: int = 0
    wait_s: float | None = None

    def to_json(self) -> str:
        """Return a form that `from_json` reads, to be kept for a delivery that comes again."""
        # Not `asdict`, which copies all there is in it: this is done for each command.
        return json.dumps(self, default=lambda of: {one.name: getattr(of, one.name) for one in fields(of)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` was called on."""
        content: dict[str, Any] = json.loads(text)

        def denial(kept: dict[str, Any] | None) -> Denial | None:
            return None if kept is None else Denial(**{**kept, "rule": Rule(kept["rule"])})

        content["denial"] = denial(content["denial"])
        content["items"] = tuple(
            Item(
                **{
                    **one,
                    "kinds": tuple(one["kinds"]),
                    "stations": tuple(one["stations"]),
                    "denial": denial(one["denial"]),
                }
            )
            for one in content["items"]
        )
        return cls(**content)
