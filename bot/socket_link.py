"""One WebSocket to Slack: what comes over it, what goes back, and whether the other end still hears and speaks.

It knows frames, and what shows that a connection is deaf. It refuses to know what a delivery means, and when another
connection is wanted.

A connection is doubted when Slack does not say hello, does not answer a ping, or has stopped its own pings. None of
this is missing from a connection that is merely idle. Slack takes more than 5 s for an answer now and then
(bolt-js#2496), so a doubt costs little: the doubted connection is read until another stands.

Sources: Slack's "Using Socket Mode" (hello, envelopes, disconnect); python-slack-sdk#1701, node-slack-sdk#1243 (deaf
connections). slack_sdk's own client (3.47) is not used: one thread reads one connection at a time with a time-out of
3 s, so that after a refresh the first acknowledgement comes after 3.1 s; it takes 25 s to notice an end without a
close frame, on a whole core; and it sends no frame longer than 65,535 bytes.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.sync.client import ClientConnection, connect

Envelope = dict[str, Any]

OPEN_S = 5.0
CLOSE_S = 1.0
LOOK_S = 0.2
"""How soon a connection that is to go notices it."""
PAUSE_S = 0.005

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what is waited for, seconds.

    Attributes:
        hello_s: for Slack's first word.
        ping_s: from one ping of ours to the next.
        pong_s: for the answer to one.
        quiet_s: at least, for Slack's next ping; and three times as long as the longest pause that it has made.
        ack_s: for an acknowledgement; so long Slack waits.
    """

    hello_s: float = 5.0
    ping_s: float = 3.0
    pong_s: float = 6.0
    quiet_s: float = 10.0
    ack_s: float = 3.0


class _Attentive(ClientConnection):
    """A connection that notes when the other end pings: the library answers by itself, and tells nobody."""

    pinged_at: float | None = None
    longest_pause_s = 0.0

    def process_event(self, event: Event) -> None:
        """Process what has come."""
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            now = time.monotonic()
            if self.pinged_at is not None:
                self.longest_pause_s = max(self.longest_pause_s, now - self.pinged_at)
            self.pinged_at = now
        super().process_event(event)


class Link:
    """A connection, from its opening to its end; both happen on a thread of its own.

    Args:
        url: Slack's, with a ticket that is good for one connection.
        proxy: the URL of an HTTP proxy, or None.
        deliver: called with each delivery.
        changed: called when an attribute has changed.
        patience: of the doubts.

    Attributes:
        greeted: Slack has said hello.
        ended: it is no more.
        leaving: the reason with which Slack has said that it will close the connection.
        doubt: why it seems to be deaf.
        began_at: when it was opened; `time.monotonic()`.
        heard_at: when something was last delivered, or it began.
        delivered: whether anything was.
        under_way: deliveries whose acknowledgement is still to be sent; `bot.socket_delivery` counts them.
    """

    def __init__(
        self,
        url: str,
        *,
        proxy: str | None,
        deliver: Callable[["Link", Envelope], None],
        changed: Callable[[], None],
        patience: Patience,
    ) -> None:
        self._url = url
        self._proxy = proxy
        self._deliver = deliver
        self._changed = changed
        self._patience = patience
        self._connection: _Attentive | None = None
        self._ping_at = 0.0
        self._pong: threading.Event | None = None
        self._going_at: float | None = None
        self._end = "it was closed"
        self.greeted = False
        self.ended = False
        self.leaving: str | None = None
        self.doubt: str | None = None
        self.began_at = self.heard_at = time.monotonic()
        self.delivered = False
        self.under_way = 0
        self._thread = threading.Thread(target=self._run, name="socket", daemon=True)

    @property
    def hopeful(self) -> bool:
        """Whether nothing has come between."""
        return not (self.ended or self.leaving or self.doubt)

    @property
    def standing(self) -> bool:
        """Whether deliveries may be expected over it."""
        return self.greeted and self.hopeful

    @property
    def why(self) -> str:
        """What has come between."""
        return self.leaving or self.doubt or self._end

    def start(self) -> None:
        """Open it."""
        self._thread.start()

    def send(self, text: str) -> bool:
        """Send a message; returns False where the connection has ended."""
        try:
            if self._connection is None:
                return False
            self._connection.send(text)
        except ConnectionClosed:
            return False
        return True

    def leave(self, after_s: float = 0.0) -> None:
        """Close it after so long, once nothing is under way; does not wait."""
        self._going_at = min(self._going_at or float("inf"), time.monotonic() + after_s)

    def overdue(self, by_s: float) -> bool:
        """Tell whether it should have been closed so long ago."""
        return self._going_at is not None and time.monotonic() > self._going_at + by_s

    def cut(self) -> None:
        """End it, whatever its thread is stuck in."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.socket.shutdown(socket.SHUT_RDWR)

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            with connect(
                self._url,
                proxy=self._proxy,
                compression=None,
                open_timeout=OPEN_S,
                ping_interval=None,
                close_timeout=CLOSE_S,
                create_connection=_Attentive,
            ) as connection:
                self._converse(connection)
        except ConnectionClosed as fault:
            if fault.rcvd is None:
                self._end = "it broke off"
        except (OSError, WebSocketException) as fault:
            self._end = type(fault).__name__
        except Exception:
            # The edge: the line must hear of the end, whatever it was.
            log.exception("a connection to Slack failed in an unforeseen way")
        finally:
            self.ended = True
            self._changed()

    def _converse(self, connection: ClientConnection) -> None:
        if not isinstance(connection, _Attentive):
            raise TypeError(type(connection))
        self._connection = connection
        self.began_at = self.heard_at = self._ping_at = connection.pinged_at = time.monotonic()
        while self._going_at is None or time.monotonic() < self._going_at:
            self._hear(connection, min(LOOK_S, self._patience.ping_s))
            self._look(connection)
        # Slack goes on delivering until the connection is closed: what comes is served while a command is under way,
        # but not for ever, and no acknowledgement is cut off.
        start = time.monotonic()
        while self.under_way and time.monotonic() < start + self._patience.ack_s:
            if time.monotonic() < start + self._patience.ack_s / 3:
                self._hear(connection, PAUSE_S)
            else:
                time.sleep(PAUSE_S)

    def _hear(self, connection: _Attentive, timeout_s: float) -> None:
        try:
            message = json.loads(connection.recv(timeout=timeout_s))
        except (TimeoutError, ValueError):
            return
        match message:
            case {"type": "hello"}:
                self.greeted = True
                self._changed()
            case {"type": "disconnect"}:
                self.leaving = str(message.get("reason"))
                self._changed()
            case {"envelope_id": str()}:
                self.heard_at = time.monotonic()
                self.delivered = True
                self._deliver(self, message)

    def _look(self, connection: _Attentive) -> None:
        if self.doubt:
            return
        now = time.monotonic()
        if self._pong is not None and self._pong.is_set():
            self._pong = None
        if self._pong is None and now - self._ping_at >= self._patience.ping_s:
            self._pong = connection.ping()
            self._ping_at = now
        pause_s, pinged_at = connection.longest_pause_s, connection.pinged_at or now
        if not self.greeted and now - self.began_at > self._patience.hello_s:
            self.doubt = "Slack does not say hello"
        elif self._pong is not None and now - self._ping_at > self._patience.pong_s:
            self.doubt = "Slack does not answer pings"
        elif pause_s and now - pinged_at > max(self._patience.quiet_s, 3 * pause_s):
            self.doubt = "Slack has stopped pinging"
        if self.doubt:
            self._changed()
