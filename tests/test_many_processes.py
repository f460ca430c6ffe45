"""Many processes append to one trail at once, as many `web` and `worker` processes do."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from bot import trail, verification
from bot.loop import keep_trying
from bot.store.database import Database
from bot.store.writing import Transaction
from bot.trail import Asker, Event
from tests.conftest import BOTH, opened
from tests.processes import ROOT, clean_environment

PROCESSES = 8
EACH = 5_000
BATCH = 25
"""Events in one transaction: five requests of a command, from `requested` to the outcome, come to about as many."""


@BOTH
def test_eight_processes_make_one_chain(database_url: str, tmp_path: Path) -> None:
    """Forty thousand events from eight processes stand in one chain, each process's own in its order, none lost."""
    with opened(database_url) as database:
        url = database.engine.url.render_as_string(hide_password=False)
        appending = [
            subprocess.Popen(
                [sys.executable, "-m", __name__, url, f"U{name}"],
                cwd=ROOT, env=clean_environment(TMPDIR=str(tmp_path)), stderr=subprocess.PIPE, text=True,
            )
            for name in range(PROCESSES)
        ]  # fmt: skip
        ends = [(one.communicate(timeout=100)[1], one.returncode) for one in appending]
        assert {code for _, code in ends} == {0}, ends
        with database.reading() as connection:
            verdict = verification.verify(connection)
            of_each = connection.execute(text("SELECT user_id, count(*) FROM events GROUP BY user_id"))
            assert {tuple(row) for row in of_each} == {(f"U{name}", EACH) for name in range(PROCESSES)}
            for name in range(PROCESSES):
                own = trail.read(connection, trail.Filter(user_id=f"U{name}"))
                assert [int(one["elapsed_ms"]) for one in own] == list(range(EACH))
    assert (verdict.count, verdict.fault) == (PROCESSES * EACH, None)


def append(url: str, user_id: str) -> None:
    """Append this process's events; a turn that does not come in time is waited for again, as the worker does."""
    database = Database(url)
    asker = Asker(source="slash", team_id="T1", channel_id="C1", user_id=user_id)
    for begin in range(0, EACH, BATCH):
        new = [
            Event(event=trail.REQUESTED, request_id=trail.new_id(), asker=asker, label="A10cnQO", elapsed_ms=number)
            for number in range(begin, begin + BATCH)
        ]

        def work(tx: Transaction, new: list[Event] = new) -> list[int]:
            return trail.append(tx, new)

        keep_trying(lambda work=work: database.write(work), give_up=lambda: False, what=f"{user_id} {begin}")  # type: ignore[misc]
    database.close()


if __name__ == "__main__":
    append(*sys.argv[1:])
