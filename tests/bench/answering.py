"""From a command to its answer, a backlog at the MPC's pace, and Socket Mode."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import requests

from bot.mpc import MPC
from tests.bench.load import Load
from tests.bench.rounds import Line, seconds, side_by_side
from tests.bench.running import bare, bot, moments
from tests.bench.scale import Scale
from tests.bench.serving import MPC_PACE, OPEN_PACE, settings_of
from tests.bench.standins import StandIns
from tests.bench.trails import created
from tests.processes import until

PART = "Answering"
LATENCY_S = 0.05
"""Of the MPC, in this part."""
CALM_PER_S = 2
PROCESSES = 3
SOCKET_PER_S = 100
AT_ONCE = 50
WITHIN_MS = 500


def helper(api_url: str, label: str) -> bool:
    """Ask for one code as the MPC's "Action Codes API" tutorial does."""
    response = requests.post(f"{api_url}/action-codes/retrieve", json={"label": label}, timeout=30)
    return response.ok


def answering(stand: StandIns, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield how long an asker waits for the outcome, beside the tutorial's helper, and what one request costs."""
    line = Line(part=PART, name="command to answer, p95, 2/s", beside="the tutorial's helper", unit="ms", more=60)
    settings = settings_of(stand, f"sqlite:///{folder / 'answering.db'}", MPC_PACE)
    api_url = settings["MPC_API_URL"]
    count = max(4, round(2 * CALM_PER_S * scale.even_s))
    with bot("answering", settings, folder) as one:
        load = Load(one.url, settings["SLACK_SIGNING_SECRET"])
        load.open(stand.commands(2), CALM_PER_S)
        for _ in range(scale.rounds):
            asked = [seconds(_helped(api_url, number)) for number in range(count)]
            line.yardstick.append(1000 * _p95(asked))
            began = load.open(stand.commands(count), CALM_PER_S).began
            until(lambda: stand.told().keys() >= began.keys(), what=lambda: one.log)  # noqa: B023 - called in here
            told = stand.told()
            line.measured.append(1000 * _p95([told[trigger_id] - at for trigger_id, at in began.items()]))
    yield line


def _helped(api_url: str, number: int) -> Callable[[], object]:
    return lambda: helper(api_url, f"H{number:06}")


def asking(stand: StandIns) -> Iterator[Line]:
    """Yield what one request to the MPC costs, beside a bare POST of requests."""
    api_url = stand.settings()["MPC_API_URL"]
    mpc = MPC(api_url=api_url, timeout_s=15)
    line = Line(part=PART, name="a request to the MPC", beside="requests.post", unit="ms")
    yardstick, measured = side_by_side(
        lambda number: helper(api_url, f"P{number:06}"),
        lambda number: mpc.retrieve(f"M{number:06}", leave=lambda: True),
        times=30,
    )
    line.yardstick = [1000 * one for one in yardstick]
    line.measured = [1000 * one for one in measured]
    yield line


def draining(stand: StandIns, server_url: str, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield how near to the pace several processes work off a backlog, and whether they ever exceed it."""
    pace = float(MPC_PACE)
    rate = Line(
        part=PART,
        name=f"{scale.backlog} labels, {PROCESSES} processes, PostgreSQL",
        beside="MPC_RATE_PER_S",
        unit="/s",
        at_least=0.97,
    )
    most = Line(
        part=PART, name="most in any second, look-ups too", beside="MPC_RATE_PER_S", unit="requests", ceiling=pace
    )
    before = stand.asked().keys()
    with ExitStack() as stack:
        url = stack.enter_context(created(server_url, tables=True))
        settings = settings_of(stand, url, MPC_PACE)
        several = [stack.enter_context(bot(f"drain-{number}", settings, folder)) for number in range(PROCESSES)]
        for number, one in enumerate(several):
            share = scale.backlog // PROCESSES + (number < scale.backlog % PROCESSES)
            Load(one.url, settings["SLACK_SIGNING_SECRET"]).closed(stand.commands(share), 4, seconds=60)

        def arrived() -> list[float]:
            return sorted(at for label, at in stand.asked().items() if label not in before)

        until(
            lambda: len(arrived()) >= scale.backlog,
            timeout_s=2 * scale.backlog / pace,
            what=lambda: several[0].log,
            every_s=0.5,
        )
        times, everything = arrived(), stand.arrivals()
    part = len(times) // scale.rounds
    for start in range(0, part * scale.rounds, part):
        # From the last one of the part before, where there is one: each begins where the other ends.
        window = times[max(0, start - 1) : start + part]
        rate.yardstick.append(pace)
        rate.measured.append((len(window) - 1) / (window[-1] - window[0]))
        most.yardstick.append(pace)
        most.measured.append(max(sum(at <= one < at + 1.0 for one in everything) for at in window))
    yield rate
    yield most


def over_sockets(stand: StandIns, folder: Path, scale: Scale) -> Iterator[Line]:
    """Yield how soon a command over Socket Mode is acknowledged, and how long many take that come at once."""
    beside = "bare Bolt's default handler"
    even = Line(part="Socket Mode", name=f"p50 at {SOCKET_PER_S}/s", beside=beside, unit="ms", at_most=0.25)
    burst = Line(part="Socket Mode", name=f"{AT_ONCE} at once", beside=beside, unit="ms", ceiling=WITHIN_MS)
    app = {"SLACK_APP_TOKEN": stand.app_token()}
    for make, figures in ((bare, "yardstick"), (bot, "measured")):
        settings = settings_of(stand, f"sqlite:///{folder / 'sockets.db'}", OPEN_PACE, **app)
        # One at a time: Slack gives each of several connections its share.
        with make("sockets", settings, folder, socket=stand.connected):
            stand.deliver(20, SOCKET_PER_S)
            for _ in range(scale.rounds):
                took = sorted(stand.deliver(round(SOCKET_PER_S * scale.busy_s), SOCKET_PER_S))
                getattr(even, figures).append(1000 * took[len(took) // 2])
                getattr(burst, figures).append(1000 * max(stand.deliver(AT_ONCE, None)))
                moments(0.3)
        until(lambda: not stand.connected())
    yield even
    yield burst


def _p95(figures: list[float]) -> float:
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * 0.95))]
