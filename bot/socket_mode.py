"""The door for Socket Mode, which needs no address that the world can reach.

It knows how the line to Slack starts and stops, and how Bolt is asked. It refuses to know what a command means.

Source: Slack's "Using Socket Mode".
"""

import json
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from slack_bolt import App, BoltRequest

from bot import health, wiring
from bot.config import ConfigurationError, Settings
from bot.socket_line import Line
from bot.socket_link import Envelope
from bot.socket_ticket import Tickets

LOOK_S = 0.1
PATIENCE_S = 3.0
"""How long somebody who asks for a page may be silent."""

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve Socket Mode until SIGTERM or SIGINT; then take no more, finish what is under way, and return.

    Raises:
        ConfigurationError: Slack does not accept the token, or not any more.
    """
    with wiring.database_of(settings) as database, _signals() as (told, tell):
        service = wiring.service(settings, database)
        line = _line(settings, service, given_up=lambda: tell.send(b"!"))
        with _health_server(settings.metrics_port, service, line):
            service.worker.start()
            try:
                with _held(line):
                    told.recv(1)
            finally:
                service.worker.stop(grace_s=settings.grace_s)


@contextmanager
def connected(settings: Settings, service: wiring.Service) -> Iterator[None]:
    """Keep a connection to Slack, over which the commands come; begins when it stands.

    Raises:
        ConfigurationError: Slack does not accept the token.
    """
    line = _line(settings, service, given_up=lambda: None)
    with _held(line):
        while not line.wait(LOOK_S) and line.fault is None:
            pass
        yield


@contextmanager
def _signals() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a socket on which SIGTERM and SIGINT can be read, and the other end of it.

    A thread that waits for a `threading.Event` may sleep through a signal that comes just before it falls asleep, and
    then never stops; what is written is read.
    """
    told, tell = socket.socketpair()
    with told, tell:
        tell.settimeout(0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(tell.fileno())
        try:
            yield told, tell
        finally:
            signal.set_wakeup_fd(-1)


@contextmanager
def _held(line: Line) -> Iterator[None]:
    line.start()
    try:
        yield
    finally:
        line.close()
    if line.fault is not None:
        raise line.fault


def _line(settings: Settings, service: wiring.Service, *, given_up: Callable[[], object]) -> Line:
    tickets = Tickets(
        api_url=settings.slack_api_url,
        app_token=settings.slack_app_token,
        timeout_s=wiring.SLACK_TIMEOUT_S,
        failed=service.failed,
    )
    return Line(
        ticket=lambda switched_off: tickets.ask(switched_off=switched_off),
        answer=partial(acknowledgement, service.app),
        answered=service.worker.wake,
        proxy=tickets.proxy,
        given_up=given_up,
    )


def acknowledgement(app: App, envelope: Envelope) -> str | None:
    """Return what Slack is to be sent for a delivery; None where Bolt answers anything but a 200.

    Slack takes everything that is sent for a yes, and shows the person a failure where nothing comes.
    """
    payload = envelope.get("payload")
    if not isinstance(payload, dict):
        return None
    response = app.dispatch(BoltRequest(body=payload, mode="socket_mode"))
    if response.status != 200:
        return None
    start = f'{{"envelope_id": {json.dumps(envelope["envelope_id"])}'
    if not response.body:
        return start + "}"
    is_json = (response.first_headers().get("content-type") or "").startswith("application/json")
    return f'{start}, "payload": {response.body if is_json else json.dumps({"text": response.body})}}}'


class _Door(ThreadingMixIn, WSGIServer):
    """Serves each connection on its own: one that says nothing keeps nobody waiting, and does not outlive the end."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Log what went wrong with a request, instead of a traceback on standard error."""
        fault = sys.exc_info()[1]
        if isinstance(fault, OSError):  # it fell silent, or hung up
            log.debug("somebody asked for a page, and did not wait for it")
        else:
            log.error("a page could not be served", exc_info=fault)


class _Quiet(WSGIRequestHandler):
    timeout = PATIENCE_S

    def log_message(self, *_: Any) -> None:
        """Keep no log of accesses."""


@contextmanager
def _health_server(port: int | None, service: wiring.Service, line: Line) -> Iterator[None]:
    if port is None:
        yield
        return

    def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked, path = environ["REQUEST_METHOD"] in {"GET", "HEAD"}, environ["PATH_INFO"]
        more = {"socket_mode": line.standing}
        found = health.answer(path, service.database, service.numbers, **more) if asked else None
        if found is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There is nothing here.\n"]
        status, content_type, body = found
        start_response(f"{status.value} {status.phrase}", [("Content-Type", content_type)])
        return [body]

    try:
        server = make_server("127.0.0.1", port, site, _Door, _Quiet)
    except OSError as fault:
        raise ConfigurationError([f"METRICS_PORT: nobody can listen on {port} ({fault.strerror})."]) from fault
    with server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
