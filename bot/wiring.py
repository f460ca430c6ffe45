"""The composition root: the only place that builds the database, the clients and the threads, from the settings.

It knows how the rooms fit together. It refuses to decide anything.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bot import addresses, garbage, trail
from bot.config import ConfigurationError, Settings
from bot.mpc import MPC
from bot.policy import Policy
from bot.retrieval import Retrieval
from bot.store.database import SCHEMA, Database
from bot.worker import Errands, Worker

if TYPE_CHECKING:
    from slack_bolt import App
    from slack_sdk import WebClient

SLACK_TIMEOUT_S = 10
INTERACTION_TIMEOUT_S = 2
"""Of the 3 s after which Slack takes an interaction for lost, and in which a `trigger_id` can be used."""


def _not_counted(_method: str, _error: str) -> None:
    """Where nobody reads numbers, as on the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """What a command on the terminal works with."""

    database: Database
    retrieval: Retrieval
    worker: Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What serves Slack.

    Attributes:
        numbers: returns the text of `/metrics`.
        failed: counts a call that Slack did not take.
    """

    database: Database
    worker: Worker
    app: "App"
    numbers: Callable[..., bytes]
    failed: Callable[[str, str], None]


@contextmanager
def database_of(settings: Settings) -> Iterator[Database]:
    """Give the database, with this program's tables in it; SQLite gets them here.

    Raises:
        SchemaError: PostgreSQL does not have them, or the database is newer than this program.
        DatabaseUnavailable: it does not answer.
    """
    database = Database(settings.database_url)
    try:
        if database.dialect == "sqlite" and (database.schema() or "") < SCHEMA:
            from bot.migrations.run import upgrade  # noqa: PLC0415 - Alembic is slow to load

            upgrade(database)
        database.check_schema()
        yield database
    finally:
        database.close()


@contextmanager
def trail_of(settings: Settings) -> Iterator[Database]:
    """Give the database for whoever reads the trail, or removes of it: where there is no file, none is made.

    A new and empty one would pass for the trail, be it that the command was started in another folder, or that
    somebody deleted the trail.

    Raises:
        ConfigurationError: there is no file.
        SchemaError, DatabaseUnavailable: see `database_of`.
    """
    file = addresses.file_of(settings.database_url)
    if file is not None and not os.path.exists(file):  # noqa: PTH110 - this one is False, too, where nobody may look
        raise ConfigurationError(
            [
                f"DATABASE_URL: there is no database at {file}, or this user may not see it. None was made: start this "
                "in the folder of the bot, or name the file of the trail; if that is lost, restore the last backup."
            ]
        )
    with database_of(settings) as database:
        yield database


def terminal(settings: Settings, database: Database) -> Terminal:
    """Build what `retrieve` needs: the same use case, and nobody to tell but who waits for it."""
    owner = trail.new_id()
    mpc = MPC(api_url=settings.mpc_api_url, timeout_s=settings.mpc_timeout_s)
    retrieval = _retrieval(settings, database, owner, mpc)
    errands = _errands(settings, database, owner) if settings.slack_bot_token and settings.audit_channel else None
    if errands is not None:
        errands = Errands(reply=lambda: None, tell=errands.tell)
    return Terminal(
        database=database,
        retrieval=retrieval,
        worker=Worker(database=database, retrieval=retrieval, owner=owner, errands=errands),
    )


@garbage.left_alone()
def service(settings: Settings, database: Database) -> Service:
    """Build what `serve` needs; nothing runs yet. What goes on in `database` is counted from now on."""
    from bot.metrics import MeasuredMPC, Metrics  # noqa: PLC0415 - nor does it load Prometheus' client
    from bot.slack.actcode import Actcode  # noqa: PLC0415 - the terminal does not load Bolt
    from bot.slack.app import build_app  # noqa: PLC0415
    from bot.slack.form import Form  # noqa: PLC0415
    from bot.slack.home import AppHome  # noqa: PLC0415
    from bot.slack.shortcuts import MessageShortcut  # noqa: PLC0415

    owner = trail.new_id()
    metrics = Metrics()
    database.observer = metrics
    mpc = MeasuredMPC(api_url=settings.mpc_api_url, timeout_s=settings.mpc_timeout_s, answered=metrics.asked)
    retrieval = _retrieval(settings, database, owner, mpc)
    quick = slack_client(settings, metrics.slack_failed, timeout_s=INTERACTION_TIMEOUT_S)
    errands = _errands(settings, database, owner, metrics.slack_failed)
    home = AppHome(database=database, client=quick, policy=policy_of(settings), owner=owner)

    def reply() -> float | None:
        pauses = [pause_s for pause_s in (errands.reply(), home.step()) if pause_s is not None]
        return min(pauses, default=None)

    worker = Worker(database=database, retrieval=retrieval, owner=owner, errands=replace(errands, reply=reply))
    home.wake = worker.wake_replier
    form = Form(client=quick, retrieval=retrieval, policy=policy_of(settings), count=metrics.command)
    actcode = Actcode(database=database, retrieval=retrieval, count=metrics.command)
    surfaces = (actcode, form, MessageShortcut(form=form), home)
    app = build_app(token=settings.slack_bot_token or "", surfaces=surfaces, acknowledged=metrics.acknowledged)
    return Service(
        database=database,
        worker=worker,
        app=app,
        numbers=partial(metrics.text, database),
        failed=metrics.slack_failed,
    )


def policy_of(settings: Settings) -> Policy:
    """Return the rules of this installation."""
    return Policy(
        allowed_channels=settings.allowed_channels,
        allowed_users=settings.allowed_users,
        max_labels=settings.max_labels,
        user_hourly_limit=settings.user_hourly_limit,
        cooldown_s=settings.cooldown_s,
    )


def slack_client(
    settings: Settings, failed: Callable[[str, str], None] = _not_counted, *, timeout_s: int = SLACK_TIMEOUT_S
) -> "WebClient":
    """Build a client of the Web API with the bot's token, which never repeats a call by itself."""
    from bot.slack.client import Client  # noqa: PLC0415 - the terminal does not load it without need

    # Its default would send a post again whose connection broke after Slack had taken it.
    return Client(
        token=settings.slack_bot_token,
        base_url=settings.slack_api_url,
        timeout=timeout_s,
        retry_handlers=[],
        failed=failed,
    )


def _retrieval(settings: Settings, database: Database, owner: str, mpc: MPC) -> Retrieval:
    return Retrieval(
        database=database,
        mpc=mpc,
        policy=policy_of(settings),
        owner=owner,
        rate_per_s=settings.mpc_rate_per_s,
        jitter=random.random,
        stations=settings.station_codes,
    )


def _errands(
    settings: Settings, database: Database, owner: str, failed: Callable[[str, str], None] = _not_counted
) -> Errands:
    from bot.slack.audit_channel import AuditChannel  # noqa: PLC0415
    from bot.slack.replies import Replies  # noqa: PLC0415

    client = slack_client(settings, failed)
    replies = Replies(database=database, client=client, owner=owner, failed=failed)
    if settings.audit_channel is None:
        return Errands(reply=replies.step, tell=lambda: None)
    channel = AuditChannel(database=database, client=client, channel_id=settings.audit_channel, owner=owner)
    channel.follow()
    return Errands(reply=replies.step, tell=channel.step)
