"""Shows the lines: a table for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.rounds import Line

TIMES = "\N{MULTIPLICATION SIGN}"


def table(lines: Sequence[Line]) -> Table:
    """Return the table; a ratio is what was measured, divided by the yardstick."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("")
    made.add_column("beside")
    for head in ("yardstick", "measured", "min", "median", "max", "goal"):
        made.add_column(head, justify="right")
    made.add_column("")
    part = None
    for line in lines:
        if line.part != part:
            made.add_row(*([""] * 9)) if part else None
            made.add_row(f"[bold]{line.part}[/bold]")
            part = line.part
        made.add_row(*_row(line))
    return made


def _row(line: Line) -> list[str]:
    ratios = line.ratios
    return [
        line.name,
        line.beside,
        _figure(median(line.yardstick), line.unit),
        _figure(median(line.measured), line.unit),
        *(f"{one:.2f} {TIMES}" for one in (min(ratios), median(ratios), max(ratios))),
        _goal(line),
        {True: "met", False: "[bold]not met[/bold]", None: ""}[line.met] + ("" if len(ratios) > 1 else " (one round)"),
    ]


def _figure(value: float, unit: str) -> str:
    return f"{value:,.3f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def _goal(line: Line) -> str:
    goals = []
    if line.at_most is not None:
        goals.append(f"≤ {line.at_most:g} {TIMES}")
    if line.at_least is not None:
        goals.append(f"≥ {line.at_least:g} {TIMES}")
    if line.floor is not None:
        goals.append(f"≥ {line.floor:,.0f} {line.unit}")
    if line.ceiling is not None:
        goals.append(f"never > {line.ceiling:g} {line.unit}")
    if line.more is not None:
        goals.append(f"≤ {line.more:g} {line.unit} more")
    return ", ".join(goals)


def as_json(line: Line) -> dict[str, Any]:
    """Return a line with its ratios, round by round."""
    ratios = line.ratios
    return {
        **asdict(line),
        "ratios": ratios,
        "min": min(ratios),
        "median": median(ratios),
        "max": max(ratios),
        "met": line.met,
    }
