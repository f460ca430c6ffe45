"""Reading a whole trail: how fast `audit verify` is beside hashing alone, and what `audit export` needs.

It measures what the program does as a process of its own where memory counts, and in this one where speed does.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import text

from bot import trail, verification
from bot.store.database import Database
from tests.bench.rounds import ROUNDS, Line, seconds
from tests.bench.trails import KINDS, url_of
from tests.processes import clean_environment

PART = "Whole trails"
VERIFY_FLOOR = 150_000
FLAT_MEMORY = 1.2
CHUNK = 1 << 20


def whole(
    databases: dict[str, dict[int, Database]], *, small: int, middle: int, big: int, folder: Path
) -> Iterator[Line]:
    """Yield the lines of `audit verify`, on the trail of `middle` events, and of `audit export`, on the longest."""
    for kind, by_count in databases.items():
        yield _verify(f"audit verify, {KINDS[kind]}", by_count[middle], middle)
        yield from _export(KINDS[kind], by_count, small=small, middle=middle, big=big, folder=folder)


def _verify(name: str, database: Database, count: int) -> Line:
    line = Line(part=PART, name=name, beside="hashing alone", unit="events/s", floor=VERIFY_FLOOR)
    with database.reading() as connection:
        canonical = [_canonical(one) for one in trail.read(connection, trail.Filter())]

    def hash_all() -> None:
        for one in canonical:
            hashlib.sha256(one).hexdigest()

    def verify() -> None:
        with database.reading() as connection:
            verdict = verification.verify(connection)
        if verdict.fault is not None or verdict.count != count:
            raise AssertionError(f"the trail that was filled does not verify: {verdict}")

    for _ in range(ROUNDS):
        line.yardstick.append(count / seconds(hash_all))
        line.measured.append(count / seconds(verify))
    return line


def _canonical(event: dict[str, object]) -> bytes:
    rest = {key: value for key, value in event.items() if key != "hash"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _export(
    name: str, by_count: dict[int, Database], *, small: int, middle: int, big: int, folder: Path
) -> Iterator[Line]:
    """Export the longest trail: in one round, because it takes as long as all other rounds together."""
    speed = Line(part=PART, name=f"audit export, {name}", beside="the driver alone", unit="events/s")
    memory = Line(
        part=PART,
        name=f"audit export, most memory, {name}",
        beside=f"{small:,} events",
        unit="MiB",
        at_most=FLAT_MEMORY,
    )
    speed.yardstick.append(middle / seconds(_reader(by_count[middle])))
    _, _, little = _exported(by_count[small], folder)
    lines, spent_s, much = _exported(by_count[big], folder)
    if lines < big:
        raise AssertionError(f"{lines} of {big} events were exported")
    speed.measured.append(lines / spent_s)
    yield speed
    if little and much:
        memory.yardstick.append(little)
        memory.measured.append(much)
        yield memory


def _reader(database: Database) -> Callable[[], object]:
    """Return what reads every row and does nothing with it."""

    def read() -> None:
        with database.reading() as connection:
            for _ in connection.execution_options(yield_per=trail.PAGE).execute(text("SELECT * FROM events")):
                pass

    return read


def _exported(database: Database, folder: Path) -> tuple[int, float, float]:
    """Export a whole trail; returns the lines, the seconds, and the most memory that it took, MiB (0: not known)."""
    most = 0.0
    begin, lines = time.perf_counter(), 0
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "audit", "export", "--format", "jsonl"],
        cwd=folder,
        env=clean_environment(DATABASE_URL=url_of(database)),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), CHUNK):
            lines += chunk.count(b"\n")
            most = max(most, _peak(process.pid))
    if process.returncode != 0:
        raise AssertionError(f"audit export ended with {process.returncode}")
    return lines, time.perf_counter() - begin, most


def _peak(pid: int) -> float:
    """Return the most memory that a process has taken so far, MiB; 0 where the system does not say.

    What `wait4` says would do, if it did not count this process before it became the other one.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+([0-9]+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
