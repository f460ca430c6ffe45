"""The processes of an installation: started, watched and restarted as an operator's supervisor does it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import requests

from tests.processes import World, free_port
from tests.storm.evidence import Stopped

RESTART_S = 0.5
PATIENCE_S = 45.0
"""How long a process may take to stop: `GRACE_S`, the last words to Slack, and a machine that is busy."""


class Server:
    """One `serve`, which is started again whenever it ends, until it is retired.

    Args:
        world: in which.
        name: what it is called in the log.
        mode: `--http` or `--socket`.
        more: other settings.
    """

    def __init__(self, world: World, name: str, mode: str, more: dict[str, str]) -> None:
        self.name = name
        self.mode = mode
        self.log: list[str] = []
        self.starts = 0
        self.stopped: list[Stopped] = []
        self._world = world
        self._port = free_port()
        own = {"PORT": str(self._port)}
        if mode == "--socket":
            own = {"METRICS_PORT": str(self._port), "SLACK_APP_TOKEN": world.slack.app_token}
        self._environment = world.environment(**{**own, **more})
        self._process: subprocess.Popen[str] | None = None
        self._started_at = 0.0
        self._retired = False
        self._stopping = False
        self._supervisor = threading.Thread(target=self._supervise, name=f"supervisor of {name}", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._retired:
            self.retire()

    def start(self) -> None:
        """Begin; does not wait until it serves."""
        self._supervisor.start()

    def serves(self) -> bool:
        """Say whether it can be reached."""
        return self.health() is not None

    def health(self) -> dict[str, Any] | None:
        """Return what `/healthz` says, where it says that all is well."""
        with suppress(requests.RequestException, ValueError):
            answer = requests.get(f"http://127.0.0.1:{self._port}/healthz", timeout=3)
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
        return None

    def deliver(self, delivery: Any, **more: Any) -> Any:
        """Deliver what Slack has for the bot; in Socket Mode over whatever connection is next."""
        if self.mode == "--socket":
            return self._world.slack.deliver_socket(delivery)
        return self._world.slack.deliver_http(f"http://127.0.0.1:{self._port}/slack/events", delivery, **more)

    def pids(self) -> list[int]:
        """Return the processes of it that are there: the first one, and those that it forked."""
        process = self._process
        if process is None or process.poll() is not None:
            return []
        children: Sequence[str] = ()
        with suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [process.pid, *map(int, children)]

    def signal_all(self, number: int) -> None:
        """Send a signal to all its processes at once."""
        if pids := self.pids():
            with suppress(ProcessLookupError):
                os.killpg(pids[0], number)

    def terminate(self) -> None:
        """Tell it to stop, and note how it does; it is started again afterwards, unless it is retired."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._stopping = True
        age_s = time.monotonic() - self._started_at
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
            self.signal_all(signal.SIGKILL)
        self.stopped.append(Stopped(name=self.name, code=code, age_s=age_s))

    def retire(self) -> None:
        """Stop it for good."""
        self._retired = True
        self.terminate()
        self._supervisor.join()

    def _supervise(self) -> None:
        while not self._retired:
            self._stopping = False
            self.starts += 1
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve", self.mode],
                cwd=self._world.folder,
                env=self._environment,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._process, self._started_at = process, time.monotonic()
            assert process.stderr is not None
            with process.stderr as said:
                for line in said:
                    self.log.append(line)
            code = process.wait()
            # What its death left behind, as an operating system's control group sees to it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not self._stopping:
                self.log.append(f"(it ended with {code})\n")
            threading.Event().wait(RESTART_S)


def wait_until(true: Callable[[], bool], *, timeout_s: float, every_s: float = 0.1) -> bool:
    """Wait until something is so, looking often; returns whether it was."""
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            return False
        threading.Event().wait(every_s)
    return True
