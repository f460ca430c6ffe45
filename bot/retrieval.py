"""The use case: labels are admitted, sent one by one, and each ends in exactly one outcome.

It knows the order of things: record, then act, then record. It refuses to know Slack, HTTP, SQL and wording.

A request is `open` from its `requested` event on, `sending` from its `sending` event on, and done with its outcome.
Whoever is alive takes the next open request. One that is found `sending` although its process is dead becomes
`unknown`: it may have reached the MPC, so nobody sends it again.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from bot import admission, trail
from bot.answers import Answer
from bot.decisions import Admission, Delivery
from bot.departures import Departures
from bot.labels import Parsed
from bot.lookups import LookUps
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.policy import Policy
from bot.store import answered, breaker, ending, homes, pace, presence, queue
from bot.store.database import Database
from bot.store.writing import Transaction
from bot.trail import Asker, Event

MOST_ATTEMPTS = 4

_BACKOFF_S = (1.0, 2.0, 4.0)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The MPC does not serve the bot at the moment: so many requests have ended without being sent, or looked up."""

    count: int


class Retrieval:
    """Admits and sends.

    Args:
        database: where the trail and the queue are.
        mpc: whom to ask.
        policy: who may ask.
        owner: this process, as the others know it.
        rate_per_s: most MPC requests in any second, over all processes.
        jitter: gives a number from 0 to 1, to spread repetitions.
        stations: the team's observatory codes, for look-ups of tracklets that were typed without.

    Attributes:
        lookups: looks up what was answered.
        turn_s: how long a turn at the MPC lasts, seconds.
    """

    def __init__(
        self,
        *,
        database: Database,
        mpc: MPC,
        policy: Policy,
        owner: str,
        rate_per_s: float,
        jitter: Callable[[], float],
        stations: tuple[str, ...] = (),
    ) -> None:
        self._database = database
        self._mpc = mpc
        self._policy = policy
        self._owner = owner
        self._rate_per_s = rate_per_s
        self.turn_s = pace.SPACING / rate_per_s
        self._jitter = jitter
        self._departures = Departures(database)
        self.lookups = LookUps(
            database=database, mpc=mpc, policy=policy, departures=self._departures, owner=owner, stations=stations
        )

    def admit(self, asker: Asker, parsed: Parsed, delivery: Delivery) -> Admission:
        """Decide about a command, and record the decision durably.

        Args:
            asker: who asks.
            parsed: what `bot.labels` made of the text.
            delivery: what came with it; one that was decided before is decided the same, and nothing is recorded.

        Raises:
            DatabaseUnavailable: it could not be recorded; nothing will be sent.
            CommitUnheard: it may have been recorded, and then it will be sent.
        """

        def work(tx: Transaction) -> Admission:
            return admission.admit(tx, self._policy, self._rate_per_s, asker, parsed, delivery)

        return admission.heard(lambda within_s: self._database.write(work, within_s=within_s), delivery)

    def take(self) -> queue.Taken | answered.Turn | queue.Wait | TurnedAway:
        """Take the next request and record its `sending`, or the next look-up, or say how long there is neither.

        Raises:
            DatabaseUnavailable: it was not recorded, so nothing may be sent.
        """

        def work(tx: Transaction) -> queue.Taken | answered.Turn | queue.Wait | TurnedAway:
            if (found := breaker.broken(tx)) is not None:
                count = self.lookups.end(tx, answered.waiting(tx))
                if not (may_probe := breaker.may_probe(tx, found)):
                    gone = breaker.turn_away(tx, found)
                    homes.record(tx, [_event(one, Outcome.UNAVAILABLE, detail=breaker.reason(found)) for one in gone])
                    count += len(gone)
                if count or not may_probe:
                    return TurnedAway(count) if count else queue.Wait(None)
            taken = queue.take(tx, owner=self._owner, rate_per_s=self._rate_per_s)
            if isinstance(taken, queue.Taken):
                # After an outage of the database this process may look dead to the others.
                presence.beat(tx, self._owner)
                trail.append(tx, [_event(taken, trail.SENDING)])
                return replace(taken, probe=found is not None)
            # Only where nothing can be sent now: a look-up is the lesser good.
            turn = answered.take(tx, owner=self._owner, rate_per_s=self._rate_per_s)
            return turn if isinstance(turn, answered.Turn) else queue.sooner(taken, turn)

        return self._database.write(work)

    def reclaim(self, at_work: Collection[str]) -> int:
        """Queue again what was taken without this process hearing of it, because the answer to the commit was lost.

        Args:
            at_work: the requests that this process is really sending.
        """
        return self._database.write(lambda tx: queue.reclaim(tx, owner=self._owner, at_work=at_work))

    def send(self, taken: queue.Taken) -> Answer:
        """Make the one POST of a request that was taken."""
        try:
            return self._mpc.retrieve(taken.label, leave=lambda: self._departures.leave(taken.taken_at))
        except Exception:
            # Whatever it was, the request may have left. The loop that called goes on.
            log.exception("request %s: the POST failed in an unforeseen way", taken.request_id)
            return Answer(outcome=Outcome.UNKNOWN, detail="the bot failed while it asked")

    def finish(self, taken: queue.Taken, answer: Answer) -> Outcome | None:
        """Record what came of a request, or queue it again where nothing was processed.

        Returns:
            The outcome; None where the request will be tried again, is to be looked up first, or is another process's
            by now.

        Raises:
            DatabaseUnavailable: it was not recorded; call again.
        """
        outcome, change = self._database.write(lambda tx: self._finish(tx, taken, answer))
        if change is breaker.Change.OPENED:
            log.error(
                "the MPC does not serve the bot (HTTP %s, %s): until it does, requests are ended as unavailable at "
                "once, and one at a time is sent to see whether it does",
                answer.http_status,
                answer.detail,
            )
        elif change is breaker.Change.CLOSED:
            log.info("the MPC serves the bot again")
        return outcome

    def _finish(
        self, tx: Transaction, taken: queue.Taken, answer: Answer
    ) -> tuple[Outcome | None, breaker.Change | None]:
        wait_s = self._repeat_in(taken, answer)
        if answer.http_status == 429:
            pace.pause(tx, answer.retry_after_s or wait_s or 1.0)
        if wait_s is not None:
            if not queue.put_back(tx, taken, owner=self._owner, wait_s=wait_s):
                log.warning("request %s: it was taken over meanwhile", taken.request_id)
            return None, None
        looked_up = answer.outcome != Outcome.UNAVAILABLE and self.lookups.can(taken)
        if looked_up:
            stored = answered.keep(tx, taken, owner=self._owner, answer=answer)
        else:
            stored = ending.end(
                tx,
                taken,
                owner=self._owner,
                outcome=answer.outcome,
                http_status=answer.http_status,
                detail=answer.detail,
                until=None if answer.retry_after_s is None else round(tx.now + answer.retry_after_s * 1000),
            )
        if not stored:
            # The trail says `unknown` by now. What came after all stands in the log alone.
            log.warning("request %s: it was taken over meanwhile; the MPC's answer was %s", taken.request_id, answer)
            return None, None
        change = breaker.note(
            tx, answer.outcome, http_status=answer.http_status, detail=answer.detail, probe=taken.probe
        )
        if not looked_up:
            homes.record(tx, [_event(taken, answer.outcome, answer=answer)])
        return None if looked_up else answer.outcome, change

    def _repeat_in(self, taken: queue.Taken, answer: Answer) -> float | None:
        if not answer.again or taken.probe or taken.attempt >= MOST_ATTEMPTS:
            return None
        if answer.retry_after_s is not None:
            return answer.retry_after_s if answer.retry_after_s <= pace.LONGEST_PAUSE_S else None
        return _BACKOFF_S[taken.attempt - 1] * (1 + self._jitter() / 2)

    def rescue(self) -> int:
        """End what dead processes left in the middle, and what could not be looked up in time.

        Returns:
            How many became `unknown`. What was answered has its outcome.
        """

        def work(tx: Transaction) -> int:
            lost = queue.orphans(tx)
            detail = "the process ended during the request"
            for taken, owner in lost:
                ending.end(tx, taken, owner=owner, outcome=Outcome.UNKNOWN, detail=detail)
                homes.record(tx, [_event(taken, Outcome.UNKNOWN, detail=detail)])
            self.lookups.end(tx, answered.given_up(tx))
            return len(lost)

        return self._database.write(work)

    def withdraw(self, command_id: str) -> None:
        """End what a command has not sent yet, because its asker has given up."""

        def work(tx: Transaction) -> None:
            detail = "withdrawn before it was sent"
            gone = ending.withdraw(tx, command_id, outcome=Outcome.UNAVAILABLE, detail=detail)
            homes.record(tx, [_event(one, Outcome.UNAVAILABLE, detail=detail) for one in gone])

        self._database.write(work)


def _event(taken: queue.Taken, event: str, *, answer: Answer | None = None, detail: str | None = None) -> Event:
    if event == trail.SENDING and taken.attempt > 1:
        detail = f"attempt {taken.attempt} of {MOST_ATTEMPTS}"
    return Event(
        event=event,
        request_id=taken.request_id,
        asker=taken.asker,
        label=taken.label,
        kinds=taken.kinds,
        http_status=None if answer is None else answer.http_status,
        elapsed_ms=None if answer is None else answer.elapsed_ms,
        detail=detail if answer is None else answer.detail,
    )
