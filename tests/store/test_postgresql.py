"""PostgreSQL as it is opened."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

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


def _waits(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(waiting).fetchone() is not None
