"""What the breaker, the look-ups, the audit channel's doubts and App Home remember."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns to the working state, and the table of open App Homes; the trail stays as it is."""
    op.add_column("pace", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("pace", sa.Column("broken_at", sa.BigInteger))
    op.add_column("pace", sa.Column("broken_by", sa.Text))
    op.add_column("pace", sa.Column("probe_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("channels", sa.Column("doubt", sa.BigInteger))
    op.add_column("channels", sa.Column("fault", sa.Text))
    op.add_column("channels", sa.Column("told_broken_at", sa.BigInteger))
    op.add_column("requests", sa.Column("elapsed_ms", sa.Integer))
    op.add_column("requests", sa.Column("answered_at", sa.BigInteger))
    op.add_column("requests", sa.Column("finding", sa.Text))
    # Whoever asks is served after their own other requests: those are looked for at each command.
    op.create_index("commands_of_a_user", "commands", ["user_id"])
    op.create_table(
        "homes",
        sa.Column("team_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, index=True),
        sa.Column("owner", sa.Text),
        sa.Column("begun_at", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
    )
