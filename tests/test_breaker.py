"""The breaker, on both databases: when the MPC is not asked any more, what askers hear, and when it is asked again."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.answers import Answer
from bot.outcomes import Outcome
from bot.retrieval import Retrieval, TurnedAway
from bot.sandbox import faults
from bot.store import breaker, outbox
from bot.store.database import Database
from bot.store.queue import Taken, Wait
from tests.conftest import BOTH, events_of, opened
from tests.processes import Bot, World, until, world
from tests.test_retrieval import ANNA, BERT, OK, ask, build, silence, take

REFUSED = Answer(outcome=Outcome.UNAVAILABLE, http_status=403)
GONE = Answer(outcome=Outcome.UNAVAILABLE, detail="no connection: time-out")
BUSY = Answer(outcome=Outcome.UNAVAILABLE, http_status=503, again=True)


def fail(retrieval: Retrieval, answer: Answer, *, label: str = "broken") -> None:
    """Ask for a label, and let the MPC answer that."""
    ask(retrieval, label)
    assert retrieval.finish(take(retrieval), answer) == answer.outcome


def probe_is_due(database: Database) -> None:
    """Let the pause before the next probe be over."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE pace SET probe_at = probe_at - 15000"))


def open_it(retrieval: Retrieval) -> None:
    """Let the MPC refuse a request, and then the first probe."""
    fail(retrieval, REFUSED, label="refused")
    fail(retrieval, REFUSED, label="probe1")


def is_open(database: Database) -> bool:
    """Say whether the breaker is open."""
    return database.write(breaker.broken) is not None


@pytest.mark.parametrize(("answer", "times"), [(REFUSED, 1), (GONE, 5)])
def test_it_opens_after_one_403_or_five_unavailable(database: Database, answer: Answer, times: int) -> None:
    """From then on whoever asks is turned away at once: an outcome, no `sending`, and the reason."""
    retrieval = build(database)
    for number in range(times):
        assert not is_open(database)
        fail(retrieval, answer, label=f"label{number}")
    assert is_open(database)
    fail(retrieval, answer, label="probe")
    admission = ask(retrieval, "A10cnQO B20xx", BERT)
    assert retrieval.take() == TurnedAway(2)
    assert retrieval.take() == Wait(None)
    last = events_of(database)[-4:]
    assert [one["event"] for one in last] == ["requested", "requested", "unavailable", "unavailable"]
    assert "not asked" in str(last[-1]["detail"])
    ended = database.read(lambda connection: outbox.ended(connection, str(admission.command_id)))
    assert {(one.outcome, one.http_status) for one in ended} == {("unavailable", answer.http_status)}
    assert all(one.until for one in ended)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN])
def test_only_a_row_of_failures_opens_it(database: Database, outcome: Outcome) -> None:
    """Any other outcome in between begins the count anew."""
    retrieval = build(database)
    for number in range(4):
        fail(retrieval, GONE, label=f"label{number}")
    fail(retrieval, Answer(outcome=outcome), label="other")
    for number in range(4):
        fail(retrieval, GONE, label=f"again{number}")
    assert not is_open(database)


def test_attempts_that_are_repeated_do_not_count(database: Database) -> None:
    """It is outcomes that are counted: one request that is tried four times is one."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO B20xx C30xx D40xx E50xx F60xx")
    for _ in range(6):
        assert retrieval.finish(take(retrieval), BUSY) is None
    assert not is_open(database)


def test_what_is_queued_when_it_opens_is_turned_away_too(database: Database) -> None:
    """Nobody waits in a queue that does not move; each request has one outcome."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO")
    ask(retrieval, "probe B20xx C30xx", BERT)
    retrieval.finish(take(retrieval), REFUSED)
    probe = take(retrieval)
    assert (probe.label, probe.probe) == ("probe", True)
    retrieval.finish(probe, REFUSED)
    assert retrieval.take() == TurnedAway(2)
    outcomes = [one["label"] for one in events_of(database) if one["event"] == "unavailable"]
    assert sorted(map(str, outcomes)) == ["A10cnQO", "B20xx", "C30xx", "probe"]


def test_one_stray_refusal_costs_nobody_an_answer(database: Database) -> None:
    """The first probe goes out as soon as somebody asks; where it gets through, all is as before."""
    retrieval = build(database)
    ask(retrieval, "refused A10cnQO B20xx")
    retrieval.finish(take(retrieval), REFUSED)
    assert is_open(database)
    assert retrieval.finish(take(retrieval), OK) == Outcome.ACCEPTED
    assert not is_open(database)
    assert retrieval.finish(take(retrieval), BUSY) is None


def test_a_probe_of_which_nothing_is_known_closes_nothing(database: Database) -> None:
    """The channel must not say that the MPC serves the bot again; the next probe is put off, and may close it."""
    retrieval = build(database)
    fail(retrieval, REFUSED, label="refused")
    fail(retrieval, Answer(outcome=Outcome.UNKNOWN, http_status=502), label="probe1")
    assert is_open(database)
    ask(retrieval, "A10cnQO")
    assert retrieval.take() == TurnedAway(1)
    probe_is_due(database)
    fail(retrieval, OK, label="probe2")
    assert not is_open(database)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNKNOWN])
def test_what_left_before_it_opened_does_not_close_it(database: Database, outcome: Outcome) -> None:
    """It says how things were before."""
    retrieval = build(database)
    ask(retrieval, "slow refused")
    slow = take(retrieval)
    retrieval.finish(take(retrieval), REFUSED)
    assert retrieval.finish(slow, Answer(outcome=outcome)) == outcome
    assert is_open(database)
    fail(retrieval, OK, label="probe")
    assert not is_open(database)


def test_what_was_out_before_it_opened_is_no_probe(database: Database) -> None:
    """It is tried again as ever, and does not put off the probe."""
    retrieval = build(database)
    ask(retrieval, "busy refused B20xx")
    busy = take(retrieval)
    retrieval.finish(take(retrieval), REFUSED)
    assert retrieval.finish(busy, BUSY) is None
    assert take(retrieval).label == "B20xx"


def test_one_probe_at_a_time_tests_the_water(database: Database) -> None:
    """When its time has come one request goes out; the others are turned away, but not those typed beside it."""
    one, two = build(database), build(database, owner="two")
    open_it(one)
    probe_is_due(database)
    ask(one, "probe beside1 beside2")
    ask(one, "A10cnQO", BERT)
    probe = take(two)
    assert one.take() == TurnedAway(1)
    assert one.take() == Wait(None)
    assert two.finish(probe, OK) == Outcome.ACCEPTED
    assert not is_open(database)
    assert {take(one).label, take(one).label} == {"beside1", "beside2"}


def test_a_probe_that_fails_is_not_repeated(database: Database) -> None:
    """It has one attempt; what was typed beside it ends with it, and the next probe waits."""
    retrieval = build(database)
    open_it(retrieval)
    probe_is_due(database)
    ask(retrieval, "probe beside")
    assert retrieval.finish(take(retrieval), BUSY) == Outcome.UNAVAILABLE
    assert retrieval.take() == TurnedAway(1)
    ask(retrieval, "later")
    assert retrieval.take() == TurnedAway(1)
    probe_is_due(database)
    ask(retrieval, "later")
    assert isinstance(retrieval.take(), Taken)


def test_a_probe_whose_process_died_is_not_waited_for(database: Database) -> None:
    """It ends as `unknown` when it is rescued, and then the next one goes out."""
    dead, alive = build(database, owner="dead"), build(database)
    open_it(alive)
    probe_is_due(database)
    ask(dead, "probe")
    take(dead)
    silence(database, "dead")
    assert alive.rescue() == 1
    ask(alive, "A10cnQO", BERT)
    assert take(alive).label == "A10cnQO"


def test_a_clock_that_was_set_back_does_not_put_off_the_probe(database: Database) -> None:
    """A probe never waits for longer than its pause, whatever the clock was."""
    retrieval = build(database)
    open_it(retrieval)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE pace SET probe_at = probe_at + 3600000"))
    ask(retrieval, "A10cnQO", ANNA)
    assert take(retrieval).label == "A10cnQO"


def test_the_operator_is_told_once_in_the_log(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Opening is an error, closing is good news; what happens in between is not said again."""
    caplog.set_level(logging.INFO)
    retrieval = build(database)
    for number in range(3):
        fail(retrieval, REFUSED, label=f"label{number}")
        probe_is_due(database)
    fail(retrieval, OK, label="well")
    told = [(one.levelname, one.message) for one in caplog.records if "the MPC" in one.message]
    assert [level for level, _ in told] == ["ERROR", "INFO"]
    assert "HTTP 403" in told[0][1]


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


@BOTH
def test_askers_hear_at_once_that_the_mpc_refuses(here: World) -> None:
    """One POST and one probe are made; whoever asks afterwards has the answer in a moment, with what to do."""
    for label in ("refused", "probe"):
        here.mpc.always(label, faults.answer(403))

    def answers() -> list[str]:
        return [one.shown for one in here.slack.ephemerals if one.via == "response_url"]

    with Bot(here) as one, Bot(here, "--socket") as two:
        for number, label in enumerate(("refused", "probe"), start=1):
            one.command(label, user="U0ANNA")
            until(lambda number=number: len(answers()) == number)  # type: ignore[misc]
        one.command("A10cnQO", user="U0ANNA")
        two.command("B20xx C30xx", user="U0BERT")
        until(lambda: len(answers()) == 4, timeout_s=3)
    assert all("HTTP 403" in said and "Nothing was sent" in said and "help desk" in said for said in answers())
    assert [one.label for one in here.mpc.posts()] == ["refused", "probe"]
    assert (one.log + two.log).count("the MPC does not serve the bot") == 1
