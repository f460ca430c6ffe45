"""Forgeries by somebody who has the whole database in their hands, and that `verification` names each of them."""

# ruff: noqa: S608 - the statements are this file's own

import re
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update

from bot import canonical, pruning, tombstone, trail, verification
from bot.outcomes import Outcome
from bot.store import guard
from bot.store.database import Database
from bot.store.tables import events, head
from bot.store.writing import Transaction
from bot.trail import Asker, Event

SLACK = Asker(source="slash", team_id="T1", channel_id="C1", user_id="U1")
OLD = trail.milliseconds("2020-01-01")
LAST = 6


def record(database: Database, *, request_id: str, label: str, at: int | None = None) -> None:
    """Record a whole request."""

    def work(tx: Transaction) -> None:
        tx.now = at or tx.now
        same: dict[str, Any] = {"request_id": request_id, "asker": SLACK, "label": label, "kinds": ("trksub", "trkid")}
        end = Event(event=Outcome.REJECTED, http_status=404, elapsed_ms=12, detail="no such label", **same)
        trail.append(tx, [*(Event(event=one, **same) for one in (trail.REQUESTED, trail.SENDING)), end])

    database.write(work)


@pytest.fixture
def whole(database: Database) -> Database:
    """Give a database with a trail of two requests, events 1 to 6."""
    record(database, request_id="r1", label="A10cnQO1")
    record(database, request_id="r2", label="B20xxxx1")
    assert found(database) is None
    return database


@pytest.fixture
def pruned(database: Database) -> Database:
    """Give a database whose events 1 to 3 were removed: 4 to 6 are left, and 7 is the tombstone."""
    record(database, request_id="r1", label="A10cnQO1", at=OLD)
    record(database, request_id="r2", label="B20xxxx1")
    plan = pruning.plan(database, before=OLD + 1, cooldown_s=0)
    assert [database.write(lambda tx, one=one: pruning.remove(tx, one)) for one in plan.steps] == [7]  # type: ignore[misc]
    assert found(database) is None
    return database


def found(database: Database) -> str | None:
    """Return the fault that `verification` names."""
    with database.reading() as connection:
        return verification.verify(connection).fault


def named(database: Database) -> int:
    """Return the number of the event that `verification` names as the first broken one."""
    fault = found(database)
    assert fault is not None, "it was not found"
    number = re.match(r"event (\d+)\b", fault)
    assert number is not None, fault
    return int(number[1])


def forge(database: Database, *statements: str) -> None:
    """Lift the guard and change the trail."""
    with database.engine.begin() as connection, guard.lifted(connection):
        for one in statements:
            connection.execute(text(one))


EDITS = {
    "seq": "99",
    "id": "'0123'",
    "at": "at + 1",
    "request_id": "'r9'",
    "source": "'cli'",
    "team_id": "'T2'",
    "channel_id": "'C2'",
    "user_id": "'U2'",
    "label": "'a10cnQO1'",
    "kinds": "'trksub'",
    "event": "'accepted'",
    "http_status": "http_status + 1",
    "elapsed_ms": "elapsed_ms + 1",
    "detail": "'no such label '",
    "prev_hash": f"'{'f' * 64}'",
    "hash": f"'{'f' * 64}'",
}


def test_every_exported_field_is_among_the_edits() -> None:
    """A new key of an event is a new edit here."""
    assert tuple(EDITS) == trail.KEYS


@pytest.mark.parametrize("key", EDITS)
def test_an_edited_field_is_named(whole: Database, key: str) -> None:
    """Whichever field of an event is edited, that event is named."""
    forge(whole, f"UPDATE events SET {key} = {EDITS[key]} WHERE seq = 3")
    assert named(whole) == 3


@pytest.mark.parametrize("key", [one.name for one in events.columns if one.nullable])
def test_an_emptied_field_is_named(whole: Database, key: str) -> None:
    """A field that is taken away is found as well as one that is changed."""
    forge(whole, f"UPDATE events SET {key} = NULL WHERE seq = 3")
    assert named(whole) == 3


@pytest.mark.parametrize("key", ["detail", "http_status", "elapsed_ms"])
def test_a_field_that_was_filled_in_is_named(whole: Database, key: str) -> None:
    """What did not apply does not apply later either."""
    forge(whole, f"UPDATE events SET {key} = '7' WHERE seq = 2")
    assert named(whole) == 2


MEANINGLESS = {
    "sqlite": ["at = 'noon'", "at = 9223372036854775807", "at = 1.5", "kinds = x'00'", "http_status = 'OK'"],
    "postgresql": ["at = 9223372036854775807", "at = -9223372036854775808"],
}  # fmt: skip


def test_a_field_without_a_meaning_is_a_fault_and_no_traceback(whole: Database) -> None:
    """What cannot be read as an event at all, which SQLite stores in any column, is said in a sentence."""
    for statement in MEANINGLESS[whole.dialect]:
        with whole.engine.connect() as connection:
            with guard.lifted(connection):
                connection.execute(text(f"UPDATE events SET {statement} WHERE seq = 2"))
            fault = verification.verify(connection).fault
            assert fault is not None, statement
            assert re.search(r"event [12]\b", fault), fault
            connection.rollback()


NONSENSE = {
    "text": "'noon'",
    "an empty text": "''",
    "a text with a NUL": "CAST(x'410042' AS TEXT)",
    "a text that is no UTF-8": "CAST(x'41ff' AS TEXT)",
    "half a character": "CAST(x'eda080' AS TEXT)",
    "bytes": "x'00ff'",
    "the bytes of a text": "CAST('A10cnQO1' AS BLOB)",
    "nothing": "NULL",
    "a part of a number": "1.5",
    "more than any number": "9e999",
    "a large number": "9223372036854775807",
    "a negative number": "-9223372036854775808",
}


def made_anew(database: Database, table: str) -> None:
    """Put a table without any rule in the place of one of the trail's, with the same rows."""
    with database.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE anew AS SELECT * FROM {table}"))
        connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text(f"ALTER TABLE anew RENAME TO {table}"))


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_in_any_field_is_named(sqlite: Database, what: str) -> None:
    """SQLite takes anything in any column of a table that somebody made: it is a fault of that event."""
    record(sqlite, request_id="r1", label="A10cnQO1")
    record(sqlite, request_id="r2", label="B20xxxx1")
    made_anew(sqlite, "events")
    for key in trail.KEYS:
        with sqlite.engine.connect() as connection:
            connection.execute(text(f"UPDATE events SET {key} = {NONSENSE[what]} WHERE seq = 3"))
            fault = verification.verify(connection).fault
            assert fault is not None, key
            assert re.search(r"event [23]\b", fault) or (key == "seq" and "event" in fault), (key, fault)
            assert fault.encode(), key
            assert isinstance(trail.last_seq(connection), int), "it tells the bar of a terminal how far there is to go"
            connection.rollback()
    assert found(sqlite) is None


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_in_the_head_is_named(sqlite: Database, what: str) -> None:
    """A head that is no number and no hash is a fault, and no traceback."""
    record(sqlite, request_id="r1", label="A10cnQO1")
    made_anew(sqlite, "head")
    for key in ("seq", "hash"):
        with sqlite.engine.connect() as connection:
            connection.execute(text(f"UPDATE head SET {key} = {NONSENSE[what]}"))
            fault = verification.verify(connection).fault
            assert fault is not None, key
            assert "head" in fault, (key, fault)
            assert fault.encode(), key
            connection.rollback()
    assert found(sqlite) is None


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_a_deleted_row_is_named(whole: Database, seq: int) -> None:
    """Wherever it stood, also at either end, the missing event is named."""
    forge(whole, f"DELETE FROM events WHERE seq = {seq}")
    assert named(whole) == seq
    assert f"event {seq} is missing" in str(found(whole))


def test_a_gap_that_is_closed_by_new_numbers_is_named(whole: Database) -> None:
    """Who deletes a row and moves the others up breaks the link of the first that moved."""
    forge(
        whole,
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET seq = -seq WHERE seq > 3",
        "UPDATE events SET seq = -seq - 1 WHERE seq < 0",
        f"UPDATE head SET seq = {LAST - 1}",
    )
    assert named(whole) == 3


SWAP = ["UPDATE events SET seq = -seq WHERE seq IN (2, 3)", "UPDATE events SET seq = seq + 5 WHERE seq < 0"]


def test_a_swapped_pair_is_named(whole: Database) -> None:
    """Two events that changed places are found at the first of them."""
    forge(whole, *SWAP)
    assert named(whole) == 2


def test_a_pair_that_swapped_what_it_says_is_named(whole: Database) -> None:
    """The links stay as they were, and the content of two events changes places."""
    forge(whole, "UPDATE events SET label = CASE label WHEN 'A10cnQO1' THEN 'B20xxxx1' ELSE 'A10cnQO1' END")
    assert named(whole) == 1


def insert_row(connection: Connection, seq: int, prev_hash: str) -> str:
    """Insert an event that is true in itself; returns its hash."""
    row = connection.execute(select(events).where(events.c.seq == LAST)).mappings().one()
    new = {**row, "seq": seq, "id": "inserted", "request_id": "r0", "prev_hash": prev_hash}
    new["hash"] = trail.event_hash({**new, "at": canonical.timestamp(row["at"]), "kinds": row["kinds"].split()})
    connection.execute(insert(events).values(new))
    return str(new["hash"])


@pytest.mark.parametrize(("seq", "first_broken"), [(LAST + 1, LAST + 1), (LAST + 2, LAST + 1), (0, 0), (-3, -3)])
def test_an_inserted_row_is_named(whole: Database, seq: int, first_broken: int) -> None:
    """A row that was put after the last one, or before the first, is found."""
    with whole.engine.begin() as connection, guard.lifted(connection):
        last = connection.execute(select(events.c.hash).where(events.c.seq == LAST)).scalar_one()
        insert_row(connection, seq, last)
    fault = found(whole)
    assert fault is not None
    assert re.match(rf"event {first_broken}\b", fault), fault


def move_up(connection: Connection, begin: int) -> None:
    """Give everything from `begin` on the next number."""
    connection.execute(text(f"UPDATE events SET seq = -seq WHERE seq >= {begin}"))
    connection.execute(text("UPDATE events SET seq = 1 - seq WHERE seq < 0"))
    connection.execute(update(head).values(seq=LAST + 1))


def test_an_inserted_row_that_moved_the_others_up_is_named(whole: Database) -> None:
    """A row between two others, the numbers made good, does not link to the one before it."""
    with whole.engine.begin() as connection, guard.lifted(connection):
        move_up(connection, 3)
        insert_row(connection, 3, "f" * 64)
    assert named(whole) == 3


def test_an_inserted_row_that_links_on_both_sides_is_named(whole: Database) -> None:
    """Where the next event was made to link to the new one, the next event's own hash is wrong."""
    with whole.engine.begin() as connection, guard.lifted(connection):
        before = connection.execute(select(events.c.hash).where(events.c.seq == 2)).scalar_one()
        move_up(connection, 3)
        connection.execute(update(events).where(events.c.seq == 4).values(prev_hash="f" * 64))
        made = insert_row(connection, 3, before)
        connection.execute(update(events).where(events.c.seq == 4).values(prev_hash=made))
    assert named(whole) == 4


@pytest.mark.parametrize("kept", range(LAST))
def test_a_tail_that_was_cut_off_is_named(whole: Database, kept: int) -> None:
    """As long as the head still says how far the trail had come, the first missing event is named."""
    forge(whole, f"DELETE FROM events WHERE seq > {kept}")
    assert named(whole) == kept + 1


@pytest.mark.parametrize(
    ("edit", "first_broken"),
    [("seq = 5", 6), ("seq = 7", 7), ("seq = 0", 1), (f"hash = '{'f' * 64}'", 6), (f"seq = 5, hash = '{'f' * 64}'", 6)],
)
def test_an_edited_head_is_named(whole: Database, edit: str, first_broken: int) -> None:
    """The head is held against the last event."""
    forge(whole, f"UPDATE head SET {edit}")
    assert named(whole) == first_broken


def test_a_head_that_was_removed_is_a_sentence(whole: Database) -> None:
    """Without it nothing shows that the tail was cut off; that is said, and is no traceback."""
    forge(whole, "DELETE FROM head")
    assert "head" in str(found(whole))


def chain_anew(database: Database, seq: int, **edited: object) -> None:
    """Edit an event, and write everything after it anew, so that it is a chain."""
    with database.engine.begin() as connection, guard.lifted(connection):
        connection.execute(update(events).where(events.c.seq == seq).values(edited))
        rows = connection.execute(select(events).where(events.c.seq >= seq).order_by(events.c.seq)).mappings().all()
        previous = rows[0]["prev_hash"]
        for row in rows:
            content: Mapping[str, Any] = {**row, "prev_hash": previous}
            kinds = None if row["kinds"] is None else row["kinds"].split()
            made = trail.event_hash({**content, "at": canonical.timestamp(row["at"]), "kinds": kinds})
            connection.execute(update(events).where(events.c.seq == row["seq"]).values(prev_hash=previous, hash=made))
            previous = made
        connection.execute(update(head).values(hash=previous))


def test_a_tombstone_that_was_edited_is_named(pruned: Database) -> None:
    """It is an event like the others."""
    forge(pruned, f"UPDATE events SET detail = '{tombstone.write(1, 2, 2, 'f' * 64)}' WHERE seq = 7")
    assert found(pruned) is not None


@pytest.mark.parametrize(
    ("said", "first_broken"),
    [
        (tombstone.write(1, 3, 3, "f" * 64), 4),
        (tombstone.write(1, 2, 2, "f" * 64), 3),
        (tombstone.write(1, 5, 5, "f" * 64), 4),
        ("events 1 to 3 removed", 1),
    ],
)
def test_a_tombstone_that_says_something_else_is_named(pruned: Database, said: str, first_broken: int) -> None:
    """Also where the chain was written anew around it: what it says must fit the first event that is left."""
    chain_anew(pruned, 7, detail=said)
    assert named(pruned) == first_broken


def test_a_tombstone_that_is_missing_is_named(pruned: Database) -> None:
    """Without it nobody has said that the first events were removed."""
    forge(pruned, "DELETE FROM events WHERE seq = 7")
    assert found(pruned) is not None
    with pruned.engine.begin() as connection:
        last = connection.execute(select(events.c.hash).where(events.c.seq == 6)).scalar_one()
        connection.execute(update(head).values(seq=6, hash=last))
    assert named(pruned) == 1


def test_more_removed_than_the_tombstone_says_is_named(pruned: Database) -> None:
    """The first event that the tombstone does not cover is named."""
    forge(pruned, "DELETE FROM events WHERE seq = 4")
    assert named(pruned) == 4


def test_an_event_that_the_tombstone_says_is_gone_is_named(pruned: Database) -> None:
    """What was put back into the removed range is found."""
    with pruned.engine.begin() as connection, guard.lifted(connection):
        row = connection.execute(select(events).where(events.c.seq == 4)).mappings().one()
        connection.execute(insert(events).values({**row, "seq": 3, "id": "i", "hash": "1" * 64, "prev_hash": "2" * 64}))
    assert named(pruned) == 3
