"""PostgreSQL as it is opened."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url, text

from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.patience import ANSWER_S
from bot.store.postgresql import HELD_S
from tests.conftest import opened
from tests.processes import until


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_commit_is_durable_whatever_the_servers_default_is(database_url: str) -> None:
    """A database that is set to answer before it has written is asked to write first."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off".encode())
    with opened(database_url) as database:
        assert database.write(lambda tx: tx.connection.execute(text("SHOW synchronous_commit")).scalar()) == "on"


def also(url: str, **parameters: str) -> str:
    """Return a URL with more parameters behind it."""
    return make_url(url).update_query_dict(parameters).render_as_string(hide_password=False)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_options_of_the_url_tell_where_the_tables_are(database_url: str) -> None:
    """Whoever names a schema or a role there finds the trail in it, and nothing in another place."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
    with opened(also(database_url, options="-csearch_path=elsewhere")) as database:
        assert database.schema() is not None
        tables = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('events', 'alembic_version')"
        assert database.read(lambda connection: connection.execute(text(tables)).scalars().all()) == ["elsewhere"]
    with closing(Database(also(database_url, options="-csearch_path=elsewhere").replace("://", "+psycopg://"))) as same:
        assert same.schema() is not None
    with closing(Database(database_url.replace("://", "+psycopg://"))) as other:
        assert other.schema() is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_limits_of_the_bot_win_over_the_url(database_url: str) -> None:
    """Whatever an operator writes there, nobody waits for longer, and what is stored is durable."""
    weak = "-c lock_timeout=0 -c statement_timeout=0 -c synchronous_commit=off -c application_name=x -c work_mem=8MB"
    asked = {"options": weak, "application_name": "mine", "connect_timeout": "99", "keepalives": "0"}
    with opened(also(database_url, **asked)) as database, database.reading() as connection:
        shown = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in SHOWN}
        info = connection.connection.dbapi_connection.info  # type: ignore[union-attr]
        told = info.get_parameters()
    assert shown == SHOWN
    assert (told["connect_timeout"], told.get("keepalives", "1")) == ("2", "1")


SHOWN = {
    "lock_timeout": "1200ms",
    "statement_timeout": "1min",
    "synchronous_commit": "on",
    "application_name": "actcode",
    "work_mem": "8MB",
}


@pytest.mark.parametrize(
    "asked",
    [{"host": "a..b"}, {"host": "x" * 64}, {"port": "abc"}, {"host": "a:b:c"}, {"host": "a,b", "port": "1,2,3"}],
)
def test_an_address_that_cannot_be_one_is_a_sentence(asked: dict[str, str]) -> None:
    """It is told like a server that does not answer, and not by a traceback."""
    with pytest.raises(DatabaseUnavailable), closing(Database(also("postgresql+psycopg:///actcode", **asked))) as made:
        made.schema()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_write_tells_the_time_at_which_its_turn_came(database_url: str) -> None:
    """Whoever waited for another that changed nothing is not told the time from before the wait."""
    with opened(database_url) as database, ThreadPoolExecutor(1) as pool:
        with psycopg.connect(database_url) as other:
            other.execute("SELECT 1 FROM head FOR UPDATE")
            waiting = pool.submit(database.write, lambda tx: tx.now)
            until(lambda: _waits(database_url))
            row = other.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
        assert row is not None
        assert waiting.result(10) >= row[0]


@pytest.fixture(params=["as who logs in", "in another role"])
def own_url(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """Give the URL of a PostgreSQL's database, also with a role in it to whom its tables belong."""
    if request.param == "as who logs in":
        yield database_url
        return
    role = f"r{uuid.uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        connection.execute(f"GRANT ALL ON SCHEMA public TO {role}".encode())
        yield also(database_url, options=f"-crole={role}")
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_falls_silent_in_the_middle_of_a_batch_does_not_keep_the_head(
    own_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL waits for the rest of it for ever; the others end it as soon as it has been silent for long."""
    with opened(own_url) as database, psycopg.connect(own_url, application_name="actcode") as silent:
        with contextlib.suppress(psycopg.OperationalError), silent.pipeline():
            silent.execute("SELECT 1 FROM head FOR UPDATE")
            begun = time.monotonic()

            def written() -> bool:
                with contextlib.suppress(DatabaseUnavailable):
                    database.write(lambda _: None, within_s=ANSWER_S)
                    return True
                return False

            until(written)
            assert HELD_S < time.monotonic() - begun < HELD_S + 2 * ANSWER_S
        assert silent.closed
    assert [one.message for one in caplog.records if "fell silent" in one.message] != []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_is_slow_at_something_else_is_left_alone(database_url: str) -> None:
    """Another program's batch, and a reader who pauses, hold up a write, or nobody; neither is ended."""
    with (
        opened(database_url) as database,
        psycopg.connect(database_url, application_name="psql") as other,
        psycopg.connect(database_url, application_name="actcode") as reader,
    ):
        reader.execute("SELECT 1")
        with other.pipeline():
            other.execute("SELECT 1 FROM head FOR UPDATE")
            end = time.monotonic() + HELD_S + ANSWER_S
            while time.monotonic() < end:
                with pytest.raises(DatabaseUnavailable):
                    database.write(lambda _: None, within_s=ANSWER_S)
        other.rollback()
        assert reader.execute("SELECT 2").fetchone() == (2,)
        database.write(lambda _: None)


def _waits(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(waiting).fetchone() is not None
