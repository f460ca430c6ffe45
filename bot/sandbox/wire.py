"""HTTP/1.1 as it goes over one connection: requests, responses, and ways to break it off.

Written by hand, because a fault needs the bare connection: where a library would send a decent answer, this sends
half of one.

Source: RFC 9112 (HTTP/1.1), as far as requests with a Content-Length go.
"""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

MOST_HEAD = 64 * 1024
MOST_BODY = 4 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: with a lingering time of zero, closing a connection resets it (socket(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived.

    Attributes:
        headers: by their names in small letters; the last of equal ones.
        at: when its head had been read, `time.monotonic()`.
        wall: the same, `time.time()`.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float
    wall: float

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the content of the body.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except RecursionError as fault:
            raise ValueError("too deep") from fault

    def form(self) -> dict[str, str]:
        """Return the fields of a form; the last of equal ones."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered; the Content-Length is added where `headers` do not have one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, content: object, headers: Mapping[str, str] | None = None) -> Self:
        """Return a response whose body is JSON."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(content).encode(), kind | dict(headers or {}))

    def head(self, more: Mapping[str, str]) -> bytes:
        """Return the status line and the headers, with `more` of them where they are not among them."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        headers = dict(more) | dict(self.headers)
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Gone(Exception):  # noqa: N818 - nothing is wrong: connections end
    """The other side, or the server, has ended the connection."""


class BadRequestError(Exception):
    """What arrived is no request that this server reads; the message says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Wire:
    """One connection, seen from the server.

    Args:
        connection: its socket.
        now: the server's clock, which stands in the Date of whole answers.

    Attributes:
        open: whether another request may follow.
    """

    def __init__(self, connection: socket.socket, now: Callable[[], float] = time.time) -> None:
        self._socket = connection
        self._now = now
        self._unread = b""
        self._head_only = False
        self.open = True
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self) -> Request:
        """Read the next request.

        Raises:
            Gone: there is none.
            BadRequestError: there is something else.
        """
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            if len(self._unread) > MOST_HEAD:
                raise BadRequestError(431, "the head is too long")
            self._unread += self._received()
        at, wall = time.monotonic(), time.time()
        first, *rest = self._unread[:end].decode("latin-1").split("\r\n")
        self._unread = self._unread[end + 4 :]
        method, _, target = first.partition(" ")
        target, _, version = target.rpartition(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        if not version.startswith("HTTP/1."):
            raise BadRequestError(400, "this is not HTTP/1.1")
        self.open = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        self._head_only = method == "HEAD"
        body = self._body(headers)
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return Request(method=method, path=url.path, query=query, headers=headers, body=body, at=at, wall=wall)

    def answer(self, response: Response) -> None:
        """Send a whole answer.

        Raises:
            Gone: there is nobody to answer.
        """
        date = {"Date": formatdate(self._now(), usegmt=True), "Content-Length": str(len(response.body))}
        self.send(response.head(date) + (b"" if self._head_only else response.body))

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            Gone: there is nobody to send them to.
        """
        try:
            self._socket.sendall(data)
        except OSError as fault:
            raise Gone from fault

    def wait(self, seconds: float | None) -> None:
        """Let time pass; None: for ever.

        Raises:
            Gone: the other side did not wait for so long, or the server is being closed.
        """
        try:
            self._socket.settimeout(seconds)
            self._socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return
        except OSError as fault:
            raise Gone from fault
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(None)
        raise Gone

    def close(self) -> None:
        """End the connection in the ordinary way, after what was sent."""
        self.open = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def reset(self) -> None:
        """Break the connection off with a RST, as a crashed host or a firewall does."""
        self.open = False
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._socket.close()

    def shut(self) -> None:
        """Wake the thread that works on the connection, from another one, and let it find its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise BadRequestError(411, "a Content-Length is needed")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequestError(400, "the Content-Length is no number")
        if int(length) > MOST_BODY:
            raise BadRequestError(413, "the body is too long")
        while len(self._unread) < int(length):
            self._unread += self._received()
        body, self._unread = self._unread[: int(length)], self._unread[int(length) :]
        return body

    def _received(self) -> bytes:
        try:
            data = self._socket.recv(64 * 1024)
        except OSError as fault:
            raise Gone from fault
        if not data:
            raise Gone
        return data
