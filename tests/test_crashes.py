"""A process dies, or is paused, at each point of a request's way: another finishes it, and nothing is sent twice."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import faults
from bot.store.database import Database
from tests import dying
from tests.conftest import BOTH, database_of_kind, events_of, opened
from tests.dying import Snare
from tests.processes import AUDIT, Bot, World, until, world
from tests.storm.evidence import Answer, Typed
from tests.storm.judge import judge
from tests.storm.servers import Server, wait_until
from tests.storm.storm import evidence_of

FINISHED_WITHIN_S = 20
FLEETS = {("http", "sqlite"): 0, ("socket", "postgresql"): 0, ("http", "postgresql"): 1, ("socket", "sqlite"): 1}
"""Each point has its turn once in each mode and once on each database: these fleets share the points between them."""
PAUSED = {
    ("http", "sqlite"): {dying.SENDING: 0},
    ("socket", "sqlite"): {dying.POSTED: 1},
    # In the middle of a transaction, too: SQLite's lock is the paused process's own, PostgreSQL takes it away.
    ("http", "postgresql"): {dying.POSTED: 1, dying.UNRECORDED: 1},
    ("socket", "postgresql"): {dying.SENDING: 0, dying.UNRECORDED: 1},
}
"""Where a process is paused for long, and how often the MPC is asked then: what had not left does not leave late."""
EXPECTED = {
    dying.REQUESTED: ({"accepted"}, {1}),
    # The sender is woken before the acknowledgement, and may be at work when it comes.
    dying.UNACKNOWLEDGED: ({"accepted", "unknown"}, {0, 1}),
    dying.ACKNOWLEDGED: ({"accepted", "unknown"}, {0, 1}),
    dying.SENDING: ({"unknown"}, {0}),
    dying.POSTED: ({"unknown"}, {1}),
    dying.ANSWERED: ({"unknown"}, {1}),
    dying.UNRECORDED: ({"unknown"}, {1}),
    dying.RECORDED: ({"accepted"}, {1}),
    dying.UNTOLD: ({"accepted"}, {1}),
    dying.TOLD: ({"accepted"}, {1}),
    dying.UNSHOWN: ({"accepted"}, {1}),
    dying.SHOWN: ({"accepted"}, {1}),
}
"""By the point at which a process dies: the outcomes that are right then, and how often the MPC may have been asked."""


AT_SLACK = {dying.UNTOLD, dying.TOLD, dying.UNSHOWN, dying.SHOWN}
"""Points at which the note of a reply, or of a post, may be lost: the two are made at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What came of a label at one point.

    Attributes:
        acknowledged: whether Slack heard a yes.
        outcomes: in the trail.
        posts: how often the MPC was asked.
        told: how many answers the asker got.
        shown: how often it stands in the audit channel.
        took_s: from the death to the last of all this.
    """

    acknowledged: bool
    outcomes: list[str]
    posts: int
    told: int
    shown: int
    took_s: float


class Fleet:
    """Processes of one mode that share a database, each of which may be the one that dies."""

    def __init__(self, here: World, mode: str) -> None:
        self._world = here
        self._snares = here.folder / "snares"
        self._snares.mkdir()
        more = {dying.FOLDER: str(self._snares), "WEB_WORKERS": "3"}
        self.servers = [Server(here, f"{mode} {n}", f"--{mode}", more) for n in range(1 if mode == "http" else 2)]
        self.typed: list[Typed] = []
        self.troubles: list[float] = []

    def start(self) -> None:
        """Start all of it."""
        for server in self.servers:
            server.start()
        self.be_ready()

    def stop(self) -> None:
        """Stop all of it, and wait."""
        stopping = [threading.Thread(target=one.retire) for one in self.servers]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def be_ready(self) -> None:
        """Wait until whoever died is there again."""
        assert wait_until(lambda: all(one.serves() for one in self.servers), timeout_s=30), self.logs()
        if self.servers[0].mode == "--socket":
            assert wait_until(lambda: len(self._world.slack.connections) == len(self.servers), timeout_s=30)
        else:
            assert wait_until(lambda: len(self.servers[0].pids()) == 4, timeout_s=30)

    def set_off(self, point: str, label: str, *, number: int = signal.SIGKILL) -> tuple[Snare, Typed]:
        """Ask for a label whose way ends at a point; returns when it has."""
        snare = Snare(self._snares, point, label, number=number)
        channel = f"C0{label.upper()}"
        typed = Typed(user=f"U0{label.upper()}", channel=channel, labels=(label,))
        self.typed.append(typed)
        got = self.servers[0].deliver(self._world.slack.command(label, user=typed.user, channel=channel))
        typed.answers.append(Answer(error=got.error, status=got.status, shown=got.shown))
        until(lambda: snare.pid is not None, what=lambda: f"nobody came to {point} ({got}):\n{self.logs()}")
        until(lambda: _is_still(snare.pid), what=lambda: f"{snare.pid} goes on")
        self.troubles.append(time.monotonic())
        return snare, typed

    def finished(self, typed: Typed) -> Crash:
        """Wait until a label has its end, its asker knows it, and the channel shows it; returns how that was."""
        (label,) = typed.labels
        here = self._world

        def told() -> int:
            return sum(user == typed.user and label in shown and "equest " in shown for user, shown in _said(here))

        def shown() -> int:
            return sum(one.channel == AUDIT and label in one.shown for one in here.slack.posts)

        here.slack.wait_for(lambda: told() and shown(), timeout=FINISHED_WITHIN_S + 20)
        took_s = time.monotonic() - self.troubles[-1]
        outcomes = [str(one["event"]) for one in _trail(here) if one["label"] == label]
        return Crash(
            acknowledged=typed.answers[0].error is None,
            outcomes=[one for one in outcomes if one not in {"requested", "sending"}],
            posts=len(here.mpc.posts(label)),
            told=told(),
            shown=shown(),
            took_s=took_s,
        )

    def says(self, words: str) -> None:
        """Wait until one of them has said something."""
        until(lambda: words in self.logs(), what=self.logs)

    def logs(self) -> str:
        """Return what they said."""
        return "\n".join("".join(one.log) for one in self.servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """What came of all points in one fleet; `broken` is what the judge says to the whole."""

    dead: dict[str, Crash]
    paused: dict[str, Crash]
    broken: list[str]


def crash(here: World, mode: str, kind: str) -> Crashes:
    """Let the processes of a fleet die at its points, one after the other, and be paused at some."""
    fleet = Fleet(here, mode)
    dead, paused = {}, {}
    try:
        fleet.start()
        for number, point in enumerate(dying.POINTS[FLEETS[mode, kind] :: 2]):
            _, typed = fleet.set_off(point, f"dead{number}")
            dead[point] = fleet.finished(typed)
            fleet.be_ready()
        for number, point in enumerate(PAUSED[mode, kind]):
            snare, typed = fleet.set_off(point, f"paused{number}", number=signal.SIGSTOP)
            took_s = fleet.finished(typed).took_s
            assert snare.pid is not None
            os.kill(snare.pid, signal.SIGCONT)
            request_id = next(str(one["request_id"]) for one in _trail(here) if one["label"] == f"paused{number}")
            fleet.says(f"request {request_id}: it was taken over meanwhile")
            paused[point] = replace(fleet.finished(typed), took_s=took_s)
    finally:
        fleet.stop()
    evidence = evidence_of(
        here, typed=fleet.typed, urls=[], stopped=[stop for one in fleet.servers for stop in one.stopped], unfinished=""
    )
    evidence.troubles.extend(fleet.troubles)
    return Crashes(dead=dead, paused=paused, broken=judge(evidence))


@pytest.fixture(scope="module")
def crashes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Crashes]]:
    """Give what came of all points, which are tried in all fleets at once: most of the time everybody waits."""
    with ExitStack() as stack, ThreadPoolExecutor() as at_once:
        found = {}
        for mode, kind in FLEETS:
            folder = tmp_path_factory.mktemp(f"{mode}-{kind}")
            url = stack.enter_context(database_of_kind(kind, request, folder))
            stack.enter_context(opened(url))
            here = stack.enter_context(world(folder, url, MPC_TIMEOUT_S="5"))
            found[mode, kind] = at_once.submit(crash, here, mode, kind)
        yield {fleet: one.result() for fleet, one in found.items()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "kind", "point"),
    [(mode, kind, point) for (mode, kind), turn in FLEETS.items() for point in dying.POINTS[turn::2]],
)
def test_who_dies_is_finished_by_another(
    crashes: dict[tuple[str, str], Crashes], mode: str, kind: str, point: str
) -> None:
    """Wherever a process is killed: one outcome, at most one POST, the asker told, the channel shown, within 20 s."""
    found = crashes[mode, kind].dead[point]
    outcomes, posts = EXPECTED[point]
    assert len(found.outcomes) == 1
    assert found.outcomes[0] in outcomes
    assert found.posts in posts
    assert found.took_s < FINISHED_WITHIN_S
    assert found.told == 1 or (point in AT_SLACK and found.told == 2)
    assert found.shown == 1 or (point in AT_SLACK and found.shown == 2)
    assert found.acknowledged == (point not in {dying.REQUESTED, dying.UNACKNOWLEDGED})


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("mode", "kind"), FLEETS)
def test_who_was_paused_does_not_send(crashes: dict[tuple[str, str], Crashes], mode: str, kind: str) -> None:
    """A process that holds a request and is taken for dead finds, when it goes on, that it is not its own any more."""
    for point, posts in PAUSED[mode, kind].items():
        found = crashes[mode, kind].paused[point]
        assert found.outcomes == ["unknown"]
        assert found.posts == posts
        assert (found.told, found.shown) == (1, 1)
        assert found.took_s < FINISHED_WITHIN_S


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("mode", "kind"), FLEETS)
def test_the_promise_is_kept_by_the_dying(crashes: dict[tuple[str, str], Crashes], mode: str, kind: str) -> None:
    """What is left of all those deaths is judged as a storm is."""
    assert crashes[mode, kind].broken == []


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


@pytest.mark.parametrize("mode", ["--http", "--socket"])
def test_what_does_not_finish_in_time_is_left_to_others(here: World, mode: str) -> None:
    """SIGTERM and an MPC that does not answer: the process ends with 0 after GRACE_S, and the next one says unknown."""
    here.mpc.fail("slow", faults.hang(taken=True))
    with Bot(here, mode, {"GRACE_S": "1", "MPC_TIMEOUT_S": "60"}) as bot:
        bot.command("slow")
        here.mpc.wait_for(here.mpc.posts)
        begin = time.monotonic()
        assert bot.stop() == 0
        assert time.monotonic() - begin < 5
    with Bot(here, mode):
        here.slack.wait_for(
            lambda: [one for one in here.slack.posts if one.channel == AUDIT], timeout=FINISHED_WITHIN_S
        )
    assert [one["event"] for one in _trail(here)] == ["requested", "sending", "unknown"]
    assert len(here.mpc.posts("slow")) == 1


@BOTH
@pytest.mark.parametrize("mode", ["--http", "--socket"])
def test_a_rolling_deploy_loses_nothing(here: World, mode: str) -> None:
    """While people type, a new process comes and the old one goes: nobody is refused, and everything ends."""
    serving: list[Bot] = []
    typed: list[Typed] = []
    enough = threading.Event()

    def people() -> None:
        number = 0
        while not enough.wait(0.25):
            number += 1
            one = Typed(user=f"U0{number}", channel=f"C0DEPLOY{number}", labels=(f"label{number}",))
            got = serving[-1].command(one.labels[0], user=one.user, channel=one.channel)
            one.answers.append(Answer(error=got.error, status=got.status, shown=got.shown))
            typed.append(one)

    with ExitStack() as stack:
        serving.append(stack.enter_context(Bot(here, mode)))
        typing = threading.Thread(target=people)
        typing.start()
        stack.callback(enough.set)
        for _ in range(2):
            enough_mails = len(here.mpc.mails) + 2
            here.mpc.wait_for(lambda: len(here.mpc.mails) >= enough_mails)  # noqa: B023 - called at once
            serving.append(stack.enter_context(Bot(here, mode)))
            assert serving[-2].stop() == 0
        enough.set()
        typing.join()
        health = serving[-1]
        until(lambda: {health.get("/healthz").json()[name] for name in ("replies_due", "audit_backlog")} == {0})
    assert {one.error for some in typed for one in some.answers} == {None}
    evidence = evidence_of(here, typed=typed, urls=[], stopped=[], unfinished="")
    assert judge(evidence) == []
    assert {one["event"] for one in evidence.trail} == {"requested", "sending", "accepted"}


def _is_still(pid: int | None) -> bool:
    """Say whether a process is gone, a zombie, or stopped: its signal reaches it a moment after it was sent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZXT"
    except OSError:
        return True


def _said(here: World) -> list[tuple[str | None, str]]:
    ephemerals = [(one.user, one.shown) for one in here.slack.ephemerals if one.via != "ack"]
    return ephemerals + [(one.user, one.shown) for one in here.slack.dms]


def _trail(here: World) -> list[dict[str, Any]]:
    database = Database(here.settings["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    try:
        return events_of(database)
    finally:
        database.close()
