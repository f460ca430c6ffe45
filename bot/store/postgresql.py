"""Opens PostgreSQL, so that nobody waits for longer than `bot.store.patience` says, whatever server and network do.

A server that is frozen, and a proxy whose other side is gone, take what they are sent and never answer: neither the
server's own time-outs nor TCP's end that. It refuses to know what is stored.

Sources: PostgreSQL's "Database Connection Control Functions" (the parameters of a connection).
"""

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, text

from bot.store import patience
from bot.store.errors import DatabaseUnavailable
from bot.store.patience import WAIT_S
from bot.store.statement import send
from bot.store.wording import first_line

T = TypeVar("T")

POOL_SIZE = 8
HELD_S = 3.0
"""A transaction takes milliseconds. PostgreSQL ends one whose process has been silent in it for so long: a process that
is paused, or whose machine is gone, must not keep the head locked until all the others look dead, too."""

_NAME = "actcode"
_OPTIONS = (
    f"-c lock_timeout={int(WAIT_S * 1000)} -c statement_timeout=60000 "
    f"-c idle_in_transaction_session_timeout={int(HELD_S * 1000)} "
    # Plans are made once a connection, for any values: to plan anew took a quarter of a small statement's time. What a
    # good plan depends on (the events of a partial index, a LIMIT) is no parameter, therefore.
    "-c plan_cache_mode=force_generic_plan "
    # Whatever the server's default is: what is acknowledged must outlive its crash.
    "-c synchronous_commit=on"
)
_THE_END = {"FATAL", "PANIC"}
"""The severities behind which the server hangs up ("Message Severity Levels")."""


def open_engine(url: str) -> Engine:
    """Return the engine of `postgresql+psycopg://…`.

    Raises:
        DatabaseUnavailable: the URL's hosts and ports do not fit together.
    """
    try:
        engine = _engine(make_url(url))
    except exc.ArgumentError as fault:
        raise DatabaseUnavailable(first_line(fault)) from fault

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: Any, named: Any) -> "Impatient":
        try:
            return Impatient.connect(*arguments, **named)
        except UnicodeError as fault:
            raise psycopg.OperationalError("no host can have such a name") from fault

    @event.listens_for(engine, "before_cursor_execute")
    def keep_the_order(connection: Connection, *_: object) -> None:
        send(connection)

    return engine


def _engine(url: URL) -> Engine:
    # What is said here goes before what the URL says of the same. Its options stay, because they may tell where the
    # tables are; where they set what ours do, the server takes the last word, which is ours.
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=WAIT_S,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 2,  # whole seconds; libpq takes no less
            # Where packets vanish, the kernel would go on for a quarter of an hour.
            "tcp_user_timeout": 5000,
            "keepalives": 1,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "options": " ".join([*url.normalized_query.get("options", ()), _OPTIONS]),
            "application_name": _NAME,  # by which end_silent finds us
        },
    )


def end_silent(engine: Engine) -> int:
    """End the transactions whose process has fallen silent in the middle of a batch of changes.

    PostgreSQL itself ends those of which it knows that they wait for their process (`HELD_S`). In the middle of a batch
    it takes them for busy, and a process that is paused right there would keep the head until it goes on.

    Returns:
        How many there were.
    """
    with engine.connect() as connection:
        connection.execute(_AS_WHO_LOGGED_IN)
        return int(connection.execute(_END_SILENT).scalar_one())


# The options of the URL may set another role: sessions are listed, and may be ended, by whoever logged in.
_AS_WHO_LOGGED_IN = text("SET LOCAL ROLE NONE")
_END_SILENT = text(f"""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = session_user AND application_name = '{_NAME}'
    AND state = 'active' AND wait_event = 'ClientRead' AND state_change < now() - interval '{HELD_S} seconds'
""")  # noqa: S608 - constants


class TooLateError(psycopg.OperationalError):
    """The limit of the call was over before the server had answered."""


class Impatient(psycopg.Connection[Any]):
    """A connection that is closed when the limit of the call is over, or when the server has ended it.

    In the middle of a batch psycopg has heard the server's last words, but not yet that the connection is gone; whoever
    asks whether it broke, because then the commit of the batch may have happened all the same, would be told no.
    """

    @classmethod
    def _connect_gen(cls, *arguments: Any, **named: Any) -> Any:
        return _until_it_is_over(super()._connect_gen(*arguments, **named))

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **named: Any) -> T:
        """Wait for an answer of the server; psycopg asks every 0.1 s whether to go on."""
        try:
            answered: T = super().wait(_until_it_is_over(gen), *arguments, **named)
        except psycopg.Error as fault:
            if isinstance(fault, TooLateError) or fault.diag.severity_nonlocalized in _THE_END:
                self.close()  # what still comes must not be taken for the answer to something else
            raise
        return answered


def _until_it_is_over(gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    try:
        state = next(gen)
        while True:
            ready = yield state
            if (left := patience.left()) is not None and left <= 0:
                raise TooLateError("the server did not answer in time")
            state = gen.send(ready)
    except StopIteration as end:
        answered: T = end.value
        return answered


__all__ = ["HELD_S", "Impatient", "TooLateError", "end_silent", "open_engine"]
