"""Nothing twice, and nothing past the rules: over whole journeys, with several processes at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import faults
from bot.store.database import Database
from tests.conftest import BOTH, events_of, opened
from tests.processes import AUDIT, OBSERVERS, Bot, World, world


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def trail_of(database_url: str) -> Iterator[Database]:
    """Give the database of that world, to look into."""
    with opened(database_url) as database:
        yield database


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make all the calls at the same moment; returns what each returned."""
    gate = threading.Barrier(len(calls))
    results: dict[int, Any] = {}

    def run(number: int) -> None:
        gate.wait(10)
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(calls))]


RULES = {
    "ALLOWED_CHANNELS": f"{OBSERVERS},C0OTHER",
    "ALLOWED_USERS": "UANNA,UBERT",
    "MAX_LABELS": "3",
    "USER_HOURLY_LIMIT": "4",
}
WHEN = "You can ask again after"


@BOTH
def test_every_rule_is_explained_recorded_and_shown(here: World, trail_of: Database) -> None:
    """Each refusal says which rule and when it ends; it stands in the trail and in the channel, and sends nothing."""
    with Bot(here, more=RULES) as bot:
        assert bot.command("aaa1 aaa2 aaa3", user="UANNA").text == ""
        here.mpc.wait_for(lambda: len(here.mpc.mails) == 3)
        here.slack.wait_for(lambda: [one for one in here.slack.ephemerals if "aaa3" in one.shown])
        refused = {
            "channel not allowed": bot.command("bbb1", user="UANNA", channel="C0ELSEWHERE").shown,
            "user not allowed": bot.command("bbb2", user="UCARL").shown,
            "too many labels in one command: 4": bot.command("b1 b2 b3 b4", user="UBERT").shown,
            "hourly limit of the user": bot.command("bbb3 bbb4", user="UANNA").shown,
            "cool-down of the label": bot.command("aaa1", user="UBERT").shown,
        }
        # What was refused does not count: one more label is within the limit.
        assert bot.command("ccc1", user="UANNA").text == ""
        here.mpc.wait_for(lambda: "ccc1" in here.mpc.mails)
        shown = here.slack.wait_for(
            lambda: [one for one in here.slack.posts if one.channel == AUDIT and "ccc1" in one.shown], timeout=30
        )
        assert shown
        posted = "\n".join(one.shown for one in here.slack.posts if one.channel == AUDIT)
    assert "not among those where /actcode may be used" in refused["channel not allowed"]
    assert "You are not among those who may use" in refused["user not allowed"]
    assert "more labels than one command may hold (3)" in refused["too many labels in one command: 4"]
    assert "one person may ask for in an hour (4)" in refused["hourly limit of the user"]
    assert WHEN in refused["hourly limit of the user"]
    assert "asked for a short while ago" in refused["cool-down of the label"]
    assert "you can ask again after" in refused["cool-down of the label"]
    assert all("othing was sent" in text for text in refused.values())
    denied = [(one["detail"], one["label"]) for one in events_of(trail_of) if one["event"] == "denied"]
    assert denied == [
        ("channel not allowed", "bbb1"),
        ("user not allowed", "bbb2"),
        ("too many labels in one command: 4", None),
        ("hourly limit of the user", "bbb3"),
        ("hourly limit of the user", "bbb4"),
        ("cool-down of the label", "aaa1"),
    ]
    assert all(label in posted for label in ("bbb1", "bbb2", "bbb3", "bbb4"))
    assert here.mpc.mails == ["aaa1", "aaa2", "aaa3", "ccc1"]


@BOTH
def test_the_same_delivery_to_two_processes_at_once_is_one(here: World, trail_of: Database) -> None:
    """Every copy, before and after the answer, is acknowledged as the first was; each label is asked for once."""
    with Bot(here) as one, Bot(here) as two:
        for round_ in range(5):
            delivery = here.slack.command(f"label{round_} other{round_} third{round_}", channel=OBSERVERS)
            acks = at_once([partial(bot.deliver, delivery) for bot in (one, two) * 3])
            assert {ack.error for ack in acks} == {None}
            assert len({ack.body for ack in acks}) == 1
        here.mpc.wait_for(lambda: len(here.mpc.mails) == 15, timeout=30)
        answers = here.slack.wait_for(lambda: told(here) if len(told(here)) == 5 else [], timeout=30)
        again = two.deliver(delivery)
        assert (again.error, again.body) == (None, acks[0].body)
        assert one.stop() == two.stop() == 0
    assert len(here.mpc.mails) == len(set(here.mpc.mails)) == 15
    assert len(answers) == len(told(here)) == 5
    assert [one["event"] for one in events_of(trail_of)].count("requested") == 15


def told(here: World) -> list[str]:
    """Return the answers that came through a response_url."""
    return [one.shown for one in here.slack.ephemerals if one.via == "response_url" and "ccepted" in one.shown]


def test_a_replayed_request_has_no_second_effect(here: World, trail_of: Database) -> None:
    """Who plays the same signed bytes again, within five minutes, gets the same acknowledgement, and no more."""
    with Bot(here) as bot:
        first = here.slack.command("A10cnQO", channel=OBSERVERS)
        refused = here.slack.command("no!label A10cnQO", channel=OBSERVERS)
        for delivery in (first, refused):
            headers = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
            acks = [
                here.slack.deliver_http(f"{bot.url}/slack/events", delivery, headers=list(more.items()))
                for more in ({}, headers, {})
            ]
            assert len({ack.body for ack in acks}) == 1
            assert {ack.error for ack in acks} == {None}
        here.mpc.wait_for(lambda: here.mpc.mails)
        here.slack.wait_for(lambda: told(here))
        assert bot.stop() == 0
    assert here.mpc.mails == ["A10cnQO"]
    assert len(told(here)) == 1
    assert sorted(str(one["event"]) for one in events_of(trail_of)) == ["accepted", "invalid", "requested", "sending"]


@BOTH
def test_twelve_people_make_one_request(here: World, trail_of: Database) -> None:
    """Over two processes, at the same instant: one POST, and eleven hear at once that somebody is asking already."""
    here.mpc.always("A10cnQO", faults.delay(1.0))
    with Bot(here) as one, Bot(here) as two:
        people = [partial(bot.command, "A10cnQO", user=f"U{n}") for n, bot in enumerate((one, two) * 6)]
        acks = at_once(people)
        answers = here.slack.wait_for(lambda: told(here))
        assert one.stop() == two.stop() == 0
    assert {ack.error for ack in acks} == {None}
    assert sorted(ack.shown == "" for ack in acks) == [False] * 11 + [True]
    assert sum("Somebody is asking for this label at this moment" in ack.shown for ack in acks) == 11
    assert len(answers) == 1
    assert here.mpc.mails == ["A10cnQO"]
    events = [str(one["event"]) for one in events_of(trail_of)]
    assert sorted(events) == sorted(["requested", "sending", "accepted", *["denied"] * 11])


def test_another_team_is_another_delivery_and_the_same_label(here: World, trail_of: Database) -> None:
    """What Slack signs for this app is served, under the IDs that it names; a label cools down for everybody."""
    with Bot(here) as bot:
        trigger = "1.2.three"
        assert bot.command("A10cnQO", trigger_id=trigger).text == ""
        here.slack.wait_for(lambda: told(here))
        extra = {"enterprise_id": "E0OTHER", "api_app_id": "A0OTHER", "user_id": "W0GUEST"}
        said = bot.command("A10cnQO B20xx", trigger_id=trigger, team_id="T0OTHER", extra=extra).shown
        here.mpc.wait_for(lambda: "B20xx" in here.mpc.mails)
    assert "asked for a short while ago" in said
    assert here.mpc.mails == ["A10cnQO", "B20xx"]
    assert {one["user_id"] for one in events_of(trail_of) if one["team_id"] == "T0OTHER"} == {"W0GUEST"}
