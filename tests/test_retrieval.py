"""The use case, on both databases: what is admitted, in which order it leaves, and how it ends."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bot import labels, verification
from bot.answers import Answer
from bot.decisions import Admission, Delivery
from bot.loop import keep_trying
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.policy import Policy, Rule
from bot.retrieval import MOST_ATTEMPTS, Retrieval
from bot.sandbox.mpc import SandboxMPC
from bot.store import outbox, presence, queue
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.queue import Taken, Wait
from bot.store.standing import COUNTED
from bot.store.writing import Transaction
from bot.trail import Asker
from tests.conftest import events_of
from tests.processes import until

ANNA = Asker(source="slash", team_id="T1", channel_id="C1", user_id="UANNA")
BERT = Asker(source="slash", team_id="T1", channel_id="C2", user_id="UBERT")
TERMINAL = Asker(source="cli")

OK = Answer(outcome=Outcome.ACCEPTED, http_status=200, elapsed_ms=12)
BUSY = Answer(outcome=Outcome.UNAVAILABLE, http_status=503, again=True)


def limited(seconds: float) -> Answer:
    """Return the MPC's answer to too many requests."""
    return Answer(outcome=Outcome.UNAVAILABLE, http_status=429, again=True, retry_after_s=seconds)


def build(database: Database, *, owner: str = "one", rate_per_s: float = 1000, **rules: Any) -> Retrieval:
    """Return a retrieval whose owner is alive, with an MPC that is not asked here."""
    database.write(lambda tx: presence.beat(tx, owner))
    return Retrieval(
        database=database,
        mpc=MPC(api_url="http://127.0.0.1:9/api", timeout_s=1),
        policy=Policy(**rules),
        owner=owner,
        rate_per_s=rate_per_s,
        jitter=lambda: 0.0,
    )


def ask(retrieval: Retrieval, typed: str, asker: Asker = ANNA, key: str | None = None) -> Admission:
    """Admit what was typed."""
    # Of two askers in the same millisecond, either may be first.
    threading.Event().wait(0.002)
    delivery = Delivery(key=key, response_url="http://127.0.0.1:9/commands/1", response_url_s=60)
    return retrieval.admit(asker, labels.parse_all(typed), delivery)


def take(retrieval: Retrieval) -> Taken:
    """Take the next request, when its turn comes."""
    end = time.monotonic() + 10
    while not isinstance(got := retrieval.take(), Taken):
        assert isinstance(got, Wait)
        assert got.seconds is not None
        assert time.monotonic() < end
        threading.Event().wait(got.seconds)
    return got


def names(database: Database) -> list[tuple[str, str | None]]:
    """Return event and label of the whole trail."""
    return [(str(one["event"]), one["label"]) for one in events_of(database)]  # type: ignore[misc]


def test_a_request_is_recorded_before_and_after_it_leaves(database: Database) -> None:
    """`requested` at the admission, `sending` at the take, and the outcome at the end, all of one request."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO")
    assert names(database) == [("requested", "A10cnQO")]
    taken = take(retrieval)
    assert names(database)[1:] == [("sending", "A10cnQO")]
    assert retrieval.finish(taken, OK) == Outcome.ACCEPTED
    assert names(database)[2:] == [("accepted", "A10cnQO")]
    first, _, last = events_of(database)
    assert first["request_id"] == last["request_id"] == admission.items[0].request_id == taken.request_id
    assert (first["detail"], last["http_status"], last["elapsed_ms"]) == (None, 200, 12)
    assert isinstance(retrieval.take(), Wait)


def test_a_delivery_that_comes_again_changes_nothing_and_is_answered_the_same(database: Database) -> None:
    """The second delivery of a command gets the first one's decision, whatever that was."""
    retrieval = build(database)
    for typed in ("A10cnQO", "A10cnQO B20", "A10cnQO", "no label!x"):
        first = ask(retrieval, typed, key=typed + "once")
        before = names(database)
        assert ask(retrieval, typed, key=typed + "once") == first
        assert names(database) == before


def test_one_label_that_is_none_stops_the_whole_command(database: Database) -> None:
    """Nothing is queued; the trail has the kind of the mistake, and nothing of what was typed."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO 2024-05-02 21:03:35.001_0000FzZw")
    assert (admission.invalid, admission.command_id) == (True, None)
    assert {event for event, _ in names(database)} == {"invalid"}
    assert all(label is None for _, label in names(database))
    assert "21:03" not in str(events_of(database))
    assert retrieval.take() == Wait(None)


def test_prose_does_not_flood_the_trail(database: Database) -> None:
    """Of hundreds of mistakes in one command, the first ones are recorded."""
    ask(build(database), " ".join(f"word!{number}x" for number in range(300)))
    assert len(names(database)) == 25


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        ({"allowed_channels": frozenset({"C9"})}, Rule.CHANNEL),
        ({"allowed_users": frozenset({"U9"})}, Rule.USER),
        ({"user_hourly_limit": 1}, Rule.HOURLY),
    ],
)
def test_a_refused_command_is_recorded_label_by_label(database: Database, rules: dict[str, Any], rule: Rule) -> None:
    """Each label of a command that a rule refuses has its `denied`, with the rule, and nothing is queued."""
    retrieval = build(database, **rules)
    admission = ask(retrieval, "A10cnQO B20xx")
    assert admission.denial is not None
    assert admission.denial.rule == rule
    assert names(database) == [("denied", "A10cnQO"), ("denied", "B20xx")]
    assert {one["detail"] for one in events_of(database)} == {str(rule)}
    assert retrieval.take() == Wait(None)


def test_a_command_that_is_too_large_is_one_event(database: Database) -> None:
    """How many labels there were is recorded, not each of them."""
    retrieval = build(database, max_labels=2)
    assert ask(retrieval, "aaa bbb ccc").denial is not None
    assert [one["detail"] for one in events_of(database)] == ["too many labels in one command: 3"]


def test_who_may_not_ask_hears_that_first(database: Database) -> None:
    """A refused person's mistakes are not examined, and a command with nothing good in it is recorded, too."""
    retrieval = build(database, allowed_users=frozenset({"U9"}))
    assert ask(retrieval, "label!x").denial is not None
    assert names(database) == [("denied", None)]


def test_a_label_under_way_is_refused_to_everybody_else(database: Database) -> None:
    """Twelve people who ask at once make one request, and eleven hear why theirs was refused."""
    retrieval = build(database)
    admissions: list[Admission] = []

    def one(number: int) -> None:
        asker = Asker(source="slash", team_id="T1", channel_id="C1", user_id=f"U{number}")
        admissions.append(ask(retrieval, "A10cnQO", asker))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rules = [None if got.items[0].denial is None else got.items[0].denial.rule for got in admissions]
    assert sorted(map(str, rules)) == sorted(["None", *[str(Rule.UNDER_WAY)] * 11])
    assert [event for event, _ in names(database)].count("requested") == 1


@pytest.mark.parametrize(
    ("answer", "cools"),
    [
        (OK, True),
        (Answer(outcome=Outcome.UNKNOWN), True),
        (Answer(outcome=Outcome.REJECTED, http_status=404), False),
        (Answer(outcome=Outcome.UNAVAILABLE, http_status=403), False),
    ],
)
def test_a_label_cools_down_where_a_mail_may_have_gone(database: Database, answer: Answer, cools: bool) -> None:  # noqa: FBT001
    """After `accepted` and `unknown` the label is refused for a while; after what sent nothing it is not."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")
    retrieval.finish(take(retrieval), answer)
    again = ask(retrieval, "A10cnQO B20xx", BERT)
    assert (again.items[0].denial is not None) is cools
    assert again.items[1].denial is None
    assert ask(build(database, cooldown_s=0), "A10cnQO").command_id is not None


def test_a_command_of_25_does_not_hold_up_another_person(database: Database) -> None:
    """People take turns: whoever asks for one label waits behind one of somebody else's 25, not behind all."""
    retrieval = build(database)
    ask(retrieval, " ".join(f"anna{number}" for number in range(10)))
    ask(retrieval, "bert1 bert2", BERT)
    ask(retrieval, "anna99")
    ask(retrieval, "term1", TERMINAL)
    order = [take(retrieval).label for _ in range(14)]
    assert set(order[:3]) == {"anna0", "bert1", "term1"}
    assert set(order[3:5]) == {"anna1", "bert2"}
    assert order[5:] == [*(f"anna{number}" for number in range(2, 10)), "anna99"]


def test_nobody_counts_a_very_long_queue(database: Database) -> None:
    """However many there are, the place is said only as far as it is counted."""
    retrieval = build(database, max_labels=600, user_hourly_limit=0)
    for name in ("anna", "bert"):
        ask(retrieval, " ".join(f"{name}{number}" for number in range(600)))
    assert ask(retrieval, "last").ahead == COUNTED


def test_a_long_wait_is_announced_with_its_place(database: Database) -> None:
    """Whoever is behind a queue hears the place and about how long; whoever is not hears nothing."""
    retrieval = build(database, rate_per_s=5)
    assert ask(retrieval, "aaa").wait_s is None
    slow = ask(retrieval, " ".join(f"anna{number}" for number in range(25)))
    assert slow.ahead == 1
    assert slow.wait_s == pytest.approx(5.3, abs=0.1)


def test_requests_leave_at_the_pace_of_the_installation(database: Database) -> None:
    """Two processes that share the database take turns no closer than the rate allows."""
    one, two = (build(database, owner=owner, rate_per_s=20) for owner in ("one", "two"))
    ask(one, " ".join(f"label{number}" for number in range(8)))
    moments = []
    for number in range(8):
        take(one if number % 2 else two)
        moments.append(time.monotonic())
    # Over all of them: how late each one is heard of here differs by milliseconds.
    assert moments[-1] - moments[0] > 7 * 0.05


@pytest.mark.parametrize("answer", [BUSY, Answer(outcome=Outcome.UNAVAILABLE, detail="no connection", again=True)])
def test_what_was_not_processed_is_tried_four_times(database: Database, answer: Answer) -> None:
    """Each attempt has its own `sending`; after the last one the request ends as `unavailable`."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")
    for attempt in range(1, MOST_ATTEMPTS + 1):
        hurry(database)
        taken = take(retrieval)
        assert taken.attempt == attempt
        outcome = retrieval.finish(taken, answer)
    assert outcome == Outcome.UNAVAILABLE
    assert [event for event, _ in names(database)] == ["requested", *["sending"] * 4, "unavailable"]
    assert events_of(database)[2]["detail"] == "attempt 2 of 4"


def hurry(database: Database) -> None:
    """Let the pauses between attempts be over."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE requests SET not_before = 0"))
        connection.execute(text("UPDATE pace SET paused_until = 0"))


def test_the_pauses_between_attempts_grow(database: Database) -> None:
    """One, two, four seconds, and a little more at random."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")
    pauses = []
    for _ in range(3):
        hurry(database)
        retrieval.finish(take(retrieval), BUSY)
        wait = retrieval.take()
        assert isinstance(wait, Wait)
        pauses.append(wait.seconds)
    assert pauses == pytest.approx([1, 2, 4], abs=0.3)


def test_after_a_429_nobody_asks_before_the_mpc_allows_it(database: Database) -> None:
    """The pause holds for every process and every request, not only for the one that was turned away."""
    one, two = build(database), build(database, owner="two")
    ask(one, "A10cnQO")
    ask(one, "B20xx", BERT)
    assert one.finish(take(one), limited(40)) is None
    wait = two.take()
    assert isinstance(wait, Wait)
    assert wait.seconds == pytest.approx(40, abs=1)
    assert ask(two, "C30", BERT).wait_s == pytest.approx(40, abs=2)


def test_a_clock_that_was_set_back_does_not_stop_the_queue(database: Database) -> None:
    """What was booked by a clock that was an hour ahead is passed over."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE pace SET next_at = next_at + 4102444800000, paused_until = 4102444800000"))
    assert isinstance(retrieval.take(), Taken)


def test_a_pause_that_is_too_long_ends_the_request(database: Database) -> None:
    """Beyond a minute the asker hears `unavailable` and when to come back, and the others wait a minute at most."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO")
    assert retrieval.finish(take(retrieval), limited(600)) == Outcome.UNAVAILABLE
    ended = database.read(lambda connection: outbox.ended(connection, str(admission.command_id)))
    now = database.write(lambda tx: tx.now)
    assert ended[0].until == pytest.approx(now + 600_000, abs=5_000)
    ask(retrieval, "B20xx")
    wait = retrieval.take()
    assert isinstance(wait, Wait)
    assert wait.seconds == pytest.approx(60, abs=1)


def test_what_a_dead_process_was_sending_becomes_unknown(database: Database) -> None:
    """It is found by its silence, ended once, and never sent again; what it had not sent yet is sent by others."""
    dead, alive = build(database, owner="dead"), build(database, owner="alive")
    ask(dead, "A10cnQO B20xx")
    taken = take(dead)
    assert alive.rescue() == 0
    silence(database, "dead")
    assert alive.rescue() == 1
    assert alive.rescue() == 0
    assert names(database)[-1] == ("unknown", "A10cnQO")
    assert take(alive).label == "B20xx"
    assert dead.finish(taken, OK) is None
    assert dead.finish(taken, BUSY) is None
    assert [event for event, _ in names(database)].count("accepted") == 0


def silence(database: Database, owner: str) -> None:
    """Let a process not have shown itself for ten seconds."""
    with database.engine.begin() as connection:
        changed = connection.execute(
            text("UPDATE processes SET beat_at = beat_at - 10000 WHERE owner = :owner"), {"owner": owner}
        )
        assert changed.rowcount == 1


def test_what_was_taken_unheard_is_queued_again(database: Database) -> None:
    """Where the answer to the commit was lost, a living process holds a request that it does not send: it lets go."""
    one, two = build(database), build(database, owner="two")
    ask(one, "A10cnQO B20xx")
    ask(two, "C30xx", BERT)
    known, unheard, other = take(one), take(one), take(two)
    assert one.reclaim({known.request_id}) == 1
    assert one.reclaim({known.request_id}) == 0
    assert take(two).request_id == unheard.request_id
    assert one.finish(known, OK) == Outcome.ACCEPTED
    assert two.finish(other, OK) == Outcome.ACCEPTED


def test_a_process_that_leaves_is_not_waited_for(database: Database) -> None:
    """Whoever stops in order says so, and what it could not finish is rescued at once."""
    leaving, alive = build(database, owner="leaving"), build(database, owner="alive")
    ask(leaving, "A10cnQO")
    take(leaving)
    database.write(lambda tx: presence.leave(tx, "leaving"))
    assert alive.rescue() == 1


def test_a_paused_process_does_not_send_what_it_took_long_ago(sqlite: Database) -> None:
    """Between the take and the POST too much time has passed: it does not leave, and that is known for sure."""
    retrieval = build(sqlite)
    ask(retrieval, "A10cnQO")
    taken = take(retrieval)
    listener = Listener()
    slow = Retrieval(
        database=sqlite,
        mpc=MPC(api_url=listener.url, timeout_s=1),
        policy=Policy(),
        owner="one",
        rate_per_s=5,
        jitter=lambda: 0.0,
    )
    answer = slow.send(replace(taken, taken_at=time.monotonic() - 60))
    assert (answer.outcome, answer.again, listener.heard()) == (Outcome.UNAVAILABLE, True, b"")


def test_a_turn_begins_when_its_transaction_does(database: Database) -> None:
    """What was written before it in the same transaction has held it up, and that counts as late."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")

    def late(tx: Transaction) -> float:
        begun = time.monotonic()
        threading.Event().wait(0.05)
        taken = queue.take(tx, owner="one", rate_per_s=5)
        assert isinstance(taken, Taken)
        return taken.taken_at - begun

    assert database.write(late) <= 0


def test_those_behind_a_request_that_was_held_up_keep_their_distance(database: Database) -> None:
    """Requests that leave late move the next turn by as much more as they were late than usual."""
    with SandboxMPC(rate_per_s=None) as sandbox:
        retrieval = Retrieval(
            database=database,
            mpc=MPC(api_url=sandbox.url, timeout_s=2),
            policy=Policy(),
            owner="one",
            rate_per_s=5,
            jitter=lambda: 0.0,
        )
        ask(retrieval, "A10cnQO B20xx C30xx")
        waits = []
        for held_up_s in (0.0, 0.5):
            taken = take(retrieval)
            retrieval.send(replace(taken, taken_at=time.monotonic() - held_up_s))
            wait = retrieval.take()
            assert isinstance(wait, Wait)
            waits.append(wait.seconds or 0)
    assert waits[0] < 0.3
    assert waits[1] > 0.35


def test_the_first_of_a_process_is_not_taken_for_punctual(database: Database) -> None:
    """Before it is known how late is usual, all of a delay counts: a process that starts in trouble has no other."""
    with SandboxMPC(rate_per_s=None) as sandbox:
        retrieval = Retrieval(
            database=database,
            mpc=MPC(api_url=sandbox.url, timeout_s=2),
            policy=Policy(),
            owner="one",
            rate_per_s=5,
            jitter=lambda: 0.0,
        )
        ask(retrieval, "A10cnQO B20xx")
        retrieval.send(replace(take(retrieval), taken_at=time.monotonic() - 0.5))
        wait = retrieval.take()
    assert isinstance(wait, Wait)
    assert (wait.seconds or 0) > 0.35


@pytest.mark.parametrize("held_s", [0.6, 3.0])
def test_who_waits_for_the_database_to_say_so_is_later_still(sqlite: Database, held_s: float) -> None:
    """A request that is late leaves once those behind it have been moved by all of that, or does not leave."""
    with SandboxMPC(rate_per_s=None) as sandbox, closing(
        sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None, check_same_thread=False)
    ) as other:  # fmt: skip
        retrieval = Retrieval(
            database=sqlite,
            mpc=MPC(api_url=sandbox.url, timeout_s=2),
            policy=Policy(),
            owner="one",
            rate_per_s=5,
            jitter=lambda: 0.0,
        )
        ask(retrieval, "A10cnQO B20xx C30xx")
        retrieval.send(take(retrieval))
        taken = take(retrieval)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(held_s, other.rollback).start()
        answer = retrieval.send(replace(taken, taken_at=time.monotonic() - 0.05))
        until(lambda: not other.in_transaction)
        wait = retrieval.take()
    if answer.outcome == Outcome.ACCEPTED:
        assert isinstance(wait, Wait)
        assert (wait.seconds or 0) > 0.15
    else:
        assert (answer.outcome, answer.again) == (Outcome.UNAVAILABLE, True)
        assert sandbox.mails == ["A10cnQO"]
    assert (answer.outcome == Outcome.ACCEPTED) == (held_s < 1)


class Listener:
    """A server that takes connections and hears what comes."""

    def __init__(self) -> None:
        import socket  # noqa: PLC0415 - only here

        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/api"

    def heard(self) -> bytes:
        """Return what the first connection sent before it was closed."""
        connection, _ = self._server.accept()
        with connection, self._server:
            return connection.recv(1000)


def test_an_unforeseen_failure_of_the_post_is_unknown(sqlite: Database, caplog: pytest.LogCaptureFixture) -> None:
    """What breaks in the bot while it asks may have left: it is told so, and the log has the reason once."""

    class Broken(MPC):
        def retrieve(self, label: str, *, leave: Callable[[], bool]) -> Answer:
            raise ZeroDivisionError(label, leave)

    retrieval = Retrieval(
        database=sqlite,
        mpc=Broken(api_url="http://127.0.0.1:9/api", timeout_s=1),
        policy=Policy(),
        owner="one",
        rate_per_s=1000,
        jitter=lambda: 0.0,
    )
    ask(retrieval, "A10cnQO")
    assert retrieval.send(take(retrieval)).outcome == Outcome.UNKNOWN
    assert len(caplog.records) == 1


def test_what_was_not_sent_can_be_withdrawn(database: Database) -> None:
    """Whoever gives up at the terminal ends what has not left; what has left goes its way."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO B20xx C30xx", TERMINAL)
    taken = take(retrieval)
    retrieval.withdraw(str(admission.command_id))
    assert sorted(names(database)[4:]) == [("unavailable", "B20xx"), ("unavailable", "C30xx")]
    assert retrieval.finish(taken, OK) == Outcome.ACCEPTED
    assert retrieval.take() == Wait(None)
    ended = database.read(lambda connection: outbox.ended(connection, str(admission.command_id)))
    assert [one.outcome for one in ended] == ["accepted", "unavailable", "unavailable"]


def test_an_outcome_is_kept_until_the_database_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again until it is stored, with a line of the log each time; at the end somebody may give up."""
    answers: Iterator[bool] = iter([False, False, True])

    def work() -> str:
        if not next(answers):
            raise DatabaseUnavailable("gone")
        return "stored"

    assert keep_trying(work, give_up=lambda: False, what="request r1: accepted") == "stored"
    assert caplog.text.count("request r1: accepted; not stored yet") == 2

    def never() -> None:
        raise DatabaseUnavailable("gone")

    assert keep_trying(never, give_up=lambda: True, what="request r2") is None


def test_every_request_of_the_trail_has_one_outcome_and_the_chain_holds(database: Database) -> None:
    """After all of this, the trail verifies."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO B20xx")
    for _ in range(2):
        retrieval.finish(take(retrieval), OK)
    with database.reading() as connection:
        assert verification.verify(connection).fault is None
