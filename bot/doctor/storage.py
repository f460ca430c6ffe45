"""Looks at the database: whether it is there, keeps what it is given, has the right tables, and who else uses it."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bot import addresses, logs, trail
from bot.config import Settings
from bot.doctor.findings import Finding, fault, fine, warning
from bot.remedies import WHAT_TO_DO
from bot.store import condition, outbox
from bot.store.condition import Condition
from bot.store.database import SCHEMA, Database
from bot.store.errors import DatabaseUnavailable, HeadMissing, SchemaError
from bot.store.outbox import Backlog

NEWEST = 200
"""Events that are recomputed; `audit verify` looks at all of them."""
DISK_FAULT_MB, DISK_WARNING_MB = 50, 500
"""A million events take a third of a GB, and SQLite needs room beside its file."""
OLDEST_SQLITE, OLDEST_POSTGRESQL = (3, 35), 12
"""SQLite's first one with RETURNING; PostgreSQL's oldest one that the bot was tried on is newer by far."""

_MIGRATE = "run: python -m bot db upgrade (or: python -m bot check --fix)"
_REMEDIES = (
    ("head of the trail", "keep a copy of the database as it is, and run: python -m bot audit verify"),
    ("relation", "a table is missing: keep a copy of the database as it is, and restore the last backup"),
    ("no such table", "a table is missing: keep a copy of the database as it is, and restore the last backup"),
    # First: the class of that error of PostgreSQL's holds the next word, too.
    ("read-only", "connect to the primary server, and let this user write"),
    ("readonly", "let this user write the file and its folder (SQLite makes two more files there)"),
    ("locked", "another program holds the database: end it (a backup tool, or an open sqlite3 shell?)"),
    ("busy", "another program holds the database: end it (a backup tool, or an open sqlite3 shell?)"),
    ("full", "make room on the disk"),
    ("not a database", "DATABASE_URL names a file of another kind: check it, or restore the last backup"),
    ("malformed", "the file is damaged: keep a copy as it is, and restore the last backup"),
    ("password", "check the user and the password in DATABASE_URL (@ in a password is %40)"),
    ("does not exist", "check the names in DATABASE_URL, or create the database: createdb NAME"),
    ("permission denied", "grant this user the tables of the database"),
    ("too many", "the server has no connection left: raise its max_connections, or run fewer processes"),
)
_OTHER = "check DATABASE_URL, and that the server runs, or that the file and its folder can be written"


def examine(settings: Settings, *, mend: bool) -> Iterator[Finding]:
    """Look at everything."""
    file = addresses.file_of(settings.database_url)
    if file is not None:
        looked = _place(file)
        if isinstance(looked, Finding):
            yield looked
            return
        there, free = looked
        finding = judge_disk(free)
        yield from () if finding is None else (finding,)
        if not there and not mend:
            yield _not_yet(file)
            return
    try:
        with contextlib.closing(Database(settings.database_url)) as database:
            yield from _look(database, settings, mend=mend)
    except SchemaError as failure:
        newer = "newer" in str(failure)
        yield fault("database", str(failure), "install that version" if newer else _MIGRATE, setting=True)
    except DatabaseUnavailable as failure:
        yield unavailable(str(failure))


def unavailable(why: str) -> Finding:
    """Judge a database that does not do what it is asked."""
    remedy = next((remedy for word, remedy in _REMEDIES if word in why.lower()), _OTHER)
    return fault("database", f"it does not answer ({logs.redact(why)})", remedy)


def judge_disk(free: int) -> Finding | None:
    """Judge the free space where a SQLite file lies, bytes."""
    megabytes = free // 1_000_000
    if megabytes < DISK_FAULT_MB:
        return fault(
            "disk", f"{megabytes} MB are free where the database lies", "make room: what cannot be stored is not sent"
        )
    if megabytes < DISK_WARNING_MB:
        return warning("disk", f"{megabytes} MB are free where the database lies", "make room, soon")
    return None


def judge_setup(found: Condition) -> Iterator[Finding]:
    """Judge whether a database is new enough, and keeps what it says it has stored."""
    setup = found.setup
    if found.dialect == "sqlite":
        if tuple(int(part) for part in setup["version"].split(".")[:2]) < OLDEST_SQLITE:
            yield fault(
                "database", f"SQLite {setup['version']} is too old", "install a Python with SQLite 3.35 or newer"
            )
        if setup["journal_mode"] != "wal":
            yield fault(
                "durability",
                f"SQLite's journal is {setup['journal_mode']}, not WAL: does the file lie on a network drive?",
                "put it on a disk of this machine, or use PostgreSQL",
            )
        return
    if setup["number"] < OLDEST_POSTGRESQL * 10_000:
        yield fault("database", f"PostgreSQL {setup['version']} is too old", f"use {OLDEST_POSTGRESQL} or newer")
    if setup["fsync"] == "off":
        yield fault(
            "durability",
            "fsync is off: a crash of the server may lose what was acknowledged",
            "set fsync to on in postgresql.conf",
        )


def judge_work(found: Condition, backlog: Backlog, *, expected: int) -> Iterator[Finding]:
    """Judge who is at work, and whether the work gets done.

    Args:
        found: how the database is.
        backlog: what is left to do.
        expected: how many processes this installation starts.
    """
    said = f"{found.at_work} at work on this database, {backlog.open_requests} requests open"
    if found.at_work > expected:
        yield warning(
            "processes",
            f"{said}; this installation starts {expected}, so another one uses the same database",
            "fine where it serves the same app with the same settings; if it is a test, give it a database of its own",
        )
    elif backlog.open_requests and not found.at_work:
        yield warning("processes", said, "start the bot: python -m bot serve")
    else:
        yield fine("processes", said)
    if found.broken_by is not None:
        yield warning(
            "breaker",
            f"the MPC does not serve the bot ({found.broken_by}), and is only probed",
            "see the line on the MPC; when a probe goes through, all goes on by itself",
        )


def judge_channel(untold: Sequence[str]) -> Iterator[Finding]:
    """Judge what Slack said when the audit channel was told the last time."""
    for word in untold:
        remedy = WHAT_TO_DO.get(word, "see what Slack says of it in the reference of chat.postMessage")
        yield warning(
            "audit channel", f"Slack did not take the last post ({word}); what it lacks is posted later", remedy
        )


def judge_trail(newest: Sequence[dict[str, Any]], head: tuple[int, str]) -> Finding:
    """Judge the end of the trail: its last events, oldest first, and the head that is kept beside them."""
    remedy = "keep a copy of the database as it is, and run: python -m bot audit verify"
    for before, event in zip([None, *newest], newest, strict=False):
        linked = before is None or (event["seq"], event["prev_hash"]) == (before["seq"] + 1, before["hash"])
        if not linked or trail.event_hash(event) != event["hash"]:
            return fault("trail", f"event {event['seq']} is not as it was, or does not follow the one before", remedy)
    last = (newest[-1]["seq"], newest[-1]["hash"]) if newest else (0, trail.GENESIS)
    if last != head:
        return fault("trail", f"its head says that it ends with event {head[0]}, and it ends with {last[0]}", remedy)
    return fine("trail", f"{head[0]} events, head {head[1][:12]}, and its end holds")


def _look(database: Database, settings: Settings, *, mend: bool) -> Iterator[Finding]:
    done = ""
    found = database.schema()
    if found is None or found < SCHEMA:
        if mend:
            from bot.migrations.run import upgrade  # noqa: PLC0415 - Alembic is slow to load

            upgrade(database)
            done = ", brought to the current schema just now"
        elif database.dialect == "sqlite":
            yield warning(
                "database", f"its schema is {found}, this program's {SCHEMA}", f"serve brings it there, or {_MIGRATE}"
            )
            return
    database.check_schema()
    state = condition.of(database)
    yield fine("database", f"{state.dialect} {state.setup['version']}, can be written{done}")
    yield from judge_setup(state)
    expected = 1 if settings.slack_app_token else settings.web_workers
    yield from judge_work(state, database.read(outbox.backlog), expected=expected)
    yield from judge_channel(state.untold)
    with database.reading() as connection:
        try:
            head = trail.head_of(connection)
        except HeadMissing:
            head = (0, "")
        yield judge_trail(list(trail.read(connection, trail.Filter(), newest=NEWEST)), head)


def _place(file: Path) -> tuple[bool, int] | Finding:
    """Return whether the file is there, and how many bytes are free, or why the bot cannot use the place."""
    try:
        if file.parent.is_dir():
            return file.exists(), shutil.disk_usage(file.parent).free
    except OSError as failure:
        return fault(
            "database",
            f"the file that DATABASE_URL names cannot be looked at ({failure.strerror})",
            f"let this user enter every folder on the way and write in the last one, '{file.parent}', or name another",
        )
    return fault("database", "DATABASE_URL names a folder that is not there", f"make it: mkdir -p '{file.parent}'")


def _not_yet(file: Path) -> Finding:
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=file.parent):
        return fine("database", "sqlite, not there yet; it is made at the start")
    return unavailable("its folder is readonly")
