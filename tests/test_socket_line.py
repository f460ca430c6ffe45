"""The line to Slack: it comes back after every kind of end, notices what is deaf, and leaves nothing behind."""

import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.sandbox.slack_connection import SocketConnection
from bot.sandbox.watch import NotSeenError
from bot.socket_line import Line
from bot.socket_link import Envelope, Link, Patience
from bot.socket_ticket import Tickets
from bot.socket_trouble import Pauses
from tests.processes import until

QUICK = Patience(hello_s=0.3, ping_s=0.1, pong_s=0.4, quiet_s=0.3, ack_s=1.0)
NEVER_S = 1000.0
SLACK_PINGS_S = 0.1
SOON_S = 0.5
"""An acknowledgement that did not wait for anything."""


class Desk:
    """Says yes to every delivery, perhaps only when it is let, and has something to do afterwards."""

    def __init__(self) -> None:
        self.seen: list[Envelope] = []
        self.open = threading.Event()
        self.open.set()
        self.payload: dict[str, Any] | None = None
        self.begun = 0
        self.done = threading.Event()
        self.done.set()

    def answer(self, envelope: Envelope) -> str | None:
        """Answer."""
        self.seen.append(envelope)
        assert self.open.wait(10)
        payload = {} if self.payload is None else {"payload": self.payload}
        return json.dumps({"envelope_id": envelope["envelope_id"], **payload})

    def answered(self) -> None:
        """Go on."""
        self.begun += 1
        assert self.done.wait(10)


@pytest.fixture
def slack() -> Iterator[SandboxSlack]:
    """Give a Slack that pings often."""
    with SandboxSlack(post_rate_per_s=None, ping_s=SLACK_PINGS_S) as made:
        yield made


@pytest.fixture
def desk() -> Desk:
    """Give somebody who answers."""
    return Desk()


@contextmanager
def line_to(
    slack: SandboxSlack,
    desk: Desk,
    *,
    given_up: Callable[[], None] = lambda: None,
    proxy: str | None = None,
    stands: bool = True,
    **pauses: float,
) -> Iterator[Line]:
    """Give a line that is quick to doubt, and quick to try again."""
    tickets = Tickets(api_url=slack.api_url, app_token=slack.app_token, timeout_s=5, failed=lambda _, __: None)
    quick = {"first_s": 0.02, "most_s": 0.1, "lasting_s": NEVER_S, "idle_s": NEVER_S, "idle_most_s": NEVER_S}
    line = Line(
        ticket=lambda switched_off: tickets.ask(switched_off=switched_off),
        answer=desk.answer,
        answered=desk.answered,
        proxy=proxy,
        given_up=given_up,
        patience=QUICK,
        pauses=Pauses(**{**quick, **pauses}),
    )
    line.start()
    try:
        assert line.wait(5 if stands else 0) is stands
        yield line
    finally:
        line.close()


ENDS: dict[str, Callable[[SocketConnection], None]] = {
    "a close frame": SocketConnection.close,
    "a reset": SocketConnection.cut,
    "an end without a close frame": partial(SocketConnection.cut, silently=True),
    "a refresh": SocketConnection.refresh,
    "a warning": partial(SocketConnection.refresh, reason="warning"),
    "Socket Mode off and on": partial(SocketConnection.refresh, reason="link_disabled"),
    "an unknown reason": partial(SocketConnection.refresh, reason="too_many_websockets"),
    "unanswered pings": partial(SocketConnection.deafen, pings_too=True),
    "no pings of Slack's": partial(SocketConnection.deafen, pinging=False),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_comes_back_after_every_end(slack: SandboxSlack, desk: Desk, end: str) -> None:
    """Within a second or two, by itself; the next command is acknowledged at once, and the old connection is gone."""
    with line_to(slack, desk) as line:
        (old,) = slack.connections
        until(lambda: old.pings > 1)  # one that has never come cannot be missed
        ENDS[end](old)
        slack.wait_for(lambda: slack.opened == 2)
        assert line.wait(1)
        new = slack.connections[-1]
        ack = slack.deliver_socket(slack.command("A10cnQO"), connection=new)
        assert ack.error is None
        assert ack.elapsed_s < SOON_S
        if old.leaving:
            old.close()
        slack.wait_for(lambda: old not in slack.connections or end == "a warning")
    assert slack.opened == 2


def test_unanswered_pings_are_enough(desk: Desk) -> None:
    """Where Slack has never pinged by itself, too."""
    with SandboxSlack(ping_s=NEVER_S) as slack, line_to(slack, desk) as line:
        slack.connections[0].deafen(pings_too=True)
        slack.wait_for(lambda: slack.opened == 2)
        assert line.wait(1)
        assert slack.deliver_socket(slack.command("A10cnQO"), connection=slack.connections[-1]).error is None


def test_a_command_on_either_connection_is_acknowledged_around_a_refresh(slack: SandboxSlack, desk: Desk) -> None:
    """The one that is about to be closed is read on, and the new one is read at once."""
    with line_to(slack, desk):
        (old,) = slack.connections
        old.refresh()
        acks = [slack.deliver_socket(slack.command("before"), connection=old)]
        slack.wait_for(lambda: slack.opened == 2)
        new = slack.connections[-1]
        until(lambda: new.pings > 3)
        acks += [slack.deliver_socket(slack.command("after"), connection=one) for one in (old, new)]
        assert [one.error for one in acks] == [None, None, None]
        assert max(one.elapsed_s for one in acks) < SOON_S


def test_an_acknowledgement_goes_over_another_connection_where_its_own_has_ended(
    slack: SandboxSlack, desk: Desk
) -> None:
    """Slack knows it by the envelope's ID."""
    desk.open.clear()
    with line_to(slack, desk), ThreadPoolExecutor() as pool:
        (old,) = slack.connections
        coming = pool.submit(slack.deliver_socket, slack.command("A10cnQO"))
        until(lambda: bool(desk.seen))
        old.cut()
        slack.wait_for(lambda: slack.opened == 2)
        desk.open.set()
        assert coming.result().error is None


def test_an_acknowledgement_waits_for_the_next_connection(slack: SandboxSlack, desk: Desk) -> None:
    """It is ready when there is none; Slack still waits, so it is not thrown away."""
    desk.open.clear()
    with line_to(slack, desk, most_s=0.3) as line, ThreadPoolExecutor() as pool:
        coming = pool.submit(slack.deliver_socket, slack.command("A10cnQO"))
        until(lambda: bool(desk.seen))
        slack.fail("apps.connections.open", *[faults.api_error("internal_error")] * 3)
        slack.connections[0].cut()
        until(lambda: not line.standing)
        desk.open.set()
        ack = coming.result()
        assert ack.error is None
        assert slack.opened == 2
        until(lambda: desk.begun == 1)


def test_an_acknowledgement_does_not_wait_for_ever(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Slack has told the person by then; what was taken begins all the same, and the log says what was not sent."""
    desk.open.clear()
    with SandboxSlack(ack_s=1.5 * QUICK.ack_s) as slack, line_to(slack, desk) as line, ThreadPoolExecutor() as pool:
        coming = pool.submit(slack.deliver_socket, slack.command("A10cnQO"))
        until(lambda: bool(desk.seen))
        slack.always("apps.connections.open", faults.api_error("internal_error"))
        slack.connections[0].cut()
        until(lambda: not line.standing)
        desk.open.set()
        until(lambda: desk.begun == 1)
        assert "an acknowledgement was not sent" in caplog.text
        assert coming.result().error == "operation_timeout"


def test_closing_does_not_wait_for_a_connection_that_does_not_come(desk: Desk) -> None:
    """An acknowledgement that nobody can hear any more holds nothing up."""
    desk.open.clear()
    with SandboxSlack(ack_s=1.5 * QUICK.ack_s) as slack, line_to(slack, desk) as line, ThreadPoolExecutor() as pool:
        pool.submit(slack.deliver_socket, slack.command("A10cnQO"))
        until(lambda: bool(desk.seen))
        slack.always("apps.connections.open", faults.api_error("internal_error"))
        slack.connections[0].cut()
        until(lambda: not line.standing)
        desk.open.set()
        start = time.monotonic()
        line.close()
        assert time.monotonic() - start < QUICK.ack_s / 2
        assert desk.begun == 1


def test_a_connection_that_says_no_hello_is_none(slack: SandboxSlack, desk: Desk) -> None:
    """It is replaced until one does."""
    slack.greets = False
    with line_to(slack, desk, stands=False) as line:
        slack.wait_for(lambda: slack.opened == 2)
        assert not line.standing
        slack.greets = True
        assert line.wait(5)
        slack.wait_for(lambda: len(slack.connections) == 1)


def test_an_idle_connection_is_kept(slack: SandboxSlack, desk: Desk) -> None:
    """Pings come and go, and nothing else: that is no reason for another one."""
    with line_to(slack, desk), pytest.raises(NotSeenError):
        slack.wait_for(lambda: slack.opened > 1, timeout=10 * SLACK_PINGS_S)


def test_an_idle_connection_is_replaced_ever_more_seldom(slack: SandboxSlack, desk: Desk) -> None:
    """It could be deaf although it answers pings; a delivery shows that it is not, and the pauses begin anew."""
    starts: list[float] = []
    with line_to(slack, desk, idle_s=0.2) as line:
        for number in range(1, 4):
            slack.wait_for(lambda number=number: slack.opened == number)  # type: ignore[misc]
            starts.append(time.monotonic())
        slack.wait_for(lambda: len(slack.connections) == 1)
        assert starts[2] - starts[1] > 2 * (starts[1] - starts[0])
        assert line.wait(1)
        assert slack.deliver_socket(slack.command("A10cnQO")).error is None
        slack.wait_for(lambda: slack.opened == 4, timeout=1)


def test_a_deaf_connection_that_answers_pings_is_replaced(slack: SandboxSlack, desk: Desk) -> None:
    """Nothing in it shows that it is deaf but that nothing comes."""
    with line_to(slack, desk, idle_s=0.3):
        slack.connections[0].deafen()
        slack.wait_for(lambda: slack.opened == 2)
        slack.wait_for(lambda: len(slack.connections) == 1)
        assert slack.deliver_socket(slack.command("A10cnQO")).error is None


def test_a_refused_replacement_leaves_an_idle_connection_alone(slack: SandboxSlack, desk: Desk) -> None:
    """Whatever the refusal says: the connection that stands still serves."""
    with line_to(slack, desk, idle_s=0.2) as line:
        slack.always("apps.connections.open", faults.api_error("invalid_auth"))
        slack.wait_for(lambda: len(slack.calls) >= 2)
        assert slack.deliver_socket(slack.command("A10cnQO")).error is None
        assert line.fault is None


def test_reconnecting_leaves_nothing_behind(slack: SandboxSlack, desk: Desk) -> None:
    """After 200 connections there are as many threads, files and objects as after five."""

    def state() -> tuple[int, int, int]:
        gc.collect()
        links = sum(isinstance(one, Link) for one in gc.get_objects())
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), links

    ways: list[Callable[[SocketConnection], None]] = [
        SocketConnection.cut,
        SocketConnection.close,
        SocketConnection.refresh,
        partial(SocketConnection.cut, silently=True),
    ]
    with line_to(slack, desk, lasting_s=0.0) as line:
        early: tuple[int, int, int] | None = None
        for number in range(200):
            (one,) = slack.connections
            ways[number % len(ways)](one)
            slack.wait_for(lambda number=number: slack.opened == number + 2)  # type: ignore[misc]
            assert line.wait(5)
            one.close()
            slack.wait_for(lambda: len(slack.connections) == 1)
            if number == 4:
                early = state()
        until(lambda: early is not None and all(map(int.__le__, state(), early)), what=lambda: f"{early} {state()}")


LOST = "the connection to Slack was lost: it broke off; connecting again"
FOR_GOOD = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "not_allowed_token_type")


@pytest.mark.parametrize("error", [*FOR_GOOD, "missing_scope"])
def test_a_token_that_was_revoked_is_the_end(slack: SandboxSlack, desk: Desk, error: str) -> None:
    """At the next connection; Slack is not asked again, and the sentence names the setting."""
    given_up = threading.Event()
    with line_to(slack, desk, given_up=given_up.set) as line:
        slack.always("apps.connections.open", faults.api_error(error))
        slack.connections[0].cut()
        assert given_up.wait(5)
        assert "SLACK_APP_TOKEN" in str(line.fault)
        assert error in str(line.fault)
        assert ("connections:write" in str(line.fault)) is (error == "missing_scope")
    assert len(slack.calls) == 2


def test_socket_mode_that_stays_switched_off_is_the_end(slack: SandboxSlack, desk: Desk) -> None:
    """Slack says so, and then refuses a connection with whatever error, or says so again."""
    for refuses in (True, False):
        given_up = threading.Event()
        with line_to(slack, desk, given_up=given_up.set) as line:
            if refuses:
                slack.fail("apps.connections.open", faults.api_error("internal_error"), faults.api_error("no_such_app"))
            slack.connections[-1].refresh("link_disabled")
            if not refuses:
                opened = slack.opened
                slack.wait_for(lambda opened=opened: slack.opened == opened + 1)  # type: ignore[misc]
                assert line.wait(5)
                slack.connections[-1].refresh("link_disabled")
            assert given_up.wait(5)
            assert "page Socket Mode" in str(line.fault)


@pytest.mark.parametrize(
    "fault",
    [
        faults.api_error("internal_error"),
        faults.answer(503),
        faults.answer(200, b"<html>"),
        faults.answer(200, {"ok": True}),
        faults.reset_before(),
        faults.close(),
    ],
    ids=["error", "503", "no JSON", "no URL", "reset", "no answer"],
)
def test_a_refusal_for_now_is_told_once(
    slack: SandboxSlack, desk: Desk, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    """Slack is asked again until it gives a connection; the log has the reason once, without the token."""
    caplog.set_level(logging.INFO)
    with line_to(slack, desk, lasting_s=0.0) as line:
        slack.fail("apps.connections.open", *[fault] * 4)
        slack.connections[0].cut()
        slack.wait_for(lambda: slack.opened == 2)
        assert line.wait(5)
        until(lambda: "connected to Slack again" in caplog.text)
    mine = [one.getMessage() for one in caplog.records if one.name.startswith("bot.")]
    assert [one for one in mine if "lost" in one] == [
        "the connection to Slack was lost: it broke off; connecting again"
    ]
    assert len([one for one in mine if "trying again" in one]) == 1
    assert len(mine) == len(caplog.records)
    assert slack.app_token not in caplog.text


def test_pauses_grow_and_heed_what_slack_asks(slack: SandboxSlack, desk: Desk) -> None:
    """Twice as long after each failure, and at least as long as a 429 says."""
    with line_to(slack, desk, first_s=0.1, most_s=10.0):
        failing = [faults.api_error("internal_error")] * 3 + [faults.rate_limited(2)]
        slack.fail("apps.connections.open", *failing)
        slack.connections[0].cut()
        slack.wait_for(lambda: slack.opened == 2)
    at = [one.at for one in slack.calls][1:]
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]
    assert pauses[3] >= 2


def test_connections_that_do_not_last_are_no_storm(slack: SandboxSlack, desk: Desk) -> None:
    """Each one that ends at once makes the next pause longer."""
    with line_to(slack, desk, first_s=0.05, most_s=10.0):
        for number in range(1, 5):
            slack.wait_for(lambda number=number: slack.opened == number and slack.connections)  # type: ignore[misc]
            slack.connections[-1].cut()
        slack.wait_for(lambda: slack.opened == 5)
    at = [one.at for one in slack.calls]
    assert at[4] - at[3] > 1.5 * (at[2] - at[1])


def test_closing_sends_the_acknowledgement_that_is_under_way(slack: SandboxSlack, desk: Desk) -> None:
    """Then the connection is closed, and Slack gives nothing more."""
    desk.open.clear()
    with line_to(slack, desk) as line, ThreadPoolExecutor() as pool:
        coming = pool.submit(slack.deliver_socket, slack.command("A10cnQO"))
        until(lambda: bool(desk.seen))
        closing = pool.submit(line.close)
        desk.open.set()
        assert coming.result().error is None
        closing.result(5)
        assert slack.deliver_socket(slack.command("A10cnQO")).error == "dispatch_failed"


def test_closing_does_not_wait_for_a_pause_between_commands(slack: SandboxSlack, desk: Desk) -> None:
    """While they keep coming, too, it ends, and what was taken is acknowledged."""
    ended = threading.Event()
    acks: list[str | None] = []

    def ask() -> None:
        while not ended.is_set():
            acks.append(slack.deliver_socket(slack.command("A10cnQO")).error)

    with line_to(slack, desk) as line, ThreadPoolExecutor() as pool:
        for _ in range(4):
            pool.submit(ask)
        until(lambda: len(acks) > 20)
        start = time.monotonic()
        line.close()
        assert time.monotonic() - start < 3
        ended.set()
    assert acks.count(None) == len(desk.seen)


def test_a_delivery_that_waited_too_long_is_not_taken(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Its person has been told that it failed, and will ask again; nobody is to be mailed twice for that."""
    desk.open.clear()
    with SandboxSlack(ack_s=1.5 * QUICK.ack_s) as slack, line_to(slack, desk), ThreadPoolExecutor(32) as pool:
        first = [pool.submit(slack.deliver_socket, slack.command(f"x{number}")) for number in range(16)]
        until(lambda: len(desk.seen) == 16)
        late = pool.submit(slack.deliver_socket, slack.command("late"))
        assert late.result().error == "operation_timeout"
        desk.open.set()
        until(lambda: "was not taken" in caplog.text)
        assert {one.result().error for one in first} == {"operation_timeout"}
        assert len(desk.seen) == 16


def test_a_long_acknowledgement_gets_through(slack: SandboxSlack, desk: Desk) -> None:
    """Longer than the 65,535 bytes beyond which a frame needs its longest form."""
    desk.payload = {"text": "\N{COMET}" * 30_000}  # six bytes each
    with line_to(slack, desk):
        ack = slack.deliver_socket(slack.command("A10cnQO"))
        assert ack.error is None
        assert len(ack.text) == 30_000


def test_fifty_commands_at_once_are_acknowledged_at_once(slack: SandboxSlack, desk: Desk) -> None:
    """None waits for another."""
    with line_to(slack, desk), ThreadPoolExecutor(50) as pool:
        commands = [slack.command(f"x{number}") for number in range(50)]
        acks = list(pool.map(slack.deliver_socket, commands))
    assert {one.error for one in acks} == {None}
    assert max(one.elapsed_s for one in acks) < SOON_S


def test_what_was_asked_for_begins_behind_the_acknowledgement(slack: SandboxSlack, desk: Desk) -> None:
    """However long it takes, Slack has heard by then."""
    with line_to(slack, desk):
        desk.done.clear()
        ack = slack.deliver_socket(slack.command("A10cnQO"))
        assert ack.error is None
        until(lambda: desk.begun == 1)
        desk.done.set()


def test_what_is_no_delivery_is_ignored(desk: Desk) -> None:
    """And an answer that fails costs its own delivery only."""
    with SandboxSlack(ack_s=0.3) as slack, line_to(slack, desk):
        slack.connections[0].send([1, 2])  # type: ignore[arg-type]
        slack.connections[0].send({"type": "news"})
        desk.payload = {"text": object()}
        assert slack.deliver_socket(slack.command("x")).error == "operation_timeout"
        desk.payload = None
        assert slack.deliver_socket(slack.command("x")).error is None
        assert slack.opened == 1


def test_a_proxy_is_used(slack: SandboxSlack, desk: Desk) -> None:
    """The connection goes through the HTTP proxy that the environment names."""
    with proxy() as (url, asked), line_to(slack, desk, proxy=url):
        assert slack.deliver_socket(slack.command("A10cnQO")).error is None
        assert [one.split()[0] for one in asked] == ["CONNECT"]


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Give the URL of an HTTP proxy for one connection, and the lines with which it was asked."""
    asked: list[str] = []

    def serve(server: socket.socket) -> None:
        ours, _ = server.accept()
        with ours:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += ours.recv(1)
            asked.append(request.decode().splitlines()[0])
            host, _, port = asked[0].split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as theirs:
                ours.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(theirs, ours))
                back.start()
                pump(ours, theirs)
                back.join()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        thread.join(10)
