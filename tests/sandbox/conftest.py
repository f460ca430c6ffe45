"""The sandboxes, and the promise that they leave nothing behind."""

import re
import threading
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.slack import SandboxSlack


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ours = re.compile("sandbox|sock_handler|recv_events|keepalive")
    left = [one for one in threading.enumerate() if one not in before and ours.search(one.name)]
    for one in left:
        one.join(5)
    assert [one.name for one in left if one.is_alive()] == []


@pytest.fixture
def mpc() -> Iterator[SandboxMPC]:
    """Give an MPC that takes any number of requests."""
    with SandboxMPC(rate_per_s=None) as made:
        yield made


@pytest.fixture
def slack() -> Iterator[SandboxSlack]:
    """Give a Slack that takes any number of posts."""
    with SandboxSlack(post_rate_per_s=None) as made:
        yield made


@pytest.fixture
def web(slack: SandboxSlack) -> WebClient:
    """Give slack_sdk's client of that Slack."""
    return WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=5)
