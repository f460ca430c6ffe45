"""What goes on although the database does not answer: a thread that does something again and again, and one deed.

It knows how long to wait before the next try. It refuses to know what is done.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from bot.store.errors import DatabaseUnavailable

T = TypeVar("T")

log = logging.getLogger(__name__)


class Loop:
    """A thread that calls `step` again and again.

    Args:
        name: of the thread.
        step: does what there is to do, and returns after how many seconds it wants to be called again; None:
            when it is woken.
        paced: whether it stays away for those seconds even if it is woken.
    """

    def __init__(self, name: str, step: Callable[[], float | None], *, paced: bool = False) -> None:
        self._name = name
        self._step = step
        self._pause = threading.Event() if paced else None
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let `step` be called at once."""
        self._woken.set()

    def let_go(self) -> None:
        """Make no other step; does not wait."""
        self._stopping = True

    def stop(self, *, timeout_s: float) -> bool:
        """End after the step under way, or never begin; False where that took longer than `timeout_s`."""
        self._stopping = True
        self._woken.set()
        if self._pause is not None:
            self._pause.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            self._woken.clear()
            try:
                pause_s = self._step()
                failures = 0
            except DatabaseUnavailable as fault:
                failures += 1
                if failures == 1:
                    log.error("%s: the database does not answer (%s); trying again", self._name, fault)  # noqa: TRY400
                pause_s = 1.0
            except Exception:
                # The edge: whatever one step stumbles over must not end the thread that serves all the others.
                failures += 1
                log.exception("%s: an unforeseen failure; trying again", self._name)
                pause_s = min(30.0, 2.0**failures)
            if pause_s != 0 and not self._stopping:
                # Whoever wakes a paced one is heard after the pause.
                (self._woken if self._pause is None or pause_s is None else self._pause).wait(pause_s)


def keep_trying(work: Callable[[], T], *, give_up: Callable[[], bool], what: str) -> T | None:
    """Call `work` until the database takes it; None when `give_up` says so first.

    What it means is on a line of the log in the meantime.
    """
    pause_s = 0.1
    while True:
        try:
            return work()
        except DatabaseUnavailable as fault:
            log.error("%s; not stored yet, because the database does not answer (%s)", what, fault)  # noqa: TRY400
        if give_up():
            return None
        time.sleep(pause_s)
        pause_s = min(2.0, pause_s * 2)
