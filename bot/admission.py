"""What is decided about a command before anything is sent, and how that decision is recorded.

It knows in which order the rules are asked, and which events a decision makes. It refuses to send, and to word.
"""

import time
from collections.abc import Callable

from bot import trail
from bot.decisions import Admission, Delivery, Item
from bot.labels import Fault, Label, Parsed
from bot.outcomes import Outcome
from bot.policy import HOUR_MS, Denial, Policy
from bot.store import entry, homes, outbox, pace, standing
from bot.store.errors import CommitUnheard, DatabaseUnavailable
from bot.store.patience import ANSWER_S, WAIT_S
from bot.store.standing import Standing
from bot.store.writing import Transaction
from bot.trail import Asker, Event

ANNOUNCE_AFTER_MS = 5_000
"""An answer that takes longer is announced."""
AGAIN_S = 0.1
MOST_INVALID = 25
"""Of a text with more mistakes than these, the first ones are recorded: pasted prose must not flood the trail."""


def admit(
    tx: Transaction, policy: Policy, rate_per_s: float, asker: Asker, parsed: Parsed, delivery: Delivery
) -> Admission:
    """Decide about a command, record the decision, and queue what is to be sent.

    A delivery that was decided before is decided the same, and nothing is recorded.
    """
    own = standing.of_asker(
        tx.connection, asker, now=tx.now, key=delivery.key, since=tx.now - HOUR_MS, count=policy.user_hourly_limit
    )
    if own.kept is not None:
        return Admission.from_json(own.kept)
    admission = _decide(tx, policy, rate_per_s, asker, parsed, own)
    _record(tx, asker, parsed, admission)
    if admission.command_id is not None:
        enqueue(tx, asker, admission, delivery, own.turn)
    if delivery.key is not None:
        outbox.keep_answer(tx, delivery.key, admission.to_json())
    return admission


def heard(write: Callable[[float], Admission], delivery: Delivery) -> Admission:
    """Have a decision recorded, and find out whether it was where the answer to the commit was lost.

    Args:
        write: runs `admit` in a transaction that may take so many seconds.
        delivery: only one with a key can be asked for again: what was decided is decided the same.

    Raises:
        DatabaseUnavailable: nothing was recorded.
        CommitUnheard: it may have been, and there was no time left to find out.
    """
    end = time.monotonic() + ANSWER_S
    unheard: CommitUnheard | None = None
    while True:
        try:
            return write(end - time.monotonic())
        except DatabaseUnavailable as fault:
            unheard = fault if isinstance(fault, CommitUnheard) else unheard
            if unheard is None:
                raise
        # As long as another try may take, it has.
        if delivery.key is None or end - time.monotonic() < WAIT_S + AGAIN_S:
            raise unheard
        time.sleep(AGAIN_S)


def enqueue(tx: Transaction, asker: Asker, admission: Admission, delivery: Delivery, turn: int) -> None:
    """Queue what was admitted, from `turn` on."""
    url = delivery.response_url
    entry.add(
        tx,
        command_id=admission.command_id or "",
        asker=asker,
        response_url=url,
        response_url_until=None if url is None else tx.now + round(delivery.response_url_s * 1000),
        announced=admission.wait_s is not None,
        turn=turn,
        new=[_new_request(one) for one in admission.items],
    )


def item(label: Label, denial: Denial | None) -> Item:
    """Return a label of a command with its own ID, and with why it is refused."""
    return Item(request_id=trail.new_id(), label=label.text, kinds=label.kinds, stations=label.stations, denial=denial)


def _decide(
    tx: Transaction, policy: Policy, rate_per_s: float, asker: Asker, parsed: Parsed, own: Standing
) -> Admission:
    labels = parsed.labels
    if refusal := policy.who(channel_id=asker.channel_id, user_id=asker.user_id):
        return _refused(labels[: policy.max_labels], refusal)
    if parsed.faults:
        return Admission(invalid=True)
    if refusal := policy.size(len(labels)):
        return _refused((), refusal)
    items = _cool(tx, policy, labels)
    wanted = sum(one.denial is None for one in items)
    over = wanted and policy.is_over(own.asked + wanted)
    recent = trail.requested_since(tx.connection, asker.user_id, tx.now - HOUR_MS) if over else []
    if refusal := policy.hourly(labels=wanted, recent=recent):
        return _refused(labels, refusal)
    if not wanted:
        return Admission(items=items)
    wait_s = own.pause_s + (own.ahead + wanted) * pace.SPACING / rate_per_s
    # A queue, a pause or many labels: it is said at once that this takes a while. Otherwise the answer is near.
    slow = own.pause_s > 1 or own.ahead >= rate_per_s or wait_s * 1000 > ANNOUNCE_AFTER_MS
    return Admission(command_id=trail.new_id(), items=items, ahead=own.ahead, wait_s=wait_s if slow else None)


def _cool(tx: Transaction, policy: Policy, labels: tuple[Label, ...]) -> tuple[Item, ...]:
    def denial(label: Label) -> Denial | None:
        known = standing.of_label(tx.connection, label.text)
        return policy.label(under_way=known.under_way, last=known.last_mail, now=tx.now)

    return tuple(item(one, denial(one)) for one in labels)


def _refused(labels: tuple[Label, ...], denial: Denial) -> Admission:
    return Admission(items=tuple(item(one, denial) for one in labels), denial=denial)


def _new_request(item: Item) -> entry.NewRequest:
    return entry.NewRequest(
        request_id=item.request_id,
        label=item.label,
        kinds=item.kinds,
        stations=item.stations,
        outcome=None if item.denial is None else Outcome.DENIED,
        rule=None if item.denial is None else item.denial.rule,
        until=None if item.denial is None else item.denial.until,
    )


def _record(tx: Transaction, asker: Asker, parsed: Parsed, admission: Admission) -> None:
    events = [
        Event(
            event=trail.REQUESTED if one.denial is None else Outcome.DENIED,
            request_id=one.request_id,
            asker=asker,
            label=one.label,
            kinds=one.kinds,
            detail=_stations(one.stations) if one.denial is None else one.denial.rule,
        )
        for one in admission.items
    ]
    if admission.invalid:
        events += [_invalid(asker, fault) for fault in parsed.faults[:MOST_INVALID]]
    elif admission.denial is not None and not admission.items:
        detail = f"{admission.denial.rule}: {len(parsed.labels)}"
        events.append(Event(event=Outcome.DENIED, request_id=trail.new_id(), asker=asker, detail=detail))
    homes.record(tx, events)


def _invalid(asker: Asker, fault: Fault) -> Event:
    return Event(event=Outcome.INVALID, request_id=trail.new_id(), asker=asker, detail=fault.kind)


def _stations(stations: tuple[str, ...]) -> str | None:
    return f"station {' '.join(stations)}" if stations else None
