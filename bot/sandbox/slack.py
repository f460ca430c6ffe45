"""A Slack on loopback: a workspace, its Web API, its `response_url`s, and both ways in which it delivers.

Sources: see `bot.sandbox.workspace` (messages), `bot.sandbox.slack_api` (calls), `bot.sandbox.deliveries` (what is
delivered), `bot.sandbox.doors` and `bot.sandbox.slack_socket` (how), `bot.sandbox.blocks` (what Slack refuses).
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Self, TypeVar

from bot.sandbox.deliveries import OBSERVING, USER, Deliveries
from bot.sandbox.doors import Headers, conclude, headers_for, post
from bot.sandbox.faults import Fault
from bot.sandbox.loopback import HOST, LoopbackServer
from bot.sandbox.records import Acknowledgement, Delivery
from bot.sandbox.script import Script
from bot.sandbox.slack_api import SlackApi
from bot.sandbox.slack_connection import SocketConnection
from bot.sandbox.slack_socket import SocketMode
from bot.sandbox.watch import Watch

T = TypeVar("T")

AUDIT = "C0AUDITLOG1"
ACK_S = 3.0
"""How long Slack waits for an acknowledgement."""


class SandboxSlack(Deliveries):
    """A Slack at `api_url`, from `start` to `close`, with the channels #observing and #actcode-audit.

    Args:
        post_rate_per_s: messages a second that a channel takes; None: any number.
        post_burst: messages that it takes at once after a pause.
        ack_s: how long it waits for an acknowledgement.
        ping_s: from one of its pings over a Socket Mode connection to the next.
        watch: the lock to share with another sandbox.

    Attributes:
        posts: what was posted into channels, in order.
        dms: what was posted to users, in order.
        ephemerals: what only one user sees, in order.
        calls: every call of the Web API, and of a `response_url`.
        views: the modals that were opened.
        homes: the App Homes, by user.
        channels: by ID; change them to archive one or to throw the bot out.
        users: who exists; None: everybody.
        scopes: of the bot's token.
        observing: the channel from which commands come.
        audit: the channel that is meant for `AUDIT_CHANNEL`.
    """

    def __init__(
        self,
        *,
        post_rate_per_s: float | None = 1.0,
        post_burst: int = 3,
        ack_s: float = ACK_S,
        ping_s: float = 10.0,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(watch=watch or Watch(), post_rate_per_s=post_rate_per_s, post_burst=post_burst)
        self._ack_s = ack_s
        self._script = Script()
        self._socket = SocketMode(watch=self.watch, app_id=self.app_id, limit_s=ack_s, ping_s=ping_s)
        api = SlackApi(workspace=self, script=self._script, connect=lambda _: self._socket.url())
        self._server = LoopbackServer(handle=api.handle, name="sandbox Slack")
        self._open = ExitStack()
        self.observing = self.add_channel(OBSERVING, "observing")
        self.audit = self.add_channel(AUDIT, "actcode-audit")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Listen on free ports."""
        # The server is closed first: whoever is cut off asks it for another connection at once.
        self._open.callback(self._socket.close)
        self._socket.start()
        self._open.callback(self._server.close)
        self._server.start()
        return self

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self._open.close()

    @property
    def api_url(self) -> str:
        """What `SLACK_API_URL` is to be."""
        return f"{self.base_url}/api/"

    @property
    def connections(self) -> list[SocketConnection]:
        """The open Socket Mode connections, oldest first."""
        with self.watch.reading():
            return list(self._socket.connections)

    @property
    def greets(self) -> bool:
        """Whether a new Socket Mode connection is told hello."""
        return self._socket.greets

    @greets.setter
    def greets(self, does: bool) -> None:
        self._socket.greets = does

    @property
    def opened(self) -> int:
        """How many Socket Mode connections there have been."""
        return self._socket.opened

    @property
    def late(self) -> list[str]:
        """The envelope IDs that were acknowledged too late, or twice."""
        return self._socket.late

    @property
    def clock_offset_s(self) -> float:
        """How far Slack's clock is ahead: in the Date of its answers, and in the timestamps that it signs with."""
        return self._server.clock_offset_s

    @clock_offset_s.setter
    def clock_offset_s(self, seconds: float) -> None:
        self._server.clock_offset_s = seconds

    def fail(self, method: str | None, *faults: Fault) -> None:
        """Let the next calls of `method` ("response_url" is one, too; None: any) meet these faults, one each."""
        self._script.fail(method, *faults)

    def always(self, method: str | None, fault: Fault) -> None:
        """Let every call of `method` (None: any) meet this fault, after those of `fail`."""
        self._script.always(method, fault)

    def clear(self) -> None:
        """Let every call be normal again, and connections be taken."""
        self._script.clear()
        self.accept()

    def refuse(self) -> None:
        """Refuse connections to the Web API and the `response_url`s; the port is kept."""
        self._server.refuse()

    def accept(self) -> None:
        """Take connections again."""
        self._server.accept()

    def deliver_http(
        self,
        url: str,
        delivery: Delivery,
        *,
        sign: bool = True,
        secret: str | None = None,
        timestamp: float | str | None = None,
        headers: Mapping[str, str | None] | Headers = (),
        body: bytes | None = None,
    ) -> Acknowledgement:
        """Deliver over HTTP, and show the user what the app answers within 3 s.

        Args:
            url: the app's Request URL.
            delivery: what to deliver.
            sign: whether it carries a signature at all.
            secret: to sign with; None: the right one.
            timestamp: to sign with; None: now.
            headers: a mapping replaces headers (None takes one out); pairs are added, as duplicates if need be.
            body: to send instead, signed like the right one.
        """
        content_type, content = delivery.encoded()
        content = content if body is None else body
        all_headers = headers_for(
            content_type,
            secret=(secret or self.signing_secret) if sign else None,
            timestamp=str(int(time.time() + self.clock_offset_s)) if timestamp is None else str(timestamp),
            body=content,
            overrides=headers,
        )
        answer = post(url, content, all_headers, limit_s=self._ack_s)
        return answer if answer.error else conclude(self, delivery, answer)

    def deliver_socket(
        self, delivery: Delivery, *, connection: SocketConnection | None = None, retry: int = 0
    ) -> Acknowledgement:
        """Deliver over one of the open connections, and show the user what the app answers within 3 s.

        Args:
            delivery: what to deliver.
            connection: which one; None: each in its turn.
            retry: the number of the attempt, where Slack delivers again.
        """
        return self._socket.deliver(
            delivery, lambda answer: conclude(self, delivery, answer), connection=connection, retry=retry
        )

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10.0) -> T:
        """Return what `predicate` returns as soon as that is true; it is asked whenever something has happened.

        Raises:
            bot.sandbox.watch.NotSeenError: it was not within `timeout` seconds; the message tells what happened.
        """
        return self.watch.wait_for(predicate, timeout, self.account)

    def account(self) -> str:
        """Return what has happened, for a person to read."""
        with self.watch.reading():
            return "\n".join(
                [f"Slack: {len(self.connections)} connections"]
                + [f"  {one.at:.3f} {one.method} -> {one.status} {one.error or ''} {one.why}" for one in self.calls]
                + [f"  {one.at:.3f} post in {one.channel}: {one.shown}" for one in self.posts]
                + [f"  {one.at:.3f} direct message to {one.user}: {one.shown}" for one in self.dms]
                + [f"  {one.at:.3f} {one.via} to {one.user}: {one.shown}" for one in self.ephemerals]
            )

    @property
    def base_url(self) -> str:
        """Where its web server is."""
        return f"http://{HOST}:{self._server.port}"


__all__ = ["AUDIT", "OBSERVING", "USER", "SandboxSlack"]
