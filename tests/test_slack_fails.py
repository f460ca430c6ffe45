"""Whole journeys with a Slack that fails: the trail goes on, the asker is served, each post is there once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.sandbox import faults
from tests.conftest import BOTH, opened
from tests.processes import AUDIT, Bot, World, until, world

USER = "U0ANNA"


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


def posted(here: World) -> list[str]:
    """Return the posts of the audit channel."""
    return [one.shown for one in here.slack.posts if one.channel == AUDIT]


def told(here: World) -> list[str]:
    """Return the answers that the asker got."""
    return [one.shown for one in here.slack.ephemerals if one.via == "response_url" and one.user == USER]


@BOTH
def test_a_process_killed_between_a_post_and_its_note_leaves_one_post(here: World) -> None:
    """Slack had taken the post when the process died: the next one reads that in the channel, and goes on behind it."""
    here.slack.fail("chat.postMessage", faults.hang(taken=True))
    with Bot(here) as bot:
        bot.command("A10cnQO", user=USER)
        here.slack.wait_for(lambda: posted(here) and told(here))
        bot.kill()
    with Bot(here) as bot:
        until(lambda: bot.get("/healthz").json()["audit_backlog"] == 0)
        bot.command("B20xx", user=USER)
        here.slack.wait_for(lambda: any("B20xx" in one for one in posted(here)))
        assert bot.stop() == 0
    assert ["A10cnQO" in one for one in posted(here)] == [True, False]
    assert len([one for one in here.slack.calls if one.method == "conversations.history"]) == 1
    verified = here.run("audit", "verify", "--slack")
    assert verified.returncode == 0, verified.stdout


def test_a_channel_that_fails_keeps_nobody_waiting(here: World, database_url: str) -> None:
    """The asker is answered while the channel is slow or archived; /healthz says what to do; then it catches up."""
    here.slack.fail("chat.postMessage", faults.delay(6, taken=False))
    with Bot(here) as bot:
        bot.command("first", user=USER)
        here.slack.wait_for(lambda: told(here), timeout=4)
        here.slack.channels[AUDIT].is_archived = True
        bot.command("second", user=USER)
        here.slack.wait_for(lambda: len(told(here)) == 2, timeout=5)
        until(lambda: "unarchive the channel" in str(bot.get("/healthz").json()["audit_channel"]))
        assert bot.get("/healthz").status_code == 200
        here.slack.channels[AUDIT].is_archived = False
        with opened(database_url) as database, database.engine.begin() as connection:
            connection.execute(text("UPDATE channels SET next_at = 0"))
        here.slack.wait_for(lambda: posted(here))
        until(lambda: bot.get("/healthz").json()["audit_channel"] is None)
    assert [("first" in one, "second" in one) for one in posted(here)] == [(True, True)]
    assert bot.log.count("unarchive the channel") == 1


def test_a_slack_that_is_down_fills_no_log(here: World) -> None:
    """A line for what waits, not one for each try; the libraries below say nothing on their own."""
    with Bot(here) as bot:
        for method in ("response_url", "chat.postEphemeral", "chat.postMessage"):
            here.slack.always(method, faults.reset_before())
        bot.command("A10cnQO", user=USER)
        here.slack.wait_for(lambda: len(here.slack.calls) >= 8)
        bot.stop()
    said = [line for line in bot.log.splitlines() if "WARNING" in line or "ERROR" in line]
    assert len([line for line in said if "its asker could not be told yet" in line]) == 1
    assert len([line for line in said if "Slack did not take a post" in line]) == 1
    assert len(said) == 2


def test_the_channel_hears_when_the_mpc_turns_the_bot_away_and_when_it_does_so_no_more(here: World) -> None:
    """Once each, by one of several processes, with the outcomes around it; /healthz says the same meanwhile."""
    here.mpc.always("A10cnQO", faults.answer(403, "forbidden"))
    with Bot(here, more={"WEB_WORKERS": "2"}) as bot:
        bot.command("A10cnQO", user=USER)
        here.slack.wait_for(lambda: any("The MPC does not serve the bot" in one for one in posted(here)))
        assert "HTTP 403" in bot.get("/healthz").json()["mpc"]
        bot.command("B20xx", user=USER)
        here.slack.wait_for(lambda: any("The MPC serves the bot again" in one for one in posted(here)))
        until(lambda: bot.get("/healthz").json()["mpc"] is None)
        here.slack.wait_for(lambda: len(told(here)) == 2 and any("B20xx" in one for one in posted(here)))
        assert bot.stop() == 0
    said = "\n".join(posted(here))
    assert said.count("The MPC does not serve the bot") == said.count("The MPC serves the bot again") == 1
    assert [said.count("A10cnQO"), said.count("B20xx")] == [1, 1]
