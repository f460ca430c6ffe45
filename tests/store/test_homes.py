"""When an App Home is due, and for whom: on both databases, with the clock in the test's hands."""

from dataclasses import replace

from bot import trail
from bot.outcomes import Outcome
from bot.store import homes, presence
from bot.store.database import Database
from bot.store.homes import LEASE_MS, OPEN_MS, PAUSE_MS, RETRY_MS, Home
from bot.trail import Asker, Event

ANNA = Asker(source="slash", team_id="T1", channel_id="C1", user_id="U1")


def opened(database: Database, after_ms: int = 0) -> None:
    """Open Anna's App Home."""
    database.write(lambda tx: homes.opened(replace(tx, now=tx.now + after_ms), "T1", "U1"))


def end(database: Database, asker: Asker = ANNA, event: str = Outcome.ACCEPTED) -> None:
    """Let a request end."""
    new = Event(event=event, request_id=trail.new_id(), asker=asker)
    database.write(lambda tx: homes.record(tx, [new]))


def claim(database: Database, after_ms: int = 0, owner: str = "me") -> Home | None:
    """Take what is due, so much later."""
    return database.write(lambda tx: homes.claim(replace(tx, now=tx.now + after_ms), owner))


def show(database: Database, home: Home | None, owner: str = "me") -> None:
    """Show what was taken."""
    assert home is not None
    database.write(lambda tx: homes.shown(tx, home, owner))


def fail(database: Database, home: Home, after_ms: int) -> None:
    """Fail to show what was taken."""
    database.write(lambda tx: homes.not_shown(replace(tx, now=tx.now + after_ms), home, "me"))


def test_it_is_due_once_when_it_is_opened(database: Database) -> None:
    """At once, for one process, and the look of every second sees it."""
    assert not database.read(homes.any_waiting)
    opened(database)
    assert database.read(homes.any_waiting)
    assert database.write(lambda tx: presence.look(tx, announce_after_ms=0)).reply
    home = claim(database)
    assert (home and home.team_id, home and home.user_id) == ("T1", "U1")
    assert claim(database, owner="you") is None
    show(database, home)
    assert not database.write(lambda tx: presence.look(tx, announce_after_ms=0)).reply
    assert claim(database, LEASE_MS) is None


def test_an_outcome_makes_it_due_and_other_events_do_not(database: Database) -> None:
    """Only where it is open, only for whose request it was, and in the same transaction."""
    end(database)
    assert not database.read(homes.any_waiting)
    opened(database)
    show(database, claim(database))
    end(database, event=trail.REQUESTED)
    end(database, event=trail.SENDING)
    end(database, replace(ANNA, user_id="U2"))
    end(database, replace(ANNA, team_id="T2"))
    end(database, Asker(source="cli"))
    assert claim(database, PAUSE_MS) is None
    end(database)
    assert claim(database, PAUSE_MS) is not None


def test_outcomes_that_follow_soon_are_shown_together(database: Database) -> None:
    """Some seconds lie between two showings to the same user."""
    opened(database)
    show(database, claim(database))
    end(database)
    end(database)
    assert claim(database) is None
    show(database, claim(database, PAUSE_MS))
    assert claim(database, 2 * PAUSE_MS) is None
    opened(database)
    assert claim(database) is None


def test_an_outcome_during_a_showing_makes_another_one_due(database: Database) -> None:
    """What is being shown may not have it yet; but nobody shows an older state after a newer one."""
    opened(database)
    home = claim(database)
    end(database)
    assert claim(database, PAUSE_MS, "you") is None
    show(database, home)
    assert claim(database, PAUSE_MS) is not None


def test_a_showing_whose_process_died_does_not_stop_the_next_one(database: Database) -> None:
    """It counts as lost after a while, and what it notes then is not believed."""
    opened(database)
    lost = claim(database, owner="dead")
    end(database)
    mine = claim(database, LEASE_MS)
    show(database, lost, "dead")
    end(database)
    assert claim(database, LEASE_MS, "you") is None
    show(database, mine)
    assert claim(database, 2 * LEASE_MS) is not None


def test_a_showing_that_fails_is_due_again_a_few_times(database: Database) -> None:
    """Then it is dropped, until there is something new to show."""
    opened(database)
    tries = 0
    while (home := claim(database, tries * RETRY_MS)) is not None:
        fail(database, home, tries * RETRY_MS)
        tries += 1
    assert tries == homes.MOST_TRIES
    end(database)
    home = claim(database, 10 * RETRY_MS)
    assert home is not None
    assert home.tries == 0


def test_it_is_forgotten_after_a_day(database: Database) -> None:
    """Slack does not tell when somebody closes it; opening it again makes it count for another day."""
    opened(database, -OPEN_MS - 1000)
    opened(database)
    database.write(presence.tidy)
    assert database.read(homes.any_waiting)
    opened(database, -OPEN_MS - 1000)
    database.write(presence.tidy)
    assert not database.read(homes.any_waiting)
