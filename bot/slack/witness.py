"""Reads the audit channel back.

Source: Slack's "Message metadata", and `conversations.history` with `include_all_metadata`.
"""

import time
from collections.abc import Iterator
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.anchors import Anchor
from bot.slack import faults

PAGE = 200


CLOCKS_MS = 300_000
"""How far the clocks of the database and of Slack may be apart; by more, and Slack's signatures are too old, too."""


def read_back(client: WebClient, channel_id: str) -> list[Anchor]:
    """Return what the bot's own posts in the channel say, oldest first; where Slack asks to wait, it waits.

    Raises:
        slack_sdk.errors.SlackApiError: the channel cannot be read.
    """
    return _own(client, _messages(client, channel_id, since="", patient=True))


def read_since(client: WebClient, channel_id: str, at: int) -> list[Anchor]:
    """Return the same of the posts since `at`, milliseconds since 1970 by the database's clock, and from a bit before.

    Raises:
        slack_sdk.errors.SlackApiError: the channel cannot be read, or not now.
    """
    since = max(0, at - CLOCKS_MS)
    return _own(client, _messages(client, channel_id, since=f"{since / 1000:.6f}", patient=False))


def _own(client: WebClient, messages: Iterator[dict[str, Any]]) -> list[Anchor]:
    own = client.auth_test()["bot_id"]
    found = [
        anchor
        for message in messages
        # Somebody else's app may post whatever metadata it likes.
        if message.get("bot_id") == own and (anchor := Anchor.read(message)) is not None
    ]
    return sorted(found, key=lambda one: (one.at, one.seq))


def _messages(client: WebClient, channel_id: str, *, since: str, patient: bool) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        try:
            page = client.conversations_history(
                channel=channel_id,
                include_all_metadata=True,
                limit=PAGE,
                oldest=since or None,
                cursor=cursor or None,
            )
        except SlackApiError as fault:
            wait_ms = faults.wait_of(fault)
            if wait_ms is None or not patient:
                raise
            time.sleep(wait_ms / 1000)
            continue
        yield from page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return
