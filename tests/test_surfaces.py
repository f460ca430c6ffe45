"""Whole journeys through the form, the shortcuts and App Home: a real process, over HTTP and over WebSockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import faults
from bot.sandbox.records import View
from bot.store.database import Database
from tests.conftest import events_of, opened
from tests.processes import OBSERVERS, Bot, World, world
from tests.test_harvest import ACKNOWLEDGEMENT

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


def typed(here: World, view: View, text: str) -> object:
    """Return the submission of a form."""
    return here.slack.submission(view, {"labels": {"labels": {"type": "plain_text_input", "value": text}}})


@pytest.mark.parametrize("mode", ["--http", "--socket"])
def test_every_surface_leads_to_one_answer(here: World, trail_of: Database, mode: str) -> None:
    """Button, global shortcut, shortcut on a mail and App Home work over either door, and no secret is logged."""
    slack = here.slack
    with Bot(here, mode, {"LOG_LEVEL": "DEBUG"}) as bot:
        opening = slack.event({"type": "app_home_opened", "user": USER, "tab": "home"})
        assert bot.deliver(opening).error is None
        slack.wait_for(lambda: USER in slack.homes)

        usage = bot.command("", user=USER)
        assert usage.shown.endswith("[Open the form]")
        button = slack.click({"action_id": "open_form"}, user=USER, channel=OBSERVERS)
        assert bot.deliver(button).error is None
        wrong = typed(here, slack.views[-1], "A10cnQO se!cret7")
        assert "se!cret7" in bot.deliver(wrong).payload["errors"]["labels"]
        right = typed(here, slack.views[-1], "A10cnQO")
        acks = [bot.deliver(right) for _ in range(3)]
        assert {(ack.error, str(ack.payload)) for ack in acks} == {(None, str(acks[0].payload))}
        assert "Your request was taken" in slack.views[-1].shown

        mail = {"text": "", "files": [{"filetype": "email", "plain_text": ACKNOWLEDGEMENT}]}
        asked = slack.message_shortcut("request_codes_of_message", mail, user=USER, channel=OBSERVERS)
        assert bot.deliver(asked).error is None
        assert "3 labels were found in the message." in slack.views[-1].shown
        assert bot.deliver(typed(here, slack.views[-1], "P11JuVG F51")).error is None

        anywhere = slack.shortcut("request_codes", user=USER)
        assert bot.deliver(anywhere).error is None
        assert bot.deliver(typed(here, slack.views[-1], "00000DwbEz")).error is None

        slack.wait_for(lambda: len(slack.dms) == 3, timeout=20)
        labels = ("A10cnQO", "P11JuVG", "00000DwbEz")
        slack.wait_for(lambda: all(f"{one} · ✓ Accepted" in slack.homes[USER].shown for one in labels), timeout=20)
        assert bot.stop() == 0
    assert sorted(here.mpc.mails) == sorted(labels)
    requested = {one["label"]: one for one in events_of(trail_of) if one["event"] == "requested"}
    assert {label: (one["source"], one["channel_id"]) for label, one in requested.items()} == {
        "A10cnQO": ("modal", OBSERVERS),
        "P11JuVG": ("shortcut", OBSERVERS),
        "00000DwbEz": ("modal", None),
    }
    secrets = [one for made in (button, asked, anywhere) for one in (made.trigger_id, made.response_url) if one]
    assert not [one for one in [*secrets, "se!cret7", slack.bot_token] if one in bot.log]


def test_an_outcome_after_a_crash_is_told_and_shown_by_the_next_process(here: World) -> None:
    """What a form was told yes for outlives its process, and so does the knowledge whose App Home is open."""
    slack = here.slack
    here.mpc.always("A10cnQO", faults.hang())
    with Bot(here) as bot:
        bot.deliver(slack.event({"type": "app_home_opened", "user": USER, "tab": "home"}))
        slack.wait_for(lambda: USER in slack.homes)
        bot.deliver(slack.shortcut("request_codes", user=USER))
        assert bot.deliver(typed(here, slack.views[-1], "A10cnQO")).error is None
        here.mpc.wait_for(lambda: here.mpc.posts("A10cnQO"))
        bot.kill()
    with Bot(here):
        slack.wait_for(lambda: slack.dms, timeout=30)
        slack.wait_for(lambda: "A10cnQO · ? Not known" in slack.homes[USER].shown, timeout=30)
    assert len(here.mpc.posts("A10cnQO")) == 1
