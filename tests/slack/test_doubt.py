"""Posts of which nobody knows whether Slack took them: the channel is read back, and each is there once."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from slack_sdk import WebClient
from sqlalchemy import event, text

from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.store import channels, presence
from bot.store.channels import Turn
from bot.store.database import Database
from bot.store.writing import Transaction
from tests.conftest import opened
from tests.slack.test_audit_channel import channel_of, hurry
from tests.test_trail import record

T = TypeVar("T")

TAKEN = {
    "time-out": faults.hang(taken=True),
    "reset": faults.reset_after(),
    "closed": faults.close(taken=True),
    "500": faults.answer(500, "oops", taken=True),
    "502": faults.answer(502, "<html>", taken=True),
    "no JSON": faults.answer(200, "<html>", taken=True),
    "no text": faults.answer(200, b"\xff\xfe\xff", taken=True),
    "half an answer": faults.truncated(),
    "no HTTP": faults.garbage(),
    "internal_error": faults.api_error("internal_error", taken=True),
    "fatal_error": faults.api_error("fatal_error", taken=True),
}
"""Failures after which the post is in the channel."""

NOT_TAKEN = {
    "429": faults.rate_limited(1),
    "request_timeout": faults.api_error("request_timeout"),
    "is_archived": faults.api_error("is_archived"),
    "invalid_auth": faults.api_error("invalid_auth"),
}
"""Failures that say that it is not."""

UNREADABLE = {
    "no scope": faults.api_error("missing_scope"),
    "thrown out": faults.api_error("not_in_channel"),
    "no such method": faults.api_error("unknown_method"),
}

UNREACHABLE = {
    "busy": faults.rate_limited(2),
    "down": faults.answer(503, "down"),
    "reset": faults.reset_before(),
    "internal_error": faults.api_error("internal_error"),
}


def calls(slack: SandboxSlack, method: str) -> int:
    """Return how often a method was called."""
    return [one.method for one in slack.calls].count(method)


def row_of(database: Database) -> Any:
    """Return what is known of the channel."""
    with database.engine.begin() as connection:
        return connection.execute(text("SELECT * FROM channels")).one()


def leave_undone(database: Database, before: Any, *, doubt: int) -> None:
    """Let the channel be as a process leaves it that was killed with its turn taken."""
    now = now_of(database)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE channels SET seq = :seq, told_broken_at = :told, doubt = :doubt, owner = 'dead', "
                "next_at = :until"
            ),
            {"seq": before.seq, "told": before.told_broken_at, "doubt": doubt, "until": now + 25_000},
        )


def now_of(database: Database) -> int:
    """Return the database's time, milliseconds since 1970."""
    return database.write(lambda tx: tx.now)


@pytest.mark.parametrize("fault", TAKEN.values(), ids=TAKEN)
def test_a_post_whose_answer_was_lost_is_not_made_again(
    sqlite: Database, slack: SandboxSlack, fault: faults.Fault
) -> None:
    """Slack took it and did not say so: the channel says it, and the next post goes on behind it."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", fault)
    assert channel.step() == 1.0
    assert row_of(sqlite).doubt is not None
    record(sqlite, "accepted", request_id="r2")
    for _ in range(2):
        hurry(sqlite)
        channel.step()
    assert row_of(sqlite).doubt is None
    assert [one.shown.count("request r") for one in slack.posts] == [1, 1]
    assert "request r2" in slack.posts[1].shown
    assert calls(slack, "conversations.history") == 1


@pytest.mark.parametrize("fault", NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_where_slack_says_no_the_channel_is_not_read(
    sqlite: Database, slack: SandboxSlack, fault: faults.Fault
) -> None:
    """There is no doubt about it: the post is made again, and that is all."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", fault)
    channel.step()
    assert row_of(sqlite).doubt is None
    hurry(sqlite)
    channel.step()
    assert len(slack.posts) == 1
    assert calls(slack, "conversations.history") == 0


def test_a_refused_connection_leaves_no_doubt(sqlite: Database, slack: SandboxSlack) -> None:
    """Nothing went over it, so nothing was taken."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.refuse()
    channel.step()
    assert row_of(sqlite).doubt is None
    slack.accept()
    hurry(sqlite)
    channel.step()
    assert len(slack.posts) == 1


@pytest.mark.parametrize("made", [True, False], ids=["after Slack took it", "before it was made"])
def test_what_a_killed_process_left_is_looked_up(database: Database, slack: SandboxSlack, made: bool) -> None:  # noqa: FBT001
    """Whoever comes next reads the channel: what is there is noted, what is not there is posted."""
    begun = now_of(database)
    killed, heir = channel_of(database, slack, "killed"), channel_of(database, slack, "heir")
    record(database, "accepted")
    before = row_of(database)
    if made:
        killed.step()
    leave_undone(database, before, doubt=begun)
    assert database.write(lambda tx: presence.look(tx, announce_after_ms=5_000)).tell
    for _ in range(2):
        heir.step()
        hurry(database)
    assert len(slack.posts) == 1
    assert calls(slack, "conversations.history") == 1
    assert (row_of(database).seq, row_of(database).doubt) == (1, None)


@pytest.mark.parametrize("ahead_s", [-200, 200])
def test_clocks_need_not_agree(sqlite: Database, slack: SandboxSlack, ahead_s: int) -> None:
    """The post is found where the database's clock is minutes before or behind Slack's."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    before = row_of(sqlite)
    channel.step()
    leave_undone(sqlite, before, doubt=now_of(sqlite) + 1000 * ahead_s)
    channel.step()
    assert len(slack.posts) == 1
    assert row_of(sqlite).seq == 1


def test_only_what_is_new_is_read(sqlite: Database, slack: SandboxSlack) -> None:
    """A long channel is read from a bit before the doubt, not from its beginning."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", faults.reset_after())
    channel.step()
    hurry(sqlite)
    channel.step()
    (asked,) = [one for one in slack.calls if one.method == "conversations.history"]
    assert 0 < now_of(sqlite) / 1000 - float(str(asked.params["oldest"])) < 400


def test_others_posts_are_not_taken_for_ours(sqlite: Database, slack: SandboxSlack) -> None:
    """Neither another app's metadata nor a post that contradicts the trail moves the channel's place."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    before = row_of(sqlite)
    client = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    metadata = {"event_type": "actcode_head", "event_payload": {"after": 0, "seq": 1, "hash": "f" * 64}}
    client.chat_postMessage(channel=slack.audit.id, text="from before the restore", metadata=metadata)
    leave_undone(sqlite, before, doubt=now_of(sqlite))
    channel.step()
    assert ["request r1" in one.shown for one in slack.posts] == [False, True]


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE)
def test_where_the_channel_may_not_be_read_a_post_is_made_twice_rather_than_never(
    sqlite: Database, slack: SandboxSlack, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    """The log says so once, however often it happens."""
    channel = channel_of(sqlite, slack)
    slack.always("conversations.history", fault)
    for number in range(2):
        record(sqlite, "accepted", request_id=f"r{number}")
        slack.fail("chat.postMessage", faults.reset_after())
        hurry(sqlite)
        channel.step()
        hurry(sqlite)
        channel.step()
    assert [one.shown[-40:].count("#") for one in slack.posts] == [1, 1, 1, 1]
    assert caplog.text.count("may be there twice") == 1


@pytest.mark.parametrize("fault", UNREACHABLE.values(), ids=UNREACHABLE)
def test_where_the_channel_cannot_be_read_now_nothing_is_posted_yet(
    sqlite: Database, slack: SandboxSlack, fault: faults.Fault
) -> None:
    """The doubt stays until Slack answers."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", faults.reset_after())
    slack.always("conversations.history", fault)
    for _ in range(3):
        channel.step()
        hurry(sqlite)
    assert len(slack.posts) == 1
    slack.clear()
    channel.step()
    assert len(slack.posts) == 1
    assert (row_of(sqlite).seq, row_of(sqlite).doubt) == (1, None)


def test_a_doubt_outlives_the_bots_being_thrown_out(sqlite: Database, slack: SandboxSlack) -> None:
    """While it is out it can neither read nor post; invited again, it finds what it had posted."""
    channel = channel_of(sqlite, slack)
    record(sqlite, "accepted")
    slack.fail("chat.postMessage", faults.reset_after())
    channel.step()
    slack.audit.is_member = False
    for _ in range(2):
        hurry(sqlite)
        channel.step()
    slack.audit.is_member = True
    hurry(sqlite)
    channel.step()
    assert len(slack.posts) == 1
    assert (row_of(sqlite).seq, row_of(sqlite).fault) == (1, None)


class Paused(Database):
    """The database of a process that stops for a minute with the turn in its hands, while `meanwhile` happens."""

    meanwhile: Callable[[], object] | None = None

    def write(self, work: Callable[[Transaction], T], *, within_s: float | None = None) -> T:
        """Run `work`; a turn that it takes is a minute old when it comes back."""
        result = super().write(work, within_s=within_s)
        if isinstance(result, Turn) and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
            return dataclasses.replace(result, taken_at=result.taken_at - 60)
        return result


def test_a_paused_process_does_not_post_what_another_has_posted(tmp_path: Path, slack: SandboxSlack) -> None:
    """It looks whether the turn is still its own, and takes a new one where it is not."""
    url = f"sqlite:///{tmp_path / 'trail.db'}"
    with opened(url) as database:
        paused = Paused(url)
        slow, other = channel_of(paused, slack, "slow"), channel_of(database, slack, "other")
        record(database, "accepted")

        def take_over() -> None:
            with database.engine.begin() as connection:
                connection.execute(text("DELETE FROM processes WHERE owner = 'slow'"))
            assert other.step() is None
            hurry(database)

        paused.meanwhile = take_over
        assert slow.step() == 0.0
        assert slow.step() is None
        assert len(slack.posts) == 1
        record(database, "accepted", request_id="r2")
        paused.meanwhile = lambda: None
        hurry(database)
        slow.step()
        assert len(slack.posts) == 2
        paused.close()


def test_a_process_that_hangs_is_not_waited_for(database: Database, slack: SandboxSlack) -> None:
    """A turn ends after half a minute, even where its process is alive."""
    hanging, heir = channel_of(database, slack, "hanging"), channel_of(database, slack, "heir")
    record(database, "accepted")
    assert isinstance(database.write(lambda tx: channels.claim(tx, slack.audit.id, owner="hanging")), Turn)
    assert heir.step() == 1.0
    left_s = (row_of(database).next_at - now_of(database)) / 1000
    assert 25 < left_s <= 30
    hurry(database)
    assert heir.step() is None
    assert len(slack.posts) == 1
    assert not database.write(lambda tx: channels.renew(tx, slack.audit.id, owner="hanging"))
    assert hanging.step() is None


def test_an_ordinary_post_costs_two_writes(database: Database, slack: SandboxSlack) -> None:
    """The claim and the note: the doubt needs none of its own; where there is nothing to tell, nothing is written."""
    channel = channel_of(database, slack)
    record(database, "accepted")
    written: list[str] = []

    def catch(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.startswith("SELECT"):
            written.append(statement)

    event.listen(database.engine, "before_cursor_execute", catch)
    channel.step()
    posting = [one for one in written if one.startswith("UPDATE channels")]
    assert len(posting) == 2
    written.clear()
    assert channel.step() is None
    assert not [one for one in written if one.startswith("UPDATE")]


def test_a_clock_that_was_set_back_stops_nothing(database: Database, slack: SandboxSlack) -> None:
    """A pause that would last for hours was written by another clock."""
    channel = channel_of(database, slack)
    record(database, "accepted")
    later = now_of(database) + 7_200_000
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET next_at = :at"), {"at": later})
    assert database.write(lambda tx: presence.look(tx, announce_after_ms=5_000)).tell
    channel.step()
    assert len(slack.posts) == 1
