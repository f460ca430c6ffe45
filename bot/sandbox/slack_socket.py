"""Socket Mode: the WebSockets over which the sandbox's Slack delivers.

Source: Slack's "Using Socket Mode" (hello, envelopes, acknowledgements with a payload, up to ten connections any of
which may get a delivery). What can befall one of them is in `bot.sandbox.slack_connection`.
"""

import json
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from bot.sandbox.loopback import HOST
from bot.sandbox.records import Acknowledgement, Delivery, Object
from bot.sandbox.slack_connection import Silenceable, SocketConnection
from bot.sandbox.watch import Watch

MOST_CONNECTIONS = 10
CLOSE_TIMEOUT_S = 1.0

# Connections come and go here all the time, and nobody reads of it.
_log = logging.getLogger(__name__)
_log.setLevel(logging.CRITICAL)


class SocketMode:
    """Slack's end of the WebSockets.

    Args:
        watch: the lock of what happens here.
        app_id: told in the hello.
        limit_s: how long Slack waits for an acknowledgement.
        ping_s: from one of Slack's pings to the next.

    Attributes:
        greets: whether a new connection is told hello.
        connections: the open ones, oldest first.
        opened: how many there have been.
        late: the envelope IDs that were acknowledged too late, twice, or without having been sent.
    """

    def __init__(self, *, watch: Watch, app_id: str, limit_s: float, ping_s: float) -> None:
        self.greets = True
        self.connections: list[SocketConnection] = []
        self.opened = 0
        self.late: list[str] = []
        self._watch = watch
        self._app_id = app_id
        self._limit_s = limit_s
        self._ping_s = ping_s
        self._tickets: set[str] = set()
        self._coming: set[ServerConnection] = set()
        self._waiting: dict[str, tuple[float, Object] | None] = {}
        self._turn = 0
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen on a free port."""
        self._server = serve(
            self._converse,
            HOST,
            0,
            backlog=128,
            process_request=self._admit,
            compression=None,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=self._ping_s,
            logger=_log,
            create_connection=Silenceable,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="sandbox Slack: sockets", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close every connection, and stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server = self._thread = None

    def url(self) -> str:
        """Return the URL of a new connection, to be used once."""
        if self._server is None:
            raise RuntimeError("the sandbox is not started")
        ticket = secrets.token_hex(16)
        with self._watch.changing():
            self._tickets.add(ticket)
        port = self._server.socket.getsockname()[1]
        return f"ws://{HOST}:{port}/link/?ticket={ticket}&app_id={self._app_id}"

    def deliver(
        self,
        delivery: Delivery,
        conclude: Callable[[Acknowledgement], Acknowledgement],
        *,
        connection: SocketConnection | None,
        retry: int,
    ) -> Acknowledgement:
        """Send a delivery over one of the connections, each in its turn, and wait for its acknowledgement."""
        envelope_id = str(uuid.uuid4())
        envelope: Object = {
            "envelope_id": envelope_id,
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if retry or delivery.kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        start = time.monotonic()
        with self._watch.changing():
            # An app may already know of its connection when we do not yet.
            chosen = connection or self._watch.seen(self._next, self._limit_s if self._coming else 0)
            self._waiting[envelope_id] = None
        if chosen is None or not (chosen.deaf or chosen.send(envelope)):
            del self._waiting[envelope_id]
            return Acknowledgement(error="dispatch_failed", elapsed_s=0.0, why="no connection is open")
        with self._watch.changing():
            chosen.delivered += 1
        with self._watch.changing():
            heard = self._watch.seen(lambda: self._waiting[envelope_id], self._limit_s)
            del self._waiting[envelope_id]
            if heard is None:
                return Acknowledgement(error="operation_timeout", elapsed_s=time.monotonic() - start)
            at, payload = heard
            return conclude(Acknowledgement(error=None, elapsed_s=at - start, status=200, payload=payload))

    def _next(self) -> SocketConnection | None:
        staying = [one for one in self.connections if not one.leaving]
        if not staying:
            return None
        self._turn += 1
        return staying[self._turn % len(staying)]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._watch.changing():
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._coming.add(connection)
                return None
        return connection.respond(401, "this ticket is unknown, or used\n")

    def _converse(self, connection: ServerConnection) -> None:
        if not isinstance(connection, Silenceable):
            raise TypeError(type(connection))
        ours = SocketConnection(connection)
        with self._watch.changing():
            self._coming.discard(connection)
            full = len(self.connections) >= MOST_CONNECTIONS
            if not full:
                self.connections.append(ours)
                self.opened += 1
        if full:
            ours.refresh("too_many_websockets")
            return
        try:
            if self.greets:
                ours.send(self._hello())
            for message in connection:
                self._hear(ours, message)
        except ConnectionClosed:
            pass
        finally:
            with self._watch.changing():
                self.connections.remove(ours)

    def _hello(self) -> Object:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._app_id},
        }

    def _hear(self, connection: SocketConnection, message: Any) -> None:
        try:
            content = json.loads(message)
        except ValueError:
            content = None
        if connection.deaf or not isinstance(content, dict):
            return
        envelope_id, payload = str(content.get("envelope_id")), content.get("payload")
        with self._watch.changing():
            if envelope_id in self._waiting and self._waiting[envelope_id] is None:
                self._waiting[envelope_id] = (time.monotonic(), payload if isinstance(payload, dict) else {})
            else:
                self.late.append(envelope_id)
