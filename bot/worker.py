"""The threads behind the doors: they send what is open, rescue what is orphaned, and run Slack's errands.

It knows when to look, and how to stop. It refuses to know what is done.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

from bot import mpc
from bot.admission import ANNOUNCE_AFTER_MS
from bot.logs import about
from bot.loop import Loop, keep_trying
from bot.retrieval import Retrieval, TurnedAway
from bot.store import answered, presence, queue
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.writing import Transaction

T = TypeVar("T")

MOST_IN_FLIGHT = 100
"""Five requests a second that each take the full time-out are no more than this; a thread each."""
REPLIERS = 4
LOOK_S = presence.BEAT_S
"""In one transaction with showing itself: a process that has nothing to do asks the database for nothing else."""
TIDY_S = 60.0
LAST_WORDS_S = 5.0
"""How long a stopping process goes on telling Slack: a Slack that does not answer must not hold up a deploy."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errands:
    """What is to be told to Slack.

    Attributes:
        reply: makes the replies and the App Homes that are due.
        tell: posts to the audit channel what it has not been told.
    """

    reply: Callable[[], float | None]
    tell: Callable[[], float | None]


class Worker:
    """Everything that goes on in the background of one process.

    Args:
        database: where the work is.
        retrieval: what is done with it.
        owner: this process, as the others know it.
        errands: None where Slack is not served, as on the terminal.
    """

    def __init__(self, *, database: Database, retrieval: Retrieval, owner: str, errands: Errands | None = None) -> None:
        self._database = database
        self._retrieval = retrieval
        self._owner = owner
        self._tidy_due = self._turn_due = 0.0
        self._in_flight: set[tuple[str, int]] = set()  # requests, and which attempt
        self._in_doubt = False
        self._changed = threading.Condition()
        self._giving_up = False
        self._sender = Loop("sender", self._send_next)
        self._lookout = Loop("lookout", self._look)
        errands = errands or Errands(reply=lambda: None, tell=lambda: None)
        # More than one, so that one response_url that hangs does not keep everybody waiting.
        self._repliers = [Loop(f"replier-{number}", errands.reply) for number in range(REPLIERS)]
        self._next_replier = cycle(self._repliers)
        self._teller = Loop("teller", errands.tell, paced=True)
        self._errands = errands

    def start(self) -> None:
        """Begin."""
        for loop in (self._lookout, self._sender, *self._repliers, self._teller):
            loop.start()

    def wake(self) -> None:
        """Something was decided: there may be something to send, and to tell; do not wait for the next look."""
        self._sender.wake()
        self._teller.wake()

    def wake_replier(self) -> None:
        """There is somebody to be told something; do not wait for the next look."""
        next(self._next_replier).wake()

    def wait(self, timeout_s: float) -> None:
        """Return when a request has been dealt with, or after so long."""
        with self._changed:
            self._changed.wait(timeout_s)

    def drain(self) -> None:
        """Take nothing more from now on; safe to call from a signal handler."""
        self._sender.let_go()

    def stop(self, *, grace_s: float) -> None:
        """Take nothing more, let what is under way finish for so long, and leave the rest to others."""
        end = time.monotonic() + grace_s
        self._sender.stop(timeout_s=grace_s)
        with self._changed:
            self._changed.wait_for(lambda: not self._in_flight, timeout=max(0.0, end - time.monotonic()))
            left = len(self._in_flight)
        self._giving_up = True
        try:
            self._retrieval.lookups.end_waiting()
        except DatabaseUnavailable as fault:
            log.warning("the database does not answer (%s); others will end what was answered", fault)
        if left:
            log.warning("%d requests were still under way when the time to finish was over", left)
        self._lookout.stop(timeout_s=max(1.0, end - time.monotonic()))
        errands = [(loop, self._errands.reply) for loop in self._repliers] + [(self._teller, self._errands.tell)]
        for loop, errand in errands:
            if loop.stop(timeout_s=max(1.0, end - time.monotonic())):
                _finish(errand, end)
        try:
            self._database.write(lambda tx: presence.leave(tx, self._owner))
        except DatabaseUnavailable as fault:
            log.warning("the database does not answer (%s); others will take over a little later", fault)

    def _send_next(self) -> float | None:
        with self._changed:
            if len(self._in_flight) >= MOST_IN_FLIGHT:
                return LOOK_S
        if (left_s := self._turn_due - time.monotonic()) > 0:
            return left_s
        try:
            if self._in_doubt:
                self._retrieval.reclaim({request_id for request_id, _ in self._in_flight.copy()})
                self._in_doubt = False
            taken = self._retrieval.take()
        except Exception:
            # It may have been committed all the same, and then this process holds a request it knows nothing of.
            self._in_doubt = True
            raise
        if isinstance(taken, queue.Wait):
            if taken.paced and taken.seconds is not None:
                # Not for long: what is open is turned away soon when the MPC stops serving the bot meanwhile.
                self._turn_due = time.monotonic() + min(taken.seconds, LOOK_S)
            return taken.seconds
        if isinstance(taken, TurnedAway):
            self._tell_of_outcomes()
            return 0
        if isinstance(taken, answered.Turn):
            # No attempt has this number: the attempt that was answered may not be off the list yet.
            self._start(self._look_up, taken, {(one.request.request_id, 0) for one in taken.answered})
        else:
            self._start(about(taken.request_id)(self._carry), taken, {(taken.request_id, taken.attempt)})
        # Nothing can leave before the next turn.
        self._turn_due = taken.taken_at + min(self._retrieval.turn_s, LOOK_S)
        return max(0.0, self._turn_due - time.monotonic())

    def _start(self, work: Callable[[T], None], taken: T, which: set[tuple[str, int]]) -> None:
        with self._changed:
            self._in_flight |= which
        threading.Thread(target=work, args=(taken,), name="mpc", daemon=True).start()

    def _done(self, which: set[tuple[str, int]]) -> None:
        with self._changed:
            self._in_flight -= which
        self._sender.wake()
        self._tell_of_outcomes()

    def _carry(self, taken: queue.Taken) -> None:
        try:
            answer = self._retrieval.send(taken)
            outcome = keep_trying(
                lambda: self._retrieval.finish(taken, answer),
                give_up=lambda: self._giving_up,
                what=f"request {taken.request_id} for {taken.label}: {answer.outcome} (HTTP {answer.http_status})",
            )
        except Exception:
            # It stays among those at work: it may have left, so it must not be queued again. When this process ends,
            # the others end it as unknown.
            log.exception("request %s: what came of it could not be recorded", taken.request_id)
            return
        log.info("request %s for %s: %s", taken.request_id, taken.label, outcome or "not ended yet")
        self._done({(taken.request_id, taken.attempt)})

    def _look_up(self, turn: answered.Turn) -> None:
        try:
            got = self._retrieval.lookups.make(turn)
            keep_trying(
                lambda: self._retrieval.lookups.finish(turn, got),
                give_up=lambda: self._giving_up,
                what=f"{len(turn.answered)} requests, looked up (HTTP {got.http_status})",
            )
        except Exception:
            # They are overdue in a moment, and then whoever sees that ends them with the answers that are stored.
            log.exception("what came of a look-up could not be recorded")
        self._done({(one.request.request_id, 0) for one in turn.answered})

    def _tell_of_outcomes(self) -> None:
        with self._changed:
            self._changed.notify_all()
        # One is enough; if that one hangs in a call, the next look wakes the others.
        for loop in (next(self._next_replier), self._teller):
            loop.wake()

    def _look(self) -> float:
        now = time.monotonic()
        tidies = now >= self._tidy_due

        def work(tx: Transaction) -> presence.Work:
            # First of all: a process must not take its own requests for orphans after a pause.
            presence.beat(tx, self._owner)
            if tidies:
                presence.tidy(tx)
            return presence.look(tx, announce_after_ms=ANNOUNCE_AFTER_MS)

        found = self._database.write(work)
        if tidies:
            self._tidy_due = now + TIDY_S
        else:  # not at the first look, while everybody waits for the program to be ready
            mpc.get_ready()
        self._wake_for(found)
        return LOOK_S

    def _wake_for(self, found: presence.Work) -> None:
        if found.rescue and (rescued := self._retrieval.rescue()):
            log.warning("%d requests of a process that has ended may or may not have reached the MPC", rescued)
        if found.send:
            self._sender.wake()
        if found.reply or found.rescue:
            for loop in self._repliers:
                loop.wake()
        if found.tell or found.rescue:
            self._teller.wake()


def _finish(errand: Callable[[], float | None], end: float) -> None:
    """Run an errand until nothing is due, or the time is over; what is left is done by whoever comes next."""
    end = min(end, time.monotonic() + LAST_WORDS_S)
    try:
        while (pause_s := errand()) is not None and time.monotonic() + pause_s < end:
            time.sleep(pause_s)
    except DatabaseUnavailable as fault:
        log.warning("the database does not answer (%s); Slack will be told later", fault)
