"""One HTTP exchange that can prove whether anything was sent, and that ends when its time is over.

requests' own time-outs are per read: an answer that dribbles never ends by itself. And of a failure they do not say
whether the connection stood already, which is what decides between "nothing was sent" and "it may have been".
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_TIMEOUT_S = 5.0


class NotSentError(Exception):
    """The request was held back at the last moment; nothing was sent."""


class Exchange:
    """A context for one request through `adapter`.

    Args:
        timeout_s: from the moment the connection stands to the end of the answer, seconds.
        leave: called when everything is ready for the first byte; False: it must not leave any more.
        in_all: the time counts from now on, and not from the moment that the connection stands.

    Attributes:
        connected: the connection stood; whatever failed after that may have been sent.
        expired: the time was over, and the connection was cut.
    """

    def __init__(self, *, timeout_s: float, leave: Callable[[], bool], in_all: bool = False) -> None:
        self.connected = False
        self.expired = False
        self.adapter = _Adapter(self)
        self.timeouts = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s if in_all else None
        self._leave = leave
        self._handle: socket.socket | None = None
        self._alarm: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set_alarm(None)
        if self._handle is not None:
            self._handle.close()

    def made(self, sock: socket.socket) -> None:
        """The socket is connected; TLS may follow, and may dribble, too."""
        self._handle = sock.dup()
        self._set_alarm(self._left(CONNECT_TIMEOUT_S))

    def stands(self) -> None:
        """Everything is ready for the first byte of the request.

        Raises:
            NotSentError: it must not leave any more.
        """
        if not self._leave():
            raise NotSentError
        self.connected = True
        self._set_alarm(self._left(self._timeout_s))

    def read(self, response: requests.Response, limit: int) -> bytes:
        """Return the body, at most `limit` bytes of it, as it came over the line."""
        parts: list[bytes] = []
        length = 0
        while length < limit and (part := response.raw.read(limit - length, decode_content=False)):
            parts.append(part)
            length += len(part)
        self._set_alarm(None)
        return b"".join(parts)

    def _left(self, seconds: float) -> float:
        return seconds if self._end is None else max(0.0, min(seconds, self._end - time.monotonic()))

    def _set_alarm(self, seconds: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm.join()
            self._alarm = None
        if seconds is not None:
            self._alarm = threading.Timer(seconds, self._cut)
            self._alarm.daemon = True
            self._alarm.start()

    def _cut(self) -> None:
        self.expired = True
        if self._handle is not None:
            with contextlib.suppress(OSError):  # the other side may have closed it in this very moment
                self._handle.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        exchange = self._exchange

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                sock = super()._new_conn()
                exchange.made(sock)
                return sock

            def connect(self) -> None:
                super().connect()
                exchange.stands()

        class Secure(Plain, HTTPSConnection):
            """The same around TLS: Plain's `super()` is HTTPSConnection here."""

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
