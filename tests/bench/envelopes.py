"""The load over Socket Mode: envelopes that a stand-in for Slack delivers, in the stand-in's own process."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bot.sandbox.records import Delivery
from bot.sandbox.slack import SandboxSlack
from tests.bench.running import moments

MOST_AT_ONCE = 64


def deliver(slack: SandboxSlack, deliveries: Sequence[Delivery], rate_per_s: float | None) -> list[float]:
    """Deliver at their times, evenly, or (None) all at once; returns the seconds from then to each acknowledgement.

    Raises:
        AssertionError: one was not acknowledged.
    """
    start = time.monotonic() + 0.05

    def one(number: int, delivery: Delivery) -> float:
        due = start + (0 if rate_per_s is None else number / rate_per_s)
        moments(max(0.0, due - time.monotonic()))
        late_s = max(0.0, time.monotonic() - due)
        answer = slack.deliver_socket(delivery)
        assert answer.error is None, answer
        return late_s + answer.elapsed_s

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return list(pool.map(one, range(len(deliveries)), deliveries))
