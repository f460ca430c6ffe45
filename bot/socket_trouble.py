"""How the line to Slack bears failures: it says each once, and pauses longer after each further one.

It knows how many failures there were since all was well. It refuses to know what failed.
"""

import logging
import time
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long the line waits before it acts, seconds.

    Attributes:
        first_s: before it tries again to connect; after each further failure twice as long.
        most_s: at most.
        lasting_s: a connection that lived as long was no failure.
        idle_s: before an idle connection is replaced for the first time; then three times as long.
        idle_most_s: at most.
    """

    first_s: float = 0.5
    most_s: float = 20.0
    lasting_s: float = 10.0
    idle_s: float = 20.0
    idle_most_s: float = 3600.0


class Trouble:
    """The failures since all was well.

    Args:
        pauses: after them.
    """

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._failures = 0
        self._not_before = 0.0
        self._told: set[str] = set()

    @property
    def pausing(self) -> bool:
        """Whether it is too early to try again."""
        return time.monotonic() < self._not_before

    def failed(self, at_least_s: float = 0.0) -> None:
        """Count a failure, and pause."""
        pause_s = min(self._pauses.most_s, self._pauses.first_s * 2 ** min(self._failures, 20))
        self._failures += 1
        self._not_before = time.monotonic() + max(pause_s, at_least_s)

    def tell(self, text: str) -> None:
        """Log it, unless it was logged since all was well."""
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)

    def survived(self) -> None:
        """Count no failures any more: what stands now has lasted."""
        self._failures = 0

    def over(self) -> bool:
        """Return whether there was trouble of which it was told, and is none any more; forget it then."""
        if self._failures or not self._told:
            return False
        self._told.clear()
        return True
