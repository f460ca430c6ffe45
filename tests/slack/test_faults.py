"""What follows from a call to Slack that failed."""

import socket
from collections.abc import Mapping
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import faults as sandbox
from bot.sandbox.slack import SandboxSlack
from bot.slack import faults


def failure(slack: SandboxSlack, fault: sandbox.Fault) -> Exception:
    """Return what a call raises that meets a fault."""
    slack.fail("api.test", fault)
    client = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])
    with pytest.raises(faults.CALL) as caught:
        client.api_test()
    return caught.value


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (sandbox.api_error("is_archived"), "is_archived"),
        (sandbox.answer(502, "<html>nginx and a lot more</html>"), "HTTP 502"),
        (sandbox.answer(403, "blocked by the proxy for xoxb-1"), "HTTP 403"),
        (sandbox.answer(503, {"ok": False, "error": "not_in_channel"}), "HTTP 503"),
        (sandbox.answer(200, "<html>"), "HTTP 200"),
        (sandbox.reset_before(), "ConnectionResetError"),
    ],
)
def test_a_fault_has_a_word_and_not_a_body(slack: SandboxSlack, fault: sandbox.Fault, word: str) -> None:
    """Slack's own, or the status; what a proxy in between said stays out of the log."""
    assert faults.describe(failure(slack, fault)) == word


@pytest.mark.parametrize(
    ("fault", "is_an_answer", "was_not_taken"),
    [
        (sandbox.api_error("is_archived"), True, True),
        (sandbox.api_error("ratelimited"), False, True),
        (sandbox.rate_limited(3), False, True),
        (sandbox.answer(429, "slow down"), False, True),
        (sandbox.api_error("request_timeout"), False, True),
        (sandbox.api_error("fatal_error"), False, False),
        (sandbox.api_error("not_in_channel", 503), False, False),
        (sandbox.answer(403, "no"), False, False),
        (sandbox.close(), False, False),
    ],
)
def test_only_slacks_word_is_taken_for_certain(
    slack: SandboxSlack,
    fault: sandbox.Fault,
    is_an_answer: bool,  # noqa: FBT001
    was_not_taken: bool,  # noqa: FBT001
) -> None:
    """Whatever else came back, the call may have had its effect."""
    raised = failure(slack, fault)
    assert (faults.is_an_answer(raised), faults.was_not_taken(raised)) == (is_an_answer, was_not_taken)


def test_who_was_not_reached_took_nothing() -> None:
    """A refused connection and a name without an address prove it; a time-out does not."""
    assert faults.was_not_taken(URLError(ConnectionRefusedError()))
    assert faults.was_not_taken(URLError(socket.gaierror()))
    assert not faults.was_not_taken(URLError(TimeoutError()))
    assert not faults.was_not_taken(TimeoutError())


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"Retry-After": "30"}, 30_000),
        ({"retry-after": "2"}, 2_000),
        ({}, 1_000),
        ({"Retry-After": "0"}, 1_000),
        ({"Retry-After": "soon"}, 1_000),
        ({"Retry-After": "٣"}, 1_000),
        ({"Retry-After": "9" * 9}, 600_000),
        ({"Retry-After": "9" * 5000}, 1_000),
    ],
)
def test_slack_is_waited_for_as_long_as_it_says(headers: Mapping[str, str], wait_ms: int) -> None:
    """At least a second, at most ten minutes; a header that makes no sense is none."""
    assert faults.retry_after(headers) == wait_ms


def test_who_asks_for_no_time_gets_none(slack: SandboxSlack) -> None:
    """Only a 429 asks for it."""
    assert faults.wait_of(failure(slack, sandbox.api_error("is_archived"))) is None
    assert faults.wait_of(failure(slack, sandbox.rate_limited(3))) == 3_000
    assert isinstance(failure(slack, sandbox.rate_limited(3)), SlackApiError)
