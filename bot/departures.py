"""The last moment before a request leaves for the MPC: whether it still may, and who must keep their distance.

It knows how late is too late. It refuses to know what leaves.
"""

import time
from collections import deque

from bot.store import pace
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable

SEND_WITHIN_S = 5.0
"""A request that was taken leaves within this time, or not at all: well before its process is taken for dead."""
LATE_S = 0.008
"""Being held up by less is what `bot.store.pace.SPACING` has room for."""


class Departures:
    """All that leaves this process for the MPC.

    Args:
        database: where the pace is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._late_s: deque[float] = deque(maxlen=20)

    def leave(self, taken_at: float) -> bool:
        """Say whether what was taken then may leave now; what was held up keeps those behind it at their distance.

        How long a connection takes to stand is the same for all of them, or nearly: only what is more than that
        brings two requests closer together.

        Args:
            taken_at: when its turn was taken, `time.monotonic()`.
        """
        late_s = time.monotonic() - taken_at
        # Of the first one nobody knows what is usual; a process that has just begun is slow.
        noted_s = min(self._late_s, default=0.0)
        self._late_s.append(late_s)
        while (excess_s := late_s - noted_s) > LATE_S and late_s <= SEND_WITHIN_S:
            if not self._move(excess_s):
                return False  # those behind it do not know, and would be caught up with
            # Its turn at the database may have held it up as well.
            noted_s, late_s = late_s, time.monotonic() - taken_at
        return late_s <= SEND_WITHIN_S

    def _move(self, seconds: float) -> bool:
        try:
            self._database.write(lambda tx: pace.delay(tx, seconds))
        except DatabaseUnavailable:
            return False
        return True
