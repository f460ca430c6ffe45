"""Removing old events: what goes, what stays, what is left behind, and what cannot happen in between."""

import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, exc, insert, text

from bot import pruning, tombstone, trail, verification
from bot.outcomes import Outcome
from bot.pruning import BrokenTrail, Plan, Step, TooRecent
from bot.store import entry
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.tables import channels
from bot.store.writing import Transaction
from bot.tombstone import PRUNED
from bot.trail import Asker, Event
from tests.conftest import events_of
from tests.processes import ROOT, clean_environment

SLACK = Asker(source="slash", team_id="T1", channel_id="C1", user_id="U1")
HOUR_MS = 3_600_000
OLD = trail.milliseconds("2020-01-01")
LATER = OLD + HOUR_MS
WHOLE = (trail.REQUESTED, trail.SENDING, Outcome.ACCEPTED)


def record(database: Database, *happened: tuple[str, str], at: int | None = OLD) -> None:
    """Append events, each given with its request, as if it were `at`."""

    def work(tx: Transaction) -> None:
        tx.now = at or tx.now
        trail.append(tx, [Event(event=event, request_id=one, asker=SLACK, label="A10cnQO") for one, event in happened])

    database.write(work)


def request(database: Database, request_id: str, at: int | None = OLD) -> None:
    """Append a whole request of three events."""
    record(database, *((request_id, event) for event in WHOLE), at=at)


def planned(database: Database, before: int = LATER, **more: Any) -> Plan:
    """Return what would be removed, without a cool-down."""
    return pruning.plan(database, before=before, **{"cooldown_s": 0, **more})


def prune(database: Database, before: int = LATER, **more: Any) -> list[int]:
    """Remove what can be; returns the numbers of the tombstones."""
    return [
        database.write(lambda tx, step=step: pruning.remove(tx, step))  # type: ignore[misc]
        for step in planned(database, before, **more).steps
    ]


def numbers(database: Database) -> list[object]:
    """Return the numbers of the events that are left."""
    return [one["seq"] for one in events_of(database)]


def fault(database: Database) -> str | None:
    """Return what verification finds."""
    return database.read(verification.verify).fault


def refuses_changes(database: Database) -> bool:
    """Return whether the guard is up, for each kind of change."""
    statements = ["UPDATE events SET label = 'x'", "DELETE FROM events"]
    statements += ["INSERT OR REPLACE INTO events SELECT * FROM events"] if database.dialect == "sqlite" else []
    for statement in statements:
        with (
            database.engine.connect() as connection,
            pytest.raises(exc.DBAPIError, match="the trail is append-only"),
        ):
            connection.execute(text(statement))
    return True


def test_old_events_go_and_a_tombstone_stays(database: Database) -> None:
    """The oldest events go, the younger ones stay, one new event says so, the trail verifies, the guard is up."""
    request(database, "r1")
    request(database, "r2")
    last = events_of(database)[-1]
    request(database, "r3", at=LATER)
    assert prune(database) == [10]
    left = events_of(database)
    assert [one["seq"] for one in left] == [7, 8, 9, 10]
    stone = left[-1]
    assert (stone["event"], stone["source"], stone["label"]) == (PRUNED, "cli", None)
    assert tombstone.read(str(stone["detail"])) == tombstone.Tombstone(
        first=1, last=6, count=6, last_hash=str(last["hash"])
    )
    assert trail.milliseconds(str(stone["at"])) > LATER
    assert fault(database) is None
    assert refuses_changes(database)
    request(database, "r4", at=None)
    assert fault(database) is None


@pytest.mark.parametrize("written", ["0001-01-02", "0226-01-01", "0999-12-31T23:59Z", "1000-01-01", "2020-01-01"])
def test_only_what_is_older_goes(database: Database, written: str) -> None:
    """Whatever the year: what is from before that moment goes, and what is from that moment or later stays."""
    before = trail.milliseconds(written)
    record(database, ("r1", Outcome.DENIED), at=before - 1)
    record(database, ("r2", Outcome.DENIED), at=before)
    record(database, ("r3", Outcome.DENIED), at=trail.milliseconds("2020-01-03"))
    assert planned(database, before).count == 1
    assert prune(database, before) == [4]
    assert planned(database, before).count == 0


def test_nothing_is_left_to_prune_after_pruning(database: Database) -> None:
    """Asked again, there is nothing; and a tombstone is not exchanged for another one."""
    request(database, "r1")
    prune(database)
    assert planned(database).steps == ()
    assert numbers(database) == [4]


def test_an_empty_trail_has_nothing_to_prune(database: Database) -> None:
    """There is nothing to remove from nothing."""
    assert planned(database) == Plan(steps=())


def test_an_older_tombstone_goes_with_what_it_stands_among(database: Database) -> None:
    """The newest tombstone is enough for the trail to verify."""
    request(database, "r1")
    first = planned(database).steps[0]

    def as_if_then(tx: Transaction) -> int:
        tx.now = OLD
        return pruning.remove(tx, first)

    assert database.write(as_if_then) == 4
    request(database, "r2")
    assert fault(database) is None
    assert prune(database) == [8]
    assert numbers(database) == [8]
    stone = tombstone.read(str(events_of(database)[0]["detail"]))
    assert stone is not None
    assert (stone.first, stone.last, stone.count) == (4, 7, 4)
    assert fault(database) is None


def test_a_request_that_is_over_later_stays_whole(database: Database) -> None:
    """A request with events on both sides of the moment is kept, with all that came after its first event."""
    request(database, "r1")
    record(database, ("r2", trail.REQUESTED), *(("r3", event) for event in WHOLE))
    record(database, ("r2", trail.SENDING), ("r2", Outcome.REJECTED), at=LATER)
    plan = planned(database)
    assert (plan.count, plan.kept_for) == (3, "request r2 begins with event 4 and was not over by then")
    assert prune(database) == [10]
    assert numbers(database) == [4, 5, 6, 7, 8, 9, 10]
    assert fault(database) is None


def test_an_open_request_stays(database: Database) -> None:
    """What somebody is still to send is kept, however old it is."""

    def work(tx: Transaction) -> None:
        new = entry.NewRequest(request_id="r2", label="A10cnQO", kinds=("trksub",))
        entry.add(
            tx,
            command_id="c1",
            asker=SLACK,
            response_url=None,
            response_url_until=None,
            announced=False,
            turn=0,
            new=[new],
        )

    request(database, "r1")
    record(database, ("r2", trail.REQUESTED))
    database.write(work)
    request(database, "r3")
    assert prune(database) == [8]
    assert numbers(database) == [4, 5, 6, 7, 8]


def test_a_request_that_nobody_will_end_goes(database: Database) -> None:
    """An import brings requests along that were under way elsewhere; they do not hold everything back for ever."""
    record(database, ("r1", trail.REQUESTED), ("r2", trail.REQUESTED), ("r1", trail.SENDING))
    request(database, "r3")
    record(database, ("r2", trail.SENDING), at=LATER)
    assert planned(database).steps == ()
    assert planned(database, LATER + 1).count == 7
    record(database, ("r4", trail.REQUESTED), ("r5", Outcome.DENIED), at=LATER)
    assert planned(database, LATER + 1).count == 9


def follow(database: Database, channel_id: str, seq: int, next_at: int) -> None:
    """Let an audit channel have been told up to `seq`, and be due at `next_at`."""
    values = {"channel_id": channel_id, "start": 0, "seq": seq, "next_at": next_at, "tries": 0}

    def work(tx: Transaction) -> None:
        tx.connection.execute(delete(channels))
        tx.connection.execute(insert(channels).values(values))

    database.write(work)


def test_what_the_audit_channel_was_not_told_stays(database: Database) -> None:
    """Each outcome is posted, however late; until then it is kept."""
    for number in range(3):
        request(database, f"r{number}")
    now = database.write(lambda tx: tx.now)
    follow(database, "C0AUDIT", 4, now)
    plan = planned(database)
    assert [one.last for one in plan.steps] == [3]
    assert plan.kept_for == "request r1 begins with event 4 and was not over by then"
    follow(database, "C0AUDIT", 6, now)
    plan = planned(database)
    assert [one.last for one in plan.steps] == [6]
    assert plan.kept_for == "the audit channel C0AUDIT has not been told what comes after event 6"


def test_an_audit_channel_that_was_given_up_holds_nothing_back(database: Database) -> None:
    """Nobody has told it anything for a week, and the settings name another one."""
    request(database, "r1")
    week_ago = database.write(lambda tx: tx.now) - 8 * 24 * HOUR_MS
    follow(database, "C0FORMER", 0, week_ago)
    assert planned(database, audit_channel="C0AUDIT").count == 3
    assert planned(database, audit_channel="C0FORMER").count == 0


def test_what_a_rule_still_needs_stays(database: Database) -> None:
    """The last hour counts towards the quota, and the cool-down may be longer; such a moment is refused."""
    now = database.write(lambda tx: tx.now)
    with pytest.raises(TooRecent):
        planned(database, now - HOUR_MS // 2)
    with pytest.raises(TooRecent) as refused:
        planned(database, now - 2 * HOUR_MS, cooldown_s=3 * 3600)
    assert abs(refused.value.args[0] - (now - 3 * HOUR_MS)) < 10_000
    assert planned(database, now - 2 * HOUR_MS, cooldown_s=3600).steps == ()


def test_a_trail_that_does_not_verify_is_left_as_it_is(database: Database) -> None:
    """Removing would destroy what shows the forgery."""
    request(database, "r1")
    request(database, "r2")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE head SET seq = 5"))
    with pytest.raises(BrokenTrail, match="event 6 should not be there"):
        planned(database)
    assert numbers(database) == [1, 2, 3, 4, 5, 6]


def test_a_large_removal_is_made_in_steps(database: Database) -> None:
    """Nobody waits long, and between any two steps the trail verifies."""
    for number in range(5):
        request(database, f"r{number}")
    steps = planned(database, size=5).steps
    assert [(one.first, one.last) for one in steps] == [(1, 6), (7, 12), (13, 15)]
    for step in steps:
        database.write(lambda tx, step=step: pruning.remove(tx, step))  # type: ignore[misc]
        assert fault(database) is None
    assert numbers(database) == [16, 17, 18]


def test_a_step_that_does_not_fit_any_more_removes_nothing(database: Database) -> None:
    """Two who prune at once do not remove more than either has agreed to."""
    request(database, "r1")
    request(database, "r2")
    (step,) = planned(database).steps
    prune(database)
    before = events_of(database)
    for wrong in (step, Step(7, 7, "0" * 64)):
        with pytest.raises(BrokenTrail):
            database.write(lambda tx, wrong=wrong: pruning.remove(tx, wrong))  # type: ignore[misc]
    assert events_of(database) == before


def test_a_removal_that_fails_in_the_middle_has_not_happened(database: Database) -> None:
    """Neither the events nor the guard are gone, and no tombstone is there."""
    request(database, "r1")
    before = events_of(database)
    (step,) = planned(database).steps

    def work(tx: Transaction) -> None:
        pruning.remove(tx, step)
        raise DatabaseUnavailable("the disk is full")

    with pytest.raises(DatabaseUnavailable):
        database.write(work)
    assert events_of(database) == before
    assert refuses_changes(database)
    assert fault(database) is None


DIES = """
import os, sys
from bot import pruning
from bot.store.database import Database

database = Database(sys.argv[1])
(step,) = pruning.plan(database, before=int(sys.argv[2]), cooldown_s=0).steps
database.write(lambda tx: (pruning.remove(tx, step), os.kill(os.getpid(), 9)))
"""


def test_a_process_that_is_killed_in_the_middle_leaves_everything_as_it_was(database: Database) -> None:
    """The guard is a part of the transaction, on both databases."""
    request(database, "r1")
    before = events_of(database)
    url = database.engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", DIES, url, str(LATER)], cwd=ROOT, env=clean_environment(), check=False, timeout=60
    )
    assert done.returncode == -9
    assert events_of(database) == before
    assert refuses_changes(database)
    assert prune(database) == [4]
    assert fault(database) is None


def test_while_a_removal_is_made_others_read_and_wait_to_append(database: Database) -> None:
    """A reader sees what was there before, whoever appends comes after it, and nobody else finds the guard lifted."""
    request(database, "r1")
    (step,) = planned(database).steps
    before = events_of(database)
    appending = threading.Thread(target=request, args=(database, "r2"))

    def work(tx: Transaction) -> None:
        pruning.remove(tx, step)
        assert events_of(database) == before
        with pytest.raises(exc.DBAPIError, match=r"locked|lock timeout"), database.engine.connect() as other:
            other.execute(text("DELETE FROM events"))
        appending.start()

    database.write(work)
    appending.join()
    assert numbers(database) == [4, 5, 6, 7]
    assert fault(database) is None
    assert refuses_changes(database)


@given(
    requests=st.lists(st.integers(0, 6), max_size=40),
    cut_off=st.integers(0, 40),
    size=st.integers(1, 50),
)
def test_no_request_is_ever_torn(requests: list[int], cut_off: int, size: int) -> None:
    """However requests stand among each other, all that can go goes, and each goes whole or stays whole."""
    last = {one: place for place, one in enumerate(requests, start=1)}
    events = [
        {
            "seq": place,
            "request_id": str(one),
            "hash": f"h{place}",
            "event": Outcome.ACCEPTED if last[one] == place else trail.SENDING,
        }
        for place, one in enumerate(requests, start=1)
    ]
    steps = pruning.survey(events[:cut_off], {}, size=size).steps
    cut = steps[-1].last if steps else 0
    whole = [
        place for place in range(min(cut_off, len(events)) + 1) if set(requests[:place]).isdisjoint(requests[place:])
    ]
    assert cut == max(whole)
    assert {one.last for one in steps} <= set(whole)
    assert [one.first for one in steps] == [1, *(one.last + 1 for one in steps)][: len(steps)]
    assert all(one.hash == f"h{one.last}" for one in steps)
