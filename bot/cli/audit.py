"""`audit`: reads the trail, for people (`list`), for programs (`export`), and for doubts (`verify`)."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from typing import Any

from rich.table import Table

from bot import trail, verification, wiring
from bot.cli.terminal import console, local_time
from bot.config import ConfigurationError, Settings
from bot.trail import Filter

COLUMNS = ("at", "event", "label", "user_id", "channel_id", "source", "detail", "request_id")


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Do what was asked; returns the exit code."""
    if asked.action == "verify":
        return _verify(settings)
    narrow = _filter(asked)
    with wiring.database_of(settings) as database, database.reading() as connection:
        if asked.action == "list":
            _list(list(trail.read(connection, narrow, newest=max(1, asked.last))))
        else:
            events = trail.read(connection, narrow)
            _jsonl(events) if asked.format == "jsonl" else _csv(events)
    return 0


def _verify(settings: Settings) -> int:
    with wiring.database_of(settings) as database, database.reading() as connection:
        verdict = verification.verify(connection)
    if verdict.fault is not None:
        print(f"The trail is broken: {verdict.fault}. The {verdict.count} events before that are in order.")
        return 1
    print(f"The trail is intact: {verdict.count} events, head {verdict.head}.")
    return 0


def _filter(asked: argparse.Namespace) -> Filter:
    faults = [f"--event: {one} is none of {', '.join(trail.EVENTS)}" for one in asked.event if one not in trail.EVENTS]
    moments: dict[str, int | None] = {"since": None, "until": None}
    for name in moments:
        text = getattr(asked, name)
        try:
            moments[name] = None if text is None else trail.milliseconds(text)
        except ValueError:
            faults.append(f"--{name}: {text!r} is no moment; write 2026-01-31 or 2026-01-31T04:00:00Z")
    if faults:
        raise ConfigurationError(faults)
    return Filter(
        since=moments["since"],
        until=moments["until"],
        channel_id=asked.channel,
        user_id=asked.user,
        label=asked.label,
        events=tuple(asked.event),
    )


def _list(events: list[dict[str, Any]]) -> None:
    rows = [[_cell(one[column]) for column in COLUMNS] for one in events]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(local_time(trail.milliseconds(row[0])), *row[1:])
    console().print(table)


def _jsonl(events: Iterator[dict[str, Any]]) -> None:
    for one in events:
        print(json.dumps({key: one[key] for key in trail.KEYS}, ensure_ascii=False))


def _csv(events: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(trail.KEYS)
    for one in events:
        writer.writerow([_cell(one[key]) for key in trail.KEYS])


def _cell(value: object) -> str:
    """Return a value as text that a spreadsheet shows instead of executing it."""
    text = "" if value is None else " ".join(value) if isinstance(value, list) else str(value)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
