"""Where an asker's next request goes in the queue is found without reading all of theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the last turn to commands, and let the waiting ones of a user be found by it."""
    # What waits while this runs has none: whoever asked for it is served as if for the first time.
    op.add_column("commands", sa.Column("last_turn", sa.BigInteger))
    op.drop_index("commands_of_a_user", "commands")
    waits = sa.text("open_count > 0")
    op.create_index(
        "commands_waiting_of_a_user", "commands", ["user_id", "last_turn"], sqlite_where=waits, postgresql_where=waits
    )
