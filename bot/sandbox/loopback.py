"""A server on loopback: a free port, a thread a connection, and nothing left behind when it is closed."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

from bot.sandbox.wire import BadRequestError, Gone, Request, Response, Wire

HOST = "127.0.0.1"
BACKLOG = 512


class LoopbackServer:
    """Serves HTTP on 127.0.0.1 until it is closed.

    Args:
        handle: answers one request over its wire; may raise `Gone`.
        name: what its threads are called.

    Attributes:
        port: where it listens.
        clock_offset_s: how far its clock is ahead, as far as its answers tell.
    """

    def __init__(self, *, handle: Callable[[Request, Wire], None], name: str) -> None:
        self._handle = handle
        self._name = name
        self._lock = threading.Lock()
        self._wires: dict[Wire, threading.Thread] = {}
        self._listening: _Listening | None = None
        self._placeholder: socket.socket | None = None
        self._closed = False
        self.port = 0
        self.clock_offset_s = 0.0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Listen on a free port."""
        listener = socket.create_server((HOST, 0), backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._listening = _Listening(listener, self._serve, name=self._name)
        return self

    def refuse(self) -> None:
        """Listen no more: connections are refused, and those that nobody has accepted yet are reset."""
        if self._listening is None:
            return
        self._listening.stop()
        self._listening = None
        # Bound but not listening: connections to the port are refused, and it is not given to an outgoing one.
        self._placeholder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((HOST, self.port))

    def accept(self) -> None:
        """Listen again, on the same port."""
        if self._placeholder is None:
            return
        listener, self._placeholder = self._placeholder, None
        listener.listen(BACKLOG)
        self._listening = _Listening(listener, self._serve, name=self._name)

    def close(self) -> None:
        """Stop listening, end every connection, and wait for their threads."""
        if self._listening is not None:
            self._listening.stop()
            self._listening = None
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        with self._lock:
            self._closed = True
            wires = dict(self._wires)
        for wire in wires:
            wire.shut()
        for thread in wires.values():
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        wire = Wire(connection, lambda: time.time() + self.clock_offset_s)
        thread = threading.Thread(target=self._converse, args=(wire,), name=self._name, daemon=True)
        with self._lock:
            if self._closed:
                wire.reset()
                return
            self._wires[wire] = thread
            # Under the lock, so that `close` never joins a thread that has not begun.
            thread.start()

    def _converse(self, wire: Wire) -> None:
        try:
            with contextlib.suppress(Gone):
                while wire.open:
                    try:
                        request = wire.request()
                    except BadRequestError as fault:
                        wire.open = False
                        wire.answer(Response(fault.status, f"{fault}\n".encode(), {"Connection": "close"}))
                    else:
                        self._handle(request, wire)
        finally:
            wire.close()
            with self._lock:
                del self._wires[wire]


class _Listening:
    """A listening socket, and the thread that accepts from it."""

    def __init__(self, listener: socket.socket, serve: Callable[[socket.socket], None], *, name: str) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._serve = serve
        # Closing a socket does not wake the thread that waits for it; a byte through a pair of sockets does.
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name=f"{name}: listening", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for one in (self._listener, self._wake, self._woken):
            one.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in selector.select()):
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    connection, _ = self._listener.accept()
                    connection.settimeout(None)
                    self._serve(connection)
