"""Hostile input: whatever comes in is answered below 500, is not logged with a secret, and binds nothing for long."""

import contextlib
import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.sandbox import faults
from bot.sandbox.faults import Fault
from bot.sandbox.mpc import SandboxMPC
from bot.server import THREADS
from bot.store.database import Database
from bot.web import MOST_BYTES
from tests.conftest import events_of
from tests.deliveries import FORM, SECRET, Client, client_of
from tests.processes import Bot, World, until, world

JSON = "application/json"


@pytest.fixture
def client(sqlite: Database) -> Client:
    """Give a site whose background does not run."""
    return client_of(sqlite)


def harmless(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Hold the last answer to the promise."""
    assert client.status < 500
    assert not [one for one in caplog.records if one.exc_info]
    caplog.clear()


NAMES = st.sampled_from(
    [
        "type", "command", "text", "team_id", "team", "id", "user_id", "user", "channel_id", "channel", "enterprise",
        "enterprise_id", "is_enterprise_install", "trigger_id", "response_url", "event", "view", "actions", "payload",
        "authorizations", "callback_id", "challenge", "ssl_check", "api_app_id", "container", "message", "state", "bot",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "/actcode", "A10cnQO", "event_callback", "url_verification", "block_actions", "view_submission", "shortcut",
        "message_action", "view_closed", "app_home_opened", "block_suggestion", "true", "T1", "\ud800", "\x00", "1",
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.tuples(st.dictionaries(NAMES, ANYTHING, max_size=8), WORDS).map(lambda both: both[0] | {"type": both[1]})
DELIVERIES = st.one_of(
    st.tuples(st.binary(max_size=200), st.sampled_from([FORM, JSON, "", "text/plain", "multipart/form-data", "\xff"])),
    OBJECTS.map(lambda content: (json.dumps(content).encode(), JSON)),
    OBJECTS.map(lambda content: (urlencode({"payload": json.dumps(content)}).encode(), FORM)),
    st.lists(st.tuples(NAMES, WORDS | st.text(max_size=5)), max_size=8).map(
        lambda pairs: (urlencode(pairs, errors="replace").encode(), FORM)
    ),
)


@given(delivery=DELIVERIES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_signed_is_answered(
    client: Client, caplog: pytest.LogCaptureFixture, delivery: tuple[bytes, str]
) -> None:
    """No body that carries Slack's signature makes the bot fail, whatever its fields are."""
    body, content_type = delivery
    with contextlib.suppress(UnicodeDecodeError):  # slack_sdk signs text alone
        client.deliver(body, CONTENT_TYPE=content_type)
        harmless(client, caplog)


HEADERS = st.dictionaries(
    st.sampled_from(
        ["HTTP_X_SLACK_SIGNATURE", "HTTP_X_SLACK_REQUEST_TIMESTAMP", "CONTENT_TYPE", "CONTENT_LENGTH",
         "HTTP_CONTENT_ENCODING", "HTTP_X_SLACK_RETRY_NUM", "PATH_INFO", "REQUEST_METHOD", "wsgi.input_terminated"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20) | st.sampled_from(["", "0", "9" * 30, "-1", "1e3", JSON]),
)  # fmt: skip


@given(body=st.binary(max_size=300), headers=HEADERS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_not_signed_is_refused(
    client: Client, caplog: pytest.LogCaptureFixture, body: bytes, headers: dict[str, str]
) -> None:
    """Any bytes with any headers get an answer, and leave no trace in the trail."""
    client.ask("POST", "/slack/events", body, **headers)
    harmless(client, caplog)
    assert events_of(client.database) == []


# Over real HTTP, against the whole program.


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with world(tmp_path, f"sqlite:///{tmp_path / 'trail.db'}") as made:
        yield made


class Raw:
    """A connection on which anything can be said."""

    def __init__(self, bot: Bot) -> None:
        self._socket = socket.create_connection(("127.0.0.1", int(bot.url.rpartition(":")[2])), timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, data: bytes) -> bool:
        """Send; False where the other side has hung up."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Say that nothing more comes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def status(self) -> int | None:
        """Return the status of the answer; None where the connection ends without one."""
        heard = b""
        try:
            while b"\r\n" not in heard and (part := self._socket.recv(65536)):
                heard += part
        except OSError:
            return None
        return int(heard.split(b" ", 2)[1]) if heard.startswith(b"HTTP/") else None


def head(*lines: str, path: str = "/slack/events") -> bytes:
    """Return the head of a request, encoded as Latin-1, as anybody can send it."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


def signed(here: World, body: bytes) -> tuple[str, ...]:
    """Return the headers of Slack's for a body."""
    timestamp = str(int(time.time()))
    signature = SignatureVerifier(here.slack.signing_secret).generate_signature(timestamp=timestamp, body=body)
    return (
        f"X-Slack-Request-Timestamp: {timestamp}",
        f"X-Slack-Signature: {signature}",
        f"Content-Type: {FORM}",
    )


def form(text: str) -> bytes:
    """Return the form of a command."""
    return urlencode(
        {"command": "/actcode", "text": text, "team_id": "T1", "channel_id": "C1", "user_id": "U1", "trigger_id": text}
    ).encode()


def memory_kb(bot: Bot) -> int:
    """Return the most memory that a process of the bot has had."""
    return max(
        int(line.split()[1])
        for pid in bot.pids()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )


STRANGE: dict[str, bytes] = {
    "a signature that is not ASCII": head("X-Slack-Signature: v0=\xe9", "Content-Length: 0"),
    "two signatures": head("X-Slack-Signature: v0=1", "X-Slack-Signature: v0=2", "Content-Length: 0"),
    "two lengths": head("Content-Length: 3", "Content-Length: 4") + b"a=1",
    "a length and chunks": head("Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a length that is none": head("Content-Length: -1"),
    "an endless length": head("Content-Length: " + "9" * 4000),
    "a length of a gigabyte": head(f"Content-Length: {10**9}"),
    "chunks that are none": head("Transfer-Encoding: chunked") + b"zz\r\n",
    "a coding that nobody knows": head("Transfer-Encoding: br, chunked") + b"0\r\n\r\n",
    "a thousand headers": head(*(f"X-{number}: 1" for number in range(1000))),
    "a header of a megabyte": head("X-Slack-Signature: " + "0" * 1_000_000),
    "a path of a megabyte": head(path="/" + "a" * 1_000_000),
    "a NUL in a header": head("X-Slack-Signature: v0=\x00"),
    "something that is not HTTP": b"\x16\x03\x01\x02\x00\x01\x00" + bytes(200) + b"\r\n\r\n",
    "an unknown method": b"FROB /slack/events HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version to come": b"POST /slack/events HTTP/9.9\r\nHost: x\r\n\r\n",
    "an expectation": head("Expect: miracles", "Content-Length: 0"),
}  # fmt: skip


def test_strange_requests_are_answered_and_leave_no_trace(here: World) -> None:
    """Each gets an answer below 500 or none, in bounded memory; no traceback and no secret is in the log."""
    with Bot(here, more={"LOG_LEVEL": "DEBUG"}) as bot:
        bot.command("first1")
        before = memory_kb(bot)
        statuses = {}
        for case, data in STRANGE.items():
            with Raw(bot) as raw:
                raw.say(data)
                raw.end()
                statuses[case] = raw.status()
        for case, wrong in WRONG.items():
            delivery = here.slack.command("A10cnQO")
            ack = here.slack.deliver_http(f"{bot.url}/slack/events", delivery, **wrong)
            statuses[case] = ack.status
            assert ack.status == 401, case
        bodies = [endless_chunks(bot), endless_body(bot)]
        assert memory_kb(bot) - before < 30_000
        assert bot.stop() == 0
    assert bodies == [413, 413]
    assert {case: one for case, one in statuses.items() if one is not None and one >= 500} == {}
    assert statuses["a length of a gigabyte"] == 413
    assert "Traceback" not in bot.log
    assert not [one for one in (here.slack.bot_token, here.slack.signing_secret, "/commands/") if one in bot.log]
    assert here.mpc.mails == ["first1"]


WRONG: dict[str, dict[str, Any]] = {
    "unsigned": {"sign": False},
    "signed by somebody else": {"secret": SECRET},
    "signed six minutes ago": {"timestamp": time.time() - 360},
    "signed in six minutes": {"timestamp": time.time() + 360},
    "signed at no time": {"timestamp": "never"},
    "another body": {"headers": {"X-Slack-Signature": "v0=" + "0" * 64}},
    "two timestamps": {"headers": [("X-Slack-Request-Timestamp", "1")]},
}


def endless_chunks(bot: Bot) -> int | None:
    """Send chunks until nobody listens any more; returns the status of the answer."""
    with Raw(bot) as raw:
        raw.say(head("Transfer-Encoding: chunked", f"Content-Type: {FORM}"))
        chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        for _ in range(MOST_BYTES // 0x10000 + 1):
            raw.say(chunk)
        return raw.status()


def endless_body(bot: Bot) -> int | None:
    """Announce more than anybody should read; returns the status of the answer, which does not wait for it."""
    with Raw(bot) as raw:
        raw.say(head(f"Content-Length: {MOST_BYTES + 1}", f"Content-Type: {FORM}"))
        return raw.status()


def test_a_delivery_in_chunks_is_a_delivery(here: World) -> None:
    """A proxy may pass a body on in chunks, without a length; a length that lies makes nothing of it twice."""
    with Bot(here) as bot:
        body = form("A10cnQO")
        with Raw(bot) as raw:
            raw.say(head(*signed(here, body), "Transfer-Encoding: chunked"))
            for one in body:
                raw.say(b"1\r\n" + bytes([one]) + b"\r\n")
            raw.say(b"0\r\n\r\n")
            assert raw.status() == 200
        # Where less comes than was announced, but all that was signed, it is the same delivery.
        for length, status in ((len(body) - 1, 401), (len(body) + 1, 200)):
            with Raw(bot) as raw:
                raw.say(head(*signed(here, body), f"Content-Length: {length}") + body)
                raw.end()
                assert raw.status() == status
        here.mpc.wait_for(lambda: here.mpc.mails == ["A10cnQO"])


def test_requests_that_dribble_do_not_keep_others_waiting_for_long(here: World) -> None:
    """More of them than there are threads, in the head and in the body: each is ended after a few seconds."""
    with Bot(here) as bot:
        over = threading.Event()
        ended: list[float] = []

        def dribble(number: int) -> None:
            started = time.monotonic()
            with Raw(bot) as raw:
                raw.say(head("Content-Length: 1000") if number % 2 else b"POST /slack/events HTTP/1.1\r\nX: ")
                while raw.say(b"a") and not over.wait(0.2):
                    pass
            ended.append(time.monotonic() - started)

        threads = [threading.Thread(target=dribble, args=(number,)) for number in range(THREADS + 8)]
        for thread in threads:
            thread.start()
        until(lambda: bot.command("A10cnQO").error is None, timeout_s=20)
        for thread in threads:
            thread.join(20)
        over.set()
        assert bot.stop() == 0
    assert len(ended) == len(threads)
    assert max(ended) < 15
    assert "Traceback" not in bot.log


# From the MPC.

BOMBS: dict[str, Fault] = {
    "a header without an end": faults.Dribble(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536, 0, taken=True),
    "headers without an end": faults.Dribble(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n" * 1000, 0, taken=True),
    "interim answers without an end": faults.Dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0, taken=True),
    "a status without an end": faults.Dribble(b"HTTP/1.1 ", b"2" * 65536, 0, taken=True),
    "a chunk size without an end": faults.Dribble(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536, 0, taken=True
    ),
    "gzip that unpacks to much": faults.gzip_bomb(256),
    "gzip that was not asked for": faults.answer(
        200, gzip.compress(b"{}"), {"Content-Encoding": "gzip", "Content-Type": JSON}, taken=True
    ),
    "JSON that nests without an end": faults.answer(200, b"[" * 60_000, taken=True),
    "a number without an end": faults.answer(200, b"9" * 60_000, taken=True),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_hostile_answer_is_unknown_in_bounded_time_and_memory(case: str) -> None:
    """Whatever answers in the MPC's place, the request ends, and its outcome is not known."""
    with SandboxMPC() as sandbox:
        sandbox.fail(None, BOMBS[case])
        tracemalloc.start()
        started = time.monotonic()
        answer = MPC(api_url=sandbox.url, timeout_s=1.0).retrieve("A10cnQO", leave=lambda: True)
        seconds = time.monotonic() - started
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.outcome == Outcome.UNKNOWN
    assert seconds < 2.5
    assert most < 8_000_000
