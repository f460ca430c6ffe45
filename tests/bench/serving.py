"""Acknowledging: how soon, how many a second, and what it takes of the machine, beside bare Bolt behind gunicorn.

The program does all of its work behind the acknowledgement: it asks the MPC, answers, and shows the outcome in the
audit channel. The yardstick does nothing but acknowledge.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Load
from tests.bench.rounds import Line, seconds
from tests.bench.running import Running, bare, bot, moments
from tests.bench.scale import Scale
from tests.bench.standins import StandIns
from tests.bench.trails import created, transactions

PART = "Acknowledging"
BESIDE = "bare Bolt"
RATES = (20, 100)
CONNECTIONS = 32
SLOWEST_MS = 1_000
SETTLE_S = 3.0
"""After its start a process has some things to do once."""
OPEN_PACE = "250"
"""For loads of few commands a second: none of them waits for its request or its look-up, and all the work is done."""
MPC_PACE = "5"
"""For a flood: the MPC's own pace. What it cannot take yet is kept."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """A database and a number of processes, and what is asked of them."""

    database: str
    workers: int
    half: float
    most: float

    @property
    def name(self) -> str:
        return f"{self.database}, {self.workers} worker{'s' if self.workers > 1 else ''}"


SETTINGS = (_Setting("SQLite", 1, 0.15, 0.30), _Setting("SQLite", 2, 0.2, 0.4), _Setting("PostgreSQL", 1, 0.2, 0.4))


def serving(stand: StandIns, server_url: str, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield the lines of each database and number of workers."""
    for number, setting in enumerate(SETTINGS):
        own = folder / f"serving-{number}"
        own.mkdir()
        with ExitStack() as stack:
            if setting.database == "SQLite":
                urls = [f"sqlite:///{own / name}.db" for name in ("paced", "flooded")]
            else:
                urls = [stack.enter_context(created(server_url, tables=True)) for _ in range(2)]
            yield from _even(stand, setting, urls[0], own, scale)
            yield from _saturated(stand, setting, urls[1], own, scale)


def settings_of(stand: StandIns, database_url: str, pace: str, **more: str) -> dict[str, str]:
    """Return the settings of a program under load; the load is of few users, whom nothing limits."""
    return {
        **stand.settings(),
        "DATABASE_URL": database_url,
        "MPC_RATE_PER_S": pace,
        "USER_HOURLY_LIMIT": "0",
        "LOG_LEVEL": "WARNING",
        **more,
    }


def _both(stand: StandIns, setting: _Setting, url: str, pace: str, folder: Path) -> tuple[Running, Running]:
    settings = settings_of(stand, url, pace, WEB_WORKERS=str(setting.workers))
    yardstick = bare("bare", settings, folder, workers=setting.workers)
    return yardstick, bot("bot", settings, folder)


def _even(stand: StandIns, setting: _Setting, url: str, folder: Path, scale: Scale) -> Iterator[Line]:
    secret = stand.settings()["SLACK_SIGNING_SECRET"]
    with ExitStack() as stack:
        both = [stack.enter_context(one) for one in _both(stand, setting, url, OPEN_PACE, folder)]
        loads = [Load(one.url, secret) for one in both]
        for load in loads:
            load.open(stand.commands(20), 40)
        for rate in RATES:
            wanted = (("p50", 50, setting.half), ("p99", 99, setting.most))
            lines = [_line(f"{name} at {rate}/s, {setting.name}", "ms", at_most=goal) for name, _, goal in wanted]
            count = round(rate * (scale.even_s if rate == min(RATES) else scale.busy_s))
            for _ in range(scale.rounds):
                for load, figures in zip(loads, ("yardstick", "measured"), strict=True):
                    ran = load.open(stand.commands(count), rate)
                    for line, (_, percent, _) in zip(lines, wanted, strict=True):
                        getattr(line, figures).append(1000 * ran.share(percent))
            yield from lines
        if setting is SETTINGS[0]:
            yield _memory(both, scale)


def _memory(both: list[Running], scale: Scale) -> Line:
    line = _line("memory (PSS), SQLite, 1 worker", "MiB", at_most=1.5)
    for _ in range(scale.rounds):
        line.yardstick.append(both[0].memory_mib())
        line.measured.append(both[1].memory_mib())
    return line


def _saturated(stand: StandIns, setting: _Setting, url: str, folder: Path, scale: Scale) -> Iterator[Line]:
    secret = stand.settings()["SLACK_SIGNING_SECRET"]
    many = _line(f"commands a second, saturated, {setting.name}", "/s", at_least=1.0)
    slowest = _line(f"slowest of them, {setting.name}", "ms", ceiling=SLOWEST_MS)
    with ExitStack() as stack:
        both = [stack.enter_context(one) for one in _both(stand, setting, url, MPC_PACE, folder)]
        loads = [Load(one.url, secret) for one in both]
        for number in range(scale.rounds + 1):
            for load, figures in zip(loads, ("yardstick", "measured"), strict=True):
                ran = load.closed(stand.commands(round(3000 * scale.busy_s)), CONNECTIONS, seconds=scale.busy_s)
                if number:  # the first one is to warm up
                    getattr(many, figures).append(len(ran.latencies) / ran.seconds)
                    getattr(slowest, figures).append(1000 * max(ran.latencies))
    yield many
    yield slowest


def starting(stand: StandIns, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield how long both take from their start to their first answer."""
    line = Line(part="A process", name="start to ready, SQLite", beside=BESIDE, unit="ms", at_most=2.0)
    url = f"sqlite:///{folder / 'starting.db'}"
    with bot("first", settings_of(stand, url, MPC_PACE), folder):
        pass  # the tables are made once in a life
    for _ in range(scale.rounds):
        for make, figures in ((bare, line.yardstick), (bot, line.measured)):
            one = make("starting", settings_of(stand, url, MPC_PACE), folder)
            figures.append(1000 * seconds(one.start))
            one.stop()
    yield line


def resting(stand: StandIns, server_url: str, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield what a process takes while nothing happens: of a processor, and of the database."""
    part = "A process"
    cpu = Line(part=part, name="idle, of a core, PostgreSQL", beside="half a percent", unit="%", at_most=1.0)
    beside = Line(part=part, name="idle, of a core, PostgreSQL", beside=BESIDE, unit="%")
    asked = Line(part=part, name="idle, transactions, PostgreSQL", beside="one a second", unit="/s", at_most=1.0)
    with ExitStack() as stack:
        url = stack.enter_context(created(server_url, tables=True))
        settings = settings_of(stand, url, MPC_PACE)
        one = stack.enter_context(bot("resting", settings, folder))
        other = stack.enter_context(bare("bare-resting", settings, folder))
        count = stack.enter_context(transactions(server_url, url))
        moments(SETTLE_S)
        # One long round: the counts of PostgreSQL lag by a second.
        spent, others, begun = one.cpu_s(), other.cpu_s(), count()
        moments(scale.idle_s)
        cpu.measured.append(100 * (one.cpu_s() - spent) / scale.idle_s)
        cpu.yardstick.append(0.5)
        beside.measured.append(cpu.measured[0])
        beside.yardstick.append(100 * (other.cpu_s() - others) / scale.idle_s)
        asked.yardstick.append(1.0)
        asked.measured.append((count() - begun) / scale.idle_s)
    yield cpu
    yield beside
    yield asked


def soaking(stand: StandIns, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield how memory grows over many commands, after the first tenth of them."""
    if not scale.soak:
        return
    line = Line(part="A process", name="", beside="after a tenth of them", unit="MiB", at_most=1.1)
    settings = settings_of(stand, f"sqlite:///{folder / 'soaking.db'}", MPC_PACE)
    tenth, done = scale.soak // 10, 0
    first = 0.0
    with bot("soaking", settings, folder) as one:
        load = Load(one.url, settings["SLACK_SIGNING_SECRET"])
        for number in range(10):
            ran = load.closed(stand.commands(tenth), CONNECTIONS, seconds=scale.soak_s / 10)
            done += len(ran.latencies)
            memory = one.memory_mib()
            first = first or memory
            if number >= 5:
                line.yardstick.append(first)
                line.measured.append(memory)
    line.name = f"memory (PSS) after {done:,} commands"
    yield line


def _line(name: str, unit: str, **goal: float) -> Line:
    return Line(part=PART, name=name, beside=BESIDE, unit=unit, **goal)  # type: ignore[arg-type]
