"""Puts a long trail into databases quickly, and leaves them as a year of use would have.

It knows how each database takes millions of rows. It refuses to know what the rows say. The program's tables are made
by the program's own migration; what is set aside while the rows go in (indexes, triggers) stands again at the end.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Self

import psycopg
from sqlalchemy import Engine

from bot.store.database import Database
from tests.bench.events import Row, rows

CHUNK = 20_000
_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * len(Row._fields))})"  # noqa: S608 - question marks
_HEAD = "UPDATE head SET seq = {seq}, hash = '{hash}'"


def fill(databases: Sequence[Database], count: int, *, now: int) -> None:
    """Put the same trail of `count` events into each of the databases, which have no events yet and are not in use."""
    for one in databases:
        one.close()
    last: Row | None = None
    with contextlib.ExitStack() as stack:
        sinks = [_sink(one) for one in databases]
        for sink in sinks:
            stack.enter_context(sink)
        trail = rows(count, now=now)
        while chunk := list(islice(trail, CHUNK)):
            for sink in sinks:
                sink.take(chunk)
            last = chunk[-1]
        if last is not None:
            head = _HEAD.format(seq=last.seq, hash=last.hash)
            # The databases build their indexes beside each other: it is they who work now.
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda sink: sink.end(head), sinks))
    # What the kernel has still to write would otherwise be paid for by whoever is measured first.
    os.sync()


class _Sqlite:
    """Takes rows into a SQLite file."""

    def __init__(self, engine: Engine) -> None:
        self._connection = sqlite3.connect(str(engine.url.database), isolation_level=None, check_same_thread=False)

    def __enter__(self) -> Self:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.execute("BEGIN IMMEDIATE")
        # Indexes are built from sorted rows at the end. Triggers ask questions that these rows need not answer.
        self._aside = self._connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'events' AND type IN ('index', 'trigger') "
            "AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in self._aside:
            self._connection.execute(f"DROP {kind} {name}")
        return self

    def take(self, chunk: Sequence[Row]) -> None:
        """Take rows, the next ones of the trail."""
        self._connection.executemany(_INSERT, chunk)

    def end(self, head: str) -> None:
        """Build what was set aside, and say where the trail ends."""
        for _, _, ddl in self._aside:
            self._connection.execute(ddl)
        self._connection.execute(head)
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA journal_mode=WAL").close()

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class _Postgresql:
    """Takes rows into a PostgreSQL database."""

    def __init__(self, engine: Engine) -> None:
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(url, autocommit=True)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._connection.execute("SET maintenance_work_mem = '1GB'")
        self._connection.execute("SET synchronous_commit = off")
        self._connection.execute("BEGIN")
        self._aside = list(self._set_aside())
        self._copy = self._stack.enter_context(self._connection.cursor().copy("COPY events FROM STDIN"))
        return self

    def _set_aside(self) -> Iterator[str]:
        """Drop every index but the primary key's; yields what makes each one again."""
        indexes = self._connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'events' AND indexname <> 'events_pkey'"
        ).fetchall()
        for name, definition in indexes:
            self._connection.execute(f"DROP INDEX {name}")
            yield definition

    def take(self, chunk: Sequence[Row]) -> None:
        """Take rows, the next ones of the trail."""
        for row in chunk:
            self._copy.write_row(row)

    def end(self, head: str) -> None:
        """Build what was set aside, say where the trail ends, and let nothing of it be left for autovacuum."""
        self._stack.close()
        for ddl in self._aside:
            self._connection.execute(ddl)
        self._connection.execute(head)
        self._connection.execute("COMMIT")
        self._connection.execute("VACUUM ANALYZE")
        self._connection.execute("CHECKPOINT")

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._connection.close()


def _sink(database: Database) -> _Sqlite | _Postgresql:
    return _Sqlite(database.engine) if database.dialect == "sqlite" else _Postgresql(database.engine)
