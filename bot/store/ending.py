"""How requests end: one by one, and with the last one of a command its asker is to be told.

It knows what follows for the rest of the command. It refuses to know what an outcome means.
"""

from collections import Counter

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    literal,
    select,
    update,
)

from bot.store.presence import NOW
from bot.store.queue import IS_HELD, Taken, held_by, taken_of, with_asker
from bot.store.statement import Statement
from bot.store.tables import commands, requests
from bot.store.writing import Transaction

_END = Statement(
    update(requests)
    .where(IS_HELD)
    .values(
        state="done",
        owner=None,
        **{name: bindparam(f"end_{name}") for name in ("outcome", "http_status", "detail", "until", "finding")},
    )
    .returning(requests.c.command_id)
)
_LEFT = commands.c.open_count - bindparam("done", type_=Integer)
_TO_BE_TOLD = and_(_LEFT == 0, commands.c.source != "cli")  # at a terminal, who asked is waiting
_COUNT_DOWN = Statement(
    update(commands)
    .where(commands.c.command_id == bindparam("of"))
    .values(open_count=_LEFT, reply_at=case((_TO_BE_TOLD, NOW), else_=commands.c.reply_at))
    .returning(commands.c.open_count)
)
_OTHER = requests.alias()
_UNANSWERED = select(literal(1)).where(
    _OTHER.c.command_id == bindparam("of"),
    (_OTHER.c.state == "open") | ((_OTHER.c.state == "sending") & _OTHER.c.answered_at.is_(None)),
)
_BEGIN_LOOK_UPS = Statement(
    update(requests)
    .where(
        requests.c.command_id == bindparam("of"),
        requests.c.state == "sending",
        requests.c.not_before > NOW,
        requests.c.finding.is_(None),
        ~_UNANSWERED.exists(),
    )
    .values(not_before=NOW)
)
_DROP = tuple(Statement(delete(table).where(table.c.command_id == bindparam("gone"))) for table in (requests, commands))


def end(
    tx: Transaction,
    taken: Taken,
    *,
    owner: str,
    outcome: str,
    http_status: int | None = None,
    detail: str | None = None,
    until: int | None = None,
    finding: str | None = None,
) -> bool:
    """End a request; False where it is not this owner's any more, and then nothing may be recorded."""
    command_id = _END.run(
        tx.connection,
        **held_by(taken, owner),
        end_outcome=outcome,
        end_http_status=http_status,
        end_detail=detail,
        end_until=until,
        end_finding=finding,
    ).scalar()
    if command_id is not None:
        _count_down(tx, command_id, 1)
    return command_id is not None


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
    rows = tx.connection.execute(with_asker().where(which, requests.c.state == "open")).all()
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
    return [taken_of(row, attempt=row.attempts) for row in rows]


def withdraw(tx: Transaction, command_id: str, *, outcome: str, detail: str) -> list[Taken]:
    """End what a command has not sent yet; returns it."""
    return end_open(tx, requests.c.command_id == command_id, outcome=outcome, detail=detail)


def drop(tx: Transaction, command_id: str) -> None:
    """Forget a command that was answered."""
    for statement in _DROP:
        statement.later(tx.connection, gone=command_id)


def begin_look_ups(tx: Transaction, command_id: str) -> None:
    """Let the labels of a command be looked up, if all of them have their answer: one look-up serves many."""
    _BEGIN_LOOK_UPS.later(tx.connection, of=command_id, now=tx.now)


def _count_down(tx: Transaction, command_id: str, by: int) -> None:
    if _COUNT_DOWN.run(tx.connection, of=command_id, done=by, now=tx.now).scalar():
        begin_look_ups(tx, command_id)
