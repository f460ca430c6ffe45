"""Alembic's entry: migrates the connection that `bot.migrations.run.upgrade` hands over, and no other."""

from alembic import context

from bot.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA)
context.run_migrations()
