"""What a supervisor may ask: whether this installation is well, and its numbers.

Everything here is read from the database, so that every process of an installation tells the same.
"""

import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from bot import __version__
from bot.canonical import timestamp
from bot.remedies import explained
from bot.store import breaker, channels, outbox
from bot.store.database import Database, DatabaseUnavailable
from bot.store.outbox import Backlog
from bot.store.patience import ANSWER_S

Answer = tuple[HTTPStatus, str, bytes]


def answer(path: str, database: Database, **more: bool) -> Answer | None:
    """Return the answer to a GET of `/healthz`, which tells `more`, or of `/metrics`; None for any other path."""
    if path == "/healthz":
        well, told = health(database)
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(told | more).encode() + b"\n"
    if path == "/metrics":
        return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", metrics(database)
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


def metrics(database: Database) -> bytes:
    """Return the numbers in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(database))
    return generate_latest(registry)


class _Collector:
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        try:
            found: Backlog | None = self._database.read(outbox.backlog, within_s=ANSWER_S)
        except DatabaseUnavailable:
            found = None
        yield GaugeMetricFamily(
            "actcode_database_up", "1 while the database can be read", value=0 if found is None else 1
        )
        if found is None:
            return
        oldest_s = 0.0 if found.oldest is None else max(0.0, time.time() - found.oldest / 1000)
        yield GaugeMetricFamily("actcode_open_requests", "Requests without an outcome", value=found.open_requests)
        yield GaugeMetricFamily("actcode_oldest_open_seconds", "Age of the oldest of them", value=oldest_s)
        yield GaugeMetricFamily("actcode_replies_due", "Commands whose asker is still to be told", value=found.replies)
        yield GaugeMetricFamily(
            "actcode_audit_backlog", "Events that the audit channel has not been told of", value=found.behind
        )
        yield GaugeMetricFamily("actcode_trail_head", "Number of the last event of the trail", value=found.head)
