"""The open requests, in turn and in pace, and who is at work on them.

It knows the order in which requests leave, when the next one may, and whose work is orphaned. It refuses to know
what is done with a request, and what an outcome means.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Row,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    update,
)  # fmt: skip

from bot.store import pace
from bot.store.presence import NOW, is_alive
from bot.store.statement import Statement
from bot.store.tables import commands, requests
from bot.store.writing import Transaction
from bot.trail import Asker

IS_OUT = (requests.c.state == "sending") & requests.c.answered_at.is_(None)
"""The condition that a request may be on its way to the MPC, or waits for its answer."""


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
    """There is nothing to send for so long, seconds; None: until something comes in.

    Attributes:
        paced: nothing may leave before, whatever comes in.
    """

    seconds: float | None
    paced: bool = False


def sooner(one: Wait, other: Wait) -> Wait:
    """Return what ends first."""
    seconds = min((wait.seconds for wait in (one, other) if wait.seconds is not None), default=None)
    return Wait(seconds, paced=one.paced and other.seconds is None)


def take(tx: Transaction, *, owner: str, rate_per_s: float) -> Taken | Wait:
    """Take the next request, and with it the installation's next turn at the MPC."""
    free_at = pace.turn_at(tx)
    row = _NEXT.run(tx.connection, now=tx.now).first()
    if row is None:
        first = _NEXT_AT.run(tx.connection).scalar()
        return Wait(None if first is None else max(0.0, (max(first, free_at) - tx.now) / 1000))
    if free_at > tx.now:
        return Wait((free_at - tx.now) / 1000, paced=True)
    _TAKE.later(tx.connection, taken=row.request_id, taker=owner)
    pace.take_turn(tx, rate_per_s, turn=free_at)
    # The turn is counted from that moment on, and so is how late its request leaves.
    return replace(taken_of(row, attempt=row.attempts + 1), taken_at=tx.began_at)


def put_back(tx: Transaction, taken: Taken, *, owner: str, wait_s: float) -> bool:
    """Open a request again that was surely not processed; False where it is not this owner's any more."""
    not_before = round(tx.now + wait_s * 1000)
    return _PUT_BACK.run(tx.connection, **held_by(taken, owner), later=not_before).count == 1


def reclaim(tx: Transaction, *, owner: str, at_work: Collection[str]) -> int:
    """Open again what an owner is said to be sending and, as it knows itself, is not; returns how many there were."""
    changed = tx.connection.execute(
        update(requests)
        .where(requests.c.owner == owner, IS_OUT, requests.c.request_id.not_in(at_work))
        .values(state="open", owner=None)
    )
    return changed.rowcount


def orphans(tx: Transaction) -> list[tuple[Taken, str]]:
    """Return the requests whose owner is dead while they were being sent, and that owner."""
    lost = with_asker().where(IS_OUT, ~is_alive(requests.c.owner, tx.now))
    return [(taken_of(row, attempt=row.attempts), row.owner) for row in tx.connection.execute(lost)]


def with_asker() -> Select[Any]:
    """Return the query for requests, from which `taken_of` makes what it says."""
    return select(requests, commands.c.source, commands.c.team_id, commands.c.channel_id, commands.c.user_id).join(
        commands, commands.c.command_id == requests.c.command_id
    )


IS_HELD = (
    (requests.c.request_id == bindparam("held"))
    # The same owner may have begun the next attempt meanwhile.
    & (requests.c.attempts == bindparam("attempt"))
    & (requests.c.owner == bindparam("holder"))
    & (requests.c.state == "sending")
)
"""The condition that an attempt is under way; `held_by` says which."""

_NEXT = Statement(
    with_asker()
    .where(requests.c.state == "open", requests.c.not_before <= NOW)
    .order_by(requests.c.turn, requests.c.admitted_at, requests.c.request_id)
    .limit(literal_column("1"))
)
_NEXT_AT = Statement(select(func.min(requests.c.not_before)).where(requests.c.state == "open"))
_TAKE = Statement(
    update(requests)
    .where(requests.c.request_id == bindparam("taken"))
    .values(state="sending", owner=bindparam("taker"), attempts=requests.c.attempts + 1)
)
_PUT_BACK = Statement(
    update(requests).where(IS_HELD).values(state="open", owner=None, not_before=bindparam("later", type_=BigInteger))
)


def taken_of(row: Row[Any], *, attempt: int) -> Taken:
    """Return what a row of `with_asker` says, as of now."""
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


def held_by(taken: Taken, owner: str) -> dict[str, object]:
    """Return the parameters of `IS_HELD`."""
    return {"held": taken.request_id, "attempt": taken.attempt, "holder": owner}
