"""One HTTP exchange that can prove whether anything was sent, and that ends when its time is over.

requests' own time-outs are per read: an answer that dribbles never ends by itself. And of a failure they do not say
whether the connection stood already, which is what decides between "nothing was sent" and "it may have been".
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
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
        self._alarm = _Alarm(self._cut)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.stop()
        self.adapter.close()
        if self._handle is not None:
            self._handle.close()

    def made(self, sock: socket.socket) -> None:
        """The socket is connected; TLS may follow, and may dribble, too."""
        self._handle = sock.dup()
        self._alarm.set(self._left(CONNECT_TIMEOUT_S))

    def stands(self) -> None:
        """Everything is ready for the first byte of the request.

        Raises:
            NotSentError: it must not leave any more.
        """
        if not self._leave():
            raise NotSentError
        self.connected = True
        self._alarm.set(self._left(self._timeout_s))

    def read(self, response: requests.Response, limit: int) -> bytes:
        """Return the body, at most `limit` bytes of it, as it came over the line."""
        parts: list[bytes] = []
        length = 0
        while length < limit and (part := response.raw.read(limit - length, decode_content=False)):
            parts.append(part)
            length += len(part)
        self._alarm.stop()
        return b"".join(parts)

    def _left(self, seconds: float) -> float:
        return seconds if self._end is None else max(0.0, min(seconds, self._end - time.monotonic()))

    def _cut(self) -> None:
        self.expired = True
        if self._handle is not None:
            with contextlib.suppress(OSError):  # the other side may have closed it in this very moment
                self._handle.shutdown(socket.SHUT_RDWR)


class _Alarm:
    """Calls `ring` when the time is over that was set last, on a thread that lives until `stop`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._changed = threading.Condition()
        self._end: float | None = None
        self._thread: threading.Thread | None = None

    def set(self, seconds: float) -> None:
        with self._changed:
            sooner = self._end is not None and time.monotonic() + seconds < self._end
            self._end = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
                self._thread.start()
            elif sooner:
                self._changed.notify()

    def stop(self) -> None:
        """Ring no more; returns when a ring that is under way is over."""
        with self._changed:
            self._end = None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        with self._changed:
            while self._end is not None:
                left = self._end - time.monotonic()
                if left <= 0:
                    self._ring()
                    return
                self._changed.wait(left)


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, exchange: Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange = exchange

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._exchange.made(sock)
        return sock

    def connect(self) -> None:
        super().connect()
        self._exchange.stands()


class _Secure(_Plain, HTTPSConnection):
    """The same around TLS: _Plain's `super()` is HTTPSConnection here."""


class _PlainPool(HTTPConnectionPool):
    def __init__(self, *args: Any, exchange: Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = partial(_Plain, exchange=exchange)  # type: ignore[assignment] # it is only called


class _SecurePool(HTTPSConnectionPool):
    def __init__(self, *args: Any, exchange: Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = partial(_Secure, exchange=exchange)  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_PlainPool, exchange=exchange),
            "https": partial(_SecurePool, exchange=exchange),
        }
