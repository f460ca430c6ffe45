"""`audit prune`, as a person and as a script run it: the question, the sentences, the exit codes."""

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.tombstone import PRUNED
from tests.conftest import BOTH, opened
from tests.processes import clean_environment
from tests.test_pruning import follow, numbers, request


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """Give the settings of an installation with two old requests and a new one."""
    with opened(database_url) as database:
        request(database, "r1")
        request(database, "r2")
        request(database, "r3", at=None)
    return clean_environment(DATABASE_URL=database_url)


def run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `audit …` without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "bot", "audit", *arguments],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def left(environment: dict[str, str]) -> Sequence[object]:
    """Return the numbers of the events that are left."""
    with opened(environment["DATABASE_URL"]) as database:
        return numbers(database)


@BOTH
def test_a_script_prunes_with_yes(environment: dict[str, str], tmp_path: Path) -> None:
    """It says what it removed, exits with 0, does so too where nothing is left, and `verify` passes."""
    done = run(environment, tmp_path, "prune", "--before", "2020-02-01", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Removed 6 events (seq 1 to 6); event 10 says so.\n"
    again = run(environment, tmp_path, "prune", "--before", "2020-02-01", "--yes")
    assert (again.returncode, again.stdout) == (0, "Nothing to remove before 2020-02-01T00:00:00.000Z.\n")
    assert run(environment, tmp_path, "verify").returncode == 0
    assert len(run(environment, tmp_path, "export", "--event", PRUNED).stdout.splitlines()) == 1
    assert left(environment) == [7, 8, 9, 10]


@BOTH
def test_a_year_that_was_mistyped_removes_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    """In the year 226 there was no trail: the date is said as it was understood, and all events stay."""
    done = run(environment, tmp_path, "prune", "--before", "0226-01-01", "--yes")
    assert (done.returncode, done.stdout) == (0, "Nothing to remove before 0226-01-01T00:00:00.000Z.\n")
    assert len(left(environment)) == 9


def test_what_has_to_stay_is_said(environment: dict[str, str], tmp_path: Path) -> None:
    """Whoever wonders why something old is still there is told what it is kept for."""
    with opened(environment["DATABASE_URL"]) as database:
        follow(database, "C0AUDIT", 3, database.write(lambda tx: tx.now))
    done = run(environment, tmp_path, "prune", "--before", "2020-02-01", "--yes")
    assert done.returncode == 0
    kept, removed = done.stdout.splitlines()
    assert kept.endswith("the audit channel C0AUDIT has not been told what comes after event 3.")
    assert removed.startswith("Removed 3 events (seq 1 to 3)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--before", "2020-02-01"], "--yes: "),
        (["--before", "last year", "--yes"], "--before: "),
        (["--before", "2100-01-01", "--yes"], "--before: what is younger than "),
        (["--before", "0001-01-01T00:00+14:00", "--yes"], "--before: "),
    ],
)
def test_a_wrong_usage_removes_nothing(
    environment: dict[str, str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Without somebody to ask, with what is no date, or with one that is too recent: a sentence, and exit 2."""
    done = run(environment, tmp_path, "prune", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert len(left(environment)) == 9


def test_a_broken_trail_is_not_pruned(environment: dict[str, str], tmp_path: Path) -> None:
    """It is said which event is broken; exit 1."""
    with opened(environment["DATABASE_URL"]) as database, database.engine.begin() as connection:
        connection.execute(text("UPDATE head SET seq = 8"))
    done = run(environment, tmp_path, "prune", "--before", "2020-02-01", "--yes")
    assert done.returncode == 1
    assert done.stdout.startswith("The trail is broken: event 9 should not be there")
    assert len(left(environment)) == 9


@pytest.mark.parametrize(("typed", "code", "gone"), [("yes\n", 0, True), ("no\n", 1, False), ("\x04", 1, False)])
def test_a_person_is_asked(environment: dict[str, str], tmp_path: Path, typed: str, code: int, *, gone: bool) -> None:
    """On a terminal it says what would go, and that an export comes first; only `yes` removes."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "audit", "prune", "--before", "2020-02-01"],
        cwd=tmp_path, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, typed.encode())
        said, complaint = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, complaint) == (code, "")
    assert said.startswith(
        "Remove 6 events before 2020-02-01T00:00:00.000Z (seq 1 to 6)? This cannot be undone; export"
    )
    assert (left(environment) == [7, 8, 9, 10]) == gone
