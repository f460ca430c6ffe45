"""The door for Socket Mode: slack_sdk's built-in client, which needs no address that the world can reach.

It knows how the connection starts and stops. It refuses to know what a command means.

Source: Slack's "Using Socket Mode".
"""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import health, wiring
from bot.config import ConfigurationError, Settings
from bot.store.database import Database

RETRY_S = 5.0

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve Socket Mode until SIGTERM or SIGINT; then take no more, finish what is under way, and return.

    Raises:
        ConfigurationError: Slack does not accept the token.
    """
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with wiring.database_of(settings) as database, _health_server(settings.metrics_port, database):
        service = wiring.service(settings, database)
        service.worker.start()
        try:
            with connected(settings, service, stopping):
                stopping.wait()
        finally:
            service.worker.stop(grace_s=settings.grace_s)


@contextmanager
def connected(settings: Settings, service: wiring.Service, stopping: threading.Event) -> Iterator[None]:
    """Keep a connection to Slack, over which the commands come.

    Raises:
        ConfigurationError: Slack does not accept the token.
    """
    client = WebClient(base_url=settings.slack_api_url, timeout=wiring.SLACK_TIMEOUT_S)
    handler = SocketModeHandler(service.app, settings.slack_app_token, web_client=client)
    try:
        while not stopping.is_set():
            try:
                handler.connect()
            except SlackApiError as fault:
                what = str(fault.response.get("error"))
                if what in {
                    "invalid_auth",
                    "not_authed",
                    "account_inactive",
                    "token_revoked",
                    "not_allowed_token_type",
                }:
                    raise ConfigurationError(
                        [f"SLACK_APP_TOKEN: Slack does not accept it ({what}). Make a new app-level token (xapp-…)."]
                    ) from fault
                log.warning("Slack did not give a connection (%s); trying again", what)
            except (OSError, HTTPException) as fault:
                log.warning("Slack was not reached (%s); trying again", type(fault).__name__)
            else:
                log.info("connected to Slack; /actcode is served")
                break
            stopping.wait(RETRY_S)
        yield
    finally:
        _close(handler)


def _close(handler: SocketModeHandler) -> None:
    try:
        handler.close()
    except AttributeError:
        # slack_sdk 3.47 may lose a race of its own in there, before its threads have ended: they would keep the
        # process alive. The second time there is no connection to race for.
        with contextlib.suppress(AttributeError):
            handler.close()


@contextmanager
def _health_server(port: int | None, database: Database) -> Iterator[None]:
    if port is None:
        yield
        return

    def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found = health.answer(environ["PATH_INFO"], database) if environ["REQUEST_METHOD"] in {"GET", "HEAD"} else None
        if found is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There is nothing here.\n"]
        status, content_type, body = found
        start_response(f"{status.value} {status.phrase}", [("Content-Type", content_type)])
        return [body]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Keep no log of accesses."""

    with make_server("127.0.0.1", port, site, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
