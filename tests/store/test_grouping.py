"""Writes of one process that come at the same time are made together, and yet each stands for itself."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.exc import IntegrityError

from bot import trail
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.grouping import MOST_TOGETHER
from bot.store.patience import ANSWER_S, BACKGROUND_S
from bot.store.statement import Statement
from bot.store.tables import processes
from bot.store.writing import Transaction
from bot.trail import Asker, Event
from tests.conftest import events_of
from tests.processes import until

ADD = Statement(insert(processes))

Work = Callable[[Transaction], Any]


def record(request_id: str) -> Work:
    """Return work that records one event, and returns its number."""
    new = Event(event=trail.REQUESTED, request_id=request_id, asker=Asker(source="cli"), label="A10cnQO")
    return lambda tx: trail.append(tx, [new])[0]


def recorded(database: Database) -> list[object]:
    """Return of which requests there are events, oldest first."""
    return [one["request_id"] for one in events_of(database)]


@contextmanager
def together(database: Database, *works: Work, behind: Sequence[Work] = ()) -> Iterator[list[Future[Any]]]:
    """Give what becomes of works that come one by one while another write, that of r0, is under way.

    An acknowledgement waits for each of them, but not for those `behind`, which come first.
    """
    begun, goes_on = threading.Event(), threading.Event()

    def first(tx: Transaction) -> None:
        begun.set()
        assert goes_on.wait(10)
        record("r0")(tx)

    coming = [*((one, BACKGROUND_S) for one in behind), *((one, ANSWER_S) for one in works)]
    with ThreadPoolExecutor(len(coming) + 1) as pool:
        holding = pool.submit(database.write, first)
        assert begun.wait(10)
        futures = []
        for number, (work, within_s) in enumerate(coming, start=1):
            futures.append(pool.submit(database.write, work, within_s=within_s))
            until(lambda number=number: len(database.writers.waiting) == number)  # type: ignore[misc]
        goes_on.set()
        holding.result(10)
        yield futures


def test_what_comes_meanwhile_is_committed_at_once_and_in_its_order(database: Database) -> None:
    """Ten writes that wait for an eleventh need one transaction; nobody's event is lost or out of its turn."""
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    with together(database, *(record(f"r{number}") for number in range(1, 11))) as futures:
        assert [one.result(10) for one in futures] == list(range(2, 12))
    assert len(commits) == 2
    assert recorded(database) == [f"r{number}" for number in range(11)]


def test_no_group_is_larger_than_its_limit(sqlite: Database) -> None:
    """A crowd is written in several transactions, so that the first of it need not wait for the last."""
    commits: list[object] = []
    event.listen(sqlite.engine, "commit", commits.append)
    with together(sqlite, *(record(f"r{number}") for number in range(MOST_TOGETHER + 1))) as futures:
        assert len({one.result(10) for one in futures}) == MOST_TOGETHER + 1
    assert len(commits) == 3


def test_one_that_fails_takes_nothing_but_itself(database: Database) -> None:
    """Whoever's work raises gets just that, and leaves nothing; the chain of the others has no gap."""

    def fails(tx: Transaction) -> None:
        record("r2")(tx)
        raise LookupError("of its own")

    with together(database, record("r1"), fails, record("r3")) as (before, failing, after):
        assert (before.result(10), after.result(10)) == (2, 3)
        with pytest.raises(LookupError, match="of its own"):
            failing.result(10)
    assert recorded(database) == ["r0", "r1", "r3"]


def test_a_change_that_is_refused_at_last_is_its_own_works_fault(database: Database) -> None:
    """PostgreSQL hears of a change only with the commit of all: the others are stored, and only its work fails."""

    def again(tx: Transaction) -> None:
        ADD.later(tx.connection, owner="twice", beat_at=1)
        ADD.later(tx.connection, owner="twice", beat_at=2)

    with together(database, record("r1"), record("r2"), again) as (one, other, failing):
        assert (one.result(10), other.result(10)) == (2, 3)
        with pytest.raises(IntegrityError):
            failing.result(10)
    assert recorded(database) == ["r0", "r1", "r2"]


def test_a_transaction_that_breaks_is_made_again_for_the_others(database: Database) -> None:
    """Where the transaction ends in the middle of somebody's work, as on a full disk, only they are told so."""

    def breaks(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("ROLLBACK")
        raise LookupError("the disk is full")

    with together(database, record("r1"), breaks, record("r3")) as (before, failing, after):
        assert (before.result(10), after.result(10)) == (2, 3)
        with pytest.raises(LookupError):
            failing.result(10)
    database.write(record("r4"))
    assert recorded(database) == ["r0", "r1", "r3", "r4"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_that_is_cut_off_is_unavailable_to_all_on_it(database: Database) -> None:
    """Whoever's statement met it, and who came before and after, hear the same plain thing; nobody else's fault."""

    def cut_off(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with together(database, record("r1"), cut_off, record("r3")) as futures:
        for one in futures:
            with pytest.raises(DatabaseUnavailable, match="AdminShutdown"):
                one.result(10)
    assert recorded(database) == ["r0"]


def test_who_cannot_wait_is_told_so_and_is_not_written_later(database: Database) -> None:
    """A turn that does not come in time is a failure, and the work is not done behind its caller's back."""
    begun, goes_on = threading.Event(), threading.Event()

    def holds(_tx: Transaction) -> None:
        begun.set()
        assert goes_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(database.write, holds)
        assert begun.wait(10)
        with pytest.raises(DatabaseUnavailable, match="busy"):
            database.write(record("r1"), within_s=1.3)
        goes_on.set()
        holding.result(10)
    database.write(record("r2"))
    assert recorded(database) == ["r2"]


def test_an_acknowledgement_is_behind_one_write_of_the_background_at_most(database: Database) -> None:
    """What nobody waits for is written one by one, in turns with those for whom somebody does."""
    commits: list[list[str]] = []
    event.listen(database.engine, "commit", lambda _: commits.append([]))

    def noted(request_id: str) -> Work:
        def work(tx: Transaction) -> None:
            record(request_id)(tx)
            commits[-1].append(request_id)

        return work

    background = [noted(f"background{number}") for number in (1, 2, 3)]
    commits.append([])
    with together(database, noted("asked1"), noted("asked2"), behind=background) as futures:
        for one in futures:
            one.result(10)
    assert commits == [[], ["asked1", "asked2"], ["background1"], ["background2"], ["background3"], []]
