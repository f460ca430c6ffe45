"""Acknowledgements that come at the same time are written together: one lock, one commit, one wait for the disk.

It knows who makes the others' writes and who waits. It refuses to know what a transaction is.

Whoever comes while nobody is writing leads: it makes its own write, and the first one that has come meanwhile leads
next, with all who have come by then. So nobody makes more than one group, and nobody waits for more to come. What
nobody waits for is written one by one, in turns with the groups: an acknowledgement is behind one of those at most.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.store import patience
from bot.store.patience import ANSWER_S, WAIT_S

T = TypeVar("T")

MOST_TOGETHER = 32
"""As many as a transaction may hold without keeping those who come meanwhile waiting for long."""


class TooBusyError(Exception):
    """The turn did not come in time; the work was not begun."""


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class Write:
    """One thread's work.

    Attributes:
        end: when its thread gives up, `time.monotonic()`; None: never.
        urgent: an acknowledgement waits for it.
        result: what the work has returned.
        fault: what it has failed with, or all of its group have.
        leads: its thread makes the next group.
    """

    work: Callable[[Any], Any]
    end: float | None
    urgent: bool
    result: Any = None
    fault: BaseException | None = None
    leads: bool = False
    woken: threading.Lock = field(default_factory=_taken)


class Writers:
    """The threads of one process that write.

    Args:
        make: makes a group of writes, all or none of them durable when it returns, and sets the `result` or the `fault`
            of each; what it raises has happened to all of them.

    Attributes:
        waiting: those whose turn has not come, in the order in which they came.
    """

    def __init__(self, make: Callable[[Sequence[Write]], None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.waiting: deque[Write] = deque()
        self._led = False

    def write(self, work: Callable[[Any], T]) -> T:
        """Make a write, perhaps on another thread, and return what the work returns, within `patience` of this thread.

        Raises:
            TooBusyError: its turn did not come in time.
        """
        left = patience.left()
        urgent = left is not None and left <= ANSWER_S
        one = Write(work, None if left is None else time.monotonic() + left, urgent)
        with self._lock:
            self.waiting.append(one)
            one.leads = not self._led
            self._led = True
        if not one.leads:
            # What is left after the turn belongs to the database's own lock.
            self._wait(one, WAIT_S if left is None else max(0.0, min(WAIT_S, left - WAIT_S)))
        if one.leads:
            self._lead(one)
        if one.fault is not None:
            raise one.fault
        result: T = one.result
        return result

    def _wait(self, one: Write, seconds: float) -> None:
        """Return when the write is made, or its thread is to lead."""
        if one.woken.acquire(timeout=seconds):
            return
        with self._lock:
            if one in self.waiting and not one.leads:
                self.waiting.remove(one)
                raise TooBusyError
        one.woken.acquire()  # it is under way

    def _lead(self, own: Write) -> None:
        with self._lock:
            group = [one for one in self.waiting if one.urgent][:MOST_TOGETHER] if own.urgent else [own]
            for one in group:
                self.waiting.remove(one)
        ends = [one.end for one in group if one.end is not None]
        try:
            with patience.limited(min(ends) - time.monotonic() if ends else None):
                self._make(group)
        except BaseException as fault:  # noqa: BLE001 - it is raised where it belongs
            # Ctrl-C is the main thread's alone.
            told = fault if isinstance(fault, Exception) else RuntimeError("the process is ending")
            for one in group:
                one.fault = fault if one is own else told
        finally:
            with self._lock:
                others = (one for one in self.waiting if one.urgent is not own.urgent)
                following = next(others, self.waiting[0] if self.waiting else None)
                self._led = following is not None
                if following is not None:
                    following.leads = True
            if following is not None:
                following.woken.release()
            for one in group:
                if one is not own:
                    one.woken.release()
