"""The weather: everything that fails, each kind by its own dice, so that a seed gives the same storm."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from bot.sandbox import faults
from bot.sandbox.faults import Fault
from tests.processes import AUDIT, World
from tests.storm.servers import Server
from tests.storm.stores import Store, Trouble

PAUSED_S = (9.0, 12.0)
"""Longer than the 8 s after which a process is taken for dead."""

MPC_FAULTS: Mapping[str, Callable[[], Fault]] = {
    "reset": faults.reset_before,
    "reset after it was taken": faults.reset_after,
    "close": faults.close,
    "close after it was taken": lambda: faults.close(taken=True),
    "hang": faults.hang,
    "hang after it was taken": lambda: faults.hang(taken=True),
    "1.5 s late": lambda: faults.delay(1.5),
    "2.5 s late, and taken late": lambda: faults.delay(2.5, taken=False),
    "a body that dribbles": faults.dribble,
    "a head that dribbles": lambda: faults.dribble(part="head"),
    "truncated": faults.truncated,
    "garbage": faults.garbage,
    "endless": faults.endless,
    "too long": faults.too_long,
    "429 for 2 s": lambda: faults.answer(429, "", {"Retry-After": "2"}),
    "429 for 90 s": lambda: faults.answer(429, "", {"Retry-After": "90"}),
    "429": lambda: faults.answer(429),
    "408": lambda: faults.answer(408),
    "503 for 1 s": lambda: faults.answer(503, "", {"Retry-After": "1"}),
    "503": lambda: faults.answer(503),
    "500 after it was taken": lambda: faults.answer(500, "oops", taken=True),
    "502": lambda: faults.answer(502, "<html>"),
    "404": lambda: faults.answer(404, {"error": "no such submission"}),
    "200 with an error": lambda: faults.answer(200, {"status": "error", "message": "no"}),
    "200 that is no JSON": lambda: faults.answer(200, "<html>not JSON</html>", taken=True),
    "401": lambda: faults.answer(401),
    "307": lambda: faults.redirect("http://127.0.0.1:9/"),
}

SLACK_FAULTS: Mapping[str, Callable[[], Fault]] = {
    "429 for 1 s": faults.rate_limited,
    "429 for 3 s": lambda: faults.rate_limited(3),
    "500": lambda: faults.api_error("internal_error", 500),
    "503": lambda: faults.answer(503, "down"),
    "hang": faults.hang,
    "reset": faults.reset_before,
    "reset after it was taken": faults.reset_after,
    "close after it was taken": lambda: faults.close(taken=True),
    "2 s late": lambda: faults.delay(2),
    "404": lambda: faults.answer(404, "expired_url"),
    "garbage after it was taken": lambda: faults.garbage(taken=True),
}

log = logging.getLogger("storm")


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened when, on the clock of `time.monotonic()`."""

    at: float
    what: str


class Weather:
    """What fails, and when.

    Args:
        world: in which.
        store: the database.
        servers: returns those that run now.
        roll: replaces one of them by a new one, as a deploy does; returns a word about it.
        until: set when it is to calm.
        ends_at: when that will be, on the clock of `time.monotonic()`; what takes longer is not begun.

    Attributes:
        diary: what was done.
    """

    def __init__(
        self,
        *,
        world: World,
        store: Store,
        servers: Callable[[], Sequence[Server]],
        roll: Callable[[Random], str],
        until: threading.Event,
        ends_at: float,
    ) -> None:
        self.diary: list[Entry] = []
        self._world = world
        self._store = store
        self._servers = servers
        self._roll = roll
        self._until = until
        self._ends_at = ends_at

    def kinds(self) -> dict[str, tuple[float, Callable[[Random], None]]]:
        """Return each kind of weather: about every how many seconds, and what it does."""
        return {
            "processes": (5, self._strike_a_process),
            "MPC": (2.5, self._strike_the_mpc),
            "Slack": (3, self._strike_slack),
            "sockets": (6, self._strike_a_socket),
            "database": (7, self._strike_the_database),
        }

    def blow(self, every_s: float, strike: Callable[[Random], None], chance: Random) -> None:
        """Let one kind of weather go on until it is to calm."""
        while not self._until.wait(chance.uniform(0.3 * every_s, 1.7 * every_s)):
            strike(chance)

    def calm(self) -> None:
        """Let everything be normal again."""
        self._world.mpc.clear()
        self._world.slack.clear()
        self._world.slack.channels[AUDIT].is_member = True
        for server in self._servers():
            server.signal_all(signal.SIGCONT)
        for connection in self._world.slack.connections:
            if connection.deaf:
                connection.close()

    def _note(self, what: str) -> None:
        self.diary.append(Entry(time.monotonic(), what))
        log.info("%s", what)

    def _left_s(self) -> float:
        return self._ends_at - time.monotonic()

    def _strike_a_process(self, chance: Random) -> None:
        what = chance.choices(["kill one", "kill all", "pause one", "pause all", "stop", "deploy"], [4, 4, 2, 2, 2, 2])[
            0
        ]
        server = chance.choice(self._servers())
        pids = server.pids()
        if not pids:
            return
        if what == "deploy":
            self._note(f"deploy: {self._roll(chance)}")
            return
        self._note(f"{server.name}: {what}")
        # The last one is surely a process that serves.
        one = chance.choice(pids[1:] or pids)
        if what == "kill one":
            _signal(one, signal.SIGKILL)
        elif what == "kill all":
            server.signal_all(signal.SIGKILL)
        elif what == "stop":
            server.terminate()
        elif self._left_s() > PAUSED_S[1]:
            victims = pids if what == "pause all" else [one]
            for pid in victims:
                _signal(pid, signal.SIGSTOP)
            self._until.wait(chance.uniform(*PAUSED_S))
            for pid in victims:
                _signal(pid, signal.SIGCONT)
            self._note(f"{server.name}: goes on")

    def _strike_the_mpc(self, chance: Random) -> None:
        mpc = self._world.mpc
        what = chance.choices(["some", "refuse", "block"], [10, 3, 1])[0]
        if what == "some":
            some = chance.choices(list(MPC_FAULTS), k=chance.randint(1, 4))
            mpc.fail(None, *(MPC_FAULTS[one]() for one in some))
            self._note(f"MPC: {'; '.join(some)}")
            return
        seconds = chance.uniform(0.5, 5)
        self._note(f"MPC: {what} for {seconds:.1f} s")
        begin, end = (mpc.refuse, mpc.accept) if what == "refuse" else (mpc.block, mpc.unblock)
        begin()
        self._until.wait(seconds)
        end()

    def _strike_slack(self, chance: Random) -> None:
        slack = self._world.slack
        what = chance.choices(["some", "refuse", "throw the bot out"], [10, 2, 1])[0]
        if what == "some":
            method = chance.choice(["response_url", "response_url", "chat.postMessage", "chat.postEphemeral", None])
            some = chance.choices(list(SLACK_FAULTS), k=chance.randint(1, 4))
            slack.fail(method, *(SLACK_FAULTS[one]() for one in some))
            self._note(f"Slack: {method or 'whatever comes'}: {'; '.join(some)}")
            return
        seconds = chance.uniform(0.5, 6)
        if what == "refuse":
            self._note(f"Slack: refuse for {seconds:.1f} s")
            slack.refuse()
            self._until.wait(seconds)
            slack.accept()
        elif self._left_s() > 30:
            self._note(f"Slack: the bot is not in the audit channel for {seconds:.1f} s")
            slack.channels[AUDIT].is_member = False
            self._until.wait(seconds)
            slack.channels[AUDIT].is_member = True

    def _strike_a_socket(self, chance: Random) -> None:
        connections = self._world.slack.connections
        if not connections:
            return
        connection = chance.choice(connections)
        what = chance.choice(["cut", "cut silently", "close", "refresh", "deafen", "warn"])
        self._note(f"Socket Mode: {what}")
        if what == "cut":
            connection.cut()
        elif what == "cut silently":
            connection.cut(silently=True)
        elif what == "close":
            connection.close()
        elif what == "warn":
            connection.refresh("warning")
        else:
            if what == "refresh":
                connection.refresh()
            else:
                connection.deafen(pings_too=chance.random() < 0.5)
            self._until.wait(chance.uniform(1, 5))
            connection.close()

    def _strike_the_database(self, chance: Random) -> None:
        trouble: Trouble = chance.choice(self._store.troubles(self._victims))
        self._note(f"database: {trouble.__name__.strip('_').replace('_', ' ')}")
        self._note(trouble(chance))

    def _victims(self, chance: Random) -> Sequence[int]:
        return chance.choice(self._servers()).pids()


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
