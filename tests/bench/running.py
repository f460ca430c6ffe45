"""The programs that are measured, each a process of its own: the bot, and the yardsticks.

It knows how they are started, when they are ready, and what they take of the machine. It refuses to know why.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.processes import clean_environment, free_port, until

_CPU_OF_PROCESS = 2
"""With a process' number before it, the clock of the processor time that it has taken (clock_getcpuclockid(3))."""
THREADS = 16
"""Of the yardstick's workers."""


class Running:
    """A program under measurement, from `start` to `stop`.

    Args:
        name: of its log.
        arguments: of Python.
        settings: its environment.
        folder: where it runs, and its log is.
        ready: tells whether it serves; None: it answers HTTP then.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        folder: Path,
        *,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self._arguments = arguments
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._ready = ready or self._answers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # The yardsticks' libraries may warn: nothing of that is measured.
        self._environment = {**clean_environment(PORT=str(self.port), **settings), "PYTHONWARNINGS": "ignore"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(one.format(port=self.port) for one in self._arguments)],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(
            lambda: self._lives() and self._ready(),
            what=lambda: f"{self._arguments} does not serve:\n{self.log}",
            every_s=0.002,
        )

    def stop(self) -> None:
        """Kill it: what was measured is over, and nothing of it need end well."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def pids(self) -> list[int]:
        """Return its process and all of their children."""
        assert self._process is not None
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        found = [self._process.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def memory_mib(self) -> float:
        """Return its memory, what it shares with others counted in part (PSS), MiB."""
        total = 0
        for pid in self.pids():
            found = re.search(r"^Pss:\s+([0-9]+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) if found else 0
        return total / 1024

    def cpu_s(self) -> float:
        """Return the processor time that it has taken so far, seconds."""
        # Not utime and stime: the kernel only looks, now and then, who is at work, and may always meet the same one.
        return sum(time.clock_gettime(~pid << 3 | _CPU_OF_PROCESS) for pid in self.pids())

    def _lives(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._arguments} ended:\n{self.log}"
        return True

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            return False
        else:
            return True
        finally:
            connection.close()


Connected = Callable[[], bool]
"""Tells whether there is a Socket Mode connection; None: the program serves HTTP."""


def bot(name: str, settings: Mapping[str, str], folder: Path, *, socket: Connected | None = None) -> Running:
    """Return the program."""
    mode = "--socket" if socket else "--http"
    return Running(name, ["-m", "bot", "serve", mode], settings, folder, ready=socket)


def bare(
    name: str, settings: Mapping[str, str], folder: Path, *, workers: int = 1, socket: Connected | None = None
) -> Running:
    """Return bare Bolt, behind gunicorn or in Socket Mode."""
    if socket:
        return Running(name, ["-m", "tests.bench.bare"], settings, folder, ready=socket)
    arguments = ["-m", "gunicorn", "tests.bench.bare:api", "--bind", "127.0.0.1:{port}", "--no-control-socket"]
    arguments += ["--workers", str(workers), "--threads", str(THREADS)]
    return Running(name, arguments, settings, folder)


def moments(seconds: float) -> None:
    """Let time pass in which something is watched."""
    threading.Event().wait(seconds)
