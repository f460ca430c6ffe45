"""The use case of looking up: what the MPC has under the labels that were asked for, or only under these.

It knows which labels can be looked up, and how their requests end. It refuses to know when (`bot.store.answered`), and
what an answer means (`bot.wamo`). A look-up that fails changes nothing: the answer to the request is stored before.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from bot import trail, wamo
from bot.admission import enqueue, heard, item
from bot.decisions import Admission, Delivery
from bot.departures import Departures
from bot.findings import Finding, note
from bot.labels import Label, Parsed
from bot.mpc import MPC, LookUp
from bot.policy import Policy
from bot.store import answered, homes, outbox, pace, presence, queue, standing
from bot.store.answered import Answered, Turn
from bot.store.database import Database
from bot.store.writing import Transaction
from bot.trail import Asker, Event

log = logging.getLogger(__name__)


class LookUps:
    """Looks up.

    Args:
        database: where the requests are.
        mpc: whom to ask.
        policy: who may ask.
        departures: of this process.
        owner: this process, as the others know it.
        stations: the team's observatory codes, for tracklets that were typed without.
    """

    def __init__(
        self,
        *,
        database: Database,
        mpc: MPC,
        policy: Policy,
        departures: Departures,
        owner: str,
        stations: tuple[str, ...],
    ) -> None:
        self._database = database
        self._mpc = mpc
        self._policy = policy
        self._departures = departures
        self._owner = owner
        self._stations = stations

    def can(self, request: queue.Taken | Label) -> bool:
        """Say whether there is a way to look a label up."""
        return bool(wamo.identifiers(self._label(request)))

    def check(self, asker: Asker, parsed: Parsed, delivery: Delivery) -> Admission:
        """Decide about a command that looks labels up and mails nobody; it is answered like any other.

        Nothing of it is in the trail, which is about requests, and it counts against no limit.

        Returns:
            The decision; a label that cannot be looked up is not among its items.

        Raises:
            DatabaseUnavailable: it could not be recorded; nobody will be told anything.
            CommitUnheard: it may have been recorded, and then it will be answered.
        """

        def work(tx: Transaction) -> Admission:
            return self._check(tx, asker, parsed, delivery)

        return heard(lambda within_s: self._database.write(work, within_s=within_s), delivery)

    def _check(self, tx: Transaction, asker: Asker, parsed: Parsed, delivery: Delivery) -> Admission:
        own = standing.of_asker(tx.connection, asker, now=tx.now, key=delivery.key)
        if own.kept is not None:
            return Admission.from_json(own.kept)
        denial = self._policy.who(channel_id=asker.channel_id, user_id=asker.user_id)
        if denial is None and not parsed.faults:
            denial = self._policy.size(len(parsed.labels))
        if denial is not None or parsed.faults:
            decided = Admission(invalid=denial is None, denial=denial)
        else:
            items = tuple(item(one, None) for one in parsed.labels if self.can(one))
            decided = Admission(command_id=trail.new_id() if items else None, items=items)
        if decided.command_id is not None:
            enqueue(tx, asker, decided, delivery, own.turn)
            answered.check(tx, decided.command_id, owner=self._owner)
        if delivery.key is not None:
            outbox.keep_answer(tx, delivery.key, decided.to_json())
        return decided

    def make(self, turn: Turn) -> LookUp:
        """Make the one request of a turn."""
        # Another process may have other settings: what it meant to look up may be nothing to this one.
        labels = [self._label(one.request) for one in turn.answered if self.can(one.request)]
        if not labels:
            return LookUp()
        try:
            return self._mpc.look_up(
                labels,
                leave=lambda: self._departures.leave(turn.taken_at),
                within_s=turn.within_s,
            )
        except Exception:
            # The outcomes are stored, and the loop that called goes on to record them.
            log.exception("a look-up failed in an unforeseen way")
            return LookUp()

    def finish(self, turn: Turn, got: LookUp) -> None:
        """End the requests of a turn with their outcomes, and with what was found.

        Raises:
            DatabaseUnavailable: it was not recorded; call again.
        """

        def work(tx: Transaction) -> list[Answered]:
            if got.http_status == 429:
                pace.pause(tx, got.retry_after_s or 1.0)
            found = got.findings
            return [
                one
                for one in turn.answered
                if self._end(tx, one, owner=self._owner, finding=found.get(one.request.label))
            ]

        for one in self._database.write(work):
            if one.outcome != presence.CHECKED:
                log.info("request %s for %s: %s", one.request.request_id, one.request.label, one.outcome)

    def end_waiting(self) -> int:
        """End without a look-up what this process would still look up, because it stops; returns how many."""
        return self._database.write(lambda tx: self.end(tx, answered.waiting(tx, owner=self._owner)))

    def end(self, tx: Transaction, these: Iterable[Answered]) -> int:
        """End requests with their outcomes, without a look-up; returns how many there were."""
        return sum(self._end(tx, one, owner=one.owner, finding=None) for one in these)

    def _end(self, tx: Transaction, one: Answered, *, owner: str, finding: Finding | None) -> bool:
        kept = None if finding is None else finding.to_json()
        if not answered.end(tx, one, owner=owner, finding=kept):
            log.warning("request %s: it was taken over meanwhile", one.request.request_id)
            return False
        if one.outcome != presence.CHECKED:
            homes.record(tx, [_event(one, finding)])
        return True

    def _label(self, request: queue.Taken | Label) -> Label:
        if isinstance(request, Label):
            return replace(request, stations=request.stations or self._stations)
        return Label(request.label, request.kinds, request.stations or self._stations)


def _event(one: Answered, finding: Finding | None) -> Event:
    return Event(
        event=one.outcome,
        request_id=one.request.request_id,
        asker=one.request.asker,
        label=one.request.label,
        kinds=one.request.kinds,
        http_status=one.http_status,
        elapsed_ms=one.elapsed_ms,
        detail=note(one.detail, finding),
    )
