"""Socket Mode of the sandbox's Slack, with slack_sdk's built-in client and with bare WebSockets."""

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest
from slack_sdk import WebClient
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from bot.sandbox import faults
from bot.sandbox.records import Acknowledgement, Delivery
from bot.sandbox.slack import USER, SandboxSlack
from bot.sandbox.slack_connection import SocketConnection
from bot.sandbox.slack_socket import MOST_CONNECTIONS
from tests.processes import until

QUICK_S = 0.2
PING_S = 1.0


@pytest.fixture
def slack() -> Iterator[SandboxSlack]:
    """Give a Slack that waits for an acknowledgement a little less long."""
    with SandboxSlack(post_rate_per_s=None, ack_s=1.0) as made:
        yield made


class Client:
    """slack_sdk's own client, which acknowledges with what it was told."""

    def __init__(self, slack: SandboxSlack) -> None:
        self.slack = slack
        self.requests: list[SocketModeRequest] = []
        self.payload: dict[str, Any] | None = None
        self.client = SocketModeClient(
            app_token=slack.app_token, web_client=WebClient(base_url=slack.api_url), ping_interval=PING_S
        )
        self.client.socket_mode_request_listeners.append(self.listen)

    def listen(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Acknowledge."""
        self.requests.append(request)
        client.send_socket_mode_response(SocketModeResponse(request.envelope_id, self.payload))

    def __enter__(self) -> Self:
        self.client.connect()
        self.slack.wait_for(lambda: self.slack.connections)
        return self

    def __exit__(self, *_: object) -> None:
        # By itself the client waits for the end of a read, up to 3 s.
        self.client.auto_reconnect_enabled = self.client.default_auto_reconnect_enabled = False
        for one in self.slack.connections:
            one.close()
        # Closing fails where the client's own thread closes the connection at the same moment (slack_sdk 3.47).
        with contextlib.suppress(AttributeError):
            self.client.close()
        self.client.close()


@contextlib.contextmanager
def dial(slack: SandboxSlack) -> Iterator[ClientConnection]:
    """Open a bare connection, and take the hello."""
    with connect(slack_url(slack), compression=None, proxy=None, close_timeout=QUICK_S) as connection:
        assert json.loads(connection.recv(timeout=5))["type"] == "hello"
        yield connection


def slack_url(slack: SandboxSlack) -> str:
    """Return the URL of a new connection."""
    return str(WebClient(base_url=slack.api_url).apps_connections_open(app_token=slack.app_token)["url"])


@contextlib.contextmanager
def delivering(slack: SandboxSlack, delivery: Delivery, **how: Any) -> Iterator[list[Acknowledgement]]:
    """Deliver in another thread; what was acknowledged is in the list at the end."""
    acks: list[Acknowledgement] = []
    thread = threading.Thread(target=lambda: acks.append(slack.deliver_socket(delivery, **how)))
    thread.start()
    try:
        yield acks
    finally:
        thread.join()


def test_slack_sdks_client_is_served(slack: SandboxSlack) -> None:
    """A command, an interaction and an event arrive, and an acknowledgement's message is shown."""
    with Client(slack) as client:
        client.payload = {"text": "done"}
        delivery = slack.command("A10cnQO")
        ack = slack.deliver_socket(delivery)
        assert (ack.error, ack.status, ack.text) == (None, 200, "done")
        assert [(one.via, one.user, one.text) for one in slack.ephemerals] == [("ack", USER, "done")]
        client.payload = None
        assert slack.deliver_socket(slack.shortcut("form")).payload == {}
        assert slack.deliver_socket(slack.event({"type": "app_home_opened"})).error is None
        assert [one.type for one in client.requests] == ["slash_commands", "interactive", "events_api"]
        assert client.requests[0].payload == delivery.payload
        assert client.requests[0].accepts_response_payload
        assert client.requests[0].retry_attempt is None
    assert [one.method for one in slack.calls] == ["apps.connections.open"]


def test_a_delivery_can_come_again(slack: SandboxSlack) -> None:
    """With the same payload in another envelope, which says that it is a retry."""
    with Client(slack) as client:
        delivery = slack.command("A10cnQO")
        for retry in range(2):
            assert slack.deliver_socket(delivery, retry=retry).error is None
        first, second = client.requests
        assert first.payload == second.payload
        assert first.envelope_id != second.envelope_id
        assert second.retry_attempt == 1


def test_a_long_message_gets_through(slack: SandboxSlack) -> None:
    """Longer than a frame of the client's, in both directions."""
    with Client(slack) as client:
        client.payload = {"text": "x" * 30_000}
        assert len(slack.deliver_socket(slack.command("y" * 100_000)).text) == 30_000
        assert len(client.requests[0].payload["text"]) == 100_000


def test_a_message_that_slack_does_not_take_is_an_error(slack: SandboxSlack) -> None:
    """As over HTTP."""
    with Client(slack) as client:
        client.payload = {"text": "x", "blocks": [{"type": "secton"}]}
        assert slack.deliver_socket(slack.command("x")).error == "invalid_command_response"
        assert slack.ephemerals == []


def test_the_client_follows_a_refresh() -> None:
    """Nothing more comes over the old connection once Slack has said that it will be closed."""
    # For up to 3 s the client still listens to the old one, and to no other (its socket's time-out).
    with SandboxSlack(ack_s=10) as slack, Client(slack) as client:
        (old,) = slack.connections
        old.refresh()
        slack.wait_for(lambda: slack.opened == 2)
        for _ in range(2):
            assert slack.deliver_socket(slack.command("x")).error is None
        assert len(client.requests) == 2
        old.close()
        slack.wait_for(lambda: len(slack.connections) == 1)


def test_the_client_survives_a_cut(slack: SandboxSlack) -> None:
    """After a reset it comes back by itself, with a new ticket."""
    with Client(slack):
        (old,) = slack.connections
        old.cut()
        slack.wait_for(lambda: slack.opened == 2 and len(slack.connections) == 1)
        assert slack.deliver_socket(slack.command("x")).error is None
        assert not old.send({"type": "hello"})


def test_the_client_comes_back_when_it_is_let(slack: SandboxSlack) -> None:
    """It asks for a connection again after it was refused one."""
    with Client(slack):
        slack.fail("apps.connections.open", faults.api_error("internal_error"), faults.answer(503))
        slack.connections[0].close()
        slack.wait_for(lambda: slack.opened == 2)
        assert slack.deliver_socket(slack.command("x")).error is None


def test_a_ticket_is_for_one_connection(slack: SandboxSlack) -> None:
    """Used twice, or invented, it is refused."""
    url = slack_url(slack)
    with connect(url, proxy=None), pytest.raises(InvalidStatus, match="401"), connect(url, proxy=None):
        pass
    invented = url.replace("ticket=", "ticket=x")
    with pytest.raises(InvalidStatus, match="401"), connect(invented, proxy=None):
        pass


def test_ten_connections_are_enough() -> None:
    """The eleventh is told so, and closed; the others take turns."""
    with SandboxSlack(ack_s=0.01) as slack, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(dial(slack)) for _ in range(MOST_CONNECTIONS)]
        one_more = stack.enter_context(connect(slack_url(slack), proxy=None))
        assert json.loads(one_more.recv(timeout=5))["reason"] == "too_many_websockets"
        with pytest.raises(ConnectionClosed):
            one_more.recv(timeout=5)
        assert len(slack.connections) == MOST_CONNECTIONS
        for _ in connections:
            assert slack.deliver_socket(slack.command("x")).error == "operation_timeout"
        assert [one.delivered for one in slack.connections] == [1] * MOST_CONNECTIONS


def test_the_hello_tells_how_many_there_are(slack: SandboxSlack) -> None:
    """So an app can see that it is not alone."""
    with dial(slack), connect(slack_url(slack), proxy=None) as second:
        hello = json.loads(second.recv(timeout=5))
        assert (hello["num_connections"], hello["connection_info"]["app_id"]) == (2, slack.app_id)


def test_pings_are_answered(slack: SandboxSlack) -> None:
    """Unless the connection was made deaf to them."""
    with dial(slack) as connection:
        assert connection.ping().wait(5)
        slack.connections[0].deafen()
        assert connection.ping().wait(5)
        slack.connections[0].deafen(pings_too=True)
        assert not connection.ping().wait(QUICK_S)


def test_slack_pings_by_itself_until_it_is_told_not_to() -> None:
    """As often as it was made to; a connection without its pings looks open all the same."""
    with SandboxSlack(ping_s=0.05) as slack, dial(slack) as connection:
        (one,) = slack.connections
        seen = pings_reach(one, 3)
        one.deafen(pinging=False)
        assert connection.ping().wait(5)
        assert one.pings <= seen + 1
        with pytest.raises(TimeoutError):
            connection.recv(timeout=QUICK_S)
        assert one.pings <= seen + 1


def pings_reach(one: SocketConnection, count: int) -> int:
    """Wait for so many pings of Slack's; returns how many there were."""
    until(lambda: one.pings >= count)
    return one.pings


def test_slack_can_keep_its_hello_to_itself(slack: SandboxSlack) -> None:
    """The connection is open, and says nothing."""
    slack.greets = False
    with connect(slack_url(slack), compression=None, proxy=None, close_timeout=QUICK_S) as connection:
        with pytest.raises(TimeoutError):
            connection.recv(timeout=QUICK_S)
        assert len(slack.connections) == 1


def test_a_delivery_is_news_before_it_is_acknowledged(slack: SandboxSlack) -> None:
    """Whoever waits for it is woken at once."""
    with dial(slack), delivering(slack, slack.command("x")) as acks:
        slack.wait_for(lambda: slack.connections[0].delivered, timeout=0.5)
        assert acks == []


def test_a_deaf_connection_delivers_nothing() -> None:
    """It looks open to the app; acknowledgements over it are not heard either, and others are as before."""
    with SandboxSlack(ack_s=QUICK_S) as slack, dial(slack) as connection:
        (one,) = slack.connections
        with delivering(slack, slack.command("x"), connection=one) as acks:
            envelope = json.loads(connection.recv(timeout=5))
            one.deafen()
            connection.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        assert acks[0].error == "operation_timeout"
        assert slack.deliver_socket(slack.command("x")).error == "operation_timeout"
        with pytest.raises(TimeoutError):
            connection.recv(timeout=QUICK_S)


def test_without_a_connection_a_command_fails_at_once(slack: SandboxSlack) -> None:
    """Also over a connection that has just ended."""
    assert slack.deliver_socket(slack.command("x")).error == "dispatch_failed"
    with dial(slack):
        (one,) = slack.connections
    slack.wait_for(lambda: not slack.connections)
    assert slack.deliver_socket(slack.command("x"), connection=one).error == "dispatch_failed"


def test_a_late_acknowledgement_is_none() -> None:
    """It is kept apart, as is what nobody has asked for and what comes twice; noise is ignored."""
    with SandboxSlack(ack_s=QUICK_S) as slack, dial(slack) as connection:
        assert slack.deliver_socket(slack.command("x")).error == "operation_timeout"
        late = json.loads(connection.recv(timeout=5))["envelope_id"]
        for message in ("noise", "[]", json.dumps({"envelope_id": late}), json.dumps({"envelope_id": "other"})):
            connection.send(message)
        slack.wait_for(lambda: slack.late == [late, "other"])
        assert slack.ephemerals == []


def test_a_warning_keeps_the_connection(slack: SandboxSlack) -> None:
    """Deliveries still go over it."""
    with dial(slack) as connection:
        slack.connections[0].refresh("warning")
        assert json.loads(connection.recv(timeout=5))["reason"] == "warning"
        with delivering(slack, slack.command("x")) as acks:
            envelope = json.loads(connection.recv(timeout=5))
            connection.send(json.dumps({"envelope_id": envelope["envelope_id"], "payload": {"text": "done"}}))
        assert acks[0].text == "done"


def test_a_cut_can_be_silent(slack: SandboxSlack) -> None:
    """The stream ends without a closing handshake and without a reset."""
    with dial(slack) as connection:
        slack.connections[0].cut(silently=True)
        with pytest.raises(ConnectionClosed, match="no close frame"):
            connection.recv(timeout=5)
    slack.wait_for(lambda: not slack.connections)


def test_closing_ends_every_connection() -> None:
    """Whoever is connected learns of it; afterwards nobody listens, and closing again is no fault."""
    with contextlib.ExitStack() as stack:
        with SandboxSlack() as slack:
            connection = stack.enter_context(dial(slack))
            url = slack_url(slack)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=5)
    with pytest.raises(OSError, match="refused"), connect(url, proxy=None):
        pass
    slack.close()
