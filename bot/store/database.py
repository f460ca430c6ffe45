"""The database: opens SQLite or PostgreSQL, and gives transactions whose failure is one kind of error.

It knows transactions, and whether one that failed may have happened all the same. It refuses to know what is stored.

    DatabaseError
    ├── DatabaseUnavailable   locked, full, read-only, gone: what was asked for did not happen
    │   ├── CommitUnheard     … or it did: whether the commit was stored is not known
    │   └── HeadMissing       somebody removed the row that says where the trail ends
    └── SchemaError           it answers, but its tables are not this program's
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import Connection, Engine, RootTransaction, exc, text

from bot.store import patience
from bot.store.grouping import TooBusyError, Write, Writers
from bot.store.observer import Observer
from bot.store.patience import BACKGROUND_S
from bot.store.statement import Statement

T = TypeVar("T")

SCHEMA = "0002"
"""The revision of `bot/migrations` that this program works with; a test holds the two together."""

_LOCK_HEAD = {
    "sqlite": Statement(text("SELECT seq, hash FROM head WHERE one = 1")),
    "postgresql": Statement(
        text(
            # The time is taken behind the lock: beside it, it would be that of before the wait for it.
            "SELECT seq, hash, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now "
            "FROM (SELECT seq, hash FROM head WHERE one = 1 FOR UPDATE) AS locked"
        )
    ),
}
_SET_APART = Statement(text("SAVEPOINT one"))
_KEEP = Statement(text("RELEASE SAVEPOINT one"))
_TAKE_BACK = Statement(text("ROLLBACK TO SAVEPOINT one"))

# What SQLite says of a commit that it could not even write; after a failed fsync, say, the next start may find it.
# PostgreSQL takes back what it answers an error to, and so only a connection that broke leaves a doubt.
_NOT_WRITTEN = {"SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY"}


class DatabaseError(Exception):
    """Something is wrong with the database; the sentence says what, without secrets."""


class DatabaseUnavailable(DatabaseError):  # noqa: N818 - it names a state that the user is told of
    """The database could not do it now; nothing of the transaction has happened."""


class CommitUnheard(DatabaseUnavailable):
    """The commit was asked for, and its answer was lost: the transaction may have happened, or may not."""


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
        began_at: the moment of `now`, `time.monotonic()`; what was written before in it has taken time since.
        recorded: what the events are called that `bot.trail` has appended.
    """

    connection: Connection
    now: int
    seq: int
    hash: str
    began_at: float
    recorded: list[str] = field(default_factory=list)


class Database:
    """One database, shared by threads.

    Args:
        url: as `bot.config` gives it: `sqlite:///…` or `postgresql+psycopg://…`.

    Attributes:
        observer: is told what is committed, and what fails; None: nobody is.
        writers: the threads that write, each in its turn.
    """

    observer: Observer | None = None

    def __init__(self, url: str) -> None:
        self.dialect = url.partition(":")[0].partition("+")[0]
        self.engine = _open(url, self.dialect)
        # The databases' own locks are for processes: SQLite's is a poll, and each turn at PostgreSQL's is a commit.
        self.writers = Writers(self._make)

    def write(self, work: Callable[[Transaction], T], *, within_s: float | None = BACKGROUND_S) -> T:
        """Run `work` in a durable transaction that no other write overlaps, and commit it.

        Args:
            work: what is to be done.
            within_s: give up after so long; None: as long as it takes.

        Raises:
            DatabaseUnavailable: it was not stored.
            CommitUnheard: it may have been stored; whoever comes again finds out by reading.
        """
        with self._observed(), patience.limited(within_s):
            try:
                return self.writers.write(work)
            except TooBusyError:
                raise DatabaseUnavailable("the database is busy") from None

    def read(self, work: Callable[[Connection], T], *, within_s: float | None = BACKGROUND_S) -> T:
        """Run `work` in a transaction that sees one state of the database and changes nothing; see `write`.

        Raises:
            DatabaseUnavailable: the database did not answer.
        """
        with self.reading(within_s=within_s) as connection:
            return work(connection)

    @contextmanager
    def reading(self, *, within_s: float | None = None) -> Iterator[Connection]:
        """Give a connection that sees one state of the database, for reads too long to hold in memory."""
        with self._observed(), patience.limited(within_s), _sentences(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                # Who reads an export may pause as long as they like.
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection.execution_options(actcode_reads=True)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a connection whose transaction changes the schema."""
        with _sentences(), self.engine.begin() as connection:
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
    def _observed(self) -> Iterator[None]:
        try:
            yield
        except DatabaseUnavailable:
            if self.observer is not None:
                self.observer.unavailable()
            raise

    def _make(self, group: Sequence[Write]) -> None:
        """Make writes in one transaction; one that fails takes nothing with it but itself."""
        with _sentences(), self.engine.begin() as connection:
            row = _LOCK_HEAD[self.dialect].run(connection).first()
            if row is None:
                raise HeadMissing
            now = row.now if self.dialect == "postgresql" else time.time_ns() // 1_000_000
            tx = Transaction(connection, now, row.seq, row.hash, time.monotonic())
            if len(group) == 1:
                group[0].result = group[0].work(tx)
            else:
                for one in group:
                    tx = _apart(one, tx)
            _commit(connection.get_transaction())
        if self.observer is not None and tx.recorded:
            self.observer.committed(tx.recorded)


def _apart(one: Write, tx: Transaction) -> Transaction:
    """Run a write beside others; returns the transaction for the next one."""
    before = replace(tx, recorded=tx.recorded.copy())
    _SET_APART.run(tx.connection)
    try:
        with _sentences():
            one.result = one.work(tx)
    except Exception as fault:
        if tx.connection.invalidated:
            raise  # with the connection, what the others have done on it is gone
        one.fault = fault
        _TAKE_BACK.run(tx.connection)
        return before
    _KEEP.run(tx.connection)
    return tx


def _open(url: str, dialect: str) -> Engine:
    if dialect == "sqlite":
        from bot.store.sqlite import open_engine  # noqa: PLC0415 - one of the two is needed
    else:
        from bot.store.postgresql import open_engine  # noqa: PLC0415
    return open_engine(url)


def _commit(transaction: RootTransaction | None) -> None:
    assert transaction is not None  # noqa: S101 - it has been begun by whoever gave the connection
    try:
        transaction.commit()
    except exc.DBAPIError as fault:
        kind = getattr(fault.orig, "sqlite_errorname", None)
        if kind in _NOT_WRITTEN or (kind is None and not fault.connection_invalidated):
            raise
        raise CommitUnheard(_first_line(fault)) from fault


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into one error; their texts hold statements and URLs."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.DBAPIError, exc.TimeoutError, exc.PendingRollbackError) as fault:
        raise DatabaseUnavailable(_first_line(fault)) from fault


def _first_line(fault: Exception) -> str:
    cause = getattr(fault, "orig", None) or fault
    return f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')[:200]}"
