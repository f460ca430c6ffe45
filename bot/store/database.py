"""The database: opens SQLite or PostgreSQL, and gives transactions whose failure is one kind of error.

It knows how long a transaction may take, and which schema it needs. It refuses to know what is stored.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from bot.store import patience
from bot.store.errors import DatabaseUnavailable, SchemaError
from bot.store.grouping import TooBusyError, Write, Writers
from bot.store.observer import Observer
from bot.store.patience import BACKGROUND_S
from bot.store.wording import sentences
from bot.store.writing import Transaction, Writer

T = TypeVar("T")

SCHEMA = "0003"
"""The revision of `bot/migrations` that this program works with; a test holds the two together."""


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
        self._writer = Writer(self.engine)
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
        with self._observed(), patience.limited(within_s), sentences(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                # Who reads an export may pause as long as they like.
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection.execution_options(actcode_reads=True)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Give a connection whose transaction changes the schema."""
        with sentences(), self.engine.begin() as connection:
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
        self._writer.close()
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
        recorded = self._writer.make(group)
        if self.observer is not None and recorded:
            self.observer.committed(recorded)


def _open(url: str, dialect: str) -> Engine:
    if dialect == "sqlite":
        from bot.store.sqlite import open_engine  # noqa: PLC0415 - one of the two is needed
    else:
        from bot.store.postgresql import open_engine  # noqa: PLC0415
    return open_engine(url)
