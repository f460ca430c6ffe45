"""HTTP mode's processes: what becomes of the others when one of them is in trouble."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.conftest import opened
from tests.processes import until, world
from tests.storm.servers import Server


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a SQLite file's lock, as another program may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("meanwhile", ["the database comes back", "it is told to stop"])
def test_a_new_process_waits_for_the_database(tmp_path: Path, meanwhile: str) -> None:
    """Who is forked while the database does not answer neither ends the others nor keeps them from stopping."""
    path = tmp_path / "trail.db"
    url = f"sqlite:///{path}"
    with (
        opened(url),
        world(tmp_path, url, WEB_WORKERS="2", GRACE_S="1") as here,
        Server(here, "two", "--http", {}) as server,
    ):
        until(lambda: server.serves() and len(server.pids()) == 3)
        first = server.pids()[0]
        with held(path):
            os.kill(server.pids()[-1], signal.SIGKILL)
            until(lambda: "waits for the database" in "".join(server.log), what=lambda: "".join(server.log))
            assert server.serves()
            if meanwhile == "it is told to stop":
                server.retire()
        if meanwhile == "the database comes back":
            until(lambda: len(server.pids()) == 3)
            here.slack.wait_for(lambda: server.deliver(here.slack.command("A10cnQO")).error is None)
            here.mpc.wait_for(lambda: here.mpc.mails)
            assert server.pids()[0] == first
            server.retire()
        assert [(one.name, one.code) for one in server.stopped] == [("two", 0)]
        assert server.starts == 1
