"""The load: commands over HTTP, signed as Slack signs them, over connections that are kept alive.

It knows when a request is to leave and when its answer is whole. It refuses to know who answers. One thread and bare
sockets: the fewer the load costs, the less of it is in the figures.

An open load leaves at its times, however long the answers take, and a latency counts from the moment at which the
request was to leave: a server that stalls does not hide it by stalling the load. A closed load keeps each of its
connections busy.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.sandbox.doors import signature
from tests.bench.standins import Command

PATH = "/slack/events"
PATIENCE_S = 10.0
AWAKE_S = 0.002
"""So long before a request is to leave, it is signed, and nothing else is waited for: waking up takes time, too."""


@dataclass(slots=True)
class Ran:
    """What became of a load.

    Attributes:
        latencies: seconds to each acknowledgement, in the order in which they came.
        seconds: from the first request to the last answer.
        began: when each command was to leave, `time.monotonic()`, by `trigger_id`.
    """

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    began: dict[str, float] = field(default_factory=dict)

    def share(self, percent: float) -> float:
        """Return the latency that so many percent do not exceed, seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Load:
    """Commands for one server.

    Args:
        url: of the server.
        secret: to sign with.
    """

    def __init__(self, url: str, secret: str) -> None:
        target = urlsplit(url)
        self._address = (target.hostname or "", target.port or 80)
        self._secret = secret

    def open(self, commands: Iterable[Command], rate_per_s: float) -> Ran:
        """Send commands at their times, evenly; each on a connection that is free then."""
        start = time.monotonic() + 0.01
        due = deque((start + number / rate_per_s, one) for number, one in enumerate(commands))
        return self._run(due, most=512)

    def closed(self, commands: Iterable[Command], connections: int, *, seconds: float) -> Ran:
        """Keep so many connections busy for so long, or until there are no more commands."""
        now = time.monotonic()
        return self._run(deque((now, one) for one in commands), most=connections, until=now + seconds)

    def _run(self, due: deque[tuple[float, Command]], *, most: int, until: float | None = None) -> Ran:
        ran = Ran()
        idle: list[_Connection] = []
        busy: set[_Connection] = set()
        start = now = time.monotonic()
        closed = until is not None
        # Not epoll: it waits for whole milliseconds.
        with selectors.SelectSelector() as selector:
            try:
                while due or busy:
                    now = time.monotonic()
                    if until is not None and now >= until:
                        due.clear()
                    while due and due[0][0] <= now + (0 if busy else AWAKE_S) and len(busy) < most:
                        at, (trigger_id, body) = due.popleft()
                        request = self._signed(body)
                        connection = idle.pop() if idle else _Connection(self._address, selector)
                        _stay_awake(at)
                        at = now if closed else at
                        ran.began[trigger_id] = at
                        connection.send(request, at)
                        busy.add(connection)
                    full = not due or len(busy) >= most
                    wait_s = PATIENCE_S if full else max(0.0, due[0][0] - now - (0 if busy else AWAKE_S))
                    ready = selector.select(wait_s)
                    if not ready and wait_s == PATIENCE_S:
                        raise AssertionError(f"{len(busy)} commands had no answer for {PATIENCE_S:g} s")
                    now = time.monotonic()
                    for key, _ in ready:
                        connection = key.data
                        if connection not in busy:  # the server has closed an idle one
                            idle.remove(connection)
                            connection.close()
                        elif connection.received():
                            busy.remove(connection)
                            ran.latencies.append(now - connection.began)
                            if connection.kept:
                                idle.append(connection)
                            else:
                                connection.close()
            finally:
                for one in (*idle, *busy):
                    one.close()
        ran.seconds = now - start
        return ran

    def _signed(self, body: bytes) -> bytes:
        timestamp = str(int(time.time()))
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
            f"User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: */*\r\n"
            f"X-Slack-Request-Timestamp: {timestamp}\r\n"
            f"X-Slack-Signature: {signature(self._secret, timestamp, body)}\r\n\r\n"
        )
        return head.encode() + body


def _stay_awake(until: float) -> None:
    while time.monotonic() < until:
        pass


class _Connection:
    """One kept-alive connection, on which one request at a time is under way."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selector
        selector.register(self._socket, selectors.EVENT_READ, self)
        self._answer = b""
        self.began = 0.0
        self.kept = True

    def send(self, request: bytes, began: float) -> None:
        self.began = began
        self._answer = b""
        self._socket.sendall(request)

    def received(self) -> bool:
        """Read what has come; True when the answer is whole."""
        part = self._socket.recv(65536)
        self._answer += part
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            if not part:
                raise AssertionError(f"the connection broke: {self._answer!r}")
            return False
        status, *lines = head.lower().split(b"\r\n")
        headers = dict(one.split(b": ", 1) for one in lines)
        if not status.startswith(b"http/1.1 200"):
            raise AssertionError(f"a command was answered {self._answer[:500]!r}")
        self.kept = headers.get(b"connection") != b"close"
        if b"content-length" in headers:
            return len(body) >= int(headers[b"content-length"])
        return body.endswith(b"0\r\n\r\n") if b"transfer-encoding" in headers else not part

    def close(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()


def together(runs: Sequence[Ran]) -> Ran:
    """Return several runs as one."""
    return Ran(
        latencies=[one for ran in runs for one in ran.latencies],
        seconds=sum(ran.seconds for ran in runs),
        began={trigger_id: at for ran in runs for trigger_id, at in ran.began.items()},
    )
