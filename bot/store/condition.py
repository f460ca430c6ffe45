"""How a database is set up, who is at work on it, and how its trail ends: what the doctor looks at.

It knows whom to ask. It refuses to judge.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from bot.store import breaker, channels
from bot.store.database import Database
from bot.store.presence import DEAD_MS
from bot.store.tables import pace, processes
from bot.store.writing import Transaction

_SETUP = {
    "sqlite": "SELECT sqlite_version() AS version, (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode",
    "postgresql": "SELECT current_setting('server_version') AS version, "
    "current_setting('server_version_num')::int AS number, current_setting('fsync') AS fsync",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a database is.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        setup: what it says of itself, by the names that it has for it.
        at_work: how many processes have shown themselves lately.
        broken_by: why the MPC is only probed; None where it is asked as usual.
        untold: Slack's words for why an audit channel took no post the last time.
    """

    dialect: str
    setup: dict[str, Any]
    at_work: int
    broken_by: str | None
    untold: tuple[str, ...]


def of(database: Database) -> Condition:
    """Write, durably, and then look.

    Raises:
        DatabaseUnavailable: it cannot be written, or not be read.
    """
    now = database.write(_touch)

    def look(connection: Connection) -> Condition:
        alive = select(func.count()).select_from(processes).where(processes.c.beat_at > now - DEAD_MS)
        broken = breaker.since(connection)
        return Condition(
            dialect=database.dialect,
            setup=dict(connection.execute(text(_SETUP[database.dialect])).mappings().one()),
            at_work=connection.execute(alive).scalar_one(),
            broken_by=None if broken is None else broken[1],
            untold=tuple(channels.faults(connection)),
        )

    return database.read(look)


def _touch(tx: Transaction) -> int:
    # Changes nothing, and still goes all the way to the disk.
    tx.connection.execute(update(pace).values(next_at=pace.c.next_at))
    return tx.now
