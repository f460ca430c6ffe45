"""Who is alive, and what there is to do: what every process looks at every two seconds.

A process shows itself by a row that it touches; it is judged by the database's clock, so that machines need not
agree on the time.
"""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, delete, literal, select, text, update

from bot.store import homes
from bot.store.statement import Statement
from bot.store.tables import channels, commands, deliveries, pace, processes, requests
from bot.store.writing import Transaction

DEAD_MS = 8_000
"""A process that has not shown itself for so long is taken for dead; it shows itself every `BEAT_S`."""
BEAT_S = 2.0

LONGEST_PAUSE_MS = 1_200_000
"""No channel is paused for longer: what says so was written before the clock was set back."""

LOOK_UP_WITHIN_MS = 2_000
"""A label is looked up within this time after the answer to its request, or not at all: its asker waits."""
CHECK_WITHIN_MS = 20_000
"""The same where looking up is all that was asked for."""
CHECKED = "checked"
"""Stands for the outcome of what is only looked up: no request is made, and the trail has no event of it."""

NOW = bindparam("now", type_=BigInteger)
"""The time, in statements that are built once: building a statement costs several times what running it does."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What there is to do: requests to send, or to end for others, replies or Homes to make, a channel to be told."""

    send: bool
    rescue: bool
    reply: bool
    tell: bool


_BEAT = Statement(
    text("""
        INSERT INTO processes (owner, beat_at) VALUES (:owner, :now)
        ON CONFLICT (owner) DO UPDATE SET beat_at = excluded.beat_at
    """)
)


def beat(tx: Transaction, owner: str) -> None:
    """Show that `owner` is alive."""
    _BEAT.later(tx.connection, owner=owner, now=tx.now)


def leave(tx: Transaction, owner: str) -> None:
    """Say that `owner` has ended; what it left in the middle is orphaned from now on."""
    tx.connection.execute(delete(processes).where(processes.c.owner == owner))


def tidy(tx: Transaction) -> None:
    """Drop working state that has served: old answers, dead processes, replies nobody waits for, expired URLs."""
    tx.connection.execute(delete(deliveries).where(deliveries.c.at < tx.now - _DAY_MS))
    homes.tidy(tx)
    tx.connection.execute(delete(processes).where(processes.c.beat_at < tx.now - _DAY_MS))
    tx.connection.execute(
        update(commands)
        .where(commands.c.response_url_until < tx.now)
        .values(response_url=None, response_url_until=None)
    )
    # Of a terminal that ended before it read its outcomes.
    forgotten = select(commands.c.command_id).where(
        commands.c.open_count == 0, commands.c.reply_at.is_(None), commands.c.admitted_at < tx.now - _DAY_MS
    )
    tx.connection.execute(delete(requests).where(requests.c.command_id.in_(forgotten)))
    tx.connection.execute(delete(commands).where(commands.c.command_id.in_(forgotten)))


def look(tx: Transaction, *, announce_after_ms: int) -> Work:
    """Return what there is to do, in one small query; who has waited for `announce_after_ms` is due a word."""
    found = _look().run(tx.connection, now=tx.now, silent_since=tx.now - announce_after_ms, last=tx.seq).first()
    return Work(send=bool(found.send), rescue=bool(found.rescue), reply=bool(found.reply), tell=bool(found.tell))


@cache
def _look() -> Statement:
    sends = select(literal(1)).where(requests.c.state == "open", requests.c.not_before <= NOW)
    left = ~is_alive(requests.c.owner, NOW) | look_up_is_overdue(NOW)
    lost = select(literal(1)).where(requests.c.state == "sending", left)
    waits = (
        commands.c.announced.is_(False)
        & (commands.c.open_count > 0)
        & (commands.c.admitted_at < bindparam("silent_since", type_=BigInteger))
        & (commands.c.response_url_until > NOW)
    )
    due = select(literal(1)).where(reply_is_due(NOW) | waits)
    show = select(literal(1)).where(homes.is_due(NOW))
    behind = select(literal(1)).where(channel_has_news(bindparam("last", type_=BigInteger)), channel_is_due(NOW))
    return Statement(
        select(
            sends.exists().label("send"),
            lost.exists().label("rescue"),
            (due.exists() | show.exists()).label("reply"),
            behind.exists().label("tell"),
        )
    )


def is_alive(owner: ColumnElement[str | None], now: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that `owner` has shown itself lately."""
    lately = select(literal(1)).where(processes.c.owner == owner, processes.c.beat_at > now - DEAD_MS)
    return lately.exists()


def look_up_is_overdue(now: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the MPC has answered, and that nobody has looked the label up in time."""
    patience = case((requests.c.outcome == CHECKED, CHECK_WITHIN_MS), else_=LOOK_UP_WITHIN_MS)
    return requests.c.answered_at.is_not(None) & (requests.c.not_before + patience <= now)


def reply_is_due(now: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a reply is to be made: it is time, or whoever was at it is dead."""
    left = commands.c.reply_owner.is_not(None) & ~is_alive(commands.c.reply_owner, now)
    return (commands.c.reply_at <= now) | left


def channel_has_news(last: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a channel was not told all: of events up to `last`, or whether the MPC is asked."""
    broken_at = select(pace.c.broken_at).where(pace.c.one == 1).correlate(None).scalar_subquery()
    return (channels.c.seq < last) | channels.c.told_broken_at.is_distinct_from(broken_at)


def channel_is_due(now: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a channel may be told something: its pause is over, or whoever was at it is dead."""
    left = channels.c.owner.is_not(None) & ~is_alive(channels.c.owner, now)
    return (channels.c.next_at <= now) | (channels.c.next_at > now + LONGEST_PAUSE_MS) | left
