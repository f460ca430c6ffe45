"""Whole journeys: a signed form or a WebSocket message in; the MPC, the trail, the answer and the channel out."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import faults
from bot.store.database import Database
from tests.conftest import BOTH, events_of, opened
from tests.processes import AUDIT, Bot, World, until, world

USER = "U0ANNA"


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def trail_of(database_url: str, here: World) -> Iterator[Database]:
    """Give the database of that world, to look into."""
    assert here.settings["DATABASE_URL"] == database_url
    with opened(database_url) as database:
        yield database


@pytest.fixture(params=["--http", "--socket"])
def mode(request: pytest.FixtureRequest) -> str:
    """Give either door in turn."""
    return str(request.param)


def told(here: World, user: str = USER) -> list[str]:
    """Return the answers that a user got through a response_url; the word that it takes long is none."""
    said = [one.shown for one in here.slack.ephemerals if one.via == "response_url" and one.user == user]
    return [one for one in said if "Request " in one or "request " in one]


def heard(here: World, user: str = USER) -> list[str]:
    """Return the answers that a user got, in whatever way."""
    ephemeral = [one.shown for one in here.slack.ephemerals if one.via == "chat.postEphemeral" and one.user == user]
    return told(here, user) + ephemeral + [one.shown for one in here.slack.dms if one.user == user]


def posted(here: World) -> str:
    """Return everything that the audit channel shows."""
    return "\n".join(one.shown for one in here.slack.posts if one.channel == AUDIT)


@BOTH
def test_a_label_goes_all_the_way(here: World, trail_of: Database, mode: str) -> None:
    """Acknowledged at once, asked once, answered to the asker alone, kept, and shown in the audit channel."""
    with Bot(here, mode) as bot:
        ack = bot.command("A10cnQO 703", user=USER)
        assert (ack.error, ack.text) == (None, "")
        here.slack.wait_for(lambda: told(here))
        here.slack.wait_for(lambda: posted(here))
        assert bot.stop() == 0
    (answer,) = told(here)
    events = events_of(trail_of)
    assert [one["event"] for one in events] == ["requested", "sending", "accepted"]
    assert {one["source"] for one in events} == {"slash"}
    assert (events[0]["user_id"], events[0]["channel_id"], events[0]["team_id"]) == (
        USER, "C0OBSERVERS", here.slack.team_id,
    )  # fmt: skip
    request_id = str(events[0]["request_id"])
    for text in (answer, posted(here)):
        assert "A10cnQO" in text
        assert request_id in text
    assert "e-mail to the original submitter" in answer
    assert "station 703" in answer
    assert here.mpc.mails == ["A10cnQO"]
    assert str(events[-1]["hash"])[:12] in posted(here)


def test_a_command_of_many_labels_is_one_answer(here: World, trail_of: Database) -> None:
    """Each label is asked for by itself at the MPC's pace, and one message has all the outcomes."""
    here.mpc.always("lost", faults.answer(404, {"error": "no such submission"}))
    here.mpc.always("broken", faults.reset_after())
    with Bot(here) as bot:
        assert bot.command("A10cnQO, lost; broken 00000DwbEz payload1", user=USER).error is None
        here.slack.wait_for(lambda: told(here), timeout=20)
        here.slack.wait_for(lambda: all(label in posted(here) for label in ("lost", "payload1")), timeout=20)
    (answer,) = told(here)
    for label in ("A10cnQO", "lost", "broken", "00000DwbEz", "payload1"):
        assert label in answer
        assert label in posted(here)
        assert len(here.mpc.posts(label)) == 1
    assert "no such submission" in answer
    outcomes = {one["label"]: one["event"] for one in events_of(trail_of) if one["event"] in {
        "accepted", "rejected", "unknown"}}  # fmt: skip
    taken = {"A10cnQO", "00000DwbEz", "payload1"}
    assert outcomes == {"lost": "rejected", "broken": "unknown", **dict.fromkeys(taken, "accepted")}


def test_bad_input_is_answered_in_the_acknowledgement(here: World, trail_of: Database, mode: str) -> None:
    """What is no label is explained at once, and nothing of the command is sent."""
    with Bot(here, mode) as bot:
        ack = bot.command("A10cnQO 2015 AC2", user=USER)
        assert ack.error is None
        assert "2015 AC2" in ack.shown
        assert "A10cnQO" in ack.shown
        assert "Nothing was sent" in ack.shown
        assert "/actcode" in bot.command("").shown
        assert "/actcode" in bot.command("help me").shown
        assert "/actcode" in bot.command("HELP").shown
        here.slack.wait_for(lambda: "invalid" in posted(here))
    assert here.mpc.requests == []
    assert [one["event"] for one in events_of(trail_of)] == ["invalid"]
    assert "2015" not in posted(here)


def test_a_pasted_secret_is_nowhere(here: World, trail_of: Database, mode: str) -> None:
    """An action code in the place of a label is in no answer, no trail, no channel and no log."""
    with Bot(here, mode, {"LOG_LEVEL": "DEBUG"}) as bot:
        ack = bot.command("nmVDPG760e2qQw97-DEL A10cnQO", user=USER)
        here.slack.wait_for(lambda: "invalid" in posted(here))
        bot.stop()
    everything = [ack.text, json.dumps(ack.blocks), posted(here), str(events_of(trail_of)), bot.log]
    assert not any("nmVDPG760e2qQw97" in text for text in everything)


def test_the_log_has_no_secrets_at_any_level(here: World, mode: str) -> None:
    """Neither tokens nor response_urls are logged, not even by the libraries at DEBUG."""
    with Bot(here, mode, {"LOG_LEVEL": "DEBUG"}) as bot:
        delivery = here.slack.command("A10cnQO", channel="C0OBSERVERS", user=USER)
        bot.deliver(delivery)
        here.slack.wait_for(lambda: told(here))
        bot.stop()
    secrets = [here.slack.bot_token, here.slack.app_token, here.slack.signing_secret, str(delivery.response_url)]
    assert not [one for one in secrets if one in bot.log or "ticket=" in bot.log]
    assert "A10cnQO" in bot.log


@BOTH
def test_the_same_delivery_has_one_effect(here: World, trail_of: Database, mode: str) -> None:
    """A command that comes again is acknowledged again and asked once."""
    with Bot(here, mode) as bot:
        delivery = here.slack.command("A10cnQO", channel="C0OBSERVERS", user=USER)
        acks = [bot.deliver(delivery) for _ in range(3)]
        assert {(ack.error, ack.text) for ack in acks} == {(None, "")}
        here.slack.wait_for(lambda: told(here))
        here.slack.wait_for(lambda: posted(here))
    assert len(here.mpc.posts()) == 1
    assert len(told(here)) == 1
    assert len(events_of(trail_of)) == 3


def test_commands_at_once_are_all_acknowledged_in_time(here: World) -> None:
    """An acknowledgement waits for no pool, while the MPC takes a second for each answer."""
    here.mpc.latency_s = 1.0
    with Bot(here) as bot:
        slowest: list[float] = []

        def one(number: int) -> None:
            started = time.monotonic()
            assert bot.command(f"label{number}", user=f"U{number}").error is None
            slowest.append(time.monotonic() - started)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(slowest) < 3
        here.slack.wait_for(lambda: len(here.mpc.mails) == 20, timeout=30)
    at = [one.at for one in here.mpc.requests]
    assert not [1 for early, late in zip(at, at[5:], strict=False) if late - early < 1]
    assert {one.status for one in here.mpc.requests} == {200}


def test_whoever_waits_is_told_once(here: World) -> None:
    """A queue is announced with its place in the acknowledgement; a slow MPC by one message after five seconds."""
    here.mpc.fail("slow", faults.delay(7))
    with Bot(here) as bot:
        assert "Position 1 in the queue, about" in bot.command(" ".join(f"label{n}" for n in range(25))).shown
        bot.command("slow", user=USER)
        here.slack.wait_for(lambda: told(here), timeout=30)
    said = [one.shown for one in here.slack.ephemerals if one.via == "response_url" and one.user == USER]
    assert len(said) == 2
    assert "The answer will come here" in said[0]
    assert "slow" in said[1]


def test_what_was_not_processed_is_tried_again(here: World, trail_of: Database) -> None:
    """A busy MPC is asked again after what it says, each time with a `sending` of its own."""
    here.mpc.fail("A10cnQO", faults.answer(503, "", {"Retry-After": "1"}), faults.answer(408), faults.answer(429))
    with Bot(here) as bot:
        bot.command("A10cnQO", user=USER)
        here.slack.wait_for(lambda: any("Accepted" in text for text in told(here)), timeout=30)
    assert [one["event"] for one in events_of(trail_of)] == ["requested", *["sending"] * 4, "accepted"]
    assert len(here.mpc.mails) == 1


@pytest.mark.parametrize("fate", ["used up", "expired"])
def test_without_a_response_url_the_asker_is_told_all_the_same(here: World, fate: str) -> None:
    """An ephemeral post where the bot is a member, and a direct message where it is not."""
    here.slack.always("response_url", faults.answer(404, fate))
    with Bot(here) as bot:
        bot.command("A10cnQO", channel=AUDIT, user=USER)
        here.slack.wait_for(lambda: [one for one in here.slack.ephemerals if one.via == "chat.postEphemeral"])
        bot.command("B20xx", user=USER)
        here.slack.wait_for(lambda: here.slack.dms)
    assert "A10cnQO" in next(one.shown for one in here.slack.ephemerals if one.via == "chat.postEphemeral")
    assert "B20xx" in here.slack.dms[0].shown


def test_slack_that_fails_is_told_later(here: World) -> None:
    """The trail goes on; replies and posts are made when Slack is back, in order, and each once."""
    down = faults.answer(503, "down")
    for method in ("response_url", "chat.postEphemeral", "chat.postMessage"):
        here.slack.always(method, down)
    with Bot(here) as bot:
        for number in range(3):
            assert bot.command(f"label{number}", user=USER).error is None
        until(lambda: len(here.mpc.mails) == 3)
        here.slack.clear()
        here.slack.wait_for(lambda: all(f"label{n}" in posted(here) for n in range(3)), timeout=40)
        here.slack.wait_for(lambda: all(any(f"label{n}" in one for one in heard(here)) for n in range(3)), timeout=40)
    assert len(heard(here)) == 3
    assert [posted(here).index(f"label{n}") for n in range(3)] == sorted(
        posted(here).index(f"label{n}") for n in range(3)
    )


@BOTH
def test_a_killed_bot_finishes_after_its_restart(here: World, trail_of: Database, mode: str) -> None:
    """What was being sent becomes `unknown` and is not sent again; what was queued is sent; everybody is told."""
    here.mpc.fail("inflight", faults.hang(taken=True))
    with Bot(here, mode, {"MPC_RATE_PER_S": "1"}) as bot:
        bot.command("inflight queued", user=USER)
        here.mpc.wait_for(lambda: here.mpc.posts("inflight"))
        bot.kill()
    assert told(here) == []
    with Bot(here, mode):
        here.slack.wait_for(lambda: told(here), timeout=20)
        here.slack.wait_for(lambda: "queued" in posted(here) and "inflight" in posted(here), timeout=20)
    (answer,) = told(here)
    assert "inflight" in answer
    assert "queued" in answer
    assert len(here.mpc.posts("inflight")) == 1
    assert len(here.mpc.posts("queued")) == 1
    outcomes = {one["label"]: one["event"] for one in events_of(trail_of) if one["event"] in {"accepted", "unknown"}}
    assert outcomes == {"inflight": "unknown", "queued": "accepted"}


@BOTH
def test_a_second_process_takes_over_from_a_dead_one(here: World) -> None:
    """Nobody waits for a restart where another process lives."""
    here.mpc.fail("inflight", faults.hang(taken=True))
    with Bot(here) as alive, Bot(here, more={"MPC_RATE_PER_S": "1"}) as dying:
        dying.command("inflight", user=USER)
        here.mpc.wait_for(lambda: here.mpc.posts("inflight"))
        dying.kill()
        here.slack.wait_for(lambda: told(here), timeout=20)
        assert alive.get("/healthz").json()["open_requests"] == 0
    assert len(here.mpc.posts("inflight")) == 1


@pytest.mark.parametrize("way", ["stop", "interrupt"])
def test_stopping_lets_what_is_under_way_finish(here: World, trail_of: Database, mode: str, way: str) -> None:
    """SIGTERM and Ctrl-C wait for the answer of the MPC, tell it, and end with 0."""
    here.mpc.fail("A10cnQO", faults.delay(1.5))
    with Bot(here, mode) as bot:
        bot.command("A10cnQO", user=USER)
        here.mpc.wait_for(here.mpc.posts)
        assert (bot.stop() if way == "stop" else bot.interrupt()) == 0
    assert [one["event"] for one in events_of(trail_of)] == ["requested", "sending", "accepted"]
    assert len(told(here)) == 1


@BOTH
def test_several_web_processes_keep_one_trail_and_one_pace(here: World, trail_of: Database) -> None:
    """WEB_WORKERS processes share the work; none asks twice."""
    with Bot(here, more={"WEB_WORKERS": "3"}) as bot:
        for number in range(12):
            bot.command(f"label{number}", user=f"U{number}")
        until(lambda: len(here.mpc.mails) == 12)
        here.slack.wait_for(lambda: all(f"label{n}" in posted(here) for n in range(12)), timeout=30)
        assert bot.stop() == 0
    assert sorted(here.mpc.mails) == sorted(f"label{number}" for number in range(12))
    assert {one.status for one in here.mpc.requests} == {200}
    assert len(events_of(trail_of)) == 36


@BOTH
def test_the_log_of_a_channel_can_be_asked_for(here: World, mode: str) -> None:
    """`/actcode log` shows the last requests, newest first; `mine` one's own, in whatever channel."""
    with Bot(here, mode) as bot:
        assert "no requests" in bot.command("log").shown
        bot.command("A10cnQO", user=USER)
        bot.command("B20xx", user="U0BERT")
        here.slack.wait_for(lambda: len(here.mpc.mails) == 2 and told(here, "U0BERT") and told(here))
        log = bot.command("log").shown
        assert log.index("B20xx") < log.index("A10cnQO")
        assert "A10cnQO" not in bot.command("log 1").shown
        mine = bot.command("LOG 5 mine", user=USER, channel="D0ANNA").shown
        assert "A10cnQO" in mine
        assert "B20xx" not in mine
        for wrong in ("log x", "log 0", "log mine 5"):
            assert "LABEL" in bot.command(wrong).shown
        assert bot.command('"log"', user=USER).text == ""
        here.mpc.wait_for(lambda: "log" in here.mpc.mails)
