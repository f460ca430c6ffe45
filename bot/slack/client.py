"""Slack's Web API, with every call that fails told to whoever counts.

It knows where a failure shows. It refuses to know what follows from one: it is raised as before.
"""

from collections.abc import Callable
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.slack import faults


class Client(WebClient):
    """slack_sdk's client.

    Args:
        failed: called with the method, and with what the call failed with, in a word.
        settings: `WebClient`'s own.
    """

    def __init__(self, *, failed: Callable[[str, str], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._failed = failed

    def api_call(self, api_method: str, **arguments: Any) -> SlackResponse:
        """Call a method, as `WebClient.api_call` does."""
        try:
            return super().api_call(api_method, **arguments)
        except faults.CALL as fault:
            self._failed(api_method, faults.describe(fault))
            raise
