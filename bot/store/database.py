"""The database: opens SQLite or PostgreSQL, and gives transactions whose failure is one kind of error.

It knows how each database locks, waits and tells the time. It refuses to know what is stored.

    DatabaseError
    ├── DatabaseUnavailable   locked, full, read-only, gone: what was asked for did not happen
    │   └── HeadMissing       somebody removed the row that says where the trail ends
    └── SchemaError           it answers, but its tables are not this program's
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, text

T = TypeVar("T")

# Slack gives a command 3 s, and a writer may wait twice, for its turn and for the lock: a person must hear of a
# database that does not answer before those are over.
WAIT_S = 1.2
POOL_SIZE = 8

SCHEMA = "0002"
"""The revision of `bot/migrations` that this program works with; a test holds the two together."""

_LOCK_HEAD = {
    "sqlite": text("SELECT seq, hash FROM head WHERE one = 1"),
    "postgresql": text(
        "SELECT seq, hash, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now "
        "FROM head WHERE one = 1 FOR UPDATE"
    ),
}


class DatabaseError(Exception):
    """Something is wrong with the database; the sentence says what, without secrets."""


class DatabaseUnavailable(DatabaseError):  # noqa: N818 - it names a state that the user is told of
    """The database could not do it now; nothing of the transaction has happened, unless its answer was lost."""


class HeadMissing(DatabaseUnavailable):
    """The row that says where the trail ends is gone: nothing can be appended, and nothing shows a cut-off tail."""

    def __init__(self) -> None:
        super().__init__("the head of the trail is missing; python -m bot audit verify says more")


class SchemaError(DatabaseError):
    """The tables are missing, or older or newer than this program."""


@dataclass(slots=True)
class Transaction:
    """A write under way, alone in the whole installation.

    Attributes:
        connection: the connection it runs on.
        now: the database's clock, milliseconds since 1970.
        seq: the number of the last event of the trail; `bot.trail` moves it.
        hash: the hash of that event.
    """

    connection: Connection
    now: int
    seq: int
    hash: str


class Database:
    """One database, shared by threads.

    Args:
        url: as `bot.config` gives it: `sqlite:///…` or `postgresql+psycopg://…`.
    """

    def __init__(self, url: str) -> None:
        self.dialect = url.partition(":")[0].partition("+")[0]
        self.engine = _sqlite(url) if self.dialect == "sqlite" else _postgresql(url)
        # SQLite's own lock is a poll: threads of one process queue here, in order and without sleeping.
        self._turn = threading.Lock() if self.dialect == "sqlite" else None

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a durable transaction that no other write overlaps, and commit it.

        Raises:
            DatabaseUnavailable: it was not stored (or, where the connection broke at the commit itself, it
                may have been: whoever comes again finds out by reading).
        """
        with self._alone(), _sentences(), self.engine.begin() as connection:
            row = connection.execute(_LOCK_HEAD[self.dialect]).one_or_none()
            if row is None:
                raise HeadMissing
            now = row.now if self.dialect == "postgresql" else time.time_ns() // 1_000_000
            return work(Transaction(connection, now, row.seq, row.hash))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one state of the database and changes nothing.

        Raises:
            DatabaseUnavailable: the database did not answer.
        """
        with self.reading() as connection:
            return work(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database, for reads too long to hold in memory."""
        with _sentences(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                # Who reads an export may pause as long as they like.
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection.execution_options(actcode_reads=True)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a connection whose transaction changes the schema; no other write of this machine overlaps it."""
        with self._alone(), _sentences(), self.engine.begin() as connection:
            yield connection

    def check_schema(self) -> None:
        """Return when the tables are this program's.

        Raises:
            SchemaError: they are missing, older or newer; the sentence says what to do.
        """
        found = self.schema()
        if found is None or found < SCHEMA:
            state = "has no tables yet" if found is None else f"has an older schema ({found})"
            raise SchemaError(f"DATABASE_URL: the database {state}. Run: python -m bot db upgrade")
        if found > SCHEMA:
            raise SchemaError(
                f"DATABASE_URL: the database has schema {found}, which is newer than this program ({SCHEMA}). "
                "Nothing was changed. Install the newer version of the bot, or restore an older backup."
            )

    def schema(self) -> str | None:
        """Return the revision of the database's schema, or None where there is none yet."""

        def ask(connection: Connection) -> str | None:
            # Asked of the catalogue first: a failed SELECT would abort PostgreSQL's transaction.
            catalogue = {
                "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'",
                "postgresql": "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL",
            }
            if connection.execute(text(catalogue[self.dialect])).first() is None:
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

        return self.read(ask)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=WAIT_S):
            raise DatabaseUnavailable("the database is busy")
        try:
            yield
        finally:
            self._turn.release()


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into one error; their texts hold statements and URLs."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.DBAPIError, exc.TimeoutError) as fault:
        cause = getattr(fault, "orig", None) or fault
        first_line = next(iter(str(cause).splitlines()), "")
        raise DatabaseUnavailable(f"{type(cause).__name__}: {first_line[:200]}") from fault


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        pool_timeout=WAIT_S,
        connect_args={"timeout": WAIT_S, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # `requested` must outlive a power cut before Slack is told yes
            "foreign_keys=ON",
            "recursive_triggers=ON",  # without it OR REPLACE deletes past the triggers
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Python's sqlite3 would take the write lock at the first write: two readers turned writers then fail.
        reads = connection.get_execution_options().get("actcode_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: str) -> Engine:
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=WAIT_S,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 2,  # whole seconds; libpq takes no less
            # Plans are made once a connection, for any values: to plan anew took a quarter of a small statement's
            # time. What a good plan depends on (the events of a partial index, a LIMIT) is no parameter, therefore.
            "options": f"-c lock_timeout={int(WAIT_S * 1000)} -c statement_timeout=60000 "
            "-c idle_in_transaction_session_timeout=60000 -c plan_cache_mode=force_generic_plan",
            "application_name": "actcode",
        },
    )
