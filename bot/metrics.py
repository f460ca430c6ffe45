"""The numbers of an installation, as Prometheus reads them: each is declared here, once.

What is counted lives in the process that counts it; what can be looked up (the queue, the backlog, the breaker) is
read from the database when somebody asks, so that every process tells the same. Outcomes are counted and not looked
up: to count the rows of a trail takes the longer, the longer the trail is, and a trail may be pruned. They are counted
where they are committed, so no way to an outcome is forgotten, and none is counted that was rolled back. After a
restart a counter begins at zero again, which `rate` and `increase` know.

It refuses to know what the numbers mean. Only `serve` loads it; the rooms that are measured know a callable at most.

Source: "Metric and label naming" of Prometheus, and prometheus_client's "Multiprocess Mode (E.g. Gunicorn)".
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from bot.answers import Answer
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.remedies import WHAT_TO_DO
from bot.store import breaker, outbox
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.patience import ANSWER_S

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where it is set before this module is loaded, processes that share the folder tell the sum of what they counted."""

ACK_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Up to Slack's limit: what took longer was not heard."""
MPC_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)

METHODS = frozenset({
    "apps.connections.open", "auth.test", "chat.postEphemeral", "chat.postMessage", "conversations.history",
    "conversations.info", "conversations.join", "conversations.open", "response_url", "views.open", "views.publish",
    "views.update",
})  # fmt: skip
WORDS = frozenset({
    *WHAT_TO_DO, "expired_trigger_id", "invalid_blocks", "msg_too_long", "no_text", "ratelimited", "request_timeout",
    "user_not_found", "user_not_in_channel", *(f"HTTP {one}" for one in (400, 403, 404, 410, 429, 500, 502, 503, 504)),
    "ConnectionResetError", "RemoteDisconnected", "TimeoutError", "URLError",
})  # fmt: skip
"""Slack's words for an error, and what else a call fails with: a label must not take any number of values."""
OTHER = "other"
OUTCOMES = frozenset(one.value for one in Outcome)


class Metrics:
    """What this process counts; the one instance of a process is made by whoever serves."""

    def __init__(self) -> None:
        disable_created_metrics()
        self._own = CollectorRegistry()
        # Processes that share a folder write there; what is then told is read from the folder, and not from here.
        registry = None if FOLDER in os.environ else self._own
        self._commands = Counter(
            "actcode_commands", "What people asked for in Slack, and how it was answered",
            ("surface", "answer"), registry=registry,
        )  # fmt: skip
        self._outcomes = Counter(
            "actcode_outcomes", "Outcomes that were recorded in the trail", ("outcome",), registry=registry
        )
        self._acknowledged = Histogram(
            "actcode_acknowledgement_seconds", "How long the bot took to acknowledge a delivery",
            buckets=ACK_S, registry=registry,
        )  # fmt: skip
        self._mpc = Histogram(
            "actcode_mpc_seconds", "How long the MPC took for one request for a code, by what came of it",
            ("outcome",), buckets=MPC_S, registry=registry,
        )  # fmt: skip
        self._slack_errors = Counter(
            "actcode_slack_errors", "Calls that Slack did not take, and what was wrong",
            ("method", "error"), registry=registry,
        )  # fmt: skip
        self._unavailable = Counter(
            "actcode_database_unavailable", "What the database could not do when it was to be done", registry=registry
        )
        # A series that begins with its first increase hides that one from `increase`.
        for outcome in Outcome:
            self._outcomes.labels(outcome)
        self._commands.labels("slash", "asked")
        self._slack_errors.labels("chat.postMessage", OTHER)
        for outcome in (Outcome.ACCEPTED, Outcome.REJECTED, Outcome.UNAVAILABLE, Outcome.UNKNOWN):
            self._mpc.labels(outcome)

        if FOLDER in os.environ:
            _reserve(Path(os.environ[FOLDER]))

    def command(self, surface: str, answer: str) -> None:
        """Somebody asked for something in Slack; both words are the caller's own, and few."""
        self._commands.labels(surface, answer).inc()

    def acknowledged(self, seconds: float) -> None:
        """A delivery of Slack's was acknowledged after so long."""
        self._acknowledged.observe(seconds)

    def asked(self, answer: Answer) -> None:
        """The MPC was asked for a code once."""
        self._mpc.labels(answer.outcome).observe(answer.elapsed_ms / 1000)

    def slack_failed(self, method: str, error: str) -> None:
        """Slack did not take a call."""
        self._slack_errors.labels(
            method if method in METHODS else OTHER, error if error in WORDS else OTHER
        ).inc()  # fmt: skip

    def committed(self, events: Collection[str]) -> None:
        """These events are in the trail from now on."""
        for event in events:
            if event in OUTCOMES:
                self._outcomes.labels(event).inc()

    def unavailable(self) -> None:
        """The database could not do something."""
        self._unavailable.inc()

    def text(self, database: Database, **up: bool) -> bytes:
        """Return all numbers in Prometheus' text format.

        Args:
            database: where the queue is.
            up: what else stands, or does not.
        """
        registry = CollectorRegistry()
        if FOLDER in os.environ:
            MultiProcessCollector(registry, os.environ[FOLDER])
        else:
            registry.register(self._own)
        registry.register(_LookedUp(database, up))
        return generate_latest(registry)


def _reserve(folder: Path) -> None:
    """Take the room on the disk that this process's files say they have.

    They are written through memory: where the disk is full by then, the kernel would end the process.
    """
    for path in folder.glob(f"*_{os.getpid()}.db"):
        with path.open("r+b") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class MeasuredMPC(MPC):
    """The MPC, with a stop-watch.

    Args:
        answered: called with the answer to each request for a code.
    """

    def __init__(self, *, api_url: str, timeout_s: float, answered: Callable[[Answer], None]) -> None:
        super().__init__(api_url=api_url, timeout_s=timeout_s)
        self._answered = answered

    def retrieve(self, label: str, *, leave: Callable[[], bool]) -> Answer:
        """Ask once, as `MPC.retrieve` does."""
        answer = super().retrieve(label, leave=leave)
        self._answered(answer)
        return answer


class _LookedUp:
    """What is read from the database at the moment of asking."""

    def __init__(self, database: Database, up: Mapping[str, bool]) -> None:
        self._database = database
        self._up = up

    def collect(self) -> Iterator[Metric]:
        for name, value in self._up.items():
            yield _gauge(f"{name}_up", "1 while it stands", value)
        try:
            found, broken = self._database.read(lambda tx: (outbox.backlog(tx), breaker.since(tx)), within_s=ANSWER_S)
        except DatabaseUnavailable:
            yield _gauge("database_up", "1 while the database can be read", 0)
            return
        yield _gauge("database_up", "1 while the database can be read", 1)
        oldest_s = 0.0 if found.oldest is None else max(0.0, time.time() - found.oldest / 1000)
        yield _gauge("open_requests", "Requests without an outcome", found.open_requests)
        yield _gauge("oldest_open_seconds", "Age of the oldest of them", oldest_s)
        yield _gauge("replies_due", "Commands whose asker is still to be told", found.replies)
        yield _gauge("audit_backlog", "Events that the audit channel has not been told of", found.behind)
        yield _gauge("trail_head", "Number of the last event of the trail", found.head)
        yield _gauge("breaker_open", "1 while the MPC does not serve the bot, and is only probed", broken is not None)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"actcode_{name}", about, value=value)
