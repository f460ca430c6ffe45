"""Statements straight through the driver: what they give, and that their failures are SQLAlchemy's."""

import threading

import pytest
from sqlalchemy import bindparam, event, exc, insert, select, text, update

from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.postgresql import HELD_S
from bot.store.statement import Statement
from bot.store.tables import processes
from bot.store.writing import Transaction

ADD = Statement(insert(processes))
ALL = Statement(select(processes).order_by(processes.c.owner))
OF = Statement(select(processes.c.beat_at, processes.c.owner).where(processes.c.owner == bindparam("who")))
TOUCH = Statement(update(processes).where(processes.c.beat_at < bindparam("before")).values(beat_at=0))
CALL = Statement(
    update(processes)
    .where(processes.c.owner == bindparam("who"))
    .values(beat_at=bindparam("at"))
    .returning(processes.c.owner, processes.c.beat_at)
)


def three(tx: Transaction) -> None:
    """Make three rows."""
    for number in (1, 2, 3):
        ADD.later(tx.connection, owner=f"p{number}", beat_at=number)


def test_rows_have_the_names_of_their_columns(database: Database) -> None:
    """All of them, the first one, its first value, the first values of all: and where there is nothing, nothing."""
    database.write(three)
    with database.reading() as connection:
        assert [(row.owner, row.beat_at) for row in ALL.run(connection).all()] == [("p1", 1), ("p2", 2), ("p3", 3)]
        assert ALL.run(connection).first().owner == "p1"
        assert OF.run(connection, who="p2").scalar() == 2
        assert ALL.run(connection).scalars() == ["p1", "p2", "p3"]
        assert ALL.run(connection).plain() == [("p1", 1), ("p2", 2), ("p3", 3)]
        missing = OF.run(connection, who="p4")
        assert (missing.all(), missing.first(), missing.scalar(), missing.scalars()) == ([], None, None, [])


def test_it_is_told_how_many_rows_were_changed(database: Database) -> None:
    """So a fence knows whether it was passed."""
    database.write(three)
    assert database.write(lambda tx: TOUCH.run(tx.connection, before=3).count) == 2
    assert database.write(lambda tx: TOUCH.run(tx.connection, before=0).count) == 0


def test_what_a_change_returns_is_read_to_its_end(database: Database) -> None:
    """A change that returns rows is made, whether or not anybody looks at them."""
    database.write(three)
    row = database.write(lambda tx: CALL.run(tx.connection, who="p1", at=9).first())
    assert (row.owner, row.beat_at) == ("p1", 9)
    with database.reading() as connection:
        assert OF.run(connection, who="p1").scalar() == 9


def test_what_the_driver_refuses_is_raised_in_the_words_of_sqlalchemy(database: Database) -> None:
    """The kind of error is the one that the callers know; no value stands in its text."""
    database.write(three)
    with pytest.raises(exc.IntegrityError) as caught:
        database.write(lambda tx: ADD.run(tx.connection, owner="p1", beat_at=4242))
    assert "4242" not in str(caught.value)
    with pytest.raises(exc.IntegrityError):
        database.write(lambda tx: ADD.later(tx.connection, owner="p1", beat_at=1))
    with pytest.raises(DatabaseUnavailable):
        database.write(lambda tx: Statement(text("SELECT * FROM nowhere")).run(tx.connection))
    assert database.write(lambda tx: len(ALL.run(tx.connection).all())) == 3


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_that_broke_is_given_up(database: Database) -> None:
    """Who writes next has another one."""
    breaks = Statement(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def cut_off(tx: Transaction) -> None:
        try:
            breaks.run(tx.connection)
        finally:
            assert tx.connection.invalidated

    with pytest.raises(DatabaseUnavailable):
        database.write(cut_off)
    database.write(three)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_connection_that_broke_between_two_writes_costs_nobody_anything(database: Database) -> None:
    """The one that is kept may be gone by the next write: nothing has happened on it yet, so another one is taken."""
    database.write(three)
    with database.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    assert database.write(lambda tx: len(ALL.run(tx.connection).all())) == 3


def test_what_was_put_off_comes_before_what_is_run_next(database: Database) -> None:
    """Whoever asks afterwards in the same write sees the changes, whether they ask the driver or SQLAlchemy."""

    def looked_at(tx: Transaction) -> tuple[int, int]:
        ADD.later(tx.connection, owner="p1", beat_at=1)
        straight = len(ALL.run(tx.connection).all())
        ADD.later(tx.connection, owner="p2", beat_at=2)
        return straight, len(tx.connection.execute(select(processes)).all())

    assert database.write(looked_at) == (1, 2)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_changes_leave_with_their_commit(database: Database) -> None:
    """None of them before the work is done, and the commit behind the last one."""
    heard: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: heard.append(told[2].partition(" ")[0]))

    def work(tx: Transaction) -> list[str]:
        three(tx)
        return list(heard)

    assert database.write(work) == ["SELECT"]
    assert heard == ["SELECT", "INSERT", "INSERT", "INSERT", "COMMIT"]


def test_a_work_that_fails_takes_what_it_put_off_with_it(database: Database) -> None:
    """Nothing of it is in the next write, or in anybody else's transaction."""

    def fails(tx: Transaction) -> None:
        three(tx)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fails)
    with database.reading() as connection:
        assert ALL.run(connection).all() == []
    assert database.write(lambda tx: ALL.run(tx.connection).all()) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_transaction_whose_process_is_silent_is_ended(database: Database) -> None:
    """Also one that has made changes which it had put off, and another thread or process has its turn."""

    def falls_silent(tx: Transaction) -> None:
        three(tx)
        ALL.run(tx.connection)
        threading.Event().wait(HELD_S + 1)

    with pytest.raises(DatabaseUnavailable):
        database.write(falls_silent)
    assert database.write(lambda tx: ALL.run(tx.connection).all()) == []


def test_whoever_listens_to_sqlalchemy_hears_of_them(database: Database) -> None:
    """The way past SQLAlchemy's own `execute` is no way past its events."""
    heard: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: heard.append(told[2]))
    database.write(three)
    assert any(one.startswith("INSERT INTO processes") for one in heard)
