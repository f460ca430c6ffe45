"""What must be known of an asker, and of a label, before a command is decided.

One query each: every query is a way to the database and back, and somebody is waiting. It refuses to know what follows
from it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from bot.store.presence import CHECKED
from bot.store.statement import Statement
from bot.trail import Asker

COUNTED = 1_000
"""Of a longer queue nobody counts who is ahead: a command is acknowledged as soon as in a short one."""

# The conditions on `events` and on `open_count` stand in the words of the indexes of `bot/migrations`.
_OF_USER, _OF_TERMINAL = (
    Statement(
        text(f"""
            WITH turns AS MATERIALIZED (
                SELECT
                    coalesce((SELECT min(turn) FROM requests WHERE state = 'open'), 0) AS serving,
                    coalesce((SELECT max(last_turn) FROM commands WHERE {whose} AND open_count > 0), -1) + 1 AS next
            ), own AS MATERIALIZED (
                SELECT CASE WHEN serving > next THEN serving ELSE next END AS turn FROM turns
            )
            SELECT
                turn,
                (SELECT count(*) FROM (
                    SELECT 1 FROM requests WHERE state = 'open' AND turn <= own.turn ORDER BY turn LIMIT {COUNTED}
                ) AS before) AS ahead,
                (SELECT paused_until FROM pace) AS paused_until,
                (SELECT admission FROM deliveries WHERE key = :key) AS kept,
                (SELECT count(*) FROM (
                    SELECT 1 FROM events WHERE {whose} AND event = 'requested' AND at > :since LIMIT :count
                ) AS lately) AS asked
            FROM own
        """)  # noqa: S608 - nothing of a user's is in it
    )
    for whose in ("user_id = :user_id", "user_id IS NULL")
)
_OF_LABEL = Statement(
    text(f"""
        SELECT
            EXISTS (
                SELECT 1 FROM requests
                WHERE label = :label AND state <> 'done' AND coalesce(outcome, '') <> '{CHECKED}'
            ) AS under_way,
            (
                SELECT at FROM events
                WHERE label = :label AND event IN ('accepted', 'unknown') ORDER BY seq DESC LIMIT 1
            ) AS last_mail
    """)  # noqa: S608 - nor in this
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an asker stands.

    Attributes:
        kept: what this delivery was answered when it came before; None: it is new.
        turn: of their next request: after their own, but not after others' later ones.
        ahead: how many of the open requests leave before that; `COUNTED`: so many, or more.
        pause_s: for how long nobody may ask the MPC, seconds.
        asked: how many labels they have asked for lately, as far as they were counted.
    """

    kept: str | None
    turn: int
    ahead: int
    pause_s: float
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a label.

    Attributes:
        under_way: it is being asked for.
        last_mail: when it was last accepted or may have been, milliseconds since 1970; None: never.
    """

    under_way: bool
    last_mail: int | None


def of_asker(
    connection: Connection, asker: Asker, *, now: int, key: str | None = None, since: int = 0, count: int = 0
) -> Standing:
    """Return where an asker stands.

    Args:
        connection: of the write in which it is decided.
        asker: who asks; the terminal's are one.
        now: the database's clock, milliseconds since 1970.
        key: of the delivery.
        since: from when on it is counted what they have asked for, milliseconds since 1970.
        count: so far it is counted at most.
    """
    statement = _OF_TERMINAL if asker.user_id is None else _OF_USER
    row = statement.run(connection, key=key, user_id=asker.user_id, since=since, count=count).first()
    return Standing(
        kept=row.kept,
        turn=row.turn,
        ahead=row.ahead,
        pause_s=max(0, row.paused_until - now) / 1000,
        asked=row.asked,
    )


def of_label(connection: Connection, label: str) -> Known:
    """Return what is known of a label."""
    row = _OF_LABEL.run(connection, label=label).first()
    return Known(under_way=bool(row.under_way), last_mail=row.last_mail)
