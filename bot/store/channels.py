"""How far each audit channel has been told, and whose turn it is to tell it more.

It knows the cursor on `seq`, and when the next post may follow. It refuses to know what is posted.
"""

from sqlalchemy import Connection, insert, select, update

from bot.store.database import Transaction
from bot.store.outbox import RETRY_MS
from bot.store.presence import is_alive
from bot.store.tables import channels


def follow(tx: Transaction, channel_id: str) -> None:
    """Begin to tell an audit channel, from here on; one that is told already goes on where it is."""
    known = tx.connection.execute(select(channels.c.seq).where(channels.c.channel_id == channel_id)).first()
    if known is None:
        new = {"channel_id": channel_id, "start": tx.seq, "seq": tx.seq, "next_at": 0, "tries": 0}
        tx.connection.execute(insert(channels).values(new))


def leap(tx: Transaction) -> None:
    """Go on behind the last event in every audit channel: what is in the trail now was shown elsewhere before."""
    # Whoever is in the middle of telling a channel must not set its place back.
    tx.connection.execute(update(channels).values(start=tx.seq, seq=tx.seq, owner=None))


def place(connection: Connection, channel_id: str) -> tuple[int, int] | None:
    """Return after which event the channel began to be told, and up to which it was; None where it never was."""
    asked = select(channels.c.start, channels.c.seq).where(channels.c.channel_id == channel_id)
    row = connection.execute(asked).one_or_none()
    return None if row is None else (row.start, row.seq)


def claim(tx: Transaction, channel_id: str, *, owner: str) -> int | float:
    """Take the channel's next turn to be told something.

    Returns:
        The `seq` up to which it was told (int), or for how many seconds to wait (float).
    """
    row = tx.connection.execute(
        select(channels.c.seq, channels.c.owner, channels.c.next_at, is_alive(channels.c.owner, tx.now).label("held"))
        .where(channels.c.channel_id == channel_id)
    ).one()  # fmt: skip
    if row.owner is not None and row.owner != owner and row.held:
        return 1.0
    if row.next_at > tx.now:
        return float(min(row.next_at - tx.now, RETRY_MS[-1]) / 1000)
    tx.connection.execute(update(channels).where(channels.c.channel_id == channel_id).values(owner=owner))
    return int(row.seq)


def told(tx: Transaction, channel_id: str, *, owner: str, seq: int, pause_ms: int) -> None:
    """Move the channel's place to `seq`; the next post may follow after `pause_ms`."""
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(seq=seq, owner=None, next_at=tx.now + pause_ms, tries=0)
    )


def not_told(tx: Transaction, channel_id: str, *, owner: str, wait_ms: int | None) -> None:
    """Leave the channel's place where it is and try again later: after `wait_ms`, or after a growing pause."""
    row = tx.connection.execute(select(channels.c.tries).where(channels.c.channel_id == channel_id)).one()
    pause_ms = wait_ms if wait_ms is not None else RETRY_MS[min(row.tries, len(RETRY_MS) - 1)]
    tx.connection.execute(
        update(channels)
        .where(channels.c.channel_id == channel_id, channels.c.owner == owner)
        .values(owner=None, next_at=tx.now + pause_ms, tries=row.tries + 1)
    )
