"""`audit`: reads the trail, for people (`list`), for programs (`export`), and for doubts (`verify`); and moves it."""

import argparse
import io
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bot import exports, importing, trail, verification, wiring
from bot.cli import prune
from bot.cli.terminal import console, local_time, printable
from bot.config import ConfigurationError, Settings
from bot.store.database import Database
from bot.trail import Filter
from bot.verification import Verdict

COLUMNS = {
    "at": 23, "event": 11, "label": 12, "user_id": 11, "channel_id": 11, "source": 8, "detail": 20, "request_id": 12,
}  # fmt: skip
"""What `list` shows, and how wide it is on a terminal, at least."""

POLL_S = 1.0


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Do what was asked; returns the exit code."""
    actions: dict[str, Callable[[Settings, argparse.Namespace], int]] = {
        "list": _list,
        "export": _export,
        "verify": _verify,
        "import": _import,
        "prune": prune.run,
    }
    return actions[asked.action](settings, asked)


def _list(settings: Settings, asked: argparse.Namespace) -> int:
    narrow = _filter(asked)
    stopped = _ctrl_c() if asked.follow else None
    with wiring.trail_of(settings) as database:
        with database.reading() as connection:
            after, _ = trail.head_of(connection)
            _show(trail.read(connection, narrow, newest=asked.last))
        while stopped is not None and not stopped.wait(POLL_S):
            with database.reading() as connection:
                before, (after, _) = after, trail.head_of(connection)
                _show(trail.read(connection, narrow, after=before), header=False)
    return 0


def _ctrl_c() -> threading.Event:
    """Return what Ctrl-C sets from now on; a second one interrupts.

    An interruption may come in the middle of anything, such as giving back a connection, and leave a complaint.
    """
    stopped = threading.Event()

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    return stopped


def _export(settings: Settings, asked: argparse.Namespace) -> int:
    narrow = _filter(asked)
    form = exports.jsonl if asked.format == "jsonl" else exports.comma_separated
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # whatever the locale: an export can be recomputed
    with wiring.trail_of(settings) as database, database.reading() as connection:
        for line in form(trail.read(connection, narrow)):
            print(line)
    return 0


def _verify(settings: Settings, asked: argparse.Namespace) -> int:
    if asked.file is not None:
        if asked.slack:
            raise ConfigurationError(["--slack: it is for the database; leave FILE out"])
        return _verify_file(asked.file, partial=asked.partial)
    if asked.partial:
        raise ConfigurationError(["--partial: it is for an export; name its FILE"])
    with wiring.trail_of(settings) as database:
        verdict = _verdict(database)
        print(_sentence("trail", verdict))
        code = 0 if verdict.fault is None else 1
        if asked.slack:
            from bot.cli import witness

            code = max(code, witness.run(settings, database))
    return code


def _verdict(database: Database) -> Verdict:
    """Verify the trail; on a terminal, a bar on standard error shows how far that is."""
    with (
        Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar,
        database.reading() as connection,
    ):
        task = bar.add_task("verifying", total=trail.last_seq(connection))
        return verification.verify(connection, progress=lambda seq: bar.update(task, completed=seq))


def _verify_file(file: str, *, partial: bool) -> int:
    """Check an export with nothing but the export; returns 0 where it is whole, or partial where that is asked for."""
    with _opened(file) as stream:
        export = exports.Export(stream)
        verdict = verification.check(export, line=lambda: export.line)
    if not verdict.read and verdict.fault is None:
        print("The export is empty: there is nothing to check.")
        return 1
    if verdict.gaps and verdict.forged is None:
        places = "1 gap" if verdict.gaps == 1 else f"{verdict.gaps} gaps"
        print(
            f"This is not a whole export: it has {places}; the first one: {verdict.fault}. Every one of the "
            f"{verdict.read} events in it hashes to what it says, and links to the one before where that is there, too."
        )
        if not partial:
            print("If it was exported with filters, check it with --partial; if not, events were removed.")
        return 0 if partial else 1
    if partial and verdict.forged is not None:
        print(
            f"The export is broken: {verdict.forged}. In order before that, but for the gaps: {_events(verdict.read)}."
        )
        return 1
    print(_sentence("export", verdict))
    if verdict.fault is None:
        print(
            "Whether events came after these, an export cannot show: compare its head with the newest post in the "
            "audit channel, or with the database."
        )
    return 0 if verdict.fault is None else 1


def _import(settings: Settings, asked: argparse.Namespace) -> int:
    with _opened(asked.file) as stream, wiring.database_of(settings) as database:
        try:
            done = importing.restore(database, exports.Export(stream))
        except importing.Refused as refused:
            print(f"{refused} Nothing was imported.", file=sys.stderr)
            return 1
    if done.unfinished:
        print(
            f"{done.unfinished} requests have no outcome: they were under way when the export was made, and nobody "
            "goes on with them here. Where the old database still exists, let the bot finish them there (serve), "
            "and export and import again.",
            file=sys.stderr,
        )
    print(_sentence("trail", done.verdict))
    return 0


def _sentence(what: str, verdict: Verdict) -> str:
    if verdict.fault is not None:
        more = f" And {verdict.forged}." if verdict.forged not in {None, verdict.fault} else ""
        return f"The {what} is broken: {verdict.fault}.{more} In order before that: {_events(verdict.count)}."
    said = _events(verdict.count)
    if verdict.removed is not None:
        said += f" ({verdict.first} to {verdict.seq}; those up to {verdict.removed.last} were removed by audit prune)"
    return f"The {what} is intact: {said}, head {verdict.head}."


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    """Give the file, or standard input for `-`; one that cannot be read is a wrong usage."""
    try:
        if file == "-":
            yield sys.stdin.buffer
        else:
            with Path(file).open("rb") as stream:
                yield stream
    except BrokenPipeError:
        raise
    except OSError as fault:
        raise ConfigurationError([f"FILE: {file}: {fault.strerror}"]) from fault


def _filter(asked: argparse.Namespace) -> Filter:
    faults = [f"--event: {one} is none of {', '.join(trail.EVENTS)}" for one in asked.event if one not in trail.EVENTS]
    moments: dict[str, int | None] = {"since": None, "until": None}
    for name in moments:
        text = getattr(asked, name)
        try:
            moments[name] = None if text is None else trail.milliseconds(text)
        except ValueError:
            faults.append(f"--{name}: {text!r} is no moment; write 2026-01-31 or 2026-01-31T04:00:00Z")
    faults += [
        f"--{name}: {text!r} is no UTF-8 text, and so in no event"
        for name in ("channel", "user", "label")
        if (text := getattr(asked, name)) is not None and not _is_utf8(text)
    ]
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


def _is_utf8(text: str) -> bool:
    # What a shell hands over as other bytes stands for them in a form that no database takes.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show(events: Iterable[dict[str, Any]], *, header: bool = True) -> None:
    if not sys.stdout.isatty():
        for one in events:
            print("\t".join(printable(exports.cell(one[column])) for column in COLUMNS))
        sys.stdout.flush()
        return
    terminal = console()
    # Where there is room, what comes later while following stands below what was there.
    roomy = terminal.width >= sum(COLUMNS.values()) + 2 * len(COLUMNS)
    table = Table(box=None, pad_edge=False, show_header=header)
    for column, width in COLUMNS.items():
        table.add_column(column, min_width=width if roomy else None)
    for one in events:
        moment = local_time(trail.milliseconds(one["at"]))
        table.add_row(moment, *(printable(exports.plain(one[column])) for column in list(COLUMNS)[1:]))
    if header or table.rows:
        terminal.print(table)
