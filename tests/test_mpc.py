"""One request to the MPC: whatever breaks, the outcome says whether a mail may have gone out."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import exchange, labels
from bot.answers import Answer
from bot.mpc import MAX_BODY, MPC, LookUp
from bot.outcomes import Outcome
from bot.sandbox import faults
from bot.sandbox.faults import Fault
from bot.sandbox.mpc import SandboxMPC


@pytest.fixture
def sandbox() -> Iterator[SandboxMPC]:
    """Give an MPC that takes any number of requests."""
    with SandboxMPC(rate_per_s=None) as mpc:
        yield mpc


def ask(sandbox: SandboxMPC, label: str = "A10cnQO", *, timeout_s: float = 2.0) -> Answer:
    """Make one request."""
    return MPC(api_url=sandbox.url, timeout_s=timeout_s).retrieve(label, leave=lambda: True)


def test_a_label_is_asked_for_as_the_mpc_documents_it(sandbox: SandboxMPC) -> None:
    """One POST of the label as JSON, with a User-Agent of our own, over a connection that is not kept."""
    assert ask(sandbox).outcome == Outcome.ACCEPTED
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("POST", "/api/action-codes/retrieve")
    assert request.body == b'{"label": "A10cnQO"}'
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("actcode/")
    assert request.headers["connection"] == "close"
    assert "authorization" not in request.headers
    assert sandbox.mails == ["A10cnQO"]


OUTCOMES: dict[str, tuple[Fault, Outcome, int | None]] = {
    "an empty answer": (faults.answer(204), Outcome.ACCEPTED, 204),
    "an unknown label": (faults.answer(404, {"error": "no such"}), Outcome.REJECTED, 404),
    "an error in a 200": (faults.answer(200, {"status": "error"}), Outcome.REJECTED, 200),
    "a redirect": (faults.redirect("http://127.0.0.1:9/"), Outcome.UNAVAILABLE, 307),
    "a block": (faults.answer(403, "blocked"), Outcome.UNAVAILABLE, 403),
    "a failure of the server": (faults.answer(500), Outcome.UNKNOWN, 500),
    "a page instead of JSON": (faults.answer(200, "<html>OK</html>"), Outcome.UNKNOWN, 200),
    "a reset before the request was read": (faults.reset_before(), Outcome.UNKNOWN, None),
    "a reset after it was": (faults.reset_after(), Outcome.UNKNOWN, None),
    "an end without an answer": (faults.close(), Outcome.UNKNOWN, None),
    "something that is not HTTP": (faults.garbage(), Outcome.UNKNOWN, None),
    "half an answer": (faults.truncated(), Outcome.UNKNOWN, None),
    "an answer that is too long": (faults.too_long(), Outcome.UNKNOWN, 200),
    "an answer that never ends": (faults.endless(), Outcome.UNKNOWN, 200),
    "a few bytes that unpack to many": (faults.gzip_bomb(), Outcome.UNKNOWN, 200),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_every_answer_has_its_outcome(sandbox: SandboxMPC, case: str) -> None:
    """Only what surely was not processed is `unavailable`; it is one request in every case."""
    fault, outcome, status = OUTCOMES[case]
    sandbox.fail(None, fault)
    answer = ask(sandbox)
    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert len(sandbox.requests) == 1
    assert answer.again is False


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_was_not_processed_may_be_asked_again(sandbox: SandboxMPC, status: int) -> None:
    """The answer says so, and how long the MPC asks to wait."""
    sandbox.fail(None, faults.answer(status, "", {"Retry-After": "7"}))
    answer = ask(sandbox)
    assert (answer.outcome, answer.again, answer.retry_after_s) == (Outcome.UNAVAILABLE, True, 7)


SLOW: dict[str, Fault] = {
    "silence": faults.hang(taken=True),
    "a head that dribbles": faults.dribble(0.05, part="head"),
    "a body that dribbles": faults.dribble(0.05),
}


@pytest.mark.parametrize("case", SLOW)
def test_an_answer_ends_when_its_time_is_over(sandbox: SandboxMPC, case: str) -> None:
    """The limit holds for the whole answer, however it is spread out."""
    sandbox.fail(None, SLOW[case])
    started = time.monotonic()
    answer = ask(sandbox, timeout_s=0.5)
    assert answer.outcome == Outcome.UNKNOWN
    assert answer.detail == "the answer did not end in time"
    assert 0.4 < time.monotonic() - started < 2
    assert 400 < answer.elapsed_ms < 2000


def test_a_late_answer_in_time_counts(sandbox: SandboxMPC) -> None:
    """A slow MPC is no fault, and its time is told."""
    sandbox.fail(None, faults.delay(0.3))
    answer = ask(sandbox)
    assert answer.outcome == Outcome.ACCEPTED
    assert answer.elapsed_ms >= 300


def test_no_connection_is_surely_not_sent(sandbox: SandboxMPC) -> None:
    """A refused connection may be tried again."""
    sandbox.refuse()
    answer = ask(sandbox)
    assert (answer.outcome, answer.again, answer.http_status) == (Outcome.UNAVAILABLE, True, None)
    assert answer.detail == "no connection: refused or unreachable"


@pytest.mark.parametrize("host", [".example.com", "*.example.com", "a..b", "x" * 64, "[::1", "a:99999999"])
def test_what_is_no_url_is_surely_not_sent(host: str) -> None:
    """Whether it shows before a connection is tried or only then; asking again would not help."""
    mpc = MPC(api_url=f"https://{host}/api", timeout_s=1)
    answer = mpc.retrieve("A10cnQO", leave=lambda: True)
    assert (answer.outcome, answer.again) == (Outcome.UNAVAILABLE, False)
    assert answer.detail == "no connection: the URL cannot be used"
    submission = labels.parse_all("2024-05-02T21:03:35.001_0000FzZw").labels
    assert mpc.look_up(submission, leave=lambda: True, within_s=1) == LookUp()


def test_an_unforeseen_failure_before_anything_has_left_is_no_doubt(
    sandbox: SandboxMPC, caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks in the bot before the first byte leaves is told as not sent, and the log has the reason."""

    def leave() -> bool:
        raise ZeroDivisionError

    answer = MPC(api_url=sandbox.url, timeout_s=1).retrieve("A10cnQO", leave=leave)
    assert (answer.outcome, answer.again, answer.detail) == (Outcome.UNAVAILABLE, False, "not sent: ZeroDivisionError")
    assert sandbox.posts() == []
    assert [one.exc_info is None for one in caplog.records] == [False]


def test_a_failed_tls_handshake_is_surely_not_sent(sandbox: SandboxMPC) -> None:
    """Nothing of the request leaves before TLS stands."""
    answer = MPC(api_url=sandbox.url.replace("http:", "https:"), timeout_s=1).retrieve("A10cnQO", leave=lambda: True)
    assert (answer.outcome, answer.again) == (Outcome.UNAVAILABLE, True)
    assert str(answer.detail).startswith("no connection: ")
    assert sandbox.posts() == []


def test_a_tls_handshake_that_dribbles_ends() -> None:
    """A server that accepts and then says nothing for ever costs the connection's time-out, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/api"
        started = time.monotonic()
        answer = MPC(api_url=url, timeout_s=0.5).retrieve("A10cnQO", leave=lambda: True)
        assert (answer.outcome, answer.again) == (Outcome.UNAVAILABLE, True)
        assert time.monotonic() - started < exchange.CONNECT_TIMEOUT_S


def test_a_proxy_or_netrc_of_the_environment_is_not_used(sandbox: SandboxMPC, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the environment for other programs does not send our requests elsewhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(sandbox).outcome == Outcome.ACCEPTED


def test_nothing_leaves_after_its_moment_has_passed(sandbox: SandboxMPC) -> None:
    """A process that was paused between deciding and sending does not send."""
    answer = MPC(api_url=sandbox.url, timeout_s=1).retrieve("A10cnQO", leave=lambda: False)
    assert (answer.outcome, answer.again) == (Outcome.UNAVAILABLE, True)
    assert sandbox.posts() == []


def test_a_body_of_exactly_the_limit_is_read(sandbox: SandboxMPC) -> None:
    """The limit is 64 KiB."""
    sandbox.fail(None, faults.answer(200, b"{" + b" " * (MAX_BODY - 2) + b"}"))
    assert ask(sandbox).outcome == Outcome.ACCEPTED
    sandbox.fail(None, faults.answer(200, b"{" + b" " * (MAX_BODY - 1) + b"}"))
    assert ask(sandbox).outcome == Outcome.UNKNOWN


def test_reaching_the_mpc_mails_nobody(sandbox: SandboxMPC) -> None:
    """The doctor's question is a look-up of a submission that nobody has made."""
    mpc = MPC(api_url=sandbox.url, timeout_s=1)
    assert mpc.reach().outcome == Outcome.REJECTED
    assert (sandbox.mails, sandbox.posts()) == ([], [])
    sandbox.block()
    assert mpc.reach().http_status == 403
    sandbox.refuse()
    assert mpc.reach().http_status is None


def test_tls_is_verified() -> None:
    """A certificate that nobody vouches for is no connection: nothing is sent to whoever shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "tls" / "nobody-vouches-for-this.pem")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):  # the client's alert, in whatever form it comes
                heard.append(context.wrap_socket(connection, server_side=True).recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/api"
        answer = MPC(api_url=url, timeout_s=2).retrieve("A10cnQO", leave=lambda: True)
        thread.join()
    assert (answer.outcome, answer.detail) == (Outcome.UNAVAILABLE, "no connection: TLS")
    assert heard in ([], [b""])
