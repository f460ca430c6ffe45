"""How long anybody waits for the database, and the limit of the call that this thread has under way.

Slack gives a command 3 s, and whoever asked must hear within them of a database that does not answer.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WAIT_S = 1.2
"""For one's turn, and again for the lock: a writer may wait for both."""
ANSWER_S = 2 * WAIT_S
"""For everything that an acknowledgement waits for, together."""
BACKGROUND_S = 5.0
"""For what nobody waits for: shorter than a process may be silent before the others take it for dead."""

_of_this_thread = threading.local()


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Let what this thread asks of the database in this block take so long, all together; None: as long as it takes."""
    before = _end()
    _of_this_thread.end = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _of_this_thread.end = before


def left() -> float | None:
    """Return how many seconds of the limit are left; None where there is none."""
    end = _end()
    return None if end is None else end - time.monotonic()


def _end() -> float | None:
    end: float | None = getattr(_of_this_thread, "end", None)
    return end
