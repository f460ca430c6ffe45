"""Whether asking the MPC makes sense: after a 403, or five `unavailable` in a row, only one probe at a time does.

It knows when the breaker opens and closes, and what is turned away meanwhile. It refuses to know what an answer of
the MPC means, and to word anything. Its state lies in the database, so that it holds for every process and outlives
each of them.
"""

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, literal, literal_column, select, update

from bot.outcomes import Outcome
from bot.store import ending, queue
from bot.store.statement import Statement
from bot.store.tables import pace, requests
from bot.store.writing import Transaction

MOST_FAILURES = 5
PROBE_MS = 15_000
"""After a probe that failed, the next one waits for so long: the MPC blocks who asks too often."""

_FORBIDDEN = "HTTP 403"


class Change(Enum):
    """What an outcome did to the breaker."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The breaker is open.

    Attributes:
        by: what the last request failed with.
        probe_at: from when on a request may test whether the MPC answers again, milliseconds since 1970.
    """

    by: str
    probe_at: int


_FAILURES = Statement(select(pace.c.failures, pace.c.broken_at))
_BROKEN = Statement(select(pace.c.broken_at, pace.c.broken_by, pace.c.probe_at))


def broken(tx: Transaction) -> Broken | None:
    """Return why the MPC is not asked; None where all is well."""
    row = _BROKEN.run(tx.connection).first()
    return None if row.broken_at is None else Broken(by=row.broken_by, probe_at=row.probe_at)


def since(connection: Connection) -> tuple[int, str] | None:
    """Return since when the MPC does not serve the bot, milliseconds since 1970, and why; None where all is well."""
    row = _BROKEN.run(connection).first()
    return None if row.broken_at is None else (row.broken_at, row.broken_by)


def may_probe(tx: Transaction, found: Broken) -> bool:
    """Say whether one request may go out all the same: it is time, and no other is out."""
    out = select(literal(1)).where(queue.IS_OUT).limit(literal_column("1"))
    # A clock that was set back must not keep everybody waiting for longer than a probe waits.
    due = not tx.now < found.probe_at <= tx.now + PROBE_MS
    return due and tx.connection.execute(out).first() is None


def turn_away(tx: Transaction, found: Broken) -> list[queue.Taken]:
    """End as `unavailable` what is open; what was typed together with a probe waits for it.

    Returns:
        What was ended. The caller records it.
    """
    probing = select(requests.c.command_id).where(queue.IS_OUT)
    return ending.end_open(
        tx,
        requests.c.command_id.not_in(probing),
        outcome=Outcome.UNAVAILABLE,
        http_status=403 if found.by == _FORBIDDEN else None,
        detail=reason(found),
        until=max(found.probe_at, tx.now),
    )


def reason(found: Broken) -> str:
    """Return what stands in the trail of a request that was turned away."""
    return f"not asked, because the MPC does not serve the bot ({found.by})"


def note(tx: Transaction, outcome: str, *, http_status: int | None, detail: str | None, probe: bool) -> Change | None:
    """Take an outcome into account that a request to the MPC has ended with; returns what it changed.

    The first probe may go out as soon as the breaker opens, so that one stray 403 costs nobody an answer; each one
    that does not get through puts off the next. While it is open, only a probe that the MPC has served closes it: an
    `unknown` shows nothing, and an answer to what left before shows how it was before.
    """
    row = _FAILURES.run(tx.connection).first()
    is_open = row.broken_at is not None
    if outcome != Outcome.UNAVAILABLE:
        if is_open and not (probe and outcome != Outcome.UNKNOWN):
            if probe:
                tx.connection.execute(update(pace).values(probe_at=tx.now + PROBE_MS))
            return None
        if row.failures or is_open:
            tx.connection.execute(update(pace).values(failures=0, broken_at=None, broken_by=None))
        return Change.CLOSED if is_open else None
    by = f"HTTP {http_status}" if http_status else detail or "no connection"
    values: dict[str, object] = {"failures": row.failures + 1}
    if probe:
        values["probe_at"] = tx.now + PROBE_MS
    opens = http_status == 403 or row.failures + 1 >= MOST_FAILURES
    if is_open or opens:
        values["broken_by"] = by
    if opens and not is_open:
        values |= {"broken_at": tx.now, "probe_at": tx.now}
    tx.connection.execute(update(pace).values(values))
    return Change.OPENED if "broken_at" in values else None
