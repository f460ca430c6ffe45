"""Waiting for something to happen, without polling.

Whoever changes the state of a sandbox does so under its `Watch`; whoever waits is woken by the change.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class NotSeenError(AssertionError):
    """What was waited for did not happen; the message tells what did."""


class Watch:
    """A lock for a state, and the news that it has changed.

    Two sandboxes may share one: a predicate over both is then asked again when either changes.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the state as it is."""
        with self._condition:
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the state, and wake those who wait for it."""
        with self._condition:
            yield
            self._condition.notify_all()

    def wait_for(self, predicate: Callable[[], T], timeout: float, account: Callable[[], str]) -> T:
        """Return what `predicate` returns as soon as that is true.

        It is asked at once, and after each change; not in between, so it must not depend on the time alone.

        Raises:
            NotSeenError: `timeout` seconds have passed; its message is what `account` returns.
        """
        deadline = time.monotonic() + timeout
        with self._condition:
            while not (found := predicate()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NotSeenError(f"not within {timeout:g} s. What was seen:\n{account()}")
                self._condition.wait(left)
            return found

    def seen(self, predicate: Callable[[], T], timeout: float) -> T | None:
        """Return what `wait_for` returns, or None where it would raise."""
        try:
            return self.wait_for(predicate, timeout, str)
        except NotSeenError:
            return None
