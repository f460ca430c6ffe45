"""The server on loopback: what it reads, what it refuses, and that it ends."""

import http.client
import socket
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
import requests

from bot.sandbox.loopback import LoopbackServer
from bot.sandbox.wire import MOST_BODY, MOST_HEAD, Request, Response, Wire


class Echo:
    """A server that answers what it was asked, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.server = LoopbackServer(handle=self.handle, name="sandbox echo")

    def handle(self, request: Request, wire: Wire) -> None:
        """Answer with the body."""
        self.requests.append(request)
        wire.answer(Response(200, request.body))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.port}"

    def connect(self) -> socket.socket:
        """Return a bare connection to it."""
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=10)

    def say(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes back until the connection ends."""
        with self.connect() as connection:
            connection.sendall(data)
            answer = b""
            while more := connection.recv(65536):
                answer += more
            return answer


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Give such a server."""
    made = Echo()
    with made.server:
        yield made


def test_a_request_is_read_whole(echo: Echo) -> None:
    """Method, path, query, headers and body arrive as they were sent."""
    answer = requests.post(f"{echo.url}/a/b?x=1&y=", data=b"\x00body", headers={"X-Some-Thing": "v "}, timeout=5)
    assert answer.content == b"\x00body"
    (request,) = echo.requests
    assert (request.method, request.path, dict(request.query)) == ("POST", "/a/b", {"x": "1", "y": ""})
    assert request.headers["x-some-thing"] == "v"
    assert request.body == b"\x00body"


def test_a_connection_serves_several_requests(echo: Echo) -> None:
    """A connection is kept alive, also where two requests arrive in one piece."""
    connection = http.client.HTTPConnection("127.0.0.1", echo.server.port, timeout=5)
    for body in (b"one", b"two"):
        connection.request("POST", "/", body)
        assert connection.getresponse().read() == body
    connection.close()
    two = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nA" + b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nB"
    answer = echo.say(two)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b"B")


def test_head_has_no_body(echo: Echo) -> None:
    """The length of the body is told, and the body is not sent."""
    answer = echo.say(b"HEAD / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
    assert b"Content-Length: 3" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1), b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (MOST_HEAD + 1), b"431"),
    ],
)
def test_what_is_no_request_is_refused(echo: Echo, data: bytes, status: bytes) -> None:
    """Garbage is answered with a 4xx, and the connection ends."""
    assert echo.say(data).startswith(b"HTTP/1.1 " + status)
    assert echo.requests == []


def test_half_a_request_is_none(echo: Echo) -> None:
    """A client that leaves in the middle is forgotten."""
    for half in (b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"):
        with echo.connect() as connection:
            connection.sendall(half)
    assert requests.get(echo.url, timeout=5).status_code == 200
    assert len(echo.requests) == 1


def test_many_connections_at_once_are_served(echo: Echo) -> None:
    """A hundred and fifty connections that open at the same instant all get through."""
    gate = threading.Barrier(150)
    answers: list[bytes] = []

    def ask() -> None:
        gate.wait()
        answers.append(echo.say(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"))

    threads = [threading.Thread(target=ask) for _ in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one[-2:] for one in answers] == [b"hi"] * 150


def test_connections_can_be_refused_for_a_while(echo: Echo) -> None:
    """Nobody is served meanwhile, and the port stays the same; doing it twice is no fault."""
    port = echo.server.port
    echo.server.refuse()
    echo.server.refuse()
    with pytest.raises(ConnectionRefusedError):
        echo.connect()
    echo.server.accept()
    echo.server.accept()
    assert echo.server.port == port
    assert requests.get(echo.url, timeout=5).status_code == 200


def test_a_refusing_server_can_be_closed() -> None:
    """Whatever state it is in, closing lets go of its port."""
    echo = Echo()
    with echo.server:
        echo.server.refuse()
        port = echo.server.port
    socket.create_server(("127.0.0.1", port)).close()


def test_closing_ends_connections_that_are_open() -> None:
    """An idle connection does not keep the server."""
    echo = Echo()
    with echo.server:
        connection = echo.connect()
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(4) == b"HTTP"
    with connection:
        while connection.recv(4096):
            pass


def test_its_clock_can_be_wrong(echo: Echo) -> None:
    """The Date of its answers is ahead by as much as was asked for."""
    right = parsedate_to_datetime(requests.get(echo.url, timeout=5).headers["Date"])
    echo.server.clock_offset_s = 3600
    wrong = parsedate_to_datetime(requests.get(echo.url, timeout=5).headers["Date"])
    assert 3590 < (wrong - right).total_seconds() < 3610


def test_an_unknown_status_is_sent_all_the_same(echo: Echo) -> None:
    """A status that no RFC knows has a reason phrase, as the grammar demands."""
    assert echo.requests == []
    assert Response(599).head({}).startswith(b"HTTP/1.1 599 Unknown\r\n")
