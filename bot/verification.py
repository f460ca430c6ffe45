"""Checks the trail: recomputes every link, and compares its end with the head that is kept beside it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from bot import trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking the chain found.

    Attributes:
        count: how many events were in order.
        fault: the first break, or None where the trail is intact.
    """

    count: int
    head: str
    fault: str | None = None


def verify(connection: Connection) -> Verdict:
    """Recompute every hash of the trail and compare its end with the head that is kept beside it."""
    expected, previous = 1, trail.GENESIS
    for one in trail.read(connection, trail.Filter()):
        fault = None
        if one["seq"] != expected:
            fault = f"event {expected} is missing; event {one['seq']} stands in its place"
        elif one["prev_hash"] != previous:
            fault = f"event {expected}: prev_hash should be {previous[:12]}…, and is {one['prev_hash'][:12]}…"
        elif (computed := trail.event_hash(one)) != one["hash"]:
            fault = f"event {expected}: its content hashes to {computed[:12]}…, and its hash is {one['hash'][:12]}…"
        if fault:
            return Verdict(count=expected - 1, head=previous, fault=fault)
        expected, previous = expected + 1, one["hash"]
    seq, last = trail.head_of(connection)
    if (seq, last) == (expected - 1, previous):
        return Verdict(count=seq, head=last)
    if seq >= expected:
        fault = f"event {expected} is missing: the trail ends before it, and its head is event {seq} ({last[:12]}…)"
    elif seq < expected - 1:
        fault = f"event {seq + 1} should not be there: the head is event {seq} ({last[:12]}…)"
    else:
        fault = f"event {seq}: its hash is {previous[:12]}…, and the head that is kept beside it says {last[:12]}…"
    return Verdict(count=expected - 1, head=previous, fault=fault)
