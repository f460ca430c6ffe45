"""A trail is moved from one database to another: all of it as it was, or nothing."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot import exports, importing, tombstone, trail, verification
from bot.exports import Export
from bot.importing import Imported, Refused
from bot.outcomes import Outcome
from bot.store import channels, standing
from bot.store.database import Database
from bot.trail import Asker, Event
from tests.conftest import database_of_kind, events_of, opened
from tests.exported import chained, exported, lines

SLACK = Asker(source="slash", team_id="T1", channel_id="C1", user_id="U1")
LINK = "a" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a second database, of either kind, beside the one of the fixture `database`."""
    folder = tmp_path / "other"
    folder.mkdir()
    with database_of_kind(request.param, request, folder) as url, opened(url) as made:
        yield made


def take(database: Database, events: list[dict[str, Any]] | bytes) -> Imported:
    """Import an export."""
    content = events if isinstance(events, bytes) else lines(events)
    return importing.restore(database, Export(io.BytesIO(content)))


def export_of(database: Database, form: Callable[..., Iterator[str]] = exports.jsonl) -> bytes:
    """Return the whole trail, as `audit export` writes it."""
    with database.reading() as connection:
        return "\n".join(form(trail.read(connection, trail.Filter()))).encode()


def record(database: Database, *events: str, request_id: str) -> None:
    """Append events of one request."""
    new = [
        Event(event=one, request_id=request_id, asker=SLACK, label="-A10", kinds=("trksub",), detail="Zażółć, \u2028")
        for one in events
    ]
    database.write(lambda tx: trail.append(tx, new))


@pytest.mark.parametrize("form", [exports.jsonl, exports.comma_separated])
def test_a_trail_is_moved_as_it_is(database: Database, other: Database, form: Callable[..., Iterator[str]]) -> None:
    """Numbers, IDs and hashes stay, whichever way; the trail verifies, and goes on where it was."""
    record(database, trail.REQUESTED, trail.SENDING, Outcome.ACCEPTED, request_id="r1")
    record(database, Outcome.DENIED, request_id="r2")
    done = take(other, export_of(database, form))
    assert (done.verdict.count, done.unfinished) == (4, 0)
    assert events_of(other) == events_of(database)
    assert other.read(trail.head_of) == database.read(trail.head_of)
    record(other, trail.REQUESTED, request_id="r3")
    verdict = other.read(verification.verify)
    assert (verdict.count, verdict.fault) == (5, None)


def test_more_than_one_page_is_moved(database: Database) -> None:
    """Pages are put together without a seam."""
    events = exported(2 * trail.PAGE + 1)
    assert take(database, events).verdict.count == 2 * trail.PAGE + 1
    assert events_of(database) == events


def test_what_was_imported_counts(database: Database) -> None:
    """A cool-down, a quota and the rule of one outcome look at imported events as at others."""
    contents = exported(2)
    contents[0] |= {"event": "requested"}
    contents[1] |= {"request_id": contents[0]["request_id"], "event": "accepted"}
    events = chained(contents)
    take(database, events)
    with database.reading() as connection:
        assert standing.of_label(connection, "-A10cnQO").last_mail == trail.milliseconds(events[1]["at"])
        assert trail.requested_since(connection, "U1", 0) == [trail.milliseconds(events[0]["at"])]
    with database.engine.connect() as connection, pytest.raises(Exception, match="append-only"):
        connection.execute(text("DELETE FROM events"))


def test_a_pruned_trail_is_moved_with_its_tombstone(database: Database) -> None:
    """It begins with the number that it began with."""
    contents = exported(3, first=4)
    contents[2] |= {"event": tombstone.PRUNED, "detail": tombstone.write(1, 3, 3, LINK)}
    done = take(database, chained(contents, first=4, link=LINK))
    assert (done.verdict.count, done.verdict.first) == (3, 4)
    assert database.read(trail.head_of)[0] == 6


def test_requests_without_an_outcome_are_counted(database: Database) -> None:
    """They were under way, and nobody will go on with them: whoever moves the trail must know."""
    contents = exported(4)
    for one, event in zip(contents, ("requested", "requested", "sending", "requested"), strict=True):
        one["event"] = event
    contents[2]["request_id"] = contents[1]["request_id"]
    assert take(database, chained(contents)).unfinished == 3


def test_the_audit_channel_is_not_told_again(database: Database) -> None:
    """A channel that is told from this database goes on behind what came in, also one that is being told just now."""
    database.write(lambda tx: channels.follow(tx, "C0AUDIT"))
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE pace SET broken_at = 1"))
    turn = database.write(lambda tx: channels.claim(tx, "C0AUDIT", owner="me"))
    assert isinstance(turn, channels.Turn)
    take(database, exported(5))
    database.write(lambda tx: channels.told(tx, "C0AUDIT", owner="me", seq=0, pause_ms=0))
    assert database.read(lambda connection: channels.place(connection, "C0AUDIT")) == (5, 5)
    database.write(lambda tx: channels.follow(tx, "C0NEW"))
    assert database.read(lambda connection: channels.place(connection, "C0NEW")) == (5, 5)


REFUSED: dict[str, tuple[Callable[[], list[dict[str, Any]] | bytes], str]] = {
    "an empty file": (lambda: b"", "The export is empty"),
    "a part": (lambda: exported(5)[2:], "not a whole trail: event 1 is missing (and those up to 2)"),
    "a gap": (lambda: [*exported(5)[:2], exported(5)[4]], "event 3 is missing (and those up to 4); event 5 (line 3)"),
    "an edited event": (
        lambda: [*exported(2000)[:-1], {**exported(2000)[-1], "label": "x"}],
        "event 2000 (line 2000): its content hashes to",
    ),
    "a line that is none": (lambda: lines(exported(1500)) + b"{", "line 1501 is not JSON"),
    "an unfounded begin": (lambda: exported(3, first=4, link=LINK), "event 1 is missing (and those up to 3)"),
    "two outcomes": (
        lambda: chained([{**one, "request_id": "r1", "event": "unknown"} for one in exported(2)]),
        "up to line 2, a request has two outcomes",
    ),
    "a number without room": (
        lambda: chained([{**one, "elapsed_ms": 2**31} for one in exported(1)]),
        "line 1 has elapsed_ms 2147483648, and at most 2147483647 fits",
    ),
    "an event without room": (
        lambda: chained(exported(1), first=2**63),
        "line 1 has seq 9223372036854775808, and at most 9223372036854775807 fits",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_whole_and_unbroken_is_refused(database: Database, what: str) -> None:
    """The sentence says why, and the database is as it was, so that the right export can follow."""
    make, said = REFUSED[what]
    database.write(lambda tx: channels.follow(tx, "C0AUDIT"))
    with pytest.raises(Refused) as refused:
        take(database, make())
    assert said in str(refused.value)
    assert database.read(trail.head_of) == (0, trail.GENESIS)
    assert events_of(database) == []
    assert database.read(lambda connection: channels.place(connection, "C0AUDIT")) == (0, 0)
    assert take(database, exported(3)).verdict.fault is None


def test_a_database_that_has_a_trail_is_left_alone(database: Database) -> None:
    """Not even the same trail is taken in again."""
    take(database, exported(3))
    before = events_of(database)
    for events in (exported(3), exported(4), exported(2, first=4, link=before[-1]["hash"])):  # type: ignore[arg-type]
        with pytest.raises(Refused, match="has a trail already: its head is event 3"):
            take(database, events)
    assert events_of(database) == before


def test_a_trail_whose_head_was_set_back_is_left_alone(database: Database) -> None:
    """What stands in the table counts, not only what the head says."""
    take(database, exported(3))
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE head SET seq = 0, hash = '{trail.GENESIS}'"))  # noqa: S608 - zeros
    with pytest.raises(Refused, match="has a trail already"):
        take(database, exported(3))
