"""PostgreSQL as it is opened."""

import psycopg
import pytest
from sqlalchemy import text

from tests.conftest import opened


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_commit_is_durable_whatever_the_servers_default_is(database_url: str) -> None:
    """A database that is set to answer before it has written is asked to write first."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off".encode())
    with opened(database_url) as database:
        assert database.write(lambda tx: tx.connection.execute(text("SHOW synchronous_commit")).scalar()) == "on"
