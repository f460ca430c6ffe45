"""What the tests of Slack's errands share: a Slack, and one process' way to it."""

from collections.abc import Iterator

import pytest

from bot.sandbox.slack import SandboxSlack


@pytest.fixture
def slack() -> Iterator[SandboxSlack]:
    """Give a Slack that takes posts as fast as they come."""
    with SandboxSlack(post_rate_per_s=None) as made:
        yield made
