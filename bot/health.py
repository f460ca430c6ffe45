"""What a supervisor may ask: whether this installation is well, and its numbers.

Whether it is well is read from the database, so that every process of an installation tells the same. The numbers are
`bot.metrics`', of which this knows only that they are text.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from bot import __version__
from bot.canonical import timestamp
from bot.remedies import explained
from bot.store import breaker, channels, outbox
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.patience import ANSWER_S

Answer = tuple[HTTPStatus, str, bytes]


def answer(path: str, database: Database, numbers: Callable[..., bytes], **more: bool) -> Answer | None:
    """Return the answer to a GET of `/healthz` or `/metrics`; None for any other path.

    Args:
        path: what is asked for.
        database: whose health is told.
        numbers: returns them in Prometheus' text format.
        more: what else is told, on both pages.
    """
    if path == "/healthz":
        well, told = health(database)
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(told | more).encode() + b"\n"
    if path == "/metrics":
        return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", numbers(**more)
    return None


def health(database: Database) -> tuple[bool, dict[str, Any]]:
    """Return whether the database can be read, and what there is to say about the work."""
    try:
        found, faults, broken = database.read(
            lambda connection: (outbox.backlog(connection), channels.faults(connection), breaker.since(connection)),
            within_s=ANSWER_S,
        )
    except DatabaseUnavailable:
        return False, {"status": "the database does not answer", "version": __version__}
    return True, {
        "status": "ok",
        "version": __version__,
        "open_requests": found.open_requests,
        "replies_due": found.replies,
        "audit_backlog": found.behind,
        "head": found.head,
        "audit_channel": "; ".join(map(explained, faults)) or None,
        "mpc": None if broken is None else f"does not serve the bot since {timestamp(broken[0])}: {broken[1]}",
    }
