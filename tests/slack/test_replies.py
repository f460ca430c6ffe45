"""Telling the asker: the best way that works, as soon as it works, and no way oftener than Slack wants it."""

import re
import threading

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot import trail
from bot.remedies import OF_THE_APP, WHAT_TO_DO
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.slack.replies import GIVE_UP_MS, Replies
from bot.store import entry, presence
from bot.store.database import Database
from bot.trail import Asker
from tests.processes import until

USER = "U0ANNA"
DEAD_URL = [
    faults.answer(404, "used_url"),
    faults.answer(410),
    faults.answer(403, "denied"),
    faults.answer(500, "oops"),
]


def replies_of(database: Database, slack: SandboxSlack, owner: str = "one") -> Replies:
    """Return how one process replies."""
    database.write(lambda tx: presence.beat(tx, owner))
    client = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=2)
    return Replies(database=database, client=client, owner=owner, failed=lambda _, __: None)


def owe(database: Database, slack: SandboxSlack, label: str = "A10cnQO", *, age_ms: int = 0, url: bool = True) -> None:
    """Let a command be over whose asker is still to be told."""
    delivery = slack.command(label, user=USER)
    asker = Asker(source="slash", team_id=slack.team_id, channel_id=slack.observing.id, user_id=USER)
    command_id = trail.new_id()
    done = entry.NewRequest(request_id=trail.new_id(), label=label, kinds=("trksub",), outcome="accepted")
    database.write(
        lambda tx: entry.add(
            tx,
            command_id=command_id,
            asker=asker,
            response_url=delivery.response_url if url else None,
            response_url_until=tx.now + 1_700_000 if url else None,
            announced=True,
            turn=0,
            new=[done],
        )
    )
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE commands SET reply_at = 0, admitted_at = admitted_at - :age WHERE command_id = :id"),
            {"age": age_ms, "id": command_id},
        )


def due_in(database: Database) -> float:
    """Return after how many seconds the next reply is due."""
    now = database.write(lambda tx: tx.now)
    with database.engine.begin() as connection:
        at: int = connection.execute(text("SELECT min(reply_at) FROM commands")).scalar_one()
    return (at - now) / 1000


def hurry(database: Database) -> None:
    """Let every reply be due."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE commands SET reply_at = 0"))


def methods(slack: SandboxSlack) -> list[str]:
    """Return what was called, in order."""
    return [one.method for one in slack.calls]


def told(slack: SandboxSlack) -> list[str]:
    """Return in which ways the asker was told, in order of the ways."""
    return [one.via for one in slack.ephemerals if one.user == USER] + ["dm" for one in slack.dms if one.user == USER]


@pytest.mark.parametrize("fault", [*DEAD_URL, faults.reset_before(), faults.answer(200, {"ok": False, "error": "x"})])
def test_a_response_url_that_does_not_work_is_followed_by_an_ephemeral_post(
    sqlite: Database, slack: SandboxSlack, fault: faults.Fault
) -> None:
    """Whatever is wrong with it, and at once."""
    replies = replies_of(sqlite, slack)
    owe(sqlite, slack)
    slack.always("response_url", fault)
    assert replies.step() is None
    assert told(slack) == ["chat.postEphemeral"]


@pytest.mark.parametrize(
    "error",
    [
        "user_not_in_channel", "channel_not_found", "not_in_channel", "messages_tab_disabled", "cannot_dm_bot",
        "is_archived", "restricted_action", "no_permission", "user_not_found", "some_new_error", "internal_error",
    ],
)  # fmt: skip
def test_an_ephemeral_post_that_fails_is_followed_by_a_direct_message(
    sqlite: Database, slack: SandboxSlack, error: str
) -> None:
    """Where the bot or the asker is not in the channel, or posting is not allowed there."""
    replies = replies_of(sqlite, slack)
    owe(sqlite, slack, url=False)
    slack.always("chat.postEphemeral", faults.api_error(error))
    replies.step()
    assert told(slack) == ["dm"]


@pytest.mark.parametrize("error", ["messages_tab_disabled", "cannot_dm_bot", "is_archived", "channel_not_found"])
def test_an_asker_whom_no_way_reaches_is_told_later(
    sqlite: Database, slack: SandboxSlack, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """The log names each way once; when one works again, the asker is told, and once."""
    replies = replies_of(sqlite, slack)
    owe(sqlite, slack)
    slack.always("response_url", faults.answer(404, "used_url"))
    for method in ("chat.postEphemeral", "chat.postMessage"):
        slack.always(method, faults.api_error(error))
    for _ in range(6):
        replies.step()
        assert 0 < due_in(sqlite) <= 20
        hurry(sqlite)
    assert methods(slack) == ["response_url", *["chat.postEphemeral", "chat.postMessage"] * 6]
    (said,) = [one.getMessage() for one in caplog.records if one.name == "bot.slack.replies"]
    for way in ("response_url: HTTP 404", f"chat.postEphemeral: {error}", f"chat.postMessage: {error}"):
        assert way in said
    slack.clear()
    replies.step()
    assert told(slack) == ["chat.postEphemeral"]
    assert replies.step() is None


@pytest.mark.parametrize("method", ["response_url", "chat.postEphemeral", "chat.postMessage"])
def test_slack_is_given_the_time_that_it_asks_for(sqlite: Database, slack: SandboxSlack, method: str) -> None:
    """A 429 is neither passed over nor answered with more calls: the reply waits, and comes the same way."""
    replies = replies_of(sqlite, slack)
    owe(sqlite, slack, url=method == "response_url")
    if method == "chat.postMessage":
        slack.always("chat.postEphemeral", faults.api_error("not_in_channel"))
    slack.fail(method, faults.rate_limited(2))
    replies.step()
    assert methods(slack)[-1] == method
    assert 1 < due_in(sqlite) <= 2
    before = len(slack.calls)
    assert replies.step() is None
    assert len(slack.calls) == before
    until(lambda: replies.step() is None and told(slack) != [])
    assert told(slack) == [{"chat.postMessage": "dm"}.get(method, method)]
    assert methods(slack).count(method) == 2


def test_it_is_told_whether_more_replies_are_due(sqlite: Database, slack: SandboxSlack) -> None:
    """So nobody looks once more in vain."""
    replies = replies_of(sqlite, slack)
    for label in ("first", "second", "third"):
        owe(sqlite, slack, label)
    assert [replies.step() for _ in range(4)] == [0, 0, None, None]
    assert told(slack) == ["response_url"] * 3


def test_many_replies_do_not_storm_a_busy_slack(sqlite: Database, slack: SandboxSlack) -> None:
    """Where Slack wants no ephemeral posts for a while, the others wait without asking."""
    replies = replies_of(sqlite, slack)
    for number in range(5):
        owe(sqlite, slack, f"label{number}", url=False)
    slack.always("chat.postEphemeral", faults.rate_limited(20))
    while replies.step() == 0:
        pass
    assert methods(slack) == ["chat.postEphemeral"]
    owe(sqlite, slack, "fresh")
    replies.step()
    assert told(slack) == ["response_url"]


@pytest.mark.parametrize("error", sorted(OF_THE_APP))
def test_what_is_wrong_with_the_app_is_said_once(
    sqlite: Database, slack: SandboxSlack, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """Not for each reply, and the Web API is asked once in a while; a response_url needs no token and works."""
    caplog.set_level("INFO")
    replies = replies_of(sqlite, slack)
    for number in range(3):
        owe(sqlite, slack, f"label{number}", url=False)
    for method in ("chat.postEphemeral", "chat.postMessage"):
        slack.always(method, faults.api_error(error))
    while replies.step() == 0:
        pass
    assert methods(slack) == ["chat.postEphemeral"]
    assert 15 < due_in(sqlite) <= 20.1
    owe(sqlite, slack, "fresh")
    replies.step()
    assert told(slack) == ["response_url"]
    assert caplog.text.count(WHAT_TO_DO[error]) == 1
    slack.clear()
    hurry(sqlite)
    healed = replies_of(sqlite, slack, "restarted")
    while healed.step() == 0:
        pass
    assert told(slack).count("chat.postEphemeral") == 3


def test_an_asker_is_told_for_a_day(sqlite: Database, slack: SandboxSlack, caplog: pytest.LogCaptureFixture) -> None:
    """After that the log says so, and the trail has the outcome."""
    replies = replies_of(sqlite, slack)
    slack.refuse()
    owe(sqlite, slack, "young", age_ms=GIVE_UP_MS - 60_000)
    owe(sqlite, slack, "old", age_ms=GIVE_UP_MS + 60_000)
    for _ in range(2):
        replies.step()
    assert len(re.findall("could not be told for a day", caplog.text)) == 1
    slack.accept()
    hurry(sqlite)
    replies.step()
    assert replies.step() is None
    (answer,) = [one.shown for one in slack.ephemerals]
    assert "young" in answer


def test_slow_announcements_hold_up_no_reply(database: Database, slack: SandboxSlack) -> None:
    """Whoever announces takes no reply with it, so another one makes it meanwhile, and once."""
    one, two = replies_of(database, slack, "one"), replies_of(database, slack, "two")
    owe(database, slack, "waits")
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE commands SET announced = false, open_count = 1, reply_at = NULL, admitted_at = 0")
        )
    owe(database, slack, "done")
    slack.fail("response_url", faults.delay(1))
    announcer = threading.Thread(target=one.step)
    announcer.start()
    slack.wait_for(lambda: slack.calls)
    assert two.step() is None
    assert "done" in slack.ephemerals[-1].shown
    announcer.join()
    assert len(slack.ephemerals) == 2
    assert one.step() is None
