"""What can be seen of the bot from outside: by Slack, by the MPC, by the reader of the trail, and by who runs it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one delivery.

    Attributes:
        error: what Slack tells the person instead of an answer; None: all is well.
        status: of HTTP; None: nothing came.
        shown: what the person sees of it.
    """

    error: str | None
    status: int | None
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody typed once, in a conversation of its own, by which the trail shows it.

    Attributes:
        labels: the labels in it; none, where nothing of it may be sent.
        answers: to each delivery of it, as they came.
    """

    user: str
    channel: str
    labels: tuple[str, ...]
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that arrived at the MPC.

    Attributes:
        at: when, on the clock on which the MPC counts, seconds.
        wall_ms: when, on the wall, milliseconds since 1970.
        label: None where it is no POST for an action code.
        status: what was answered; None: nothing whole.
    """

    at: float
    wall_ms: float
    label: str | None
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message: to one user, or in the audit channel (`user` is None)."""

    at: float
    user: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A process that was told to stop.

    Attributes:
        name: of it.
        code: with which it did; None: it did not.
        age_s: how long before that it was started.
    """

    name: str
    code: int | None
    age_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it, after everything has calmed down.

    Attributes:
        trail: the exported events, oldest first.
        complaint: what `audit verify` said, where it did not exit with 0.
        asked: in order of arrival.
        rate_per_s: most requests that the MPC may get in any second.
        blurs: when the clock of `asked` was late, and by how many seconds: what arrives is noted by a thread, too.
        told: what reached the askers, acknowledgements excepted.
        posted: what the audit channel shows, in order.
        troubles: when something was broken that may lose a note of what was done, on the clock of `told`.
        logs: what each process said on standard error.
        secrets: what may stand in no log.
        unfinished: what was still to be done when the patience was over; empty: nothing.
    """

    trail: list[dict[str, Any]]
    complaint: str = ""
    typed: list[Typed] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    rate_per_s: float = 5
    blurs: list[tuple[float, float]] = field(default_factory=list)
    told: list[Said] = field(default_factory=list)
    posted: list[Said] = field(default_factory=list)
    troubles: list[float] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    unfinished: str = ""
