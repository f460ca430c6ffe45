"""The audit channel as a witness: what the chain alone cannot show, the posts do."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot import anchors, trail, verification
from bot.anchors import Anchor
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.slack import witness
from bot.slack.audit_channel import AuditChannel
from bot.store import presence
from bot.store.database import Database
from tests.conftest import events_of
from tests.test_trail import lift_the_guard, record


@pytest.fixture
def slack() -> Iterator[SandboxSlack]:
    """Give a Slack that takes posts as fast as they come."""
    with SandboxSlack(post_rate_per_s=None) as made:
        yield made


@pytest.fixture
def channel(slack: SandboxSlack, database: Database) -> AuditChannel:
    """Give the audit channel of a trail that has two outcomes already, which it is not told."""
    for number in range(2):
        record(database, trail.REQUESTED, "accepted", request_id=f"early{number}")
    made = AuditChannel(database=database, client=client(slack), channel_id=slack.audit.id, owner="one")
    made.follow()
    database.write(lambda tx: presence.beat(tx, "one"))
    return made


def client(slack: SandboxSlack) -> WebClient:
    """Return a client of that Slack."""
    return WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])


def tell(database: Database, channel: AuditChannel, *request_ids: str) -> None:
    """Record a whole request each, and let the channel be told in one post."""
    for one in request_ids:
        record(database, trail.REQUESTED, trail.SENDING, "accepted", request_id=one)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET next_at = 0"))
    assert channel.step() != 0.0


def faults_of(database: Database, slack: SandboxSlack) -> list[str]:
    """Hold what the channel says against the trail."""
    posted = witness.read_back(client(slack), slack.audit.id)
    with database.reading() as connection:
        return anchors.compare(connection, posted, slack.audit.id)


def test_each_post_carries_the_head(database: Database, slack: SandboxSlack, channel: AuditChannel) -> None:
    """The number and the hash of the last event stand in the metadata, and legibly at the end of the post."""
    tell(database, channel, "r1", "r2")
    (post,) = slack.posts
    last = events_of(database)[-1]
    assert post.metadata == {
        "event_type": "actcode_head",
        "event_payload": {"after": 4, "seq": 10, "hash": last["hash"]},
    }
    assert post.shown.endswith(f"#10 {str(last['hash'])[:12]}")
    (anchor,) = witness.read_back(client(slack), slack.audit.id)
    assert (anchor.after, anchor.seq, anchor.hash) == (4, 10, last["hash"])
    assert anchor.at > 0


def test_a_trail_and_its_channel_fit(database: Database, slack: SandboxSlack, channel: AuditChannel) -> None:
    """Nothing is wrong while posts are made, when events follow that are no outcomes, and with a backlog."""
    assert faults_of(database, slack) == []
    for one in ("r1", "r2", "r3"):
        tell(database, channel, one)
        record(database, trail.REQUESTED, request_id=f"open{one}")
        assert faults_of(database, slack) == []
    record(database, "accepted", request_id="openr1")
    assert faults_of(database, slack) == []


def test_a_long_channel_is_read_to_its_beginning(
    database: Database, slack: SandboxSlack, channel: AuditChannel
) -> None:
    """Pages are followed, a busy Slack is waited for, and what others post there is passed over."""
    for number in range(3):
        tell(database, channel, f"r{number}")
    slack.fail("conversations.history", faults.rate_limited(1))
    assert len(witness.read_back(client(slack), slack.audit.id)) == 3


@pytest.mark.parametrize(
    "message",
    [
        {"ts": "1.0"},
        {"ts": "1.0", "metadata": {"event_type": "other", "event_payload": {}}},
        {"ts": "1.0", "metadata": {"event_type": "actcode_head", "event_payload": {"after": 1}}},
        {"ts": "x", "metadata": {"event_type": "actcode_head", "event_payload": {"after": 1, "seq": 2, "hash": "f"}}},
        {"ts": "1", "metadata": {"event_type": "actcode_head", "event_payload": {"after": [], "seq": 2, "hash": "f"}}},
    ],
)
def test_what_is_no_post_of_the_trail_is_passed_over(message: dict[str, object]) -> None:
    """A message without our metadata, or with metadata that makes no sense, says nothing."""
    assert Anchor.read(message) is None


def test_a_cut_off_tail_is_found(database: Database, slack: SandboxSlack, channel: AuditChannel) -> None:
    """Who removes the last events and sets the head back leaves a chain that verifies, and a channel that does not."""
    tell(database, channel, "r1")
    tell(database, channel, "r2")
    with database.engine.begin() as connection:
        lift_the_guard(database, connection)
        connection.execute(text("DELETE FROM events WHERE seq > 7"))
        connection.execute(text("UPDATE head SET seq = 7, hash = (SELECT hash FROM events WHERE seq = 7)"))
    with database.reading() as reader:
        assert verification.verify(reader).fault is None
    (fault,) = faults_of(database, slack)
    assert "event 10" in fault
    assert "ends at event 7" in fault
    assert "older backup was restored" in fault


def test_a_chain_that_was_written_anew_is_found(database: Database, slack: SandboxSlack, channel: AuditChannel) -> None:
    """An edit with every hash recomputed after it verifies, and the channel remembers the old ones."""
    tell(database, channel, "r1")
    tell(database, channel, "r2")
    rewrite(database, first=6)
    with database.reading() as reader:
        assert verification.verify(reader).fault is None
    found = faults_of(database, slack)
    assert len(found) == 2
    assert "event 7 with the hash" in found[0]
    assert "written anew" in found[0]


def rewrite(database: Database, *, first: int) -> None:
    """Change the label of one event, and recompute the chain from there on, as a thorough forger would."""
    kept = events_of(database)
    previous = str(kept[first - 2]["hash"])
    with database.engine.begin() as connection:
        lift_the_guard(database, connection)
        for one in kept[first - 1 :]:
            one |= {"label": "forged", "prev_hash": previous}
            previous = one["hash"] = trail.event_hash(one)
            connection.execute(
                text("UPDATE events SET label = 'forged', prev_hash = :prev_hash, hash = :hash WHERE seq = :seq"),
                {key: one[key] for key in ("prev_hash", "hash", "seq")},
            )
        connection.execute(text("UPDATE head SET hash = :hash"), {"hash": previous})


def test_a_restored_backup_that_went_on_is_found(
    database: Database, slack: SandboxSlack, channel: AuditChannel
) -> None:
    """After an old backup was restored and used, the numbers fit again, and the hashes do not."""
    tell(database, channel, "r1")
    with database.engine.begin() as connection:
        lift_the_guard(database, connection)
        connection.execute(text("DELETE FROM events WHERE seq > 4"))
        connection.execute(text("UPDATE head SET seq = 4, hash = (SELECT hash FROM events WHERE seq = 4)"))
        connection.execute(text("UPDATE channels SET seq = 4"))
    tell(database, channel, "other")
    (fault,) = faults_of(database, slack)
    assert "event 7 with the hash" in fault


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_post_that_was_deleted_is_found(
    database: Database, slack: SandboxSlack, channel: AuditChannel, number: int
) -> None:
    """Whichever post is gone, the outcomes that it showed are named."""
    for one in ("r1", "r2", "r3"):
        tell(database, channel, one)
    del slack.posts[number]
    (fault,) = faults_of(database, slack)
    assert f"1 outcome (event {7 + 3 * number}) is in no post" in fault


def test_posts_that_were_never_made_are_found(database: Database, slack: SandboxSlack, channel: AuditChannel) -> None:
    """Whoever moves the cursor so that outcomes are not shown is found out, with or without a later post."""
    record(database, trail.REQUESTED, "accepted", request_id="hidden1")
    record(database, trail.REQUESTED, "accepted", request_id="hidden2")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET seq = 8"))
    (fault,) = faults_of(database, slack)
    assert "2 outcomes (events 6 to 8)" in fault
    tell(database, channel, "r1")
    (fault,) = faults_of(database, slack)
    assert "2 outcomes (events 6 to 8)" in fault
