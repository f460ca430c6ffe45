"""Each fault, as a client of HTTP meets it."""

import socket
import threading
import time
import zlib

import pytest
import requests

from bot.sandbox import faults
from bot.sandbox.faults import Fault
from bot.sandbox.mpc import SandboxMPC


def post(mpc: SandboxMPC, label: str = "A10cnQO", timeout: float = 5) -> requests.Response:
    """Ask for a label."""
    return requests.post(
        f"{mpc.url}/action-codes/retrieve", json={"label": label}, timeout=timeout, allow_redirects=False
    )


def bytes_of(mpc: SandboxMPC, most: int) -> bytes:
    """Ask for a label, and return the first bytes of what comes back."""
    port = int(mpc.url.rsplit(":", 1)[1].split("/")[0])
    body = b'{"label": "A10cnQO"}'
    head = b"POST /api/action-codes/retrieve HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head % len(body) + body)
        answer = b""
        while len(answer) < most and (more := connection.recv(most - len(answer))):
            answer += more
        return answer


@pytest.mark.parametrize("taken", [False, True])
def test_any_answer_can_be_given(mpc: SandboxMPC, *, taken: bool) -> None:
    """A status with headers and a body, of a request that was taken or not."""
    mpc.fail(None, faults.answer(503, "busy", {"Retry-After": "7"}, taken=taken))
    answer = post(mpc)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "busy", "7")
    assert mpc.mails == (["A10cnQO"] if taken else [])
    assert mpc.requests[0].status == 503


def test_an_answer_can_be_json(mpc: SandboxMPC) -> None:
    """What is neither text nor bytes goes out as JSON."""
    mpc.fail(None, faults.answer(200, {"status": "error"}))
    answer = post(mpc)
    assert answer.json() == {"status": "error"}
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_redirect_says_where_to(mpc: SandboxMPC) -> None:
    """The Location is as ordered."""
    mpc.fail(None, faults.redirect("http://127.0.0.1:9/elsewhere"))
    answer = post(mpc)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")


@pytest.mark.parametrize(
    ("fault", "mailed"), [(faults.reset_before(), False), (faults.reset_after(), True)], ids=["before", "after"]
)
def test_a_reset_is_a_reset(mpc: SandboxMPC, fault: Fault, *, mailed: bool) -> None:
    """The client sees ECONNRESET; whether the request was taken, it cannot tell."""
    mpc.fail(None, fault)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        post(mpc)
    assert bool(mpc.mails) == mailed
    assert mpc.requests[0].status is None


@pytest.mark.parametrize("taken", [False, True])
def test_an_end_without_an_answer_is_no_reset(mpc: SandboxMPC, *, taken: bool) -> None:
    """The connection ends in the ordinary way, with nothing said."""
    mpc.fail(None, faults.close(taken=taken))
    with pytest.raises(requests.ConnectionError, match="without response"):
        post(mpc)
    assert bool(mpc.mails) == taken


@pytest.mark.parametrize("taken", [False, True])
def test_a_hanging_request_hangs(mpc: SandboxMPC, *, taken: bool) -> None:
    """Nothing comes back, until the client has had enough."""
    mpc.fail(None, faults.hang(taken=taken))
    with pytest.raises(requests.ReadTimeout):
        post(mpc, timeout=0.1)
    assert bool(mpc.mails) == taken


def test_closing_ends_a_hanging_request() -> None:
    """A client that would wait for ever learns that the server is gone."""
    with SandboxMPC() as mpc:
        mpc.fail(None, faults.hang())
        gone: list[str] = []

        def ask() -> None:
            try:
                post(mpc, timeout=60)
            except requests.ConnectionError:
                gone.append("gone")

        thread = threading.Thread(target=ask)
        thread.start()
        mpc.wait_for(lambda: mpc.requests)
    thread.join()
    assert gone == ["gone"]


@pytest.mark.parametrize("taken", [False, True])
def test_a_delayed_answer_is_the_normal_one(mpc: SandboxMPC, *, taken: bool) -> None:
    """It comes late; with `taken`, the mail had gone out before."""
    mpc.fail(None, faults.delay(0.3, taken=taken))
    started = time.monotonic()
    assert post(mpc).json() == {}
    assert time.monotonic() - started >= 0.3
    assert mpc.mails == ["A10cnQO"]


def test_who_leaves_during_a_delay_may_have_been_served(mpc: SandboxMPC) -> None:
    """Taken at once, the request has had its effect; otherwise it never has."""
    mpc.fail("early", faults.delay(60, taken=True))
    mpc.fail("late", faults.delay(60, taken=False))
    for label in ("early", "late"):
        with pytest.raises(requests.ReadTimeout):
            post(mpc, label, timeout=0.1)
    assert mpc.mails == ["early"]


def test_a_head_can_dribble(mpc: SandboxMPC) -> None:
    """The head of the answer never ends, whatever the client's time-out for one read is."""
    mpc.fail(None, faults.dribble(0.001, part="head"))
    begin = bytes_of(mpc, 200)
    assert begin.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in begin
    assert len(begin) == 200


def test_a_body_can_dribble(mpc: SandboxMPC) -> None:
    """The body of the answer never ends, a byte every few moments."""
    mpc.fail(None, faults.dribble(0.001))
    begin = bytes_of(mpc, 200)
    assert b"\r\n\r\n     " in begin
    assert len(begin) == 200
    assert mpc.mails == ["A10cnQO"]


def test_a_body_can_be_endless(mpc: SandboxMPC) -> None:
    """It is well-formed as far as one reads, and nobody has read it to its end."""
    mpc.fail(None, faults.endless(taken=False))
    with requests.post(f"{mpc.url}/action-codes/retrieve", json={"label": "A10cnQO"}, timeout=5, stream=True) as answer:
        chunks = answer.iter_content(65536)
        assert sum(len(next(chunks)) for _ in range(100)) > 100 * 4096 - 1
    assert mpc.mails == []


def test_a_body_can_be_long(mpc: SandboxMPC) -> None:
    """Good JSON of any length."""
    mpc.fail(None, faults.too_long(100_000))
    answer = post(mpc)
    assert (len(answer.content), answer.json()) == (100_000, {})


def test_a_bomb_unpacks_to_much(mpc: SandboxMPC) -> None:
    """A few kilobytes over the wire are a megabyte of JSON's white space."""
    mpc.fail(None, faults.gzip_bomb(1))
    with requests.post(f"{mpc.url}/action-codes/retrieve", json={"label": "A10cnQO"}, timeout=5, stream=True) as answer:
        packed = answer.raw.read(decode_content=False)
    assert len(packed) < 10_000
    assert len(zlib.decompress(packed, wbits=31)) == 1024 * 1024


def test_an_answer_can_be_truncated(mpc: SandboxMPC) -> None:
    """The connection ends before the Content-Length is reached."""
    mpc.fail(None, faults.truncated())
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        post(mpc)


@pytest.mark.parametrize("taken", [False, True])
def test_an_answer_can_be_garbage(mpc: SandboxMPC, *, taken: bool) -> None:
    """What comes back is not HTTP."""
    mpc.fail(None, faults.garbage(taken=taken))
    with pytest.raises(requests.ConnectionError, match="BadStatusLine"):
        post(mpc)
    assert bool(mpc.mails) == taken


@pytest.mark.parametrize("fault", [faults.dribble(taken=False), faults.endless(taken=False)])
def test_endless_answers_end_with_the_server(fault: Fault) -> None:
    """Closing does not wait for a client that reads no more."""
    with SandboxMPC() as mpc:
        mpc.fail(None, fault)
        assert bytes_of(mpc, 20)
    assert mpc.mails == []


def test_slacks_own_errors_have_its_form() -> None:
    """`ok` is false, the error has its name, and a call too many is a 429 with a Retry-After."""
    assert faults.api_error("not_in_channel").response.body == b'{"ok": false, "error": "not_in_channel"}'
    limited = faults.rate_limited(30).response
    assert (limited.status, limited.headers["Retry-After"]) == (429, "30")
