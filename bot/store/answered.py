"""Requests that the MPC has answered and whose labels are still to be looked up; the answer is stored already.

It knows when a look-up is due and which ones go together. It refuses to know how a label is looked up, and what is
found. Whatever happens meanwhile, such a request ends with the outcome that is stored, and is never sent again.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, literal_column, select, update

from bot import wamo
from bot.answers import Answer
from bot.store import ending, pace, queue
from bot.store.presence import CHECKED, NOW, is_alive, look_up_is_overdue
from bot.store.queue import Taken, Wait
from bot.store.statement import Statement
from bot.store.tables import commands, requests
from bot.store.writing import Transaction

LOOK_UP_MS = 3_000
"""How long an asker waits for a look-up, its turn in the pace included."""
SIBLINGS_MS = 10_000
"""How long an answer waits for those of the other labels of its command."""

NOTHING_YET = "null"
"""The JSON of a finding whose look-up has begun."""

_ANSWERED = (requests.c.state == "sending") & requests.c.answered_at.is_not(None)
_WAITING = _ANSWERED & requests.c.finding.is_(None)

_KEEP = Statement(
    update(requests)
    .where(queue.IS_HELD)
    .values(
        {
            name: bindparam(f"kept_{name}")
            for name in ("outcome", "http_status", "detail", "elapsed_ms", "answered_at", "not_before")
        }
    )
    .returning(requests.c.command_id)
)
_FIRST = Statement(
    select(requests.c.command_id, requests.c.kinds, requests.c.not_before)
    .where(_WAITING, ~look_up_is_overdue(NOW))
    .order_by(requests.c.not_before)
    .limit(literal_column("1"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request with its answer.

    Attributes:
        outcome: `CHECKED` where no request was made.
    """

    request: Taken
    owner: str
    outcome: str
    http_status: int | None
    detail: str | None
    until: int | None
    elapsed_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn at the MPC, for one look-up.

    Attributes:
        answered: those whose labels are looked up, one or more.
        within_s: how long that may take, seconds.
        taken_at: as of `Taken`.
    """

    answered: tuple[Answered, ...]
    within_s: float
    taken_at: float


def keep(tx: Transaction, request: Taken, *, owner: str, answer: Answer) -> bool:
    """Store the answer to a request that then waits for its look-up; False where it is not this owner's any more."""
    command_id = _KEEP.run(
        tx.connection,
        **queue.held_by(request, owner),
        kept_outcome=answer.outcome,
        kept_http_status=answer.http_status,
        kept_detail=answer.detail,
        kept_elapsed_ms=answer.elapsed_ms,
        kept_answered_at=tx.now,
        kept_not_before=tx.now + SIBLINGS_MS,
    ).scalar()
    if command_id is not None:
        ending.begin_look_ups(tx, command_id)
    return command_id is not None


def check(tx: Transaction, command_id: str, *, owner: str) -> None:
    """Turn the open requests of a command that was just added into look-ups, and nothing else."""
    tx.connection.execute(
        update(requests)
        .where(requests.c.command_id == command_id, requests.c.state == "open")
        .values(state="sending", owner=owner, outcome=CHECKED, answered_at=tx.now, not_before=tx.now)
    )
    # Whoever only looks up is served no later for it.
    tx.connection.execute(update(commands).where(commands.c.command_id == command_id).values(last_turn=None))


def take(tx: Transaction, *, owner: str, rate_per_s: float) -> Turn | Wait:
    """Take the installation's next turn at the MPC for the look-up that is due first, with all that go with it."""
    first = _FIRST.run(tx.connection, now=tx.now).first()
    if first is None:
        return Wait(None)
    free_at = pace.turn_at(tx)
    if (at := max(first.not_before, free_at)) > tx.now:
        return Wait((at - tx.now) / 1000)
    own = (requests.c.command_id == first.command_id) & (requests.c.not_before <= tx.now)
    due = _answered(tx, _WAITING & ~look_up_is_overdue(tx.now) & own)
    of_submission = wamo.is_submission(first.kinds.split())
    together = [one for one in due if wamo.is_submission(one.request.kinds) is of_submission]
    together = together[:1] if of_submission else together
    taken = requests.c.request_id.in_([one.request.request_id for one in together])
    # Should nobody hear of this, it is overdue when a look-up would have been over.
    tx.connection.execute(
        update(requests).where(taken).values(owner=owner, finding=NOTHING_YET, not_before=tx.now + LOOK_UP_MS)
    )
    pace.take_turn(tx, rate_per_s, turn=free_at)
    waited_ms = 0 if together[0].outcome == CHECKED else tx.now - first.not_before
    return Turn(
        answered=tuple(together),
        within_s=(LOOK_UP_MS - waited_ms) / 1000,
        taken_at=tx.began_at,
    )


def given_up(tx: Transaction) -> list[Answered]:
    """Return those that nobody has looked up in time, and those whose owner is dead."""
    return _answered(tx, _ANSWERED & (~is_alive(requests.c.owner, tx.now) | look_up_is_overdue(tx.now)))


def waiting(tx: Transaction, *, owner: str | None = None) -> list[Answered]:
    """Return those whose look-up has not begun, of one owner or of all."""
    whose = requests.c.owner == owner if owner is not None else _ANSWERED
    return _answered(tx, _WAITING & whose)


def end(tx: Transaction, one: Answered, *, owner: str, finding: str | None) -> bool:
    """End a request with the outcome that is stored; False where it is not this owner's any more."""
    return ending.end(
        tx,
        one.request,
        owner=owner,
        outcome=one.outcome,
        http_status=one.http_status,
        detail=one.detail,
        until=one.until,
        finding=finding,
    )


def _answered(tx: Transaction, which: ColumnElement[bool]) -> list[Answered]:
    rows = tx.connection.execute(queue.with_asker().where(which).order_by(requests.c.place)).all()
    return [_one(row) for row in rows]


def _one(row: Row[Any]) -> Answered:
    return Answered(
        request=queue.taken_of(row, attempt=row.attempts),
        owner=row.owner,
        outcome=row.outcome,
        http_status=row.http_status,
        detail=row.detail,
        until=row.until,
        elapsed_ms=row.elapsed_ms,
    )
