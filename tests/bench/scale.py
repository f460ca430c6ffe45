"""How much is measured: everything, in under ten minutes, or less of it, in under two."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How often and how long.

    Attributes:
        rounds: of each comparison.
        even_s: how long a load of few commands a second lasts in each of them, seconds.
        busy_s: how long one of many does.
        backlog: labels that are drained.
        soak: commands of the longest load, and `soak_s` seconds at most; 0: none.
        idle_s: how long nothing happens.
        big: events of the longest trail.
    """

    rounds: int
    even_s: float
    busy_s: float
    backlog: int
    soak: int
    soak_s: float
    idle_s: float
    big: int


FULL = Scale(rounds=5, even_s=1.6, busy_s=1.2, backlog=200, soak=100_000, soak_s=15, idle_s=20, big=5_000_000)
QUICK = Scale(rounds=2, even_s=0.7, busy_s=0.6, backlog=20, soak=0, soak_s=0, idle_s=3, big=150_000)
