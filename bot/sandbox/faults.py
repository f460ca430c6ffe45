"""Everything that can go wrong between a request and its answer, to be ordered one by one.

A fault with `taken=True` strikes after the request has had its effect (the mail is out, the message is posted);
without, the request was never heard of.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.sandbox.wire import Response, Wire


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is to be answered.

    Attributes:
        wire: the connection it came over.
        take: does what it asks for, and returns the normal answer.
        note: is told the status before the asker sees it; never, where no whole answer is given.
    """

    wire: Wire
    take: Callable[[], Response]
    note: Callable[[int], None]

    def answer(self, response: Response) -> None:
        """Give a whole answer."""
        self.note(response.status)
        self.wire.answer(response)

    def perform(self, fault: "Fault | None") -> None:
        """Answer, in the normal way if there is no fault."""
        if fault is None:
            self.answer(self.take())
        else:
            fault.strike(self)


class Fault(Protocol):
    """What happens to one request instead of the normal answer."""

    def strike(self, exchange: Exchange) -> None:
        """Let it happen."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Another answer than the normal one, perhaps late."""

    response: Response
    taken: bool = False
    after_s: float = 0.0

    def strike(self, exchange: Exchange) -> None:
        """Answer."""
        if self.taken:
            exchange.take()
        if self.after_s:
            exchange.wire.wait(self.after_s)
        exchange.answer(self.response)


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends without an answer: with a RST, or in the ordinary way."""

    abruptly: bool
    taken: bool

    def strike(self, exchange: Exchange) -> None:
        """Break it off."""
        if self.taken:
            exchange.take()
        if self.abruptly:
            exchange.wire.reset()
        else:
            exchange.wire.close()


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, ever; the connection stays open."""

    taken: bool

    def strike(self, exchange: Exchange) -> None:
        """Wait until the other side has had enough."""
        if self.taken:
            exchange.take()
        exchange.wire.wait(None)


@dataclass(frozen=True, slots=True)
class Delay:
    """The normal answer, late. With `taken` the request had its effect at once, without it only then."""

    seconds: float
    taken: bool

    def strike(self, exchange: Exchange) -> None:
        """Wait, then answer."""
        response = exchange.take() if self.taken else None
        exchange.wire.wait(self.seconds)
        exchange.answer(response or exchange.take())


@dataclass(frozen=True, slots=True)
class Dribble:
    """An answer that never ends: some bytes, and then one every few moments."""

    begin: bytes
    drop: bytes
    seconds: float
    taken: bool

    def strike(self, exchange: Exchange) -> None:
        """Dribble until the other side has had enough."""
        if self.taken:
            exchange.take()
        exchange.wire.send(self.begin)
        while True:
            exchange.wire.send(self.drop)
            if self.seconds > 0:
                exchange.wire.wait(self.seconds)


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, and the end of the connection."""

    data: bytes
    taken: bool

    def strike(self, exchange: Exchange) -> None:
        """Send them."""
        if self.taken:
            exchange.take()
        exchange.wire.send(self.data)
        exchange.wire.close()


def answer(
    status: int, body: object = b"", headers: Mapping[str, str] | None = None, *, taken: bool = False,
    after_s: float = 0.0,
) -> Answer:  # fmt: skip
    """Return any answer: bytes and text go out as they are, anything else as JSON."""
    if isinstance(body, bytes | str):
        data = body.encode() if isinstance(body, str) else body
        return Answer(Response(status, data, headers or {}), taken, after_s)
    return Answer(Response.of_json(status, body, headers), taken, after_s)


def redirect(location: str, status: int = 307) -> Answer:
    """Return an answer that sends the asker elsewhere."""
    return answer(status, b"", {"Location": location})


def gzip_bomb(megabytes: int = 64) -> Answer:
    """Return an answer, taken, of a few kilobytes that unpack to many megabytes."""
    body = gzip.compress(b" " * megabytes * 1024 * 1024)
    return answer(200, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, taken=True)


def too_long(size: int = 1024 * 1024) -> Answer:
    """Return an answer, taken, of good JSON that is `size` bytes long."""
    return answer(200, b"{" + b" " * (size - 2) + b"}", {"Content-Type": "application/json"}, taken=True)


def api_error(
    error: str, status: int = 200, headers: Mapping[str, str] | None = None, *, taken: bool = False
) -> Answer:
    """Return an answer as Slack's Web API gives it for a call that failed."""
    return answer(status, {"ok": False, "error": error}, headers, taken=taken)


def rate_limited(retry_after_s: int = 1) -> Answer:
    """Return Slack's answer to a call too many (docs.slack.dev, "Rate limits")."""
    return api_error("ratelimited", 429, {"Retry-After": str(retry_after_s)})


def reset_before() -> Break:
    """Return a RST instead of an answer to a request that was not taken."""
    return Break(abruptly=True, taken=False)


def reset_after() -> Break:
    """Return a RST instead of an answer to a request that was taken."""
    return Break(abruptly=True, taken=True)


def close(*, taken: bool = False) -> Break:
    """Return the end of the connection instead of an answer."""
    return Break(abruptly=False, taken=taken)


def hang(*, taken: bool = False) -> Hang:
    """Return no answer for ever."""
    return Hang(taken)


def delay(seconds: float, *, taken: bool = True) -> Delay:
    """Return the normal answer, late."""
    return Delay(seconds, taken)


def dribble(seconds: float = 0.1, *, part: str = "body", taken: bool = True) -> Dribble:
    """Return an answer that never ends, a byte every `seconds`; `part` is "head" or "body"."""
    if part == "head":
        return Dribble(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", seconds, taken)
    head = Response(200).head({"Content-Type": "application/json", "Content-Length": "1000000000"})
    return Dribble(head, b" ", seconds, taken)


def endless(*, taken: bool = True) -> Dribble:
    """Return a body without an end, as fast as it is read."""
    head = Response(200).head({"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    return Dribble(head, b"1000\r\n" + b" " * 0x1000 + b"\r\n", 0, taken)


def truncated(*, taken: bool = True) -> Raw:
    """Return an answer that ends before its Content-Length."""
    return Raw(Response(200).head({"Content-Type": "application/json", "Content-Length": "100"}) + b'{"half', taken)


def garbage(data: bytes = b"\x15\x03\x01\x00\x02\x02\x16", *, taken: bool = True) -> Raw:
    """Return something else than HTTP; by default what a TLS server says to a plain request."""
    return Raw(data, taken)
