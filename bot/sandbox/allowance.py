"""How many messages a channel takes.

Source: Slack's "Rate limits" (about one message a second and channel, with short bursts, then 429 with Retry-After).
"""

import math
import time

from bot.sandbox.rules import RefusedError


class RateLimitedError(RefusedError):
    """A call too many."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("ratelimited")
        self.retry_after_s = retry_after_s


class Allowance:
    """What each channel may still take: a bucket that fills at a rate, up to a burst; whoever uses it holds the lock.

    Args:
        rate_per_s: messages a second; None: any number.
        burst: messages at once, after a pause.
    """

    def __init__(self, *, rate_per_s: float | None, burst: int) -> None:
        self.rate_per_s = rate_per_s
        self._burst = burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, channel_id: str) -> None:
        """Take one message's share.

        Raises:
            RateLimitedError: there is none left.
        """
        if self.rate_per_s is None:
            return
        now = time.monotonic()
        left, since = self._left.get(channel_id, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self.rate_per_s)
        if left < 1:
            raise RateLimitedError(math.ceil((1 - left) / self.rate_per_s))
        self._left[channel_id] = (left - 1, now)
