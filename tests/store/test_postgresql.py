"""PostgreSQL as it is opened."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

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


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_falls_silent_in_the_middle_of_a_batch_does_not_keep_the_head(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL waits for the rest of it for ever; the others end it as soon as it has been silent for long."""
    with opened(database_url) as database, psycopg.connect(database_url, application_name="actcode") as silent:
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
