"""The schema's history: what an older installation has under way is still there after an upgrade."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from bot.migrations.run import upgrade
from bot.store.database import SCHEMA, Database
from tests.conftest import database_of_kind

VERSIONS = Path(__file__).parent.parent / "bot" / "migrations"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_upgrade_keeps_what_is_under_way(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """From the first schema on, the open requests, the pace and the channel's place stay as they were."""
    with database_of_kind(kind, request, tmp_path) as url:
        database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
        config = Config()
        config.set_main_option("script_location", str(VERSIONS))
        with database.migrating() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.execute(text("INSERT INTO commands VALUES ('c', 'slash', 'T', 'C', 'U', 1, NULL, NULL, "
                                    "false, 1, NULL, 0, NULL)"))  # fmt: skip
            connection.execute(text("INSERT INTO requests VALUES ('r', 'c', 0, 'A10cnQO', 'trksub', '', 1, 1, 'open', "
                                    "0, 0, NULL, NULL, NULL, NULL, NULL, NULL)"))  # fmt: skip
            connection.execute(text("INSERT INTO channels VALUES ('C0AUDIT', 1, 7, NULL, 0, 0)"))
            connection.execute(text("UPDATE pace SET next_at = 42"))
        assert upgrade(database)
        assert not upgrade(database)
        assert database.schema() == SCHEMA
        with database.reading() as connection:
            assert connection.execute(text("SELECT label, state, finding FROM requests")).one() == (
                "A10cnQO", "open", None,
            )  # fmt: skip
            assert connection.execute(text("SELECT next_at, failures, broken_at FROM pace")).one() == (42, 0, None)
            assert connection.execute(text("SELECT seq, doubt, fault FROM channels")).one() == (7, None, None)
        database.close()
