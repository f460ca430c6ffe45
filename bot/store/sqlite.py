"""Opens SQLite: how it locks, and how it is noticed that its file has gone.

It refuses to know what is stored.

Sources: SQLite's "Pragma statements", and "How to corrupt an SQLite database file" (unlinking or renaming a file
while it is in use).
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, text

from bot.addresses import file_of
from bot.store.patience import WAIT_S
from bot.store.statement import Statement

POOL_SIZE = 8
LOOK_S = 0.0005
"""How often a writer looks whether another process has let go of the lock: it holds it for about a millisecond."""

_REPLACED = "the file of the database was removed or replaced"
_BEGIN = Statement(text("BEGIN IMMEDIATE"))
_BEGIN_TO_READ = Statement(text("BEGIN"))


def open_engine(url: str) -> Engine:
    """Return the engine of `sqlite:///…`; the file is made by the first connection, and by no later one."""
    # By one spelling for the driver and for who looks: by another, the system may not find what was opened.
    file = str(file_of(url))
    engine = create_engine(
        URL.create("sqlite", database=file),
        pool_size=POOL_SIZE,
        pool_timeout=WAIT_S,
        connect_args={"timeout": WAIT_S, "isolation_level": None, "check_same_thread": False},
    )
    _hold_to_its_file(engine, file)

    @event.listens_for(engine, "connect", insert=True)
    def prepare(connection: Any, _record: object) -> None:
        for pragma in (
            "journal_mode=WAL",
            # Emptying the log into the file holds up a commit. By default that is every twentieth command or so.
            "wal_autocheckpoint=4000",
            "synchronous=FULL",  # `requested` must outlive a power cut before Slack is told yes
            "foreign_keys=ON",
            "recursive_triggers=ON",  # without it OR REPLACE deletes past the triggers
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("actcode_reads", False):
            _BEGIN_TO_READ.run(connection)
        else:
            _begin_to_write(connection)

    return engine


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Read what is no UTF-8, too, which SQLite keeps as a text all the same: half a character stands for each byte."""
    driver: Any = connection.connection.driver_connection
    driver.text_factory = lambda content: content.decode(errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def undecoded(fault: exc.DBAPIError) -> bool:
    """Say whether a read failed by a text that is no UTF-8."""
    return isinstance(fault.orig, sqlite3.OperationalError) and "decode to UTF-8" in str(fault.orig)


def _begin_to_write(connection: Connection) -> None:
    """Take the write lock at once: two readers that turn into writers would fail.

    SQLite's own wait for a lock looks ever less often, up to ten times a second: where two processes write all the
    time, one of them starves.
    """
    end = time.monotonic() + WAIT_S
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0").close()
    try:
        while True:
            try:
                _BEGIN.run(connection)
            except exc.OperationalError as fault:
                if getattr(fault.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            else:
                return
            time.sleep(LOOK_S)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {round(WAIT_S * 1000)}").close()


def _hold_to_its_file(engine: Engine, path: str) -> None:
    """Let go of connections to a file that was removed or replaced: it takes writes as before, and they are lost.

    What stands under the path now is opened instead; where nothing does, nothing is made.
    """
    opened = False

    @event.listens_for(engine, "do_connect")
    def refuse_to_make_another(*_: object) -> None:
        if opened and not os.path.exists(path):  # noqa: PTH110 - asked at every connection
            raise sqlite3.OperationalError("the file of the database is gone")

    @event.listens_for(engine, "connect")
    def note(_connection: object, record: Any) -> None:
        nonlocal opened
        opened = True
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def compare(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["file"] != _identity(path):
            raise exc.DisconnectionError(_REPLACED)

    @event.listens_for(engine, "begin", insert=True)
    def compare_again(connection: Connection) -> None:
        # One that is kept between transactions is not checked out.
        if connection.info["file"] != _identity(path):
            fault = sqlite3.OperationalError(_REPLACED)
            connection.invalidate(fault)
            raise exc.OperationalError("BEGIN", None, fault, connection_invalidated=True)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at every transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino
