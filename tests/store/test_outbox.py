"""What is still to be told, on both databases."""

from bot import trail
from bot.store import channels, outbox
from bot.store.database import Database
from bot.trail import Asker, Event
from tests.test_retrieval import ANNA, OK, ask, build, take


def test_the_backlog_is_that_of_the_channel_which_is_told(database: Database) -> None:
    """A channel that was given up for another one does not lag behind for ever."""
    database.write(lambda tx: channels.follow(tx, "C0BEFORE"))
    event = Event(event=trail.REQUESTED, request_id="r", asker=Asker(source="cli"), label="A10cnQO")
    database.write(lambda tx: trail.append(tx, [event, event]))
    assert database.read(outbox.backlog).behind == 2
    database.write(lambda tx: channels.follow(tx, "C0AFTER"))
    assert database.read(outbox.backlog).behind == 0


def test_whoever_lost_a_reply_to_another_does_not_put_it_off(database: Database) -> None:
    """A process that hung in making it comes back, and the one that has taken it over goes on undisturbed."""
    retrieval = build(database)
    command_id = str(ask(retrieval, "A10cnQO", ANNA).command_id)
    retrieval.finish(take(retrieval), OK)
    assert database.write(lambda tx: outbox.claim_reply(tx, "one")) is not None

    def put_off(owner: str) -> bool:
        database.write(lambda tx: outbox.retry_reply(tx, command_id, owner=owner, tries=0, drop_url=True, wait_ms=0))
        reply = database.write(lambda tx: outbox.claim_reply(tx, "one"))
        return reply is not None and reply.response_url is None

    assert not put_off("two")
    assert put_off("one")
