"""The pace towards the MPC, which all processes of the installation keep together: when it may be asked next.

It knows one row, which is moved under the lock of a write. It refuses to know what is asked.
"""

from sqlalchemy import bindparam, select, update

from bot.store.statement import Statement
from bot.store.tables import pace
from bot.store.writing import Transaction

# A hair more than 1/rate between two requests: what leaves evenly arrives a little unevenly.
SPACING = 1.025

CATCH_UP_MS = 4
"""Whoever takes a turn so much too late takes nothing away from the next one. It is less than what `SPACING` leaves."""

LONGEST_PAUSE_S = 60.0
LONGEST_BOOKING_MS = 120_000
"""Twice the longest pause that the MPC is granted."""

_DUE = Statement(select(pace.c.next_at, pace.c.paused_until))
_BOOK = Statement(update(pace).values(next_at=bindparam("turn")))


def turn_at(tx: Transaction) -> int:
    """Return from when on the MPC may be asked, milliseconds since 1970."""
    due = _DUE.run(tx.connection).first()
    # Nobody books further ahead than this: a clock that was set back must not stop everything for hours.
    return max(at for at in (0, due.next_at, due.paused_until) if at <= tx.now + LONGEST_BOOKING_MS)


def take_turn(tx: Transaction, rate_per_s: float, *, turn: int) -> None:
    """Let the next one that asks the MPC come as much later as the pace demands.

    Args:
        tx: a write.
        rate_per_s: most requests in any second.
        turn: what `turn_at` said in it.
    """
    _BOOK.later(tx.connection, turn=round(max(turn, tx.now - CATCH_UP_MS) + 1000 * SPACING / rate_per_s))


def pause(tx: Transaction, seconds: float) -> None:
    """Let nobody ask the MPC for so long, or for as long as it is granted at most."""
    until = round(tx.now + min(seconds, LONGEST_PAUSE_S) * 1000)
    tx.connection.execute(update(pace).where(pace.c.paused_until < until).values(paused_until=until))


def delay(tx: Transaction, seconds: float) -> None:
    """Let the next requests leave so much later: the last one did, and they must not catch up with it."""
    tx.connection.execute(update(pace).values(next_at=pace.c.next_at + round(seconds * 1000)))
