"""The bot as a process of its own, as an operator starts it, against the stand-ins of `bot.sandbox`."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import requests

from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.slack import SandboxSlack
from tests.conftest import GUARD

ROOT = Path(__file__).parent.parent
AUDIT = "C0AUDIT"
OBSERVERS = "C0OBSERVERS"


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def clean_environment(**settings: str) -> dict[str, str]:
    """Return an environment without settings of the bot, kept on this machine, with these."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT"}
    inherited = {
        name: value for name, value in os.environ.items() if name in kept or name.startswith(("COVERAGE_", "COV_CORE_"))
    }
    return {**inherited, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "error", **settings}


@dataclass
class World:
    """A Slack, an MPC, and the settings of a bot between them."""

    slack: SandboxSlack
    mpc: SandboxMPC
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a bot in this world."""
        return clean_environment(**{**self.settings, **more})

    def run(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the bot to its end."""
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@contextmanager
def world(folder: Path, database_url: str, **settings: str) -> Iterator[World]:
    """Give a world whose bot keeps its trail at `database_url`."""
    with SandboxMPC() as mpc, SandboxSlack() as slack:
        slack.add_channel(OBSERVERS, name="observers", is_member=False)
        slack.add_channel(AUDIT, name="action-codes")
        yield World(
            slack=slack,
            mpc=mpc,
            folder=folder,
            settings={
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_SIGNING_SECRET": slack.signing_secret,
                "AUDIT_CHANNEL": AUDIT,
                "DATABASE_URL": database_url,
                "MPC_API_URL": mpc.url,
                **settings,
            },
        )


class Bot:
    """A running `serve`.

    Args:
        world: in which.
        mode: `--http` or `--socket`.
        more: other settings.
    """

    def __init__(self, world: World, mode: str = "--http", more: Mapping[str, str] | None = None) -> None:
        self._world = world
        self._mode = mode
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        own = {"PORT": str(self._port)}
        if mode == "--socket":
            own = {"METRICS_PORT": str(self._port), "SLACK_APP_TOKEN": world.slack.app_token}
        self._environment = world.environment(**{**own, **(more or {})})
        self.log = ""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Start, and wait until it serves."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve", self._mode],
            cwd=self._world.folder,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        until(self._serves, what=lambda: f"the bot does not serve:\n{self.log}")

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        return self._end(15)

    def interrupt(self) -> int:
        """Press Ctrl-C, which every process of the terminal gets; returns the exit code."""
        assert self._process is not None
        os.killpg(self._process.pid, 2)
        return self._end(None)

    def kill(self) -> None:
        """Kill every process of it at once, as a machine does that loses its power."""
        assert self._process is not None
        os.killpg(self._process.pid, 9)
        self._end(None)

    def terminate(self) -> None:
        """Send SIGTERM, and do not wait."""
        assert self._process is not None
        self._process.terminate()

    def end(self) -> int:
        """Wait until it ends by itself; returns the exit code."""
        return self._end(None)

    def pids(self) -> list[int]:
        """Return its processes."""
        assert self._process is not None
        found = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
        return [one for one in found if _group(one) == self._process.pid]

    def command(self, text: str, **more: Any) -> Any:
        """Type `/actcode text`; returns what Slack was acknowledged."""
        delivery = self._world.slack.command(text, **{"channel": OBSERVERS, **more})
        return self.deliver(delivery)

    def deliver(self, delivery: Any) -> Any:
        """Deliver once more, or for the first time."""
        if self._mode == "--socket":
            return self._world.slack.deliver_socket(delivery)
        return self._world.slack.deliver_http(f"{self.url}/slack/events", delivery)

    def get(self, path: str) -> requests.Response:
        """Ask for a page."""
        return requests.get(self.url + path, timeout=10)

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the bot ended with {self._process.returncode}:\n{self.log}"
        if self._mode == "--socket":
            return "connected to Slack" in self.log
        try:
            return self.get("/healthz").status_code == 200
        except requests.ConnectionError:
            return False

    def _end(self, number: int | None) -> int:
        assert self._process is not None
        assert self._reader is not None
        if number is not None:
            self._process.send_signal(number)
        code = self._process.wait(timeout=60)
        self._reader.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log += line


def until(
    true: Callable[[], bool],
    *,
    timeout_s: float = 30,
    what: Callable[[], str] = lambda: "it never was",
    every_s: float = 0.02,
) -> None:
    """Wait until something of another process is so, looking often."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, what()
        threading.Event().wait(every_s)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
