"""A storm from its begin to its judgement: an installation, its people, the weather, and what is left of them.

The dice of a seed fall the same each time. What the machine makes of them does not, so a seed that has broken the
promise breaks it again soon, rather than at once.
"""

import json
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from tests.processes import AUDIT, World, world
from tests.storm.evidence import Asked, Evidence, Said, Stopped, Typed
from tests.storm.judge import judge, summary
from tests.storm.people import USERS, People
from tests.storm.servers import Server, wait_until
from tests.storm.stores import store
from tests.storm.weather import Weather

PAUSE_S = 0.75
"""Between two that type, in the mean: about two thirds of what the MPC's pace allows in good weather."""
READY_S = 30.0
DRAIN_S = 60.0
"""Twice the longest pause between two attempts to tell Slack."""
TICK_S = 0.01

FLEET: Sequence[tuple[str, str, dict[str, str]]] = (
    ("http", "--http", {}),
    ("http of three", "--http", {"WEB_WORKERS": "3"}),
    ("socket", "--socket", {}),
)

log = logging.getLogger("storm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a storm.

    Attributes:
        broken: what of the promise was broken, a sentence each.
        summary: what there was to judge.
        diary: what was done to the installation.
        evidence: what was judged.
    """

    broken: list[str]
    summary: str
    diary: list[str]
    evidence: Evidence


def storm(kind: str, *, seconds: float, seed: int, folder: Path) -> Verdict:
    """Let a storm blow for so long, wait until everything is done, and judge."""
    with store(kind, folder) as its, world(folder, its.url, **_settings()) as here, _Metronome() as metronome:
        installation = _Installation(here)
        try:
            installation.start()
            until, begin = threading.Event(), time.monotonic()
            people = People(slack=here.slack, servers=installation.running, chance=_dice(seed, "people"))
            weather = Weather(
                world=here,
                store=its,
                servers=installation.running,
                roll=installation.roll,
                until=until,
                ends_at=begin + seconds,
            )
            with ExitStack() as calm:
                calm.callback(until.set)
                threads = [threading.Thread(target=people.act, args=(until,), kwargs={"pause_s": PAUSE_S})]
                for name, (every_s, strike) in weather.kinds().items():
                    threads.append(threading.Thread(target=weather.blow, args=(every_s, strike, _dice(seed, name))))
                for thread in threads:
                    thread.start()
                until.wait(seconds)
            for thread in threads:
                thread.join()
            weather.calm()
            people.rest()
            log.info("calm; %d commands were typed", len(people.typed))
            unfinished = installation.drain()
        finally:
            stopped = installation.stop()
        evidence = evidence_of(here, typed=people.typed, urls=people.urls, stopped=stopped, unfinished=unfinished)
        evidence.blurs.extend(metronome.blurs)
        evidence.troubles.extend(one.at for one in weather.diary)
        evidence.logs.update(installation.logs())
    return Verdict(
        broken=judge(evidence),
        summary=summary(evidence),
        diary=[f"{one.at - begin:7.2f} {one.what}" for one in weather.diary],
        evidence=evidence,
    )


class _Metronome:
    """Finds out how late a thread of this process is, as the one is that notes when the MPC is asked."""

    def __init__(self) -> None:
        self.blurs: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="metronome", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        begin = time.monotonic()
        while not self._over.wait(TICK_S):
            now = time.monotonic()
            self.blurs.append((now, now - begin - TICK_S))
            begin = time.monotonic()


class _Installation:
    """The processes that share a database; one may take the place of another."""

    def __init__(self, here: World) -> None:
        self._world = here
        self._servers = [Server(here, name, mode, more) for name, mode, more in FLEET]
        self._retired: list[Server] = []

    def start(self) -> None:
        for server in self._servers:
            server.start()
        if not wait_until(lambda: all(one.serves() for one in self._servers), timeout_s=READY_S):
            raise AssertionError(f"the bot does not serve:\n{self.logs()}")

    def running(self) -> Sequence[Server]:
        return list(self._servers)

    def roll(self, chance: Random) -> str:
        """Start a new process beside one of them, and stop that one when the new one serves."""
        place = chance.randrange(len(FLEET))
        name, mode, more = FLEET[place]
        old = self._servers[place]
        new = Server(self._world, f"{name}, deployed {len(self._retired) + 1}", mode, more)
        new.start()
        served = wait_until(new.serves, timeout_s=5)
        self._servers[place] = new
        self._retired.append(old)
        old.retire()
        return f"{new.name} {'serves' if served else 'does not serve yet'}, {old.name} is gone"

    def drain(self) -> str:
        """Wait until everything is done; returns what is left when nothing has happened for long."""
        found: list[dict[str, object] | None] = []

        def moves() -> bool:
            return [one.health() for one in self._servers] != found

        while wait_until(moves, timeout_s=DRAIN_S, every_s=0.25):
            found = [one.health() for one in self._servers]
            if all(
                one is not None and one["open_requests"] == one["replies_due"] == one["audit_backlog"] == 0
                for one in found
            ):
                return ""
        return str(found)

    def stop(self) -> list[Stopped]:
        threads = [threading.Thread(target=one.retire) for one in self._servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [stopped for one in (*self._retired, *self._servers) for stopped in one.stopped]

    def logs(self) -> dict[str, str]:
        return {one.name: "".join(one.log) for one in (*self._retired, *self._servers)}


def _settings() -> dict[str, str]:
    return {
        "MPC_TIMEOUT_S": "4",
        "GRACE_S": "6",
        "USER_HOURLY_LIMIT": "0",
        "ALLOWED_USERS": ",".join(USERS),
        "LOG_LEVEL": "DEBUG",
    }


def _dice(seed: int, name: str) -> Random:
    return Random(f"{seed} {name}")  # noqa: S311 - it is to be repeated, not to be secret


def evidence_of(
    here: World, *, typed: list[Typed], urls: list[str], stopped: list[Stopped], unfinished: str
) -> Evidence:
    """Return what can be seen from outside.

    Args:
        here: where.
        typed: what was typed there.
        urls: the response_urls that came with it.
        stopped: how the processes that were told to stop did.
        unfinished: what was still to be done when the patience was over.
    """
    exported, verified = here.run("audit", "export", "--format", "jsonl"), here.run("audit", "verify")
    trail = [json.loads(line) for line in exported.stdout.splitlines()]
    told = [Said(at=one.at, user=one.user, text=one.shown) for one in here.slack.ephemerals if one.via != "ack"]
    told += [Said(at=one.at, user=one.user, text=one.shown) for one in here.slack.dms]
    slack = here.slack
    return Evidence(
        trail=trail,
        complaint="" if verified.returncode == 0 else verified.stdout + verified.stderr,
        typed=typed,
        asked=[
            Asked(
                at=one.at, wall_ms=one.wall * 1000, label=one.label if one.endpoint == "retrieve" else None,
                status=one.status,
            )
            for one in here.mpc.requests
        ],
        told=told,
        posted=[Said(at=one.at, user=None, text=one.shown) for one in slack.posts if one.channel == AUDIT],
        secrets=[slack.bot_token, slack.app_token, slack.signing_secret, *urls],
        stopped=stopped,
        unfinished=unfinished,
    )  # fmt: skip
