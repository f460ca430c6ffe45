"""Removes the oldest events, for those who must delete, and leaves a tombstone that the chain can be checked against.

It knows which events may go: those from the begin of the trail that are old enough, that the audit channels have
been told, and whose requests are over and go as a whole. It refuses to remove anything from the middle, anything
of a trail that does not verify, and anything without a tombstone in the same transaction.

A large removal is made in steps, each with its tombstone, because nobody can append while one is made. A removal
that was broken off between two steps leaves a trail that verifies; it is gone on with by asking again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select

from bot import tombstone, trail, verification
from bot.policy import HOUR_MS
from bot.store import guard
from bot.store.database import Database
from bot.store.tables import channels, events, requests
from bot.store.writing import Transaction
from bot.tombstone import PRUNED
from bot.trail import Asker, Event

STEP = 50_000
"""About how many events go in one transaction: a fifth of a second on SQLite, so that who appends can wait."""

_ENDS = frozenset({*trail.OUTCOMES, PRUNED})
_FORGOTTEN_MS = 7 * 24 * HOUR_MS
_NEVER = (1 << 63) - 2


class TooRecent(Exception):  # noqa: N818 - it names what was asked
    """The moment is not far enough in the past; the argument is the latest possible one, milliseconds since 1970."""


class BrokenTrail(Exception):  # noqa: N818 - it names what was found
    """The trail does not verify, or is not what was planned for; nothing was removed by this step."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction removes: `first` to `last`, whose hash is `hash`."""

    first: int
    last: int
    hash: str

    @property
    def count(self) -> int:
        """How many events these are."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Survey:
    """What was found from the begin of the trail on.

    Attributes:
        read_to: the last event that is old enough and that every audit channel was told.
        steps: what may be removed.
        begun: requests that had begun there and not ended, and with which event they began.
    """

    read_to: int = 0
    steps: list[Step] = field(default_factory=list)
    begun: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be removed; nothing where there are no steps.

    Attributes:
        kept_for: why some events stay that are old enough; None where none do.
    """

    steps: tuple[Step, ...]
    kept_for: str | None = None

    @property
    def count(self) -> int:
        """How many events these are."""
        return sum(one.count for one in self.steps)


def survey(old: Iterable[Mapping[str, Any]], ends: Mapping[str, int], *, size: int = STEP) -> Survey:
    """Find where the trail can be cut without tearing a request apart.

    Args:
        old: the exported events that may go as far as their own age is concerned, from the first one on.
        ends: the last event of requests that have none of the six outcomes among these; greater than any where
            more is to come. What is not in here ends with its outcome.
        size: about how many events a step has.
    """
    found = Survey()
    first, worth = 0, False
    for one in old:
        seq, request_id = one["seq"], one["request_id"]
        first = first or seq
        found.read_to = seq
        # A tombstone alone is not worth another one in its place.
        worth = worth or one["event"] != PRUNED
        if ends.get(request_id, seq if one["event"] in _ENDS else _NEVER) <= seq:
            found.begun.pop(request_id, None)
        else:
            found.begun.setdefault(request_id, seq)
        if found.begun or not worth:
            continue
        # Here everything that has begun is over. A step grows from one such place to the next until it is large.
        if found.steps and found.steps[-1].count < size:
            found.steps[-1] = Step(found.steps[-1].first, seq, one["hash"])
        else:
            found.steps.append(Step(found.steps[-1].last + 1 if found.steps else first, seq, one["hash"]))
    return found


def plan(
    database: Database, *, before: int, cooldown_s: float, audit_channel: str | None = None, size: int = STEP
) -> Plan:
    """Check the trail, and find what can be removed of it.

    Args:
        database: whose trail.
        before: only events from before that moment, milliseconds since 1970.
        cooldown_s: for how long the events of a label are still needed.
        audit_channel: the one of the settings; its backlog is waited for, however old it is.
        size: about how many events a step has.

    Raises:
        TooRecent: the events of that time are still needed, for a cool-down or a quota.
        BrokenTrail: it does not verify. What a removal would destroy may be needed to find out why.
        DatabaseUnavailable: it does not answer.
    """
    now = database.write(lambda tx: tx.now)
    latest = now - max(HOUR_MS, round(cooldown_s * 1000))
    if before > latest:
        raise TooRecent(latest)
    with database.reading() as connection:
        if (fault := verification.verify(connection).fault) is not None:
            raise BrokenTrail(str(fault))
        slowest, told = _told(connection, audit_channel, now)
        untold = connection.execute(select(events.c.at).where(events.c.seq == told + 1)).scalar()
        found = survey(_old(connection, before, told), {}, size=size)
        if found.begun:
            ends = _ends(connection, list(found.begun))
            if any(end <= found.read_to for end in ends.values()):
                # Without an outcome, and nobody will give them one: what an import brought along, for instance.
                found = survey(_old(connection, before, told), ends, size=size)
    kept_for = None
    if found.begun:
        request_id, seq = next(iter(found.begun.items()))
        kept_for = f"request {request_id} begins with event {seq} and was not over by then"
    elif untold is not None and untold < before:
        kept_for = f"the audit channel {slowest} has not been told what comes after event {told}"
    return Plan(steps=tuple(found.steps), kept_for=kept_for)


def remove(tx: Transaction, step: Step) -> int:
    """Remove the events of a step and record the tombstone; returns the number of that event.

    Raises:
        BrokenTrail: these events are not, or not all, at the begin of the trail any more; the transaction must
            fail with it.
    """
    connection = tx.connection
    first = connection.execute(select(func.min(events.c.seq))).scalar()
    last_hash = connection.execute(select(events.c.hash).where(events.c.seq == step.last)).scalar()
    if (first, last_hash) != (step.first, step.hash):
        raise BrokenTrail(f"events {step.first} to {step.last} are not the first ones any more")
    if connection.dialect.name == "sqlite":
        # What is deleted must be gone from the file, too, not merely from its index.
        connection.exec_driver_sql("PRAGMA secure_delete=ON").close()
    with guard.lifted(connection):
        removed = connection.execute(delete(events).where(events.c.seq <= step.last)).rowcount
    if removed != step.count:
        raise BrokenTrail(f"{removed} events stood where {step.count} should, from {step.first} to {step.last}")
    detail = tombstone.write(step.first, step.last, step.count, step.hash)
    done = Event(event=PRUNED, request_id=trail.new_id(), asker=Asker(source="cli"), detail=detail)
    return trail.append(tx, [done])[0]


def _old(connection: Connection, before: int, told: int) -> Iterable[Mapping[str, Any]]:
    for one in trail.read(connection, trail.Filter()):
        if trail.milliseconds(one["at"]) >= before or one["seq"] > told:
            return
        yield one


def _told(connection: Connection, audit_channel: str | None, now: int) -> tuple[str | None, int]:
    """Return the audit channel that was told least, and up to which event."""
    # A channel that nobody has tried to tell for so long was given up; it would hold back everything for ever.
    followed = (channels.c.channel_id == audit_channel) | (channels.c.next_at > now - _FORGOTTEN_MS)
    asked = select(channels.c.channel_id, channels.c.seq).where(followed).order_by(channels.c.seq).limit(1)
    row = connection.execute(asked).one_or_none()
    return (None, _NEVER) if row is None else (row.channel_id, row.seq)


def _ends(connection: Connection, request_ids: list[str]) -> dict[str, int]:
    """Return the last event of each of these requests; of those that somebody is still at, one that is to come."""
    ends: dict[str, int] = {}
    for begin in range(0, len(request_ids), 500):
        some = request_ids[begin : begin + 500]
        last = select(events.c.request_id, func.max(events.c.seq)).where(events.c.request_id.in_(some))
        ends.update((row[0], row[1]) for row in connection.execute(last.group_by(events.c.request_id)))
        open_ = select(requests.c.request_id).where(requests.c.request_id.in_(some), requests.c.state != "done")
        ends.update((request_id, _NEVER) for request_id in connection.execute(open_).scalars())
    return ends
