"""Brings a database to this program's schema. The only module that imports Alembic, which is slow to load."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from bot.store.database import SCHEMA, Database

# Any number will do, as long as every process that migrates takes the same.
_ADVISORY_LOCK = 7_203_040_816


def upgrade(database: Database) -> bool:
    """Bring the tables to the current schema; safe to run twice, and from several processes at once.

    Returns:
        Whether there was anything to do.

    Raises:
        bot.store.database.SchemaError: the database is newer than this program; nothing was changed.
        bot.store.database.DatabaseUnavailable: it did not answer.
    """
    if (found := database.schema()) == SCHEMA:
        return False
    if found is not None and found > SCHEMA:
        database.check_schema()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with database.migrating() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
