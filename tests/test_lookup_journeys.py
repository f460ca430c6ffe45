"""Whole journeys of look-ups: what the observer, the trail and the channel are told, and what the MPC is asked."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import faults
from bot.sandbox.mpc_answers import observation
from bot.store.database import Database
from tests.conftest import BOTH, events_of, opened
from tests.processes import Bot, World, until, world
from tests.test_journeys import USER, posted, told

SUBMISSION = "2025-11-12T21:11:49.579_0000Ba8V"
PUBLISHED = observation(
    "29149", "703", letter="P", said="has been identified as (29149) and published in MPS   145016",
    iau_desig="29149", ref="MPS   145016",
)  # fmt: skip
FOUND = "3 observations, published as (29149) in MPS 145016"
REFUSED = {
    "accepted": False,
    "pipeline_entry_time": None,
    "fault_events": [{"message": "exact duplicate of submission 2025-11-12T21:09:16.359_0000Ba8U", "phase": 2}],
}


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose MPC has a tracklet and a submission, and whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        made.mpc.tracklets["5T0D452 703"] = [PUBLISHED] * 3
        made.mpc.submissions[SUBMISSION] = REFUSED
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


def looked_up(here: World) -> list[str]:
    """Return what was looked up, in order."""
    return [one.body.decode() for one in here.mpc.requests if one.endpoint in {"wamo", "submission-status"}]


def answers(here: World) -> list[str]:
    """Return everything that our user got through a response_url."""
    return [one.shown for one in here.slack.ephemerals if one.via == "response_url" and one.user == USER]


def test_the_observer_hears_what_the_mpc_has(here: World, trail_of: Database, mode: str) -> None:
    """One line in the answer, the trail and the audit channel; a look-up that fails is not mentioned."""
    here.mpc.fail("B20xx", faults.answer(500, "Internal Server Error"), endpoint="wamo")
    with Bot(here, mode, {"STATION_CODES": "703,F51", "COOLDOWN_S": "0"}) as bot:
        typed = ("5T0D452 703", "Lower1", SUBMISSION, "B20xx F51")
        for number, text in enumerate(typed, start=1):
            bot.command(text, user=USER)
            until(lambda: len(told(here)) == number)  # noqa: B023 - it is over before the next round
        here.slack.wait_for(lambda: posted(here).count("accepted") == len(typed))
    tracklet, lower, submission, failed = told(here)
    assert f"the MPC has {FOUND}." in tracklet
    assert "no observations under this trksub at 703 or F51: check the spelling and the case" in lower
    assert "rejected at ingest: exact duplicate of submission 2025-11-12T21:09:16.359_0000Ba8U" in submission
    assert "look" not in failed.replace("Look for the mail", "")
    assert "500" not in failed
    details = {one["label"]: one["detail"] for one in events_of(trail_of) if one["event"] == "accepted"}
    assert details["B20xx"] is None
    assert details["5T0D452"] == f"Under this trksub the MPC has {FOUND}"
    assert f"Under this trksub the MPC has {FOUND}" in posted(here)
    assert looked_up(here) == [
        '["5T0D452 703"]', '["Lower1 703", "Lower1 F51"]', json.dumps({"submission_id": SUBMISSION}), '["B20xx F51"]',
    ]  # fmt: skip
    everything = json.dumps(events_of(trail_of)) + posted(here) + "".join(answers(here)) + bot.log
    assert "+09 01" not in everything
    assert len(here.mpc.posts()) == 4


def test_check_mails_nobody(here: World, trail_of: Database, mode: str) -> None:
    """Acknowledged at once, answered after one look-up, delivered twice without harm; nothing is in the trail."""
    with Bot(here, mode) as bot:
        delivery = here.slack.command(f'check 5T0D452 703 lower 703; "check" {SUBMISSION}', channel="D0ANNA", user=USER)
        first, again = bot.deliver(delivery), bot.deliver(delivery)
        assert first.shown == again.shown
        assert "nobody is mailed" in first.shown
        assert "check cannot be looked up without its station" in first.shown
        here.slack.wait_for(lambda: answers(here))
        wrong = bot.command("check 5T0D452 703 no!label", user=USER)
        assert "/actcode check 5T0D452 703" in wrong.shown
        assert "LABEL" in bot.command("check", user=USER).shown
        assert "cannot be looked up" in bot.command("CHECK A10cnQO", user=USER).shown
        assert bot.stop() == 0
    (answer,) = answers(here)
    assert "nobody was mailed" in answer
    for said in (FOUND, "no observations under this trksub at 703", "rejected at ingest: exact duplicate"):
        assert said in answer
    assert sorted(looked_up(here)) == ['["5T0D452 703", "lower 703"]', json.dumps({"submission_id": SUBMISSION})]
    assert (here.mpc.posts(), here.mpc.mails, events_of(trail_of), posted(here)) == ([], [], [], "")


def test_a_check_that_fails_is_said_so(here: World) -> None:
    """And so is one whose process was killed: somebody tells the asker, and what to do."""
    here.mpc.fail(None, faults.answer(503, "busy"), faults.hang(), endpoint="wamo")
    with Bot(here) as bot:
        bot.command("check 5T0D452 703", user=USER)
        here.slack.wait_for(lambda: len(answers(here)) == 1)
        bot.command("check B20xx 703", user=USER)
        here.mpc.wait_for(lambda: len(looked_up(here)) == 2)
        bot.kill()
    with Bot(here):
        here.slack.wait_for(lambda: "B20xx" in answers(here)[-1], timeout=20)
    for label, answer in (("5T0D452", answers(here)[0]), ("B20xx", answers(here)[-1])):
        assert label in answer
        assert "could not be looked up now. Try again in a minute." in answer


@BOTH
def test_a_bot_that_is_killed_while_it_looks_up_keeps_the_answer(here: World, trail_of: Database) -> None:
    """The MPC has answered, and that is the outcome; it is asked nothing again."""
    here.mpc.fail(None, faults.hang(), endpoint="wamo")
    here.mpc.fail(None, faults.answer(404, {"error": "no such label"}))
    with Bot(here) as bot:
        bot.command("5T0D452 703", user=USER)
        here.mpc.wait_for(lambda: looked_up(here))
        bot.kill()
    assert [one["event"] for one in events_of(trail_of)] == ["requested", "sending"]
    with Bot(here):
        here.slack.wait_for(lambda: told(here), timeout=20)
    last = events_of(trail_of)[-1]
    assert (last["event"], last["http_status"], last["detail"]) == ("rejected", 404, "no such label")
    assert last["elapsed_ms"] is not None
    assert len(here.mpc.requests) == 2


def test_a_command_of_many_labels_makes_one_look_up(here: World, trail_of: Database) -> None:
    """Twenty-five labels wait for each other, and keep the pace."""
    with Bot(here) as bot:
        bot.command(" ".join(f"L{number} 703" for number in range(25)), user=USER)
        here.slack.wait_for(lambda: told(here), timeout=30)
    assert [len(json.loads(one)) for one in looked_up(here)] in ([25], *([first, 25 - first] for first in range(1, 25)))
    assert {one.status for one in here.mpc.requests} == {200}
    assert told(here)[0].count("no observations under this trksub") == 25
    assert [one["event"] for one in events_of(trail_of)].count("accepted") == 25


def test_the_terminal_says_the_same(here: World) -> None:
    """In its sentences, and as part of `detail` in JSON, whose keys stay as they are."""
    said = here.run("retrieve", "5T0D452", "703")
    assert said.returncode == 0, said.stderr
    assert FOUND in said.stdout
    (entry,) = json.loads(here.run("retrieve", "--json", "5T0D452", "703", COOLDOWN_S="0").stdout)
    assert list(entry) == ["label", "kinds", "outcome", "detail", "request_id"]
    assert entry["detail"] == f"Under this trksub the MPC has {FOUND}"
    until(lambda: len(looked_up(here)) == 2)
