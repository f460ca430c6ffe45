"""The threads behind the doors: what they do when a database or their own code fails."""

import sqlite3
import threading
from collections.abc import Iterator

import pytest

from bot import labels, trail
from bot.answers import Answer
from bot.decisions import Delivery
from bot.loop import Loop
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.policy import Policy
from bot.retrieval import Retrieval, TurnedAway
from bot.sandbox.mpc import SandboxMPC
from bot.store import answered, queue
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.trail import Asker
from bot.worker import Worker
from tests.conftest import events_of
from tests.processes import until

ASKER = Asker(source="cli")


@pytest.fixture
def sandbox() -> Iterator[SandboxMPC]:
    """Give an MPC that takes any number of requests."""
    with SandboxMPC(rate_per_s=None) as mpc:
        yield mpc


class Unheard(Retrieval):
    """A retrieval whose first take is committed, and its answer lost; and whose first outcome breaks."""

    lost = 1
    broken = 0

    def take(self) -> queue.Taken | answered.Turn | queue.Wait | TurnedAway:
        """Take, and lose the answer once."""
        taken = super().take()
        if isinstance(taken, queue.Taken) and self.lost:
            self.lost -= 1
            raise DatabaseUnavailable("the connection broke at the commit")
        return taken

    def finish(self, taken: queue.Taken, answer: Answer) -> Outcome | None:
        """Finish, and break as often as is asked for."""
        if self.broken:
            self.broken -= 1
            raise ZeroDivisionError(taken.label)
        return super().finish(taken, answer)


def unheard(database: Database, sandbox: SandboxMPC) -> Unheard:
    """Return one for that MPC."""
    return Unheard(
        database=database,
        mpc=MPC(api_url=sandbox.url, timeout_s=2),
        policy=Policy(),
        owner="one",
        rate_per_s=100,
        jitter=lambda: 0.0,
    )


def test_a_lost_answer_to_a_commit_loses_no_request(sqlite: Database, sandbox: SandboxMPC) -> None:
    """What was taken unheard is queued again and sent once, by the same process."""
    retrieval = unheard(sqlite, sandbox)
    worker = Worker(database=sqlite, retrieval=retrieval, owner="one")
    retrieval.admit(ASKER, labels.parse_all("A10cnQO B20xx"), Delivery())
    worker.start()
    until(lambda: [one["event"] for one in events_of(sqlite)].count("accepted") == 2)
    worker.stop(grace_s=5)
    assert sorted(sandbox.mails) == ["A10cnQO", "B20xx"]


def test_what_has_left_is_never_queued_again(
    sqlite: Database, sandbox: SandboxMPC, caplog: pytest.LogCaptureFixture
) -> None:
    """A request whose outcome this process cannot record stays its own, and becomes `unknown` when it ends."""
    retrieval = unheard(sqlite, sandbox)
    retrieval.lost, retrieval.broken = 0, 1
    worker = Worker(database=sqlite, retrieval=retrieval, owner="one")
    retrieval.admit(ASKER, labels.parse_all("A10cnQO"), Delivery())
    worker.start()
    until(lambda: "could not be recorded" in caplog.text)
    retrieval.lost = 1
    retrieval.admit(ASKER, labels.parse_all("B20xx"), Delivery())
    worker.wake()
    until(lambda: "B20xx" in sandbox.mails)
    worker.stop(grace_s=0.5)
    assert sorted(sandbox.mails) == ["A10cnQO", "B20xx"]
    assert retrieval.rescue() == 1
    outcomes = {one["label"]: one["event"] for one in events_of(sqlite) if one["event"] in trail.OUTCOMES}
    assert outcomes == {"A10cnQO": "unknown", "B20xx": "accepted"}


def test_work_goes_on_when_the_database_is_back(
    sqlite: Database, sandbox: SandboxMPC, caplog: pytest.LogCaptureFixture
) -> None:
    """While another program holds the database nothing is sent, the log says so once a loop, and then it goes on."""
    retrieval = unheard(sqlite, sandbox)
    retrieval.lost = 0
    worker = Worker(database=sqlite, retrieval=retrieval, owner="one")
    retrieval.admit(ASKER, labels.parse_all("A10cnQO"), Delivery())
    lock = sqlite3.connect(str(sqlite.engine.url.database), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    worker.start()
    until(lambda: "sender: the database does not answer" in caplog.text)
    assert sandbox.mails == []
    lock.close()
    until(lambda: sandbox.mails == ["A10cnQO"])
    worker.stop(grace_s=5)


def test_a_loop_outlives_what_its_step_stumbles_over(caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen failure is logged, with its trace, and the next step comes when it is woken."""
    seen = threading.Semaphore(0)

    def step() -> None:
        seen.release()
        raise ZeroDivisionError

    loop = Loop("clumsy", step)
    loop.start()
    assert seen.acquire(timeout=5)
    until(lambda: "clumsy: an unforeseen failure" in caplog.text)
    loop.wake()
    assert seen.acquire(timeout=5)
    assert loop.stop(timeout_s=5)
