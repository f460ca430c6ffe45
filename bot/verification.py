"""Checks the trail: recomputes every link, and compares its end with the head that is kept beside it.

It knows what makes events a chain, in a database or in an export. It refuses to mend anything.

A chain begins with event 1, or, where the trail was pruned, with the event after those that a tombstone in the same
chain says were removed; the tombstone names the hash to which that first event has to link.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, exc

from bot import tombstone, trail
from bot.canonical import COLUMNS, in_order
from bot.exports import Unreadable, misshapen, shown
from bot.store import sqlite
from bot.store.errors import HeadMissing
from bot.tombstone import Tombstone

_EVENT = COLUMNS.index("event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking the chain found.

    Attributes:
        count: how many events were in order, before the first break.
        read: how many were looked at; more than `count` where events are missing.
        first: the number of the first event; 0 where there is none.
        seq: the number of the last event that was looked at.
        head: the hash of that event.
        removed: what a tombstone says was removed before `first`.
        gaps: in how many places events are missing.
        forged: the first event that contradicts itself, its neighbours or a tombstone, or None.
        fault: the first break of either kind, or None where the trail is intact.
    """

    count: int
    read: int
    first: int
    seq: int
    head: str
    removed: Tombstone | None
    gaps: int = 0
    forged: str | None = None
    fault: str | None = None


class Chain:
    """Takes a trail's events one by one, in constant memory, and finds where they are no chain."""

    def __init__(self) -> None:
        self._count = 0
        self._read = 0
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] = {"seq": 0, "hash": trail.GENESIS}
        self._gap: str | None = None
        self._gaps = 0
        self._forged: str | None = None
        self._removed: Tombstone | None = None
        self._removal = 0

    @property
    def forged(self) -> str | None:
        """The first event so far that contradicts itself or its neighbours."""
        return self._forged

    @property
    def settled(self) -> bool:
        """Whether nothing that may follow can change what the first break is."""
        return self._forged is not None and self._first is not None and self._first["seq"] == 1

    def add(self, event: dict[str, Any], place: str = "") -> None:
        """Take the next event, with its exported keys; `place` is said with a fault, as " (line 7)"."""
        if self._forged is None:
            before, self._first = self._last, self._first or event
            self._forged = self._contradiction(event, before, place)
        if self._forged is None:
            self._last = event
            self._read += 1
            self._count += self._gap is None
        # Also of a chain that is broken: whether its begin was removed decides what broke first.
        stone = tombstone.read(event["detail"] or "") if event["event"] == tombstone.PRUNED else None
        if stone and (self._removed is None or stone.last > self._removed.last):
            self._removed, self._removal = stone, event["seq"]

    def add_page(self, rows: Sequence[Sequence[Any]]) -> bool:
        """Take many events at once where each of them is in order; False: none was taken, `add` says what is wrong.

        Args:
            rows: the values of `bot.canonical.COLUMNS`.
        """
        if self._forged is not None or any(row[_EVENT] == tombstone.PRUNED for row in rows):
            return False
        if not in_order(rows, seq=self._last["seq"], link=self._last["hash"]):
            return False
        self._first = self._first or dict(zip(COLUMNS, rows[0], strict=True))
        self._last = dict(zip(COLUMNS, rows[-1], strict=True))
        self._read += len(rows)
        self._count += len(rows) if self._gap is None else 0
        return True

    def fail(self, sentence: str) -> None:
        """Take note that the next event cannot be read."""
        self._forged = self._forged or sentence

    def verdict(self) -> Verdict:
        """Return what was found."""
        missing, forged = self._begin()
        begun_well = not (missing or forged)
        return Verdict(
            count=self._count if begun_well else 0,
            read=self._read,
            first=self._first["seq"] if self._first else 0,
            seq=self._last["seq"],
            head=self._last["hash"],
            removed=self._removed if begun_well else None,
            gaps=self._gaps + (missing is not None),
            forged=forged or self._forged,
            # A gap is only looked for until something is forged, so it came first.
            fault=missing or forged or self._gap or self._forged,
        )

    def _contradiction(self, event: dict[str, Any], before: dict[str, Any], place: str) -> str | None:
        seq, last = event["seq"], before["seq"]
        if event is not self._first and seq <= last:
            again = "stands there twice" if seq == last else f"stands after event {last}"
            return f"event {seq}{place} {again}: event {last + 1} was expected"
        if event is not self._first and seq > last + 1:
            self._gaps += 1
            self._gap = self._gap or f"{_missing(last + 1, seq - 1)}; event {seq}{place} stands in its place"
        elif seq == last + 1 and event["prev_hash"] != before["hash"]:
            return (
                f"event {seq}{place}: its prev_hash should be {before['hash']}, "
                f"{f'the hash of event {last}' if last else '64 zeros'}, and is {event['prev_hash']}"
            )
        if (computed := trail.event_hash(event)) != event["hash"]:
            return f"event {seq}{place}: its content hashes to {computed}, and its hash is {event['hash']}"
        return None

    def _begin(self) -> tuple[str | None, str | None]:
        """Return what is missing before the first event, and how the first event contradicts a tombstone."""
        if self._first is None:
            return None, None
        seq, link, stone = self._first["seq"], self._first["prev_hash"], self._removed
        if stone is None:
            unsaid = f"{_missing(1, seq - 1)}, and no event says that it was removed; the first one is event {seq}"
            return (unsaid if seq > 1 else None), None
        says = f"event {self._removal} says that events {stone.first} to {stone.last} were removed"
        if stone.last >= seq:
            return None, f"event {seq} should not be there: {says}"
        if stone.last < seq - 1:
            return f"{_missing(stone.last + 1, seq - 1)}: {says}, and the first one is event {seq}", None
        if stone.last_hash != link:
            return None, f"event {seq}: its prev_hash should be {stone.last_hash}, as {says}, and is {link}"
        return None, None


def check(events: Iterable[dict[str, Any]], *, line: Callable[[], int] | None = None) -> Verdict:
    """Recompute the chain that `events` should be.

    Args:
        events: with the exported keys, in order; may raise `Unreadable`, which is a break, too.
        line: gives the line of the event that came last, to be said with a fault.
    """
    chain = Chain()
    try:
        for one in events:
            chain.add(one, "" if line is None else f" (line {line()})")
            if chain.settled:
                break
    except Unreadable as fault:
        chain.fail(str(fault))
    return chain.verdict()


def verify(connection: Connection, *, progress: Callable[[int], None] = lambda _: None) -> Verdict:
    """Recompute every hash of the trail and compare its end with the head that is kept beside it.

    Args:
        connection: from `Database.reading`.
        progress: is told now and then up to which event the trail was read.
    """
    try:
        return _verified(connection, progress)
    except exc.DBAPIError as fault:
        if not sqlite.undecoded(fault):
            raise
    # Once more, because reading in this way takes longer, and hardly ever is there a need for it.
    with sqlite.any_text(connection):
        return _verified(connection, progress)


def _verified(connection: Connection, progress: Callable[[int], None]) -> Verdict:
    chain = Chain()
    try:
        _walk(connection, chain, progress)
    except Unreadable as unreadable:
        chain.fail(str(unreadable))
    found = chain.verdict()
    if found.fault is not None:
        return found
    try:
        seq, last = trail.head_of(connection)
    except HeadMissing as head:
        fault = f"the head that is kept beside the trail is {head.state}: event {found.seq} is the last, if it is"
        return replace(found, forged=fault, fault=fault)
    if (seq, last) == (found.seq, found.head):
        return found
    if seq > found.seq:
        fault = f"{_missing(found.seq + 1, seq)}: the trail ends before it, and its head is event {seq} ({last})"
    elif seq < found.seq:
        fault = f"event {seq + 1} should not be there: the head is event {seq} ({last})"
    else:
        fault = f"event {seq}: its hash is {found.head}, and the head that is kept beside it says {last}"
    return replace(found, count=min(found.count, max(0, seq - found.first + 1)), forged=fault, fault=fault)


def _walk(connection: Connection, chain: Chain, progress: Callable[[int], None]) -> None:
    """Lead the whole trail through `chain`, in constant memory."""
    after = None
    while not chain.settled and (page := trail.rows(connection, after=after)):
        if not chain.add_page(page):
            for event in _exported(connection, after, len(page)):
                chain.add(event)
        after = page[-1][0]
        progress(after)


def _exported(connection: Connection, after: int | None, count: int) -> Iterator[dict[str, Any]]:
    """Yield events as they are exported; whoever forged them may have put anything into a column."""
    events, last = trail.read(connection, trail.Filter(), after=after, page=count), after or 0
    for _ in range(count):
        try:
            one = next(events)
        except (TypeError, ValueError, ArithmeticError, AttributeError) as fault:
            raise Unreadable(f"the event after event {last} cannot be read ({fault})") from fault
        if wrong := misshapen(one):
            raise Unreadable(f"event {shown(one['seq'])} {wrong}")
        last = one["seq"]
        yield one


def _missing(first: int, last: int) -> str:
    return f"event {first} is missing" if first == last else f"event {first} is missing (and those up to {last})"
