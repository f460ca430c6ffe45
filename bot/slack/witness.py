"""Reads the audit channel back.

Source: Slack's "Message metadata", and `conversations.history` with `include_all_metadata`.
"""

import time
from collections.abc import Iterator
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.anchors import Anchor

PAGE = 200


def read_back(client: WebClient, channel_id: str) -> list[Anchor]:
    """Return what the bot's own posts in the channel say, oldest first.

    Raises:
        slack_sdk.errors.SlackApiError: the channel cannot be read.
    """
    own = client.auth_test()["bot_id"]
    found = [
        anchor
        for message in _messages(client, channel_id)
        # Somebody else's app may post whatever metadata it likes.
        if message.get("bot_id") == own and (anchor := Anchor.read(message)) is not None
    ]
    return sorted(found, key=lambda one: (one.at, one.seq))


def _messages(client: WebClient, channel_id: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        try:
            page = client.conversations_history(
                channel=channel_id, include_all_metadata=True, limit=PAGE, cursor=cursor or None
            )
        except SlackApiError as fault:
            if fault.response.status_code != 429:
                raise
            time.sleep(int(fault.response.headers.get("Retry-After", "1")))
            continue
        yield from page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return
