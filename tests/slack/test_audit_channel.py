"""Posting to the audit channel: once each, in order, and a Slack or a database that fails changes nothing."""

import sqlite3
import threading

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot import trail
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.slack.audit_channel import MOST_LINES, AuditChannel
from bot.store import presence
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from tests.test_trail import record


def channel_of(database: Database, slack: SandboxSlack, owner: str = "one") -> AuditChannel:
    """Return the audit channel as one process posts to it."""
    client = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=2)
    made = AuditChannel(database=database, client=client, channel_id=slack.audit.id, owner=owner)
    made.follow()
    database.write(lambda tx: presence.beat(tx, owner))
    return made


def hurry(database: Database) -> None:
    """Let the pause between posts be over."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET next_at = 0"))


def test_a_backlog_is_folded_into_few_posts(database: Database, slack: SandboxSlack) -> None:
    """As many outcomes as fit stand in one post, in the trail's order, and the next one follows after a second."""
    channel = channel_of(database, slack)
    for number in range(MOST_LINES + 2):
        record(database, trail.REQUESTED, "accepted", request_id=f"r{number:02}")
    pause_s = channel.step()
    assert pause_s is not None
    assert 1 <= pause_s < 1.2
    waiting = channel.step()
    assert waiting is not None
    assert 0 < waiting <= pause_s
    hurry(database)
    assert channel.step() is None
    shown = [[line.split(" request ")[1][:3] for line in post.shown.splitlines()] for post in slack.posts]
    assert shown == [[f"r{n:02}" for n in range(MOST_LINES)], [f"r{n:02}" for n in range(MOST_LINES, MOST_LINES + 2)]]


def test_two_processes_tell_it_once(database: Database, slack: SandboxSlack) -> None:
    """While one is at it, the other waits; when that one is dead, it goes on."""
    one, two = channel_of(database, slack, "one"), channel_of(database, slack, "two")
    record(database, "accepted")
    slack.fail("chat.postMessage", faults.delay(0.5))
    poster = threading.Thread(target=one.step)
    poster.start()
    slack.wait_for(lambda: slack.posts)
    assert two.step() == 1.0
    poster.join()
    hurry(database)
    assert two.step() is None
    assert len(slack.posts) == 1
    record(database, "accepted", request_id="r2")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET owner = 'dead', next_at = 0"))
    assert two.step() is None
    assert len(slack.posts) == 2


def test_a_post_is_not_made_again_because_the_database_did_not_take_the_note(
    sqlite: Database, slack: SandboxSlack
) -> None:
    """The post was taken, and the note of it could not be stored: it is stored later, without a second post."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", faults.delay(0.5))
    failures: list[Exception] = []

    def post() -> None:
        try:
            channel.step()
        except DatabaseUnavailable as fault:
            failures.append(fault)

    poster = threading.Thread(target=post)
    poster.start()
    slack.wait_for(lambda: slack.posts)
    lock = sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    poster.join()
    lock.close()
    assert len(failures) == 1
    channel.step()
    hurry(sqlite)
    assert channel.step() is None
    assert len(slack.posts) == 1
    assert [one.method for one in slack.calls] == ["chat.postMessage"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("not_in_channel", "invite the bot there"),
        ("is_archived", "unarchive the channel"),
        ("channel_not_found", "check AUDIT_CHANNEL"),
        ("missing_scope", "add the scopes of manifest.json"),
        ("invalid_auth", "check SLACK_BOT_TOKEN"),
    ],
)
def test_a_lasting_fault_is_said_once_with_what_to_do(
    sqlite: Database, slack: SandboxSlack, caplog: pytest.LogCaptureFixture, error: str, says: str
) -> None:
    """However often it is tried, the log names the fault once; when it is mended, what was missed is posted."""
    caplog.set_level("INFO")
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.always("chat.postMessage", faults.api_error(error))
    for _ in range(3):
        hurry(sqlite)
        assert channel.step() == 1.0
    assert caplog.text.count(says) == 1
    waiting = channel.step()
    assert waiting is not None
    assert 15 < waiting <= 20
    slack.clear()
    hurry(sqlite)
    assert channel.step() is None
    assert len(slack.posts) == 1
    assert "posts are taken again" in caplog.text


@pytest.mark.parametrize("fault", [faults.rate_limited(7), faults.answer(503, "down"), faults.reset_before()])
def test_a_passing_fault_is_waited_out(sqlite: Database, slack: SandboxSlack, fault: faults.Fault) -> None:
    """As long as Slack asks, or with a growing pause; then the post is made."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", fault)
    assert channel.step() == 1.0
    waiting = channel.step()
    assert waiting is not None
    assert 0.5 < waiting <= 7
    hurry(sqlite)
    assert channel.step() is None
    assert len(slack.posts) == 1
