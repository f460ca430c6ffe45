"""The trail, which can only grow, and the working state beside it."""

import sqlalchemy as sa
from alembic import op

from bot.store import guard

revision = "0001"
down_revision = None

GENESIS = "0" * 64
OUTCOMES = "('accepted', 'rejected', 'unavailable', 'unknown', 'invalid', 'denied')"


def upgrade() -> None:
    """Make everything."""
    _trail()
    _working_state()
    guard.put_up(op.get_bind())


def _trail() -> None:
    op.create_table(
        "events",
        # For SQLite, INTEGER makes it the key of the table itself, without an index of its own beside it.
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        # Random, as the hashes below: an index of any of them would make an append dearer the longer the trail is.
        # The chain has one end because `seq` is unique; what `seq` does not show, verifying does.
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("team_id", sa.Text),
        sa.Column("channel_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("kinds", sa.Text),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("elapsed_ms", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    one_outcome = sa.text(f"event IN {OUTCOMES}")
    op.create_index(
        "one_outcome_a_request",
        "events",
        ["request_id"],
        unique=True,
        sqlite_where=one_outcome,
        postgresql_where=one_outcome,
    )
    may_have_mailed = sa.text("event IN ('accepted', 'unknown')")
    op.create_index(
        "events_that_may_have_mailed",
        "events",
        ["label", "seq"],
        sqlite_where=may_have_mailed,
        postgresql_where=may_have_mailed,
    )
    asked = sa.text("event = 'requested'")
    op.create_index("events_asked", "events", ["user_id", "at"], sqlite_where=asked, postgresql_where=asked)
    op.create_index("events_of_a_channel", "events", ["channel_id", "seq"])
    op.create_index("events_of_a_user", "events", ["user_id", "seq"])
    head = op.create_table(
        "head",
        sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.bulk_insert(head, [{"one": 1, "seq": 0, "hash": GENESIS}])


def _working_state() -> None:
    op.create_table(
        "commands",
        sa.Column("command_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("team_id", sa.Text),
        sa.Column("channel_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("admitted_at", sa.BigInteger, nullable=False),
        sa.Column("response_url", sa.Text),
        sa.Column("response_url_until", sa.BigInteger),
        sa.Column("announced", sa.Boolean, nullable=False),
        sa.Column("open_count", sa.Integer, nullable=False),
        sa.Column("reply_at", sa.BigInteger, index=True),
        sa.Column("reply_tries", sa.Integer, nullable=False),
        sa.Column("reply_owner", sa.Text),
    )
    op.create_table(
        "requests",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("command_id", sa.Text, sa.ForeignKey("commands.command_id"), nullable=False, index=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text, nullable=False),
        sa.Column("stations", sa.Text, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("admitted_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, sa.CheckConstraint("state IN ('open', 'sending', 'done')"), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("rule", sa.Text),
        sa.Column("http_status", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.Column("until", sa.BigInteger),
    )
    # Of all requests: SQLite does not see that an open one is not done. What is done leaves with its reply.
    op.create_index("requests_in_turn", "requests", ["state", "turn"])
    op.create_index("requests_of_a_label", "requests", ["label"])
    op.create_table(
        "deliveries",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("admission", sa.Text, nullable=False),
    )
    op.create_table(
        "processes",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
    )
    pace = op.create_table(
        "pace",
        sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("paused_until", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(pace, [{"one": 1, "next_at": 0, "paused_until": 0}])
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.Text, primary_key=True),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
