"""The tables, as SQLAlchemy Core sees them; `bot/migrations` is what makes them.

`events` and `head` are the trail. All the others are working state: what is under way, and what Slack has
still to be told. Times are milliseconds since 1970, UTC.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text

METADATA = MetaData()

events = Table(
    "events",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("team_id", Text),
    Column("channel_id", Text),
    Column("user_id", Text),
    Column("label", Text),
    Column("kinds", Text),  # separated by blanks
    Column("event", Text, nullable=False),
    Column("http_status", Integer),
    Column("elapsed_ms", Integer),
    Column("detail", Text),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

# One row: the last event. Locked by whoever writes, so that the chain has one end; and a missing last row shows.
head = Table(
    "head",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

# What somebody typed once: one or more requests, answered together.
commands = Table(
    "commands",
    METADATA,
    Column("command_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("team_id", Text),
    Column("channel_id", Text),
    Column("user_id", Text),
    Column("admitted_at", BigInteger, nullable=False),
    Column("response_url", Text),
    Column("response_url_until", BigInteger),
    Column("announced", Boolean, nullable=False),
    Column("open_count", Integer, nullable=False),
    Column("last_turn", BigInteger),  # of its requests to be sent
    Column("reply_at", BigInteger),  # when to try next; null: nobody waits for a reply
    Column("reply_tries", Integer, nullable=False),
    Column("reply_owner", Text),
)

requests = Table(
    "requests",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("command_id", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("stations", Text, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("admitted_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # open, sending, done
    Column("attempts", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("owner", Text),
    Column("outcome", Text),
    Column("rule", Text),  # of a denial
    Column("http_status", Integer),
    Column("detail", Text),
    Column("until", BigInteger),  # when to ask again
    # Where the MPC has answered and is being asked what it has under the label: the outcome above holds already.
    Column("answered_at", BigInteger),
    Column("elapsed_ms", Integer),
    Column("finding", Text),  # JSON
)

# What a delivery of Slack's was answered, so that the same delivery gets the same answer.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("admission", Text, nullable=False),
)

# Who is alive.
processes = Table(
    "processes",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("beat_at", BigInteger, nullable=False),
)

# One row: when the MPC may be asked next, and whether asking makes sense.
pace = Table(
    "pace",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("next_at", BigInteger, nullable=False),
    Column("paused_until", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),  # `unavailable` so often in a row
    Column("broken_at", BigInteger),  # since when nobody is asked but a probe; null: all is well
    Column("broken_by", Text),
    Column("probe_at", BigInteger, nullable=False),
)

# How far each audit channel has been told.
channels = Table(
    "channels",
    METADATA,
    Column("channel_id", Text, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("owner", Text),
    Column("next_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("doubt", BigInteger),  # when a post was begun of which nobody knows yet whether Slack took it
    Column("fault", Text),  # Slack's word for a fault that only an operator can mend
    Column("told_broken_at", BigInteger),  # which breaker the channel was told of
)

# Whose App Home was opened, and is to be shown anew.
homes = Table(
    "homes",
    METADATA,
    Column("team_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("opened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("owner", Text),  # who is showing it, since `begun_at`
    Column("begun_at", BigInteger),
    Column("tries", Integer, nullable=False),
)
