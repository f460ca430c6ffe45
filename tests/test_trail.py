"""The trail: its form, its chain, and that it can only grow."""

import hashlib
import json
import re
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import exc, text

from bot import canonical, trail, verification
from bot.outcomes import Outcome
from bot.store.database import Database
from bot.trail import Asker, Event
from tests.conftest import events_of

SLACK = Asker(source="slash", team_id="T1", channel_id="C1", user_id="U1")


def record(database: Database, *events: str, request_id: str = "r1", label: str | None = "A10cnQO") -> list[int]:
    """Append events of one request."""
    new = [Event(event=one, request_id=request_id, asker=SLACK, label=label, kinds=("trksub",)) for one in events]
    return database.write(lambda tx: trail.append(tx, new))


def test_an_event_is_exported_with_the_keys_of_the_contract(database: Database) -> None:
    """An exported event has the sixteen keys, null where they do not apply, and a time in UTC with milliseconds."""
    record(database, trail.REQUESTED)
    (one,) = events_of(database)
    assert tuple(one[key] for key in trail.KEYS[3:14]) == (
        "r1", "slash", "T1", "C1", "U1", "A10cnQO", ["trksub"], "requested", None, None, None,
    )  # fmt: skip
    assert set(one) == set(trail.KEYS)
    assert canonical.timestamp(trail.milliseconds(str(one["at"]))) == one["at"]
    assert str(one["at"]).endswith("Z")


MOMENTS = st.integers(trail.milliseconds("0001-01-01"), trail.milliseconds("9999-12-31T23:59:59.999Z"))


@given(one=MOMENTS, other=MOMENTS)
@example(one=trail.milliseconds("0226-01-01"), other=trail.milliseconds("2026-01-01"))
@example(one=trail.milliseconds("0999-12-31T23:59:59.999Z"), other=trail.milliseconds("1000-01-01"))
def test_every_moment_has_one_form(one: int, other: int) -> None:
    """RFC 3339 with four digits for the year, also of the first ones: it reads back, and texts come in time's order."""
    said = canonical.timestamp(one)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", said)
    assert trail.milliseconds(said) == one
    assert (said < canonical.timestamp(other)) == (one < other)


def test_a_stranger_can_recompute_the_chain_with_the_standard_library(database: Database) -> None:
    """Each hash is the SHA-256 of the canonical JSON of the other keys, and names the hash before it."""
    record(database, trail.REQUESTED, trail.SENDING, "accepted", label="Zażółć \u2028 \x7f")
    previous = "0" * 64
    for one in events_of(database):
        assert one["prev_hash"] == previous
        rest = {key: value for key, value in one.items() if key != "hash"}
        form = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(form.encode("utf-8")).hexdigest()
        assert one["hash"] == previous


def test_the_hash_is_that_of_the_worked_example_in_the_readme() -> None:
    """The canonical form does not change from one version of the program to the next."""
    event: dict[str, Any] = dict.fromkeys(trail.KEYS)
    event |= {
        "seq": 1, "id": "0" * 32, "at": "2026-01-01T00:00:00.000Z", "request_id": "000000000000", "source": "cli",
        "label": "A10cnQO", "kinds": ["trksub"], "event": "requested", "prev_hash": "0" * 64, "hash": "",
    }  # fmt: skip
    form = (
        '{"at":"2026-01-01T00:00:00.000Z","channel_id":null,"detail":null,"elapsed_ms":null,"event":"requested",'
        '"http_status":null,"id":"00000000000000000000000000000000","kinds":["trksub"],"label":"A10cnQO",'
        '"prev_hash":"0000000000000000000000000000000000000000000000000000000000000000",'
        '"request_id":"000000000000","seq":1,"source":"cli","team_id":null,"user_id":null}'
    )
    assert trail.event_hash(event) == hashlib.sha256(form.encode()).hexdigest()


CHANGES = {
    "sqlite": [
        "UPDATE events SET label = 'another'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        "INSERT OR REPLACE INTO events SELECT seq + 9, 'i', at, request_id, source, team_id, channel_id, user_id, "
        "label, kinds, 'unknown', http_status, elapsed_ms, detail, 'p', 'h' FROM events WHERE event = 'accepted'",
    ],
    "postgresql": ["UPDATE events SET label = 'another'", "DELETE FROM events", "TRUNCATE events"],
}


def test_the_database_itself_refuses_every_change(database: Database) -> None:
    """Even a client that goes past this program cannot change, remove or replace an event."""
    record(database, trail.REQUESTED, "accepted")
    before = events_of(database)
    for statement in CHANGES[database.dialect]:
        with database.engine.connect() as connection:
            if database.dialect == "sqlite":
                connection.exec_driver_sql("PRAGMA recursive_triggers=OFF")
            with pytest.raises(exc.DBAPIError, match="the trail is append-only"):
                connection.execute(text(statement))
    assert events_of(database) == before


def test_a_request_has_one_outcome(database: Database) -> None:
    """A second outcome of the same request is refused, whatever it is, and nothing of its transaction stays."""
    record(database, trail.REQUESTED, trail.SENDING, "accepted")
    with pytest.raises(exc.IntegrityError):
        record(database, trail.SENDING, "unknown")
    assert [one["event"] for one in events_of(database)] == ["requested", "sending", "accepted"]


def test_threads_make_one_chain(database: Database) -> None:
    """Appends from many threads at once leave no gap and no fork."""

    def append(name: int) -> None:
        for number in range(10):
            record(database, trail.REQUESTED, request_id=f"{name}-{number}")

    threads = [threading.Thread(target=append, args=(name,)) for name in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with database.reading() as connection:
        verdict = verification.verify(connection)
    assert (verdict.count, verdict.fault) == (80, None)


FORGERIES = {
    "an edited label": ("UPDATE events SET label = 'other' WHERE seq = 2", "event 2"),
    "an edited time": ("UPDATE events SET at = at + 1 WHERE seq = 3", "event 3"),
    "an edited hash": ("UPDATE events SET hash = 'f' WHERE seq = 1", "event 1"),
    "an edited link": ("UPDATE events SET prev_hash = 'f' WHERE seq = 2", "event 2"),
    "a deleted row": ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
    "a deleted first row": ("DELETE FROM events WHERE seq = 1", "event 1 is missing"),
    "a missing last row": ("DELETE FROM events WHERE seq = 3", "event 3 is missing"),
    "an empty table": ("DELETE FROM events", "event 1 is missing"),
    "a row too many": ("UPDATE head SET seq = 2", "event 3 should not be there"),
    "another head": ("UPDATE head SET hash = 'f'", "event 3"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_verify_names_the_first_broken_row(database: Database, forgery: str) -> None:
    """Whatever was forged by someone who lifted the triggers, `verify` says where."""
    statement, named = FORGERIES[forgery]
    record(database, trail.REQUESTED, trail.SENDING, "accepted")
    with database.engine.begin() as connection:
        lift_the_guard(database, connection)
        connection.execute(text(statement))
    with database.reading() as reader:
        verdict = verification.verify(reader)
    assert named in str(verdict.fault)


def lift_the_guard(database: Database, connection: Any) -> None:
    """Do what only somebody with the whole database in their hands can."""
    if database.dialect == "postgresql":
        connection.execute(text("ALTER TABLE events DISABLE TRIGGER ALL"))
        return
    for one in ("events_no_update", "events_no_delete", "events_no_replace"):
        connection.execute(text(f"DROP TRIGGER {one}"))


def test_reading_narrows_by_every_column_that_the_contract_names(database: Database) -> None:
    """Filters can be combined, and pages are put together without a seam."""
    for number in range(7):
        record(database, trail.REQUESTED, request_id=f"r{number}", label=f"L{number % 2}")
    record(database, Outcome.ACCEPTED, request_id="r0", label="L0")
    with database.reading() as connection:
        narrow = trail.Filter(channel_id="C1", user_id="U1", label="L0", team_id="T1", events=("requested",))
        assert [one["seq"] for one in trail.read(connection, narrow, page=2)] == [1, 3, 5, 7]
        assert [one["seq"] for one in trail.read(connection, narrow, newest=2)] == [5, 7]
        assert not list(trail.read(connection, trail.Filter(user_id="U2")))
    at = trail.milliseconds(str(events_of(database)[0]["at"]))
    assert not events_of(database, until=at)
    assert events_of(database, since=at)[0]["seq"] == 1


@pytest.mark.parametrize(
    ("text_", "expected"),
    [
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01.250Z", 1250),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00", 0),
    ],
)
def test_moments_are_read_as_rfc_3339(text_: str, expected: int) -> None:
    """A moment without a zone is UTC, a date is its begin."""
    assert trail.milliseconds(text_) == expected


def test_ids_do_not_repeat() -> None:
    """IDs are twelve characters that cannot be confused with each other."""
    ids = {trail.new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert set("".join(ids)) <= set("0123456789abcdefghjkmnpqrstvwxyz")


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    texts=st.fixed_dictionaries(dict.fromkeys(("team_id", "channel_id", "user_id", "label", "detail"), TEXTS)),
    kinds=st.none() | st.lists(st.sampled_from(["trksub", "trkid", "submission_id", "Zażółć", '"\\'])).map(" ".join),
    numbers=st.fixed_dictionaries(dict.fromkeys(("http_status", "elapsed_ms"), st.none() | st.integers(-9, 10**6))),
    at=st.integers(-1, 250_000_000_000_000),
    seq=st.integers(1, 2**63 - 1),
)
def test_the_quick_form_is_the_canonical_json(
    texts: dict[str, str | None], kinds: str | None, numbers: dict[str, int | None], at: int, seq: int
) -> None:
    """What is appended and verified by the million hashes to the same as the standard library's JSON of an export."""
    row = {
        **dict.fromkeys(trail.KEYS, "x"), **texts, **numbers, "kinds": kinds, "at": at, "seq": seq,
        "prev_hash": trail.GENESIS, "hash": None,
    }  # fmt: skip
    exported = {**row, "at": canonical.timestamp(at), "kinds": None if kinds is None else kinds.split()}
    assert canonical.digest([row[key] for key in trail.KEYS]) == trail.event_hash(exported)


@pytest.mark.parametrize(
    ("column", "value"),
    [("label", "a\0b"), ("label", b"A10cnQO"), ("http_status", "200"), ("at", "now"), ("seq", "1"), ("kinds", 7),
     ("detail", "\ud800"), ("at", 10**18), ("elapsed_ms", 1.5)],
)  # fmt: skip
def test_what_no_event_has_is_not_hashed(column: str, value: object) -> None:
    """A forger's value of another type is refused, rather than taken for something that looks the same."""
    row = dict.fromkeys(trail.KEYS, "x") | {"at": 1, "seq": 1, "http_status": None, "elapsed_ms": None}
    assert canonical.digest(list(row.values()))
    with pytest.raises((TypeError, ValueError, OverflowError)):
        canonical.digest(list((row | {column: value}).values()))
