"""A way to PostgreSQL that can be cut, blocked or clogged, and that can lose the answer to a commit."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit, urlunsplit

COMMIT = re.compile(rb"COMMIT(?!TED)")
"""What a client sends to end a transaction; `COMMITTED` is of an isolation level."""

READY = b"Z\0\0\0\5I"
"""What the server ends its answer with ("Message Formats" in PostgreSQL's documentation), outside a transaction."""


def last_words() -> bytes:
    """Return what the server says to a connection that an administrator ends; it says no more."""
    fields = {"S": "FATAL", "V": "FATAL", "C": "57P01", "M": "terminating connection due to administrator command"}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


@dataclass
class Way:
    """A proxy on loopback.

    Attributes:
        url: of the database behind it.
        connections: how many there have been.
        commits: how many COMMITs were passed on, or would have been.
    """

    server: Callable[[], socket.socket]
    url: str = ""
    connections: int = 0
    commits: int = 0
    _listener: socket.socket | None = None
    _port: int = 0
    _open: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    _flows: threading.Event = field(default_factory=threading.Event)
    _fates: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._listener.listen(64)
        self._flows.set()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Take no connections any more, and cut those that stand."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut the connections that stand; new ones are taken."""
        with self._lock:
            pairs, self._open = self._open, []
        for one in [end for pair in pairs for end in pair]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def swallow(self) -> None:
        """Take everything and pass nothing on, as a proxy does whose other side is gone."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on again; what was swallowed is lost with its connection."""
        self.cut()
        self._flows.set()

    def at_commits(self, *fates: str) -> None:
        """Let the next COMMITs meet these fates, one each: "lost" before, or "unheard" after the server had it.

        "pass" lets one through; "swallowed" is unheard, and the connection stays; "ended" is answered, but for the end
        of the answer, in the place of which the server ends the connection.
        """
        with self._lock:
            self._fates = list(fates)

    def close(self) -> None:
        """Leave nothing behind."""
        self.refuse()
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = self.server()
            except OSError:
                client.close()
                continue
            with self._lock:
                closed = self._listener is not listener
                if not closed:
                    self.connections += 1
                    self._open.append((client, server))
            if closed:  # meanwhile, and nobody would close these
                client.close()
                server.close()
                return
            fate: list[str] = []
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=(*ends, fate), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, up: bool, fate: list[str]) -> None:  # noqa: FBT001
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._decide(data, fate, up=up)
                if not self._flows.is_set() or ("swallowed" in fate and not up):
                    continue
                if "lost" in fate or ("unheard" in fate and not up):
                    break
                if "ended" in fate and not up and data.endswith(READY):
                    sink.sendall(data.removesuffix(READY) + last_words())
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _decide(self, data: bytes, fate: list[str], *, up: bool) -> None:
        if not up or not COMMIT.search(data):
            return
        with self._lock:
            self.commits += 1
            if self._fates and (next_one := self._fates.pop(0)) != "pass":
                fate.append(next_one)


@contextmanager
def way_to(url: str) -> Iterator[Way]:
    """Give a way to the database at `url`, whose server listens on TCP or on a socket in the file system."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    port = parts.port or 5432

    def connect() -> socket.socket:
        if not folder.startswith("/"):
            return socket.create_connection((parts.hostname or "127.0.0.1", port))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{folder}/.s.PGSQL.{port}")
        except OSError:
            server.close()
            raise
        return server

    way = Way(connect)
    way.listen()
    who = parts.netloc.rpartition("@")[0]
    # Encrypted, no COMMIT could be seen.
    query = "sslmode=disable&gssencmode=disable"
    way.url = urlunsplit(("postgresql", f"{who}@127.0.0.1:{way._port}", parts.path, query, ""))
    try:
        yield way
    finally:
        way.close()
