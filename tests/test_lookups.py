"""Looking up, on both databases: when it happens, what it changes, and that nothing depends on it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from bot import labels
from bot.answers import Answer
from bot.decisions import Admission, Delivery
from bot.findings import Finding, Group, Known
from bot.mpc import MPC, LookUp
from bot.outcomes import Outcome
from bot.policy import Policy, Rule
from bot.retrieval import Retrieval, TurnedAway
from bot.sandbox import faults
from bot.sandbox.mpc import SandboxMPC
from bot.store import outbox, presence
from bot.store.answered import Turn
from bot.store.database import Database
from bot.store.outbox import Ended
from bot.store.presence import CHECKED
from bot.store.queue import Taken, Wait
from bot.trail import Asker
from bot.worker import Worker
from tests.conftest import events_of
from tests.processes import until
from tests.test_retrieval import ANNA, BERT, OK, ask, build, names, silence, take

SUBMISSION = "2026-01-01T00:05:07.453_0000BhCE"
ITF = Finding(known=Known.OBSERVED, kind="trksub", stations=("703",), groups=(Group(count=3, fate="deleted"),))
SAID = "Under this trksub the MPC has 3 observations, deleted"
REJECTED = Answer(outcome=Outcome.REJECTED, http_status=404, detail="no such label", elapsed_ms=7)


def turn(retrieval: Retrieval) -> Turn:
    """Take the next look-up, which is due, when its turn comes."""
    while not isinstance(got := retrieval.take(), Turn):
        assert isinstance(got, Wait)
        assert got.seconds is not None
        assert got.seconds < 1
        threading.Event().wait(got.seconds)
    return got


def looked_up(made: Turn) -> list[str]:
    """Return the labels of a turn."""
    return [one.request.label for one in made.answered]


def found(*names: str) -> LookUp:
    """Return a look-up that found the same under all of these."""
    return LookUp(findings=dict.fromkeys(names, ITF), http_status=200)


def ended(database: Database, admission: Admission) -> tuple[Ended, ...]:
    """Return what of a command has ended."""
    return database.read(lambda connection: outbox.ended(connection, str(admission.command_id)))


def grow_old(database: Database, seconds: float) -> None:
    """Let what was answered have been answered so much earlier."""
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE requests SET not_before = not_before - :ms WHERE answered_at IS NOT NULL"),
            {"ms": round(seconds * 1000)},
        )


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (OK, SAID),
        (REJECTED, f"no such label; u{SAID[1:]}"),
        (Answer(outcome=Outcome.UNKNOWN, detail="cut off"), f"cut off; u{SAID[1:]}"),
    ],
)  # fmt: skip
def test_what_was_found_is_a_detail_of_the_outcome(database: Database, answer: Answer, detail: str) -> None:
    """The answer is stored first, and the outcome comes with what was found, behind the MPC's own reason."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO 703")
    assert retrieval.finish(take(retrieval), answer) is None
    assert [event for event, _ in names(database)] == ["requested", "sending"]
    made = turn(retrieval)
    assert looked_up(made) == ["A10cnQO"]
    assert 0 < made.within_s <= 3
    retrieval.lookups.finish(made, found("A10cnQO"))
    last = events_of(database)[-1]
    assert (last["event"], last["detail"]) == (answer.outcome, detail)
    assert (last["http_status"], last["elapsed_ms"]) == (answer.http_status, answer.elapsed_ms)
    (one,) = ended(database, admission)
    assert (one.outcome, one.detail, one.finding) == (answer.outcome, answer.detail, ITF)
    assert retrieval.take() == Wait(None)


def test_a_look_up_that_fails_changes_nothing(database: Database) -> None:
    """The outcome is as it was, without a word about the look-up."""
    retrieval = build(database)
    admission = ask(retrieval, "A10cnQO 703")
    retrieval.finish(take(retrieval), REJECTED)
    retrieval.lookups.finish(turn(retrieval), LookUp())
    last = events_of(database)[-1]
    assert (last["event"], last["detail"]) == ("rejected", "no such label")
    assert ended(database, admission)[0].finding is None


@pytest.mark.parametrize("typed", ["A10cnQO", '"703"'])
def test_a_tracklet_without_a_station_is_not_looked_up(database: Database, typed: str) -> None:
    """It ends at once, unless the team's own stations are set: then it is looked for at all of them."""
    retrieval = build(database)
    ask(retrieval, typed)
    assert retrieval.finish(take(retrieval), OK) == Outcome.ACCEPTED
    ours = Retrieval(
        database=database, mpc=MPC(api_url="http://127.0.0.1:9/api", timeout_s=1), policy=Policy(), owner="one",
        rate_per_s=1000, jitter=lambda: 0.0, stations=("703", "F51"),
    )  # fmt: skip
    ask(ours, "B20xx")
    assert ours.finish(take(ours), OK) is None
    assert looked_up(turn(ours)) == ["B20xx"]


def test_what_was_not_sent_is_not_looked_up(database: Database) -> None:
    """There is nothing to say about a mail that surely does not come."""
    retrieval = build(database)
    ask(retrieval, "A10cnQO 703")
    refused = Answer(outcome=Outcome.UNAVAILABLE, http_status=401)
    assert retrieval.finish(take(retrieval), refused) == Outcome.UNAVAILABLE


def test_the_labels_of_a_command_are_looked_up_together(database: Database) -> None:
    """The first ones wait for the last one's answer; each submission ID is looked up by itself."""
    retrieval = build(database)
    ask(retrieval, f"aaa 703 bbb 703 plain {SUBMISSION} {SUBMISSION}_01")
    requests = [take(retrieval) for _ in range(5)]
    for one in requests[:-1]:
        retrieval.finish(one, OK)
        got = retrieval.take()
        assert isinstance(got, Wait)
        assert 8 < (got.seconds or 0) <= 10
    retrieval.finish(requests[-1], OK)
    turns = [looked_up(turn(retrieval)) for _ in range(2)]
    assert sorted(turns) == [[SUBMISSION], ["aaa", "bbb", f"{SUBMISSION}_01"]]
    assert retrieval.take() == Wait(None)


def test_a_sibling_that_takes_long_is_not_waited_for(database: Database) -> None:
    """After ten seconds a label is looked up all the same, and the rest when it is answered."""
    retrieval = build(database)
    ask(retrieval, "aaa 703 bbb 703")
    first, second = take(retrieval), take(retrieval)
    retrieval.finish(first, OK)
    grow_old(database, 10)
    assert looked_up(turn(retrieval)) == ["aaa"]
    retrieval.finish(second, OK)
    assert looked_up(turn(retrieval)) == ["bbb"]


def test_the_end_of_the_last_sibling_is_enough(database: Database) -> None:
    """However it ends: not sent, withdrawn, or without a look-up of its own."""
    retrieval = build(database)
    ask(retrieval, "aaa 703 bbb")
    retrieval.finish(take(retrieval), OK)
    retrieval.finish(take(retrieval), OK)
    assert looked_up(turn(retrieval)) == ["aaa"]
    withdrawn = ask(retrieval, "ccc 703 ddd 703")
    retrieval.finish(take(retrieval), OK)
    retrieval.withdraw(str(withdrawn.command_id))
    assert looked_up(turn(retrieval)) == ["ccc"]


def test_requests_go_first(database: Database) -> None:
    """A look-up takes a turn only when nothing can be sent; the pace is the same for both."""
    retrieval = build(database, rate_per_s=20)
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    ask(retrieval, "bbb ccc", BERT)
    order: list[str] = []
    moments: list[float] = []
    while len(order) < 3:
        got = retrieval.take()
        if isinstance(got, Wait):
            threading.Event().wait(got.seconds)
            continue
        assert not isinstance(got, TurnedAway)
        moments.append(time.monotonic())
        order.append(got.label if isinstance(got, Taken) else looked_up(got)[0])
    assert order == ["bbb", "ccc", "aaa"]
    assert moments[-1] - moments[0] > 2 * 0.045


def test_a_look_up_that_does_not_get_its_turn_is_left_out(database: Database) -> None:
    """Two seconds after the answer it is over, whoever sees that; a process that is alive needs not be dead for it."""
    retrieval, other = build(database), build(database, owner="two")
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    assert other.rescue() == 0
    assert [event for event, _ in names(database)][-1] == "sending"
    grow_old(database, 2)
    assert database.write(lambda tx: presence.look(tx, announce_after_ms=5000)).rescue
    assert retrieval.take() == Wait(None)
    assert other.rescue() == 0
    assert names(database)[-1] == ("accepted", "aaa")
    assert events_of(database)[-1]["detail"] is None


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_dead_process_was_looking_up_has_its_outcome(database: Database, begun: bool) -> None:  # noqa: FBT001
    """It is not `unknown`: the answer was stored. Who comes late with what was found, finds it ended."""
    dead, alive = build(database, owner="dead"), build(database, owner="alive")
    ask(dead, "aaa 703")
    dead.finish(take(dead), REJECTED)
    made = turn(dead) if begun else None
    silence(database, "dead")
    assert alive.rescue() == 0
    last = events_of(database)[-1]
    assert (last["event"], last["http_status"], last["elapsed_ms"], last["detail"]) == (
        "rejected", 404, 7, "no such label",
    )  # fmt: skip
    if made is not None:
        dead.lookups.finish(made, found("aaa"))
    assert len(events_of(database)) == 3


def test_what_was_answered_is_never_sent_again(database: Database) -> None:
    """A process that has lost count of what it sends lets go of what is out, and not of what was answered."""
    retrieval = build(database)
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    assert retrieval.reclaim(frozenset()) == 0
    turn(retrieval)
    assert retrieval.reclaim(frozenset()) == 0
    grow_old(database, 60)
    retrieval.rescue()
    assert [event for event, _ in names(database)] == ["requested", "sending", "accepted"]


def test_another_process_may_look_up(database: Database) -> None:
    """Whoever is free takes the turn, and only one does."""
    one, two = build(database), build(database, owner="two")
    ask(one, "aaa 703")
    one.finish(take(one), OK)
    made = turn(two)
    assert one.take() == Wait(None)
    two.lookups.finish(made, found("aaa"))
    assert names(database)[-1] == ("accepted", "aaa")


def test_the_label_is_under_way_until_it_has_its_outcome(database: Database) -> None:
    """Nobody asks again for what waits for its look-up."""
    retrieval = build(database)
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    denial = ask(retrieval, "aaa", BERT).items[0].denial
    assert denial is not None
    assert denial.rule is Rule.UNDER_WAY


def test_a_429_on_a_look_up_stops_everybody(database: Database) -> None:
    """As after one on a request; the outcome is not touched by it."""
    retrieval, other = build(database), build(database, owner="two")
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    retrieval.lookups.finish(turn(retrieval), LookUp(http_status=429, retry_after_s=30))
    assert names(database)[-1] == ("accepted", "aaa")
    ask(other, "bbb", BERT)
    got = other.take()
    assert isinstance(got, Wait)
    assert 28 < (got.seconds or 0) <= 30


def test_nothing_is_looked_up_where_the_mpc_does_not_serve_the_bot(database: Database) -> None:
    """After a 403 each further request may prolong the block: what waits has its outcome at once."""
    retrieval = build(database)
    ask(retrieval, "aaa 703")
    ask(retrieval, "bbb", BERT)
    first, second = take(retrieval), take(retrieval)
    retrieval.finish(first, OK)
    retrieval.finish(second, Answer(outcome=Outcome.UNAVAILABLE, http_status=403))
    assert retrieval.take() == TurnedAway(1)
    assert names(database)[-1] == ("accepted", "aaa")


def test_what_is_looked_up_is_no_probe(database: Database) -> None:
    """A request that was answered does not keep one from finding out whether the MPC serves the bot again."""
    retrieval = build(database)
    ask(retrieval, "aaa 703")
    retrieval.finish(take(retrieval), OK)
    made = turn(retrieval)
    ask(retrieval, "bbb ccc", BERT)
    retrieval.finish(take(retrieval), Answer(outcome=Outcome.UNAVAILABLE, http_status=403))
    probe = take(retrieval)
    assert (probe.label, probe.probe) == ("ccc", True)
    retrieval.lookups.finish(made, LookUp(http_status=403))
    retrieval.finish(probe, OK)
    assert [one for one, _ in names(database)][-3:] == ["sending", "accepted", "accepted"]


def check(retrieval: Retrieval, typed: str, asker: Asker = ANNA, key: str | None = None) -> Admission:
    """Ask for look-ups alone."""
    delivery = Delivery(key=key, response_url="http://127.0.0.1:9/commands/1", response_url_s=60)
    return retrieval.lookups.check(asker, labels.parse_all(typed), delivery)


def test_a_check_looks_up_and_leaves_no_trace(database: Database) -> None:
    """One look-up for all of it, an answer that is due, nothing in the trail, and nobody's label is under way."""
    retrieval = build(database, user_hourly_limit=1)
    admission = check(retrieval, "aaa 703 plain bbb 703")
    assert [one.label for one in admission.items] == ["aaa", "bbb"]
    assert ask(retrieval, "aaa", BERT).items[0].denial is None
    assert retrieval.finish(take(retrieval), OK) == Outcome.ACCEPTED
    retrieval.lookups.finish(turn(retrieval), found("aaa"))
    assert [(one.outcome, one.finding) for one in ended(database, admission)] == [(CHECKED, ITF), (CHECKED, None)]
    reply = database.write(lambda tx: outbox.claim_reply(tx, "one"))
    assert reply is not None
    assert [event for event, _ in names(database)] == ["requested", "sending", "accepted"]
    assert ask(retrieval, "ccc").denial is None


def test_a_check_that_is_delivered_again_is_answered_the_same(database: Database) -> None:
    """And is looked up once."""
    retrieval = build(database)
    first = check(retrieval, "aaa 703", key="k")
    assert check(retrieval, "aaa 703", key="k") == first
    turn(retrieval)
    assert retrieval.take() == Wait(None)


@pytest.mark.parametrize(
    ("rules", "typed", "rule"),
    [
        ({"allowed_users": frozenset({"U9"})}, "aaa 703", Rule.USER),
        ({"allowed_channels": frozenset({"C9"})}, "aaa 703", Rule.CHANNEL),
        ({"max_labels": 1}, "aaa 703 bbb", Rule.TOO_MANY),
    ],
)
def test_the_lists_and_the_size_hold_for_a_check(
    database: Database, rules: dict[str, Any], typed: str, rule: Rule
) -> None:
    """Whoever may not ask may not look up either; nothing of it is recorded."""
    retrieval = build(database, **rules)
    admission = check(retrieval, typed)
    assert admission.denial is not None
    assert admission.denial.rule is rule
    assert (admission.command_id, events_of(database), retrieval.take()) == (None, [], Wait(None))
    assert check(build(database), "no label!x").invalid


def test_a_check_survives_its_process(database: Database) -> None:
    """Its asker hears that it could not be looked up, whoever is left to say so; a busy MPC has twenty seconds."""
    dead, alive = build(database, owner="dead"), build(database, owner="alive")
    admission = check(dead, "aaa 703")
    grow_old(database, 19)
    assert alive.rescue() == 0
    assert ended(database, admission) == ()
    silence(database, "dead")
    assert alive.rescue() == 0
    assert [(one.outcome, one.finding) for one in ended(database, admission)] == [(CHECKED, None)]
    assert database.write(lambda tx: outbox.claim_reply(tx, "alive")) is not None


@pytest.fixture
def sandbox() -> Iterator[SandboxMPC]:
    """Give an MPC that takes any number of requests."""
    with SandboxMPC(rate_per_s=None) as mpc:
        yield mpc


def worker_on(database: Database, sandbox: SandboxMPC, *, owner: str = "one") -> tuple[Retrieval, Worker]:
    """Return a retrieval that asks that MPC, and the threads for it, not started."""
    retrieval = Retrieval(
        database=database, mpc=MPC(api_url=sandbox.url, timeout_s=5), policy=Policy(), owner=owner, rate_per_s=5,
        jitter=lambda: 0.0,
    )  # fmt: skip
    return retrieval, Worker(database=database, retrieval=retrieval, owner=owner)


def test_requests_and_look_ups_keep_one_pace(database: Database, sandbox: SandboxMPC) -> None:
    """Two processes, twelve requests and their look-ups: never more than five arrive in any second."""
    pairs = [worker_on(database, sandbox, owner=owner) for owner in ("one", "two")]
    for number in range(6):
        ask(pairs[0][0], f"L{number} 703", Asker(source="slash", user_id=f"U{number}"))
    for number in range(3):
        submission = f"2026-01-01T00:05:07.{number:03d}_0000BhCE"
        ask(pairs[1][0], f"{submission} M{number} F51", Asker(source="slash", user_id=f"V{number}"))
    for _, worker in pairs:
        worker.start()
    try:
        until(lambda: len([one for one, _ in names(database) if one == "accepted"]) == 12, timeout_s=20)
    finally:
        for _, worker in pairs:
            worker.stop(grace_s=5)
    arrived = [one.at for one in sandbox.requests]
    spans = [later - earlier for earlier, later in zip(arrived, arrived[5:], strict=False)]
    # The stand-in shares this machine and this process: it notices an arrival late by some milliseconds now and then.
    assert min(spans) > 0.95, spans
    assert sorted(spans)[len(spans) // 2] > 1.0
    assert {one.status for one in sandbox.requests} <= {200, 404}
    assert len(sandbox.posts()) == 12
    assert len(arrived) > 14


def test_a_look_up_delays_its_asker_by_no_more_than_three_seconds(database: Database, sandbox: SandboxMPC) -> None:
    """An MPC that does not answer it costs that much, and a process that stops costs nothing."""
    sandbox.always(None, faults.hang(), endpoint="wamo")
    retrieval, worker = worker_on(database, sandbox)
    worker.start()
    try:
        ask(retrieval, "aaa 703")
        worker.wake()
        sandbox.wait_for(lambda: len(sandbox.requests) == 2)
        since = time.monotonic()
        until(lambda: names(database)[-1] == ("accepted", "aaa"))
        assert time.monotonic() - since < 4
    finally:
        worker.stop(grace_s=5)
    assert len(sandbox.posts()) == 1


def test_who_stops_ends_what_was_answered(database: Database, sandbox: SandboxMPC) -> None:
    """What waits for its siblings has its outcome before the process ends; they are left to others."""
    sandbox.always("bbb", faults.delay(1.0))
    sandbox.always("ccc", faults.answer(503))
    retrieval, worker = worker_on(database, sandbox)
    ask(retrieval, "aaa 703 bbb 703 ccc 703")
    worker.start()
    until(lambda: [event for event, _ in names(database)].count("sending") >= 3)
    worker.stop(grace_s=5)
    assert {label for event, label in names(database) if event == "accepted"} == {"aaa", "bbb"}
