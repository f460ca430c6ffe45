"""The trail: events are appended and read, and there is no other verb.

It knows the form of an event and the chain of hashes. It refuses to change or remove an event, to call anybody,
and to put anything into words.

The hash of an event is the SHA-256, in hexadecimal, of the canonical JSON (RFC 8785: keys sorted, no blanks,
UTF-8) of all its exported keys but `hash` itself. `prev_hash` is among them: that makes the chain. The first
event's `prev_hash` is 64 zeros.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, cast, func, insert, literal_column, select, update

from bot.canonical import COLUMNS, digest, timestamp
from bot.outcomes import Outcome
from bot.store.errors import HeadMissing
from bot.store.statement import Statement
from bot.store.tables import events, head
from bot.store.writing import Transaction
from bot.tombstone import PRUNED

REQUESTED = "requested"
SENDING = "sending"
OUTCOMES = tuple(Outcome)
EVENTS = (REQUESTED, SENDING, *OUTCOMES, PRUNED)
SOURCES = ("slash", "modal", "shortcut", "cli")

KEYS = COLUMNS
"""The keys of an exported event, in the order in which they are exported."""

GENESIS = "0" * 64

PAGE = 1000

# In the words of the indexes of `bot/migrations`: for SQLite always, and for a plan that PostgreSQL keeps, a parameter
# could stand for any event, and the index would not do.
_ASKED = events.c.event == literal_column(f"'{REQUESTED}'")

_APPEND = Statement(insert(events))
_MOVE_HEAD = Statement(update(head).where(head.c.one == 1).values(seq=bindparam("to_seq"), hash=bindparam("to_hash")))
_HEAD = Statement(select(head.c.seq, head.c.hash))
_RECENT_OF_USER, _RECENT_OF_TERMINAL = (
    Statement(select(events.c.at).where(own, _ASKED, events.c.at > bindparam("since")).order_by(events.c.at))
    for own in (events.c.user_id == bindparam("user_id"), events.c.user_id.is_(None))
)

_FIRST_ROWS, _NEXT_ROWS = (
    Statement(rest.order_by(events.c.seq).limit(literal_column(f"{PAGE:d}")))
    for rest in (select(events), select(events).where(events.c.seq > bindparam("after")))
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, from where; IDs, never names.

    Attributes:
        source: one of `SOURCES`.
        team_id: Slack's; None from the terminal, as the other two.
    """

    source: str
    team_id: str | None = None
    channel_id: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, before it has its place in the chain."""

    event: str
    request_id: str
    asker: Asker
    label: str | None = None
    kinds: tuple[str, ...] | None = None
    http_status: int | None = None
    elapsed_ms: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events to read; what is None does not narrow. Times are milliseconds since 1970."""

    since: int | None = None
    until: int | None = None
    team_id: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    label: str | None = None
    events: tuple[str, ...] = ()


def new_id() -> str:
    """Return an ID that is short enough to be read aloud: 12 characters, 60 bits, none that look alike."""
    return "".join("0123456789abcdefghjkmnpqrstvwxyz"[one & 31] for one in secrets.token_bytes(12))


def milliseconds(written: str) -> int:
    """Return the milliseconds since 1970 of an RFC 3339 moment, or of a date (its begin); without a zone: UTC.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round((moment - _EPOCH) / timedelta(milliseconds=1))


def event_hash(exported: dict[str, Any]) -> str:
    """Return the hash of an event, given with its exported keys (see the module's docstring)."""
    content = {key: value for key, value in exported.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def append(tx: Transaction, new: Sequence[Event]) -> list[int]:
    """Append events in the given order; they are durable when the transaction commits.

    Returns:
        Their numbers.

    Raises:
        sqlalchemy.exc.IntegrityError: a request already has its outcome.
    """
    rows = []
    for one in new:
        tx.seq += 1
        row: dict[str, Any] = {
            "seq": tx.seq,
            "id": secrets.token_hex(16),
            "at": tx.now,
            "request_id": one.request_id,
            "source": one.asker.source,
            # Nothing empty but null: in CSV they are the same, and a CSV export can be recomputed, too.
            "team_id": one.asker.team_id or None,
            "channel_id": one.asker.channel_id or None,
            "user_id": one.asker.user_id or None,
            "label": one.label or None,
            "kinds": " ".join(one.kinds) if one.kinds else None,
            "event": str(one.event),
            "http_status": one.http_status,
            "elapsed_ms": one.elapsed_ms,
            "detail": one.detail or None,
            "prev_hash": tx.hash,
        }
        tx.hash = row["hash"] = digest(list(row.values()))
        rows.append(row)
    if rows:
        for row in rows:
            _APPEND.later(tx.connection, **row)
        _MOVE_HEAD.later(tx.connection, to_seq=tx.seq, to_hash=tx.hash)
        tx.recorded += [row["event"] for row in rows]
    return [row["seq"] for row in rows]


def read(
    connection: Connection, narrow: Filter, *, after: int | None = None, newest: int | None = None, page: int = PAGE
) -> Iterator[dict[str, Any]]:
    """Yield events with the exported keys, oldest first, in constant memory.

    Args:
        connection: from `Database.reading`.
        narrow: which events.
        after: only those with a greater `seq`; None: all, also one that was forged before the first.
        newest: only so many, the last ones.
        page: how many are held in memory at a time.
    """
    wanted = _narrowed(narrow)
    if newest is not None:
        rows = connection.execute(wanted.order_by(events.c.seq.desc()).limit(literal_column(f"{newest:d}"))).all()
        yield from map(_exported, reversed(rows))
        return
    while True:
        rest = wanted if after is None else wanted.where(events.c.seq > after)
        rows = connection.execute(rest.order_by(events.c.seq).limit(literal_column(f"{page:d}"))).all()
        yield from map(_exported, rows)
        if len(rows) < page:
            return
        after = rows[-1].seq


def rows(connection: Connection, *, after: int | None) -> Sequence[Sequence[Any]]:
    """Return the next `PAGE` events as the database holds them: the values of `bot.canonical.COLUMNS`."""
    return (_FIRST_ROWS if after is None else _NEXT_ROWS).run(connection, after=after).plain()


def requested_since(connection: Connection, user_id: str | None, since: int) -> list[int]:
    """Return the times of a user's requests since `since`, oldest first; None stands for the terminal's."""
    asked = _RECENT_OF_TERMINAL if user_id is None else _RECENT_OF_USER
    return asked.run(connection, user_id=user_id, since=since).scalars()


def head_of(connection: Connection) -> tuple[int, str]:
    """Return the number and the hash of the last event.

    Raises:
        HeadMissing: somebody removed what is kept of it, or put something else there, as SQLite lets them.
    """
    row = _HEAD.run(connection).first()
    if row is None:
        raise HeadMissing
    if type(row.seq) is not int or not re.fullmatch("[0-9a-f]{64}", str(row.hash)):
        raise HeadMissing(f"not a number and a hash, but {row.seq!r:.80} and {row.hash!r:.80}")
    return row.seq, row.hash


def last_seq(connection: Connection) -> int | None:
    """Return the number of the last event that is there, whatever the head says; None where there is none."""
    # Whoever forged a table of SQLite's may have put anything there; it would be taken for the greatest number.
    return connection.execute(select(cast(func.max(events.c.seq), BigInteger))).scalar()


def _exported(row: Sequence[Any]) -> dict[str, Any]:
    event = dict(zip(KEYS, row, strict=True))
    event["at"] = timestamp(event["at"])
    if event["kinds"] is not None:
        event["kinds"] = event["kinds"].split()
    return event


def _narrowed(narrow: Filter) -> Select[Any]:
    wanted = select(events)
    if narrow.since is not None:
        wanted = wanted.where(events.c.at >= narrow.since)
    if narrow.until is not None:
        wanted = wanted.where(events.c.at < narrow.until)
    if narrow.team_id is not None:
        wanted = wanted.where(events.c.team_id == narrow.team_id)
    if narrow.channel_id is not None:
        wanted = wanted.where(events.c.channel_id == narrow.channel_id)
    if narrow.user_id is not None:
        wanted = wanted.where(events.c.user_id == narrow.user_id)
    if narrow.label is not None:
        wanted = wanted.where(events.c.label == narrow.label)
    if narrow.events:
        wanted = wanted.where(events.c.event.in_(narrow.events))
    return wanted
