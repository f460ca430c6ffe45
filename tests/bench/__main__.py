"""`make bench`: measures, prints a table, and writes `bench.json`.

A new benchmark is a function that yields lines, and a word in `_measure`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from tests.bench import machine
from tests.bench.answering import LATENCY_S, answering, asking, draining, over_sockets
from tests.bench.growing import growing
from tests.bench.rounds import Line
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.serving import resting, serving, soaking, starting
from tests.bench.standins import standins
from tests.bench.table import as_json, table
from tests.bench.trails import server, trails
from tests.bench.whole import whole

SMALL = 5_000
MIDDLE = 100_000
WRITTEN = machine.ROOT / "bench.json"


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures the bot.")
    parser.add_argument("--quick", action="store_true", help="in under two minutes, with fewer events")
    asked = parser.parse_args()
    console, progress = Console(width=180), Console(stderr=True)
    begin = time.monotonic()
    lines = []
    with tempfile.TemporaryDirectory(prefix="actcode-bench-") as folder, server(Path(folder)) as url:
        about = machine.describe(url)
        for line in _measure(Path(folder), url, QUICK if asked.quick else FULL, progress):
            lines.append(line)
            progress.print(f"{time.monotonic() - begin:4.0f} s  {line.name}", highlight=False)
    about["taken"] = f"{time.monotonic() - begin:.0f} s{', --quick' if asked.quick else ''}"
    for name, value in about.items():
        console.print(f"{name + ':':13}{value}", highlight=False)
    console.print()
    console.print(table(lines), highlight=False)
    WRITTEN.write_text(json.dumps({"machine": about, "lines": [as_json(one) for one in lines]}, indent=1) + "\n")


def _measure(folder: Path, server_url: str, scale: Scale, progress: Console) -> Iterator[Line]:
    """Run the benchmarks one after another; nothing else is under way while one of them measures."""
    with standins() as stand:
        yield from serving(stand, server_url, folder, scale)
        yield from starting(stand, folder, scale)
        yield from resting(stand, server_url, folder, scale)
        yield from asking(stand)
        yield from draining(stand, server_url, folder, scale)
        yield from over_sockets(stand, folder, scale)
    with standins(LATENCY_S) as stand:
        yield from answering(stand, folder, scale)
    with standins() as stand:
        yield from soaking(stand, folder, scale)
    progress.print(f"filling trails of up to {scale.big:,} events", highlight=False)
    with trails(folder, server_url, (SMALL, MIDDLE, scale.big)) as databases:
        yield from growing(databases, small=SMALL, big=scale.big, folder=folder)
        yield from whole(databases, small=SMALL, middle=MIDDLE, big=scale.big, folder=folder)


if __name__ == "__main__":  # the stand-ins' process reads this file, too
    main()
