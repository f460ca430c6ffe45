"""What the audit channel and `/healthz` say while the MPC is not asked, and while Slack takes no posts."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from bot import health
from bot.remedies import WHAT_TO_DO
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.slack.audit_channel import MOST_LINES
from bot.store import presence
from bot.store.database import Database
from tests.processes import until
from tests.slack.test_audit_channel import channel_of, hurry
from tests.slack.test_doubt import calls, leave_undone, now_of, row_of
from tests.test_trail import record

SINCE = 1_764_000_000_000
REASON = "HTTP 403"


def break_off(database: Database, at: int | None, why: str | None = REASON) -> None:
    """Let the MPC be asked no more since `at`, or again where that is None."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE pace SET broken_at = :at, broken_by = :why"), {"at": at, "why": at and why})


def is_due(database: Database) -> bool:
    """Return whether a look says that the channel is to be told something."""
    return database.write(lambda tx: presence.look(tx, announce_after_ms=5_000)).tell


def test_the_channel_is_told_once_when_it_begins_and_once_when_it_ends(database: Database, slack: SandboxSlack) -> None:
    """By whichever process is first; each says what happened, what that means and what to do."""
    one, two = channel_of(database, slack, "one"), channel_of(database, slack, "two")
    assert not is_due(database)
    break_off(database, SINCE)
    for _ in range(2):
        for channel in (one, two):
            assert is_due(database) == (len(slack.posts) == 0)
            channel.step()
            hurry(database)
    (opened,) = slack.posts
    for word in (
        "does not serve the bot",
        REASON,
        "unavailable",
        "nothing is sent",
        "One request at a time",
        "help desk",
    ):
        assert word in opened.shown
    break_off(database, None)
    for _ in range(2):
        for channel in (one, two):
            assert is_due(database) == (len(slack.posts) == 1)
            channel.step()
            hurry(database)
    _, closed = slack.posts
    assert "The MPC serves the bot again" in closed.shown
    for post in slack.posts:
        assert "<@" not in json.dumps(post.arguments)
        assert '"user"' not in json.dumps(post.arguments)


def test_a_block_and_a_breakdown_have_their_own_advice(sqlite: Database, slack: SandboxSlack) -> None:
    """Only a 403 says that the MPC may have blocked the address."""
    channel = channel_of(sqlite, slack)
    break_off(sqlite, SINCE, "five requests in a row were not taken (HTTP 503)")
    channel.step()
    assert "five requests in a row" in slack.posts[0].shown
    assert "help desk" not in slack.posts[0].shown
    assert "bot check" in slack.posts[0].shown


def test_what_is_over_before_it_was_told_is_not_told(sqlite: Database, slack: SandboxSlack) -> None:
    """The channel is told how things are, not each turn that they took."""
    channel = channel_of(sqlite, slack)
    break_off(sqlite, SINCE)
    break_off(sqlite, None)
    assert channel.step() is None
    assert slack.posts == []
    break_off(sqlite, SINCE)
    channel.step()
    break_off(sqlite, SINCE + 60_000)
    hurry(sqlite)
    channel.step()
    assert len(slack.posts) == 2


def test_it_stands_before_the_outcomes_and_hides_none(sqlite: Database, slack: SandboxSlack) -> None:
    """A backlog is told in the same posts, all of it, at the same pace."""
    channel = channel_of(sqlite, slack)
    for number in range(MOST_LINES + 1):
        record(sqlite, "unavailable", request_id=f"r{number:02}")
    break_off(sqlite, SINCE)
    pause_s = channel.step()
    assert pause_s is not None
    assert pause_s > 1
    hurry(sqlite)
    channel.step()
    shown = "\n".join(one.shown for one in slack.posts)
    assert len(slack.posts) == 2
    assert shown.startswith("The MPC does not serve the bot")
    places = [shown.index(f"request r{number:02}") for number in range(MOST_LINES + 1)]
    assert places == sorted(places)
    assert shown.count("does not serve the bot") == 1


@pytest.mark.parametrize("ends", [False, True], ids=["begin", "end"])
def test_a_notice_whose_answer_was_lost_is_not_made_again(database: Database, slack: SandboxSlack, ends: bool) -> None:  # noqa: FBT001
    """The channel itself says that it has it."""
    channel = channel_of(database, slack)
    break_off(database, SINCE)
    if ends:
        channel.step()
        break_off(database, None)
        hurry(database)
    slack.fail("chat.postMessage", faults.reset_after())
    for _ in range(3):
        channel.step()
        hurry(database)
    assert len(slack.posts) == (2 if ends else 1)
    assert calls(slack, "conversations.history") == 1


def test_a_notice_that_was_not_made_is_made(database: Database, slack: SandboxSlack) -> None:
    """A process that was killed before its second notice leaves the first one in the channel: that is another one."""
    channel = channel_of(database, slack)
    break_off(database, SINCE)
    channel.step()
    break_off(database, None)
    leave_undone(database, row_of(database), doubt=now_of(database))
    channel.step()
    assert ["The MPC serves the bot again" in one.shown for one in slack.posts] == [False, True]
    hurry(database)
    assert channel.step() is None


def test_healthz_says_that_the_mpc_is_not_asked(database: Database) -> None:
    """Since when, and why; and nothing where all is well."""
    assert health.health(database)[1]["mpc"] is None
    break_off(database, SINCE)
    well, said = health.health(database)
    assert well
    assert said["mpc"] == "does not serve the bot since 2025-11-24T16:00:00.000Z: HTTP 403"


@pytest.mark.parametrize("error", [*WHAT_TO_DO, "some_new_error"])
def test_healthz_names_what_the_operator_has_to_mend(sqlite: Database, slack: SandboxSlack, error: str) -> None:
    """In every process and after a restart, with what to do, until a post is taken; it is tried every 20 s."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.always("chat.postMessage", faults.api_error(error))
    channel.step()
    waiting = channel.step()
    assert waiting is not None
    assert 19 < waiting <= 20
    channel_of(sqlite, slack, "restarted")
    well, said = health.health(sqlite)
    assert well
    assert said["audit_channel"].startswith(f"{error}: ")
    assert WHAT_TO_DO.get(error, "see what Slack says") in said["audit_channel"]
    slack.fail("chat.postMessage", faults.answer(503, "down"))
    hurry(sqlite)
    channel.step()
    assert health.health(sqlite)[1]["audit_channel"] == said["audit_channel"]
    slack.clear()
    hurry(sqlite)
    channel.step()
    assert health.health(sqlite)[1]["audit_channel"] is None


def test_a_channel_that_was_given_up_is_nobodys_concern(database: Database, slack: SandboxSlack) -> None:
    """Where AUDIT_CHANNEL names another one, the fault of the old one is forgotten."""
    channel = channel_of(database, slack)
    record(database, "accepted")
    slack.audit.is_archived = True
    channel.step()
    assert health.health(database)[1]["audit_channel"].startswith("is_archived")
    slack.audit = slack.add_channel("C0NEW", "new")
    channel_of(database, slack, "restarted")
    assert health.health(database)[1]["audit_channel"] is None


@pytest.fixture
def strict_slack() -> Iterator[SandboxSlack]:
    """Give a Slack that takes one post a second and channel, with no burst."""
    with SandboxSlack(post_burst=1) as made:
        yield made


def test_a_backlog_drains_in_order_at_slacks_pace(sqlite: Database, strict_slack: SandboxSlack) -> None:
    """Slack was down for a while: what was missed comes in few posts, and none of them is one too many."""
    channel = channel_of(sqlite, strict_slack)
    strict_slack.always("chat.postMessage", faults.answer(503, "down"))
    count = 2 * MOST_LINES + 3
    for number in range(count):
        record(sqlite, "accepted", request_id=f"r{number:02}")
    channel.step()
    strict_slack.clear()
    hurry(sqlite)
    tried = calls(strict_slack, "chat.postMessage")
    until(lambda: channel.step() is None)
    shown = [line for post in strict_slack.posts for line in post.shown.splitlines()]
    assert [line.split(" request ")[1][:3] for line in shown] == [f"r{number:02}" for number in range(count)]
    assert calls(strict_slack, "chat.postMessage") - tried == len(strict_slack.posts) == 3
