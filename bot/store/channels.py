"""How far each audit channel has been told, and whose turn it is to tell it more.

It knows the cursor on `seq`, when the next post may follow, and whether there is a doubt: a post was begun, and
nobody noted whether Slack took it. It refuses to know what is posted.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update

from bot.store.outbox import LEASE_MS, RETRY_MS
from bot.store.presence import channel_has_news, channel_is_due
from bot.store.tables import channels, pace
from bot.store.writing import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """This process, and no other, is to tell the channel something now.

    Attributes:
        after: up to which event the channel was told.
        told_broken_at: since when the MPC does not serve the bot, as the channel was told; None: that it does.
        broken_at: the same as it is now.
        broken_by: what the last request failed with.
        doubt: since when there may be a post that nobody noted, milliseconds since 1970; None: there is none.
        taken_at: when the turn was taken, `time.monotonic()` of this process.
    """

    after: int
    told_broken_at: int | None
    broken_at: int | None
    broken_by: str | None
    doubt: int | None
    taken_at: float


def follow(tx: Transaction, channel_id: str) -> None:
    """Begin to tell an audit channel, from here on; one that is told already goes on where it is."""
    known = tx.connection.execute(select(channels.c.seq).where(channels.c.channel_id == channel_id)).first()
    if known is None:
        new = {"channel_id": channel_id, "start": tx.seq, "seq": tx.seq, "next_at": 0, "tries": 0}
        tx.connection.execute(insert(channels).values(new))
    # What was wrong with the channel of before is nobody's concern any more; whoever still tells it finds out again.
    tx.connection.execute(update(channels).where(channels.c.channel_id != channel_id).values(fault=None))


def leap(tx: Transaction) -> None:
    """Go on behind the last event in every audit channel: what is in the trail now was shown elsewhere before."""
    # Whoever is in the middle of telling a channel must not set its place back.
    tx.connection.execute(update(channels).values(start=tx.seq, seq=tx.seq, owner=None, doubt=None))


def place(connection: Connection, channel_id: str) -> tuple[int, int] | None:
    """Return after which event the channel began to be told, and up to which it was; None where it never was."""
    asked = select(channels.c.start, channels.c.seq).where(channels.c.channel_id == channel_id)
    row = connection.execute(asked).one_or_none()
    return None if row is None else (row.start, row.seq)


def claim(tx: Transaction, channel_id: str, *, owner: str) -> Turn | float | None:
    """Take the channel's next turn to be told something; from now on there is a doubt, until somebody removes it.

    Returns:
        The turn; or for how many seconds to wait; or None where there is nothing to tell.
    """
    row = tx.connection.execute(
        select(
            channels,
            pace.c.broken_at,
            pace.c.broken_by,
            channel_has_news(tx.seq).label("news"),
            channel_is_due(tx.now).label("due"),
        )
        .where(channels.c.channel_id == channel_id)
        .select_from(channels.join(pace, pace.c.one == 1))
    ).one()
    if not row.news:
        return None
    # What this process itself has left in the middle is its own to take up again.
    if row.owner != owner and not row.due:
        return 1.0 if row.owner is not None else float(min(row.next_at - tx.now, RETRY_MS[-1]) / 1000)
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id)
        .values(owner=owner, next_at=tx.now + LEASE_MS, doubt=func.coalesce(channels.c.doubt, tx.now))
    )
    return Turn(
        after=row.seq,
        told_broken_at=row.told_broken_at,
        broken_at=row.broken_at,
        broken_by=row.broken_by,
        doubt=row.doubt,
        taken_at=tx.began_at,
    )


def renew(tx: Transaction, channel_id: str, *, owner: str) -> bool:
    """Keep a turn for as long again as a new one; False where another process has taken it meanwhile."""
    changed = tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(next_at=tx.now + LEASE_MS)
    )
    return changed.rowcount == 1


def told(
    tx: Transaction, channel_id: str, *, owner: str, seq: int, pause_ms: int, broken_at: int | None = None
) -> None:
    """Note a post: it tells up to `seq`, and of the MPC `broken_at`; the next one may follow after `pause_ms`."""
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(
            seq=seq,
            told_broken_at=broken_at,
            owner=None,
            next_at=tx.now + pause_ms,
            tries=0,
            doubt=None,
            fault=None,
        )
    )


def passed(tx: Transaction, channel_id: str, *, owner: str, seq: int) -> None:
    """Move the channel's place to `seq` without a post: there was nothing to tell up to there."""
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(seq=seq, owner=None, next_at=tx.now, doubt=None)
    )


def not_told(
    tx: Transaction, channel_id: str, *, owner: str, wait_ms: int | None, certain: bool, fault: str | None = None
) -> None:
    """Leave the channel's place where it is and try again later.

    Args:
        tx: a write.
        channel_id: which channel.
        owner: whose turn it was.
        wait_ms: how much later; None: after a growing pause.
        certain: whether Slack surely has no post that is not noted.
        fault: Slack's word for what an operator has to mend; None: nothing new is known of that.
    """
    row = tx.connection.execute(select(channels.c.tries).where(channels.c.channel_id == channel_id)).one()
    pause_ms = wait_ms if wait_ms is not None else RETRY_MS[min(row.tries, len(RETRY_MS) - 1)]
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(
            owner=None,
            next_at=tx.now + pause_ms,
            tries=row.tries + 1,
            doubt=None if certain else channels.c.doubt,
            fault=channels.c.fault if fault is None else fault,
        )
    )


def faults(connection: Connection) -> list[str]:
    """Return Slack's words for what an operator has to mend before the audit channel is told again."""
    asked = select(channels.c.fault).where(channels.c.fault.is_not(None)).order_by(channels.c.channel_id)
    return list(connection.execute(asked).scalars())
