"""One WebSocket of the sandbox's Slack, and everything that can befall it.

Source: Slack's "Using Socket Mode" (disconnect and its reasons). That a connection can go deaf is
python-slack-sdk#1701.
"""

import contextlib
import json
import socket
import threading
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection
from websockets.typing import DataLike

from bot.sandbox.records import Object
from bot.sandbox.wire import RESET


class Silenceable(ServerConnection):
    """A connection that can be made not to answer, not even pings, and not to ping."""

    mute = False
    pinging = True
    pings = 0

    def ping(self, data: DataLike | None = None, *, ack_on_close: bool = False) -> threading.Event:
        """Ping, or do as if the answer were there already."""
        if self.pinging:
            self.pings += 1
            return super().ping(data, ack_on_close=ack_on_close)
        answered = threading.Event()
        answered.set()
        return answered

    def send_data(self) -> None:
        """Send what is to be sent, or lose it."""
        if self.mute:
            self.protocol.data_to_send()
        else:
            super().send_data()


class SocketConnection:
    """One open connection.

    Attributes:
        deaf: it stays open, but nothing is delivered over it, and acknowledgements over it are not heard.
        leaving: Slack is about to close it, and delivers nothing over it any more.
        delivered: how many deliveries went over it.
        at: when it was opened, `time.monotonic()`.
    """

    def __init__(self, connection: Silenceable) -> None:
        self._connection = connection
        self.deaf = False
        self.leaving = False
        self.delivered = 0
        self.at = time.monotonic()

    @property
    def pings(self) -> int:
        """How many pings Slack has sent."""
        return self._connection.pings

    def deafen(self, *, pings_too: bool = False, pinging: bool = True) -> None:
        """Let nothing through any more, though it stays open.

        Args:
            pings_too: not even answers to pings.
            pinging: go on sending pings of Slack's own.
        """
        self.deaf = True
        self._connection.mute = pings_too
        self._connection.pinging = pinging

    def cut(self, *, silently: bool = False) -> None:
        """End the connection without a closing handshake: with a RST, or with a mere end of the stream.

        After the latter, slack_sdk's built-in client (3.47) goes on for five of its `ping_interval`s before it
        connects again.
        """
        self._connection.mute = True
        with contextlib.suppress(OSError):
            if silently:
                self._connection.socket.shutdown(socket.SHUT_WR)
            else:
                self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if not silently:
            self._connection.close_socket()

    def refresh(self, reason: str = "refresh_requested") -> None:
        """Say that the connection is about to be closed ("warning", "refresh_requested" or "link_disabled")."""
        self.leaving = reason != "warning"
        self.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})

    def close(self) -> None:
        """Close it, as Slack does some time after a `refresh`."""
        self._connection.close()

    def send(self, message: Object) -> bool:
        """Send a message; returns whether the connection was open."""
        try:
            self._connection.send(json.dumps(message))
        except ConnectionClosed:
            return False
        return True
