"""Moves a trail into a database that has none: from an export, with its numbers and its hashes, all of it or nothing.

It knows what a database must be like to take a trail in. It refuses to add to a trail, and to take in what is not
whole and in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import exc, func, insert, select, text, update

from bot import trail, verification
from bot.exports import Export, Unreadable
from bot.outcomes import Outcome
from bot.store import channels
from bot.store.database import Database
from bot.store.tables import events, head
from bot.store.writing import Transaction
from bot.verification import Verdict

_LARGEST = {"seq": 2**63 - 1, "http_status": 2**31 - 1, "elapsed_ms": 2**31 - 1}
"""What PostgreSQL has room for."""


class Refused(Exception):  # noqa: N818 - it names a state, as the sentence in it does
    """The trail was not taken in, and the database is as it was; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was taken in.

    Attributes:
        verdict: of the trail, read back from the database before it was committed.
        unfinished: how many requests have no outcome; they were under way when the export was made.
    """

    verdict: Verdict
    unfinished: int


def restore(database: Database, export: Export) -> Imported:
    """Take the trail of an export into an empty database, in one transaction.

    An audit channel that is told from this database goes on behind what was taken in: it has been shown that before.

    Raises:
        Refused: there is a trail already, or the export is not a whole and unbroken one.
        bot.store.database.DatabaseUnavailable: the database did not take it.
    """
    try:
        return database.write(lambda tx: _restored(tx, export), within_s=None)
    except exc.IntegrityError as fault:
        raise Refused(
            f"The export is none of this program's: up to line {export.line}, a request has two outcomes."
        ) from fault


def _restored(tx: Transaction, export: Export) -> Imported:
    connection = tx.connection
    if tx.seq or connection.execute(select(events.c.seq).limit(1)).first():
        raise Refused(
            f"The database has a trail already: its head is event {tx.seq}. Only an empty one takes a trail in."
        )
    if connection.dialect.name == "postgresql":
        # Whoever writes into a pipe may pause for as long as they like.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    incoming = _verified(export)
    while rows := list(islice(incoming, trail.PAGE)):
        connection.execute(insert(events), rows)
        tx.seq, tx.hash = rows[-1]["seq"], rows[-1]["hash"]
    connection.execute(update(head).where(head.c.one == 1).values(seq=tx.seq, hash=tx.hash))
    channels.leap(tx)
    verdict = verification.verify(connection)
    if verdict.fault is not None:
        raise Refused(f"The database did not keep what it was given: {verdict.fault}.")
    return Imported(verdict=verdict, unfinished=_unfinished(tx))


def _verified(export: Export) -> Iterator[dict[str, Any]]:
    """Yield the rows of the events of an export, and raise `Refused` where they are no whole trail."""
    chain = verification.Chain()
    try:
        for one in export:
            chain.add(one, f" (line {export.line})")
            if chain.forged is not None:
                break
            yield _row(one, export.line)
    except Unreadable as fault:
        chain.fail(str(fault))
    verdict = chain.verdict()
    if verdict.fault is not None:
        raise Refused(f"The export is not a whole trail: {verdict.fault}.")
    if not verdict.read:
        raise Refused("The export is empty: there is nothing to import.")


def _row(event: dict[str, Any], line: int) -> dict[str, Any]:
    for key, largest in _LARGEST.items():
        if abs(event[key] or 0) > largest:
            raise Refused(
                f"The export cannot be stored: line {line} has {key} {event[key]}, and at most {largest} fits."
            )
    kinds = event["kinds"]
    return {**event, "at": trail.milliseconds(event["at"]), "kinds": None if kinds is None else " ".join(kinds)}


def _unfinished(tx: Transaction) -> int:
    """Return how many requests have no outcome. What was invalid or denied was never a request."""
    ended = set(trail.OUTCOMES) - {Outcome.INVALID, Outcome.DENIED}
    counts = select(
        func.count().filter(events.c.event == trail.REQUESTED).label("asked"),
        func.count().filter(events.c.event.in_(ended)).label("ended"),
    )
    row = tx.connection.execute(counts).one()
    return int(row.asked - row.ended)
