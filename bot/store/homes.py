"""Whose App Home is open, and which are to be shown anew.

It knows when the next showing is due: at once, but not twice within a few seconds. It refuses to know what is shown.

Slack tells when an App Home is opened and never when it is closed, so each counts as open for a day, and whoever opens
it later gets a new one. It is no promise: a showing that fails a few times is dropped, and so is one whose process
died.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from bot import trail
from bot.store.statement import Statement
from bot.store.tables import homes
from bot.store.writing import Transaction
from bot.trail import Event

PAUSE_MS = 3_000
"""Between two showings to the same user; what happens in the meantime is shown together."""
LEASE_MS = 30_000
"""After which a showing counts as lost; longer than Slack's time-out."""
OPEN_MS = 86_400_000
RETRY_MS = 5_000
MOST_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """An App Home that this process is to show now.

    Attributes:
        at: the moment that it will show, milliseconds since 1970.
        tries: how often that failed before.
    """

    team_id: str
    user_id: str
    at: int
    tries: int


def opened(tx: Transaction, team_id: str, user_id: str) -> None:
    """Remember that a user has opened their App Home, and let it be shown."""
    # Writes are one at a time, so this needs no upsert, which each database words in its own way.
    known = tx.connection.execute(
        update(homes)
        .where(homes.c.team_id == team_id, homes.c.user_id == user_id)
        .values(opened_at=tx.now, due_at=_next(tx.now))
    )
    if known.rowcount == 0:
        new = {"team_id": team_id, "user_id": user_id, "opened_at": tx.now, "due_at": tx.now, "tries": 0}
        tx.connection.execute(insert(homes).values(new))


def record(tx: Transaction, events: Sequence[Event]) -> None:
    """Append events to the trail, and let the open App Homes be shown anew of those whose requests have ended."""
    trail.append(tx, events)
    ended = [one.asker for one in events if one.event in trail.OUTCOMES]
    for team_id, user_id in sorted({(one.team_id, one.user_id) for one in ended if one.team_id and one.user_id}):
        _SHOW_ANEW.later(tx.connection, team=team_id, who=user_id, now=tx.now)


def any_waiting(connection: Connection) -> bool:
    """Say whether an App Home is to be shown, now or in a moment; it costs no write."""
    return bool(_ANY_WAITING.run(connection).scalar())


def is_due(now: int | ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that an App Home is to be shown now, and nobody is at it."""
    free = homes.c.owner.is_(None) | (homes.c.begun_at <= now - LEASE_MS)
    return (homes.c.due_at <= now) & free


def claim(tx: Transaction, owner: str) -> Home | None:
    """Take the App Home that has waited longest, so that no other process shows it, too."""
    row = tx.connection.execute(select(homes).where(is_due(tx.now)).order_by(homes.c.due_at).limit(1)).one_or_none()
    if row is None:
        return None
    tx.connection.execute(
        update(homes).where(*_of(row.team_id, row.user_id)).values(owner=owner, begun_at=tx.now, due_at=None)
    )
    return Home(team_id=row.team_id, user_id=row.user_id, at=tx.now, tries=row.tries)


def shown(tx: Transaction, home: Home, owner: str) -> None:
    """Note that an App Home was shown."""
    tx.connection.execute(update(homes).where(*_of(home.team_id, home.user_id, owner)).values(owner=None, tries=0))


def not_shown(tx: Transaction, home: Home, owner: str, *, wait_ms: int | None = None) -> None:
    """Let an App Home be shown later, after `wait_ms` where Slack asks for that, unless it has failed too often."""
    tries = home.tries + 1
    again = func.coalesce(homes.c.due_at, tx.now + (wait_ms or RETRY_MS)) if tries < MOST_TRIES else homes.c.due_at
    tx.connection.execute(
        update(homes)
        .where(*_of(home.team_id, home.user_id, owner))
        .values(owner=None, due_at=again, tries=tries % MOST_TRIES)
    )


def tidy(tx: Transaction) -> None:
    """Forget those that were opened too long ago."""
    tx.connection.execute(delete(homes).where(homes.c.opened_at < tx.now - OPEN_MS))


def _of(team_id: str, user_id: str, owner: str | None = None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [homes.c.team_id == team_id, homes.c.user_id == user_id]
    return found if owner is None else [*found, homes.c.owner == owner]


def _next(now: int | ColumnElement[int]) -> ColumnElement[int]:
    soon = homes.c.begun_at + PAUSE_MS
    return case((soon > now, soon), else_=now)


_SHOW_ANEW = Statement(
    update(homes)
    .where(homes.c.team_id == bindparam("team"), homes.c.user_id == bindparam("who"), homes.c.due_at.is_(None))
    .values(due_at=_next(bindparam("now", type_=BigInteger)))
)
_ANY_WAITING = Statement(select(select(literal(1)).where(homes.c.due_at.is_not(None)).exists()))
