"""Writes: transactions that no other write of the whole installation overlaps, one or several writes in each.

It knows whether one that failed may have happened all the same. It refuses to know what is written.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, exc, text

from bot.store.errors import CommitUnheard, HeadMissing
from bot.store.grouping import Write
from bot.store.statement import Statement, putting_off, send
from bot.store.wording import first_line, sentences

_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_HEAD = {
    "sqlite": Statement(text("SELECT seq, hash FROM head WHERE one = 1")),
    "postgresql": Statement(
        text(
            # The time is taken behind the lock: beside it, it would be that of before the wait for it.
            "SELECT seq, hash, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now "
            "FROM (SELECT seq, hash FROM head WHERE one = 1 FOR UPDATE) AS locked"
        )
    ),
}

# What SQLite says of a commit that it could not even write; after a failed fsync, say, the next start may find it.
# PostgreSQL takes back what it answers an error to, and so only a connection that broke leaves a doubt.
_NOT_WRITTEN = {"SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY"}


log = logging.getLogger(__name__)


@dataclass(slots=True)
class Transaction:
    """A write under way, alone in the whole installation.

    Attributes:
        connection: the connection it runs on.
        now: the database's clock, milliseconds since 1970.
        seq: the number of the last event of the trail; `bot.trail` moves it.
        hash: the hash of that event.
        began_at: the moment of `now`, `time.monotonic()`; what was written before in it has taken time since.
        recorded: what the events are called that `bot.trail` has appended.
    """

    connection: Connection
    now: int
    seq: int
    hash: str
    began_at: float
    recorded: list[str] = field(default_factory=list)


class _OneFailedError(Exception):
    """One of several writes has failed, and by itself: the others need not."""


class Writer:
    """Makes writes on one connection, which it keeps from one transaction to the next.

    To have one from the pool and to give it back takes as long as a small transaction itself. One that has broken
    meanwhile shows by the first statement, before anything has happened. One writes at a time.

    Args:
        engine: whose connections.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Connection | None = None

    def make(self, group: Sequence[Write]) -> list[str]:
        """Make writes in one transaction; one that fails takes nothing with it but itself.

        Returns:
            What the events are called that they have recorded.

        Raises:
            DatabaseUnavailable: nothing of them was stored.
            CommitUnheard: they may have been.
        """
        try:
            return self._together(group)
        except _OneFailedError:
            recorded = []
            for one in group:
                try:
                    recorded += self._together([one])
                except Exception as fault:  # noqa: BLE001 - it is raised where it belongs
                    one.fault = fault
            return recorded

    def close(self) -> None:
        """Let go of the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _together(self, group: Sequence[Write]) -> list[str]:
        with sentences():
            connection, head = self._locked()
            try:
                now = head.now if self._engine.dialect.name == "postgresql" else time.time_ns() // 1_000_000
                tx = Transaction(connection, now, head.seq, head.hash, time.monotonic())
                try:
                    for one in group:
                        one.result = one.work(tx)
                    _commit(connection)
                except Exception as fault:
                    if len(group) == 1 or connection.invalidated or isinstance(fault, CommitUnheard):
                        raise
                    raise _OneFailedError from fault
            except BaseException:
                connection.close()
                raise
            self._kept = connection
        return tx.recorded

    def _locked(self) -> tuple[Connection, Any]:
        """Return a connection in a transaction that no other overlaps, and the head of the trail."""
        kept, self._kept = self._kept, None
        try:
            if kept is not None:
                try:
                    return _lock(kept)
                except exc.DBAPIError as fault:
                    if not fault.connection_invalidated:
                        raise
            return _lock(putting_off(self._engine.connect()))
        except exc.DBAPIError as fault:
            if getattr(fault.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                self._free_the_head()
            raise

    def _free_the_head(self) -> None:
        """See to it that whoever comes next can have the lock, where its holder would never let go of it."""
        from bot.store.postgresql import end_silent  # noqa: PLC0415 - SQLite does not load it

        if end_silent(self._engine):
            log.warning("a process fell silent in the middle of a write and held up all others: its write was ended")


def _lock(connection: Connection) -> tuple[Connection, Any]:
    try:
        connection.begin()
        head = _LOCK_HEAD[connection.dialect.name].run(connection).first()
    except BaseException:
        connection.close()
        raise
    if head is None:
        connection.close()
        raise HeadMissing
    return connection, head


def _commit(connection: Connection) -> None:
    transaction = connection.get_transaction()
    assert transaction is not None  # noqa: S101 - it has been begun by whoever gave the connection
    try:
        send(connection, commit=True)
        transaction.commit()
    except exc.DBAPIError as fault:
        kind = getattr(fault.orig, "sqlite_errorname", None)
        if kind in _NOT_WRITTEN or (kind is None and not fault.connection_invalidated):
            raise
        raise CommitUnheard(first_line(fault)) from fault
