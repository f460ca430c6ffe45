"""`serve --socket` as a process: how it stays connected, and how it ends."""

import contextlib
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.mistakes import MOST_SHOWN
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.store.database import Database
from tests.conftest import events_of, opened
from tests.processes import OBSERVERS, Bot, World, until, world


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def trail_of(database_url: str, here: World) -> Iterator[Database]:
    """Give the database of that world, to look into."""
    assert here.settings["DATABASE_URL"] == database_url
    with opened(database_url) as database:
        yield database


def test_who_says_nothing_keeps_nobody_from_the_pages(here: World) -> None:
    """Nor from the end: one that connects and waits, one that breaks off in the middle, and SIGTERM beside them."""
    with Bot(here, "--socket") as bot:
        port = int(bot.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as half:
            half.sendall(b"GET /healthz HTTP/1.1")
            assert bot.get("/healthz").status_code == 200
            with socket.create_connection(("127.0.0.1", port)) as patient:
                assert patient.recv(1) == b""  # the bot has hung up
            assert bot.stop() == 0
    assert "Traceback" not in bot.log


def test_it_stays_connected_and_stops_when_it_is_told(here: World) -> None:
    """A refresh, a reset and a Slack that is away for a while; the health page knows; SIGTERM ends it with 0."""
    slack = here.slack
    with Bot(here, "--socket") as bot:
        slack.connections[0].refresh()
        slack.wait_for(lambda: slack.opened == 2)
        ack = bot.command("help")
        assert ack.error is None
        assert ack.elapsed_s < 1
        assert bot.get("/healthz").json()["socket_mode"] is True

        slack.refuse()
        for one in slack.connections:
            one.cut()
        until(lambda: bot.get("/healthz").json()["socket_mode"] is False)
        assert bot.get("/healthz").status_code == 200
        until(lambda: "Slack was not reached" in bot.log)
        slack.accept()
        slack.wait_for(lambda: slack.connections)
        until(lambda: bot.get("/healthz").json()["socket_mode"] is True)
        assert bot.command("help").error is None
        assert bot.stop() == 0
    assert slack.deliver_socket(slack.command("help")).error == "dispatch_failed"
    assert "Traceback" not in bot.log
    assert bot.log.count("Slack was not reached") == 1
    assert slack.app_token not in bot.log
    assert "ticket=" not in bot.log


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_a_token_that_is_not_accepted_ends_it(here: World, trail_of: Database, when: str) -> None:
    """With exit code 2 and a sentence that names the setting, after what is under way has finished."""
    here.mpc.fail("A10cnQO", faults.delay(1.0))
    if when == "at the start":
        here.slack.always("apps.connections.open", faults.api_error("invalid_auth"))
        ended = here.run("serve", "--socket", SLACK_APP_TOKEN=here.slack.app_token)
        assert ended.returncode == 2
        log = ended.stderr
    else:
        bot = Bot(here, "--socket")
        bot.start()
        assert bot.command("A10cnQO").error is None
        here.mpc.wait_for(here.mpc.posts)
        here.slack.always("apps.connections.open", faults.api_error("token_revoked"))
        here.slack.connections[0].cut()
        assert bot.end() == 2
        log = bot.log
        assert [one["event"] for one in events_of(trail_of)] == ["requested", "sending", "accepted"]
        assert len([one for one in here.slack.ephemerals if one.via == "response_url"]) == 1
    assert "Traceback" not in log
    last = log.splitlines()[-1]
    assert last.startswith("SLACK_APP_TOKEN: Slack does not accept it (")
    assert "Make a new app-level token" in last


def test_an_acknowledgement_that_is_under_way_is_sent_before_it_stops(here: World, trail_of: Database) -> None:
    """SIGTERM comes while a command is being recorded: Slack is told yes, and it is in the trail."""
    with (
        contextlib.closing(
            sqlite3.connect(here.folder / "trail.db", isolation_level=None, check_same_thread=False)
        ) as other,
        Bot(here, "--socket") as bot,
        ThreadPoolExecutor() as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        coming = pool.submit(bot.command, "A10cnQO")
        here.slack.wait_for(lambda: here.slack.connections[0].delivered)
        bot.terminate()
        threading.Timer(0.3, other.execute, ["ROLLBACK"]).start()
        ack = coming.result()
        assert (ack.error, ack.text) == (None, "")
        assert bot.end() == 0
    assert next(iter(events_of(trail_of)))["event"] == "requested"
    assert here.slack.deliver_socket(here.slack.command("x")).error == "dispatch_failed"


def test_the_largest_acknowledgements_arrive(here: World) -> None:
    """The longest list of faults that one command can have, and the longest log."""
    labels = " ".join(f"label{number:03}" for number in range(50))
    with Bot(here, "--socket", more={"MAX_LABELS": "60"}) as bot:
        faulty = bot.command(" ".join(f"{number:03}{'☄' * MOST_SHOWN}" for number in range(60)))
        assert faulty.error is None
        assert len(json.dumps(faulty.payload)) > 65_535  # more than slack_sdk's own client could send
        for _ in range(2):
            assert bot.command(labels).error is None
        log = bot.command("log 50", user="U0BERT")
        assert log.error is None
        assert "label049" in log.shown


def test_what_is_no_command_is_not_acknowledged(tmp_path: Path, database_url: str) -> None:
    """Slack would take any answer for a yes, and shows the person a failure where none comes."""
    with opened(database_url), world(tmp_path, database_url) as here, SandboxSlack(ack_s=0.5) as slack:
        more = {"SLACK_API_URL": slack.api_url, "SLACK_APP_TOKEN": slack.app_token}
        with Bot(here, "--socket", more=more) as bot:
            delivery = slack.command("help", channel=OBSERVERS)
            delivery.payload["command"] = "/another"
            assert slack.deliver_socket(delivery).error == "operation_timeout"
            assert slack.deliver_socket(slack.command("help")).error is None
            assert bot.stop() == 0
