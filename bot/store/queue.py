"""The open requests, in turn and in pace, and who is at work on them.

It knows the order in which requests leave, when the next one may, and whose work is orphaned. It refuses to know
what is done with a request, and what an outcome means.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, literal_column, select, update

from bot.store.database import Transaction
from bot.store.presence import is_alive
from bot.store.tables import commands, pace, requests
from bot.trail import Asker

# A hair more than 1/rate between two requests: what leaves evenly arrives a little unevenly.
SPACING = 1.025

LONGEST_BOOKING_MS = 120_000
"""Twice the longest pause that the MPC is granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A request that this process, and no other, is to send now.

    Attributes:
        taken_at: when that was decided, `time.monotonic()` of this process.
        probe: it is sent to see whether the MPC serves the bot again.
    """

    request_id: str
    command_id: str
    asker: Asker
    label: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...]
    attempt: int
    taken_at: float
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to send for so long, seconds; None: until something comes in."""

    seconds: float | None


def pause_left(tx: Transaction) -> float:
    """Return for how many seconds nobody may ask the MPC."""
    until = tx.connection.execute(select(pace.c.paused_until)).scalar_one()
    return float(max(0, until - tx.now) / 1000)


def take(tx: Transaction, *, owner: str, rate_per_s: float) -> Taken | Wait:
    """Take the next request, and with it the installation's next turn at the MPC."""
    due = tx.connection.execute(select(pace.c.next_at, pace.c.paused_until)).one()
    spacing = 1000 * SPACING / rate_per_s
    # Nobody books further ahead than this: a clock that was set back must not stop everything for hours.
    free_at = max(at for at in (0, due.next_at, due.paused_until) if at <= tx.now + LONGEST_BOOKING_MS)
    row = tx.connection.execute(
        _with_asker()
        .where(requests.c.state == "open", requests.c.not_before <= tx.now)
        .order_by(requests.c.turn, requests.c.admitted_at, requests.c.request_id)
        .limit(literal_column("1"))
    ).one_or_none()
    if row is None:
        first = tx.connection.execute(
            select(func.min(requests.c.not_before)).where(requests.c.state == "open")
        ).scalar()
        return Wait(None if first is None else max(0.0, (max(first, free_at) - tx.now) / 1000))
    if free_at > tx.now:
        return Wait((free_at - tx.now) / 1000)
    tx.connection.execute(
        update(requests)
        .where(requests.c.request_id == row.request_id)
        .values(state="sending", owner=owner, attempts=row.attempts + 1)
    )
    tx.connection.execute(update(pace).values(next_at=round(tx.now + spacing)))
    return _taken(row, attempt=row.attempts + 1)


def pause(tx: Transaction, seconds: float) -> None:
    """Let nobody ask the MPC for so long."""
    until = round(tx.now + seconds * 1000)
    tx.connection.execute(update(pace).where(pace.c.paused_until < until).values(paused_until=until))


def delay(tx: Transaction, seconds: float) -> None:
    """Let the next requests leave so much later: the last one did, and they must not catch up with it."""
    tx.connection.execute(update(pace).values(next_at=pace.c.next_at + round(seconds * 1000)))


def put_back(tx: Transaction, taken: Taken, *, owner: str, wait_s: float) -> bool:
    """Open a request again that was surely not processed; False where it is not this owner's any more."""
    changed = tx.connection.execute(
        update(requests)
        .where(_held(taken, owner))
        .values(state="open", owner=None, not_before=round(tx.now + wait_s * 1000))
    )
    return changed.rowcount == 1


def reclaim(tx: Transaction, *, owner: str, at_work: Collection[str]) -> int:
    """Open again what an owner is said to be sending and, as it knows itself, is not; returns how many there were."""
    changed = tx.connection.execute(
        update(requests)
        .where(requests.c.owner == owner, requests.c.state == "sending", requests.c.request_id.not_in(at_work))
        .values(state="open", owner=None)
    )
    return changed.rowcount


def end(
    tx: Transaction,
    taken: Taken,
    *,
    owner: str,
    outcome: str,
    http_status: int | None = None,
    detail: str | None = None,
    until: int | None = None,
) -> bool:
    """End a request; False where it is not this owner's any more, and then nothing may be recorded."""
    changed = tx.connection.execute(
        update(requests)
        .where(_held(taken, owner))
        .values(state="done", owner=None, outcome=outcome, http_status=http_status, detail=detail, until=until)
        .returning(requests.c.command_id)
    ).one_or_none()
    if changed is not None:
        _count_down(tx, changed.command_id, 1)
    return changed is not None


def end_open(
    tx: Transaction,
    which: ColumnElement[bool],
    *,
    outcome: str,
    detail: str,
    http_status: int | None = None,
    until: int | None = None,
) -> list[Taken]:
    """End requests that nobody has sent; returns them."""
    rows = tx.connection.execute(_with_asker().where(which, requests.c.state == "open")).all()
    if not rows:
        return []
    ended = requests.c.request_id.in_([row.request_id for row in rows])
    tx.connection.execute(
        update(requests)
        .where(ended)
        .values(state="done", outcome=outcome, http_status=http_status, detail=detail, until=until)
    )
    for command_id, count in Counter(row.command_id for row in rows).items():
        _count_down(tx, command_id, count)
    return [_taken(row, attempt=row.attempts) for row in rows]


def withdraw(tx: Transaction, command_id: str, *, outcome: str, detail: str) -> list[Taken]:
    """End what a command has not sent yet; returns it."""
    return end_open(tx, requests.c.command_id == command_id, outcome=outcome, detail=detail)


def orphans(tx: Transaction) -> list[tuple[Taken, str]]:
    """Return the requests whose owner is dead while they were being sent, and that owner."""
    lost = _with_asker().where(requests.c.state == "sending", ~is_alive(requests.c.owner, tx.now))
    return [(_taken(row, attempt=row.attempts), row.owner) for row in tx.connection.execute(lost)]


def drop(tx: Transaction, command_ids: Iterable[str]) -> None:
    """Forget commands that were answered."""
    gone = list(command_ids)
    tx.connection.execute(delete(requests).where(requests.c.command_id.in_(gone)))
    tx.connection.execute(delete(commands).where(commands.c.command_id.in_(gone)))


def _with_asker() -> Select[Any]:
    return select(requests, commands.c.source, commands.c.team_id, commands.c.channel_id, commands.c.user_id).join(
        commands, commands.c.command_id == requests.c.command_id
    )


def _taken(row: Row[Any], *, attempt: int) -> Taken:
    return Taken(
        request_id=row.request_id,
        command_id=row.command_id,
        asker=Asker(source=row.source, team_id=row.team_id, channel_id=row.channel_id, user_id=row.user_id),
        label=row.label,
        kinds=tuple(row.kinds.split()),
        stations=tuple(row.stations.split()),
        attempt=attempt,
        taken_at=time.monotonic(),
    )


def _held(taken: Taken, owner: str) -> ColumnElement[bool]:
    """Return the condition that this attempt is under way: the same owner may have begun the next one meanwhile."""
    same = (requests.c.request_id == taken.request_id) & (requests.c.attempts == taken.attempt)
    return same & (requests.c.owner == owner) & (requests.c.state == "sending")


def _count_down(tx: Transaction, command_id: str, by: int) -> None:
    tx.connection.execute(
        update(commands).where(commands.c.command_id == command_id).values(open_count=commands.c.open_count - by)
    )
    tx.connection.execute(
        update(commands)
        .where(commands.c.command_id == command_id, commands.c.open_count == 0, commands.c.source != "cli")
        .values(reply_at=tx.now)
    )
