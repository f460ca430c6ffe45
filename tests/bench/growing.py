"""Growing: what costs the same with millions of events as with a few thousand, on both databases.

The statements are the program's own, called as the program calls them.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection

from bot import trail
from bot.outcomes import Outcome
from bot.policy import HOUR_MS
from bot.slack.audit_channel import MOST_LINES
from bot.store import standing
from bot.store.database import Database
from bot.trail import Asker, Event, Filter
from tests.bench.events import CHANNELS, TAIL, TEAM, USERS, label
from tests.bench.rounds import ROUNDS, Line, seconds, side_by_side
from tests.bench.trails import KINDS, url_of
from tests.processes import Bot, world

PART = "Growing"
LAST = 20
TIMES = 400
"""So many that SQLite empties its log about once in each round."""
READINGS = 200
FLAT = 1.2

Reading = Callable[[Connection, int], object]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for: only what the end of the trail, which all trails share, has an answer to."""

    labels: tuple[str, ...]
    channels: tuple[str, ...]
    users: tuple[str, ...]
    since: int


def growing(databases: dict[str, dict[int, Database]], *, small: int, big: int, folder: Path) -> Iterator[Line]:
    """Yield a line for each thing that must not grow with the trail."""
    for kind, by_count in databases.items():
        pair = (by_count[small], by_count[big])

        def line(name: str, unit: str = "ms", kind: str = kind) -> Line:
            beside = f"{small:,} events"
            return Line(part=PART, name=f"{name}, {KINDS[kind]}", beside=beside, unit=unit, at_most=FLAT)

        asked = _answered(pair[0])
        yield _timed(line("append"), *side_by_side(*(_append(one) for one in pair), times=TIMES))
        for name, reading in _readings(asked).items():
            with ExitStack() as stack:
                connections = [stack.enter_context(one.reading()) for one in pair]
                stack.enter_context(_on_one_core(connections))
                figures = side_by_side(*(_held(one, reading) for one in connections), times=READINGS)
            yield _timed(line(name), *figures)
        yield _start(line("start to ready"), pair, folder)


def _answered(database: Database) -> _Asked:
    """Return what may be asked for: labels that had their mail, channels and users with enough outcomes."""
    narrow = Filter(events=(Outcome.ACCEPTED,))
    with database.reading() as connection:
        found = list(trail.read(connection, narrow, newest=TAIL))
    return _Asked(
        labels=tuple(sorted({one["label"] for one in found})),
        channels=_with_enough(one["channel_id"] for one in found),
        users=_with_enough(one["user_id"] for one in found),
        # The last hour, as the trails were filled. What is appended before this is read is in both of them alike.
        since=database.write(lambda tx: tx.now) - HOUR_MS,
    )


def _with_enough(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, count in Counter(names).items() if count >= LAST))


def _timed(line: Line, yardstick: list[float], measured: list[float]) -> Line:
    line.yardstick = [1000 * one for one in yardstick]
    line.measured = [1000 * one for one in measured]
    return line


def _append(database: Database) -> Callable[[int], object]:
    """Return a step that makes one durable event."""

    def step(number: int) -> object:
        asker = Asker(source="slash", team_id=TEAM, channel_id=_pick(CHANNELS, number), user_id=_pick(USERS, number))
        # Every other event is an outcome: those are in more of the indexes.
        name = Outcome.ACCEPTED if number % 2 else trail.REQUESTED
        new = Event(event=name, request_id=trail.new_id(), asker=asker, label=label(number), kinds=("trksub",))
        return database.write(lambda tx: trail.append(tx, [new]))

    return step


def _readings(asked: _Asked) -> dict[str, Reading]:
    """Return what is read for a command, for `/actcode log`, and for a post in the audit channel."""
    return {
        "cool-down check": lambda connection, number: standing.of_label(connection, _pick(asked.labels, number)),
        "hourly count": lambda connection, number: trail.requested_since(
            connection, _pick(asked.users, number), asked.since
        ),
        "last 20 of a channel": lambda connection, number: _last(connection, channel_id=_pick(asked.channels, number)),
        "last 20 of a user": lambda connection, number: _last(connection, user_id=_pick(asked.users, number)),
        "next audit post": _next_post,
    }


def _last(connection: Connection, **whose: str) -> object:
    narrow = Filter(team_id=TEAM, events=trail.OUTCOMES, **whose)  # type: ignore[arg-type]
    return list(trail.read(connection, narrow, newest=LAST))


def _next_post(connection: Connection, number: int) -> object:
    last, _ = trail.head_of(connection)
    after = last - 4 * MOST_LINES - number % MOST_LINES
    narrow = Filter(events=trail.OUTCOMES)
    return list(islice(trail.read(connection, narrow, after=after, page=MOST_LINES), MOST_LINES))


def _held(connection: Connection, reading: Reading) -> Callable[[int], object]:
    """Return a step that reads on a connection that is open already, so that nothing else is in the figure."""
    return lambda number: reading(connection, number)


@contextmanager
def _on_one_core(connections: Sequence[Connection]) -> Iterator[None]:
    """Keep this thread and the server's processes behind connections on one core.

    A small statement takes PostgreSQL less than waking up another core does. Which core each process is put on is the
    kernel's whim, and made one trail twice as quick as the other in some runs.
    """
    before = {pid: os.sched_getaffinity(pid) for pid in (0, *map(_server_process, connections))}
    try:
        for pid in before:
            os.sched_setaffinity(pid, {min(before[0])})
        yield
    finally:
        for pid, cores in before.items():
            os.sched_setaffinity(pid, cores)


def _server_process(connection: Connection) -> int:
    """Return the process behind a connection; 0, which stands for this thread, where it is none that may be moved."""
    info = getattr(connection.connection.driver_connection, "info", None)
    if info is None:  # SQLite
        return 0
    process = Path(f"/proc/{info.backend_pid}")
    own = (
        process.exists()
        and (process / "comm").read_text() == "postgres\n"
        and os.geteuid() in {0, process.stat().st_uid}
    )
    return info.backend_pid if own else 0


def _start(line: Line, pair: tuple[Database, Database], folder: Path) -> Line:
    """Start `serve`, until it answers."""
    for _ in range(ROUNDS):
        for database, figures in zip(pair, (line.yardstick, line.measured), strict=True):
            with world(folder, url_of(database)) as around:
                bot = Bot(around)
                figures.append(1000 * seconds(bot.start))
                bot.stop()
    return line


def _pick(some: tuple[str, ...], number: int) -> str:
    return some[number * 7 % len(some)]
