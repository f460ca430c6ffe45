"""Shows every outcome in the audit channel: once, in the trail's order, and without notifying anybody.

It knows how far the channel has been told, how fast Slack takes posts, and which faults are the operator's to mend.
It refuses to decide what an outcome is. The trail is complete without it: a channel that fails is told later.

Source: Slack's "Rate limits" (about one post a second and channel) and the errors of `chat.postMessage`.
"""

import logging
from http.client import HTTPException
from itertools import islice
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import trail
from bot.anchors import Anchor
from bot.slack import trail_messages
from bot.slack.replies import describe
from bot.store import channels
from bot.store.database import Database

MOST_LINES = 25
"""Outcomes in one post: as many as surely fit into `bot.slack.richtext.MOST_IN_MESSAGE`."""
PAUSE_MS = 1_050
FAULT_PAUSE_MS = 20_000

WHAT_TO_DO = {
    "not_in_channel": "invite the bot there: /invite @actcode",
    "channel_not_found": "check AUDIT_CHANNEL, and invite the bot there if the channel is private",
    "is_archived": "unarchive the channel, or set AUDIT_CHANNEL to another one",
    "missing_scope": "add the scopes of manifest.json to the app and install it again",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "not_authed": "check SLACK_BOT_TOKEN",
    "account_inactive": "install the app again: its token was revoked",
    "token_revoked": "install the app again: its token was revoked",
    "restricted_action": "let the app post in the channel: its posting permissions forbid it",
}

log = logging.getLogger(__name__)


class AuditChannel:
    """Posts to one channel what it has not been told.

    Args:
        database: where the trail is, and how far the channel was told.
        client: of the Web API; it must not repeat by itself, or it posts twice.
        channel_id: where to.
        owner: this process, as the others know it.
    """

    def __init__(self, *, database: Database, client: WebClient, channel_id: str, owner: str) -> None:
        self._database = database
        self._client = client
        self._channel_id = channel_id
        self._owner = owner
        self._fault: str | None = None
        self._shown = 0

    def follow(self) -> None:
        """Begin with what is recorded from now on, where this channel has not been told anything yet."""
        self._database.write(lambda tx: channels.follow(tx, self._channel_id))

    def step(self) -> float | None:
        """Make one post; returns after how many seconds the next one may follow, None: nothing is left to tell."""
        turn = self._database.write(lambda tx: channels.claim(tx, self._channel_id, owner=self._owner))
        if isinstance(turn, float):
            return turn
        if turn < self._shown:
            # The post was taken, and only the note of it failed: it must not be made again.
            return self._note(self._shown, PAUSE_MS)
        with self._database.reading() as connection:
            last, head = trail.head_of(connection)
            narrow = trail.Filter(events=trail.OUTCOMES)
            events = list(islice(trail.read(connection, narrow, after=turn, page=MOST_LINES), MOST_LINES))
        upto = last
        if len(events) == MOST_LINES:
            upto, head = events[-1]["seq"], events[-1]["hash"]
        if not events:
            self._note(upto, 0)
            return None
        if not self._post(events, Anchor(after=turn, seq=upto, hash=head)):
            return 1.0
        self._shown = upto
        pause_s = self._note(upto, PAUSE_MS)
        return pause_s if upto < last else None

    def _note(self, seq: int, pause_ms: int) -> float:
        self._database.write(
            lambda tx: channels.told(tx, self._channel_id, owner=self._owner, seq=seq, pause_ms=pause_ms)
        )
        return pause_ms / 1000

    def _post(self, events: list[dict[str, Any]], anchor: Anchor) -> bool:
        said = trail_messages.audit_post(events, anchor.seq, anchor.hash)
        try:
            self._client.chat_postMessage(channel=self._channel_id, metadata=anchor.metadata(), **said.payload())
        except (SlackApiError, OSError, HTTPException) as fault:
            wait_ms = self._say(fault)
            self._database.write(lambda tx: channels.not_told(tx, self._channel_id, owner=self._owner, wait_ms=wait_ms))
            return False
        if self._fault is not None:
            log.info("AUDIT_CHANNEL %s: posts are taken again", self._channel_id)
        self._fault = None
        return True

    def _say(self, fault: Exception) -> int | None:
        """Log a fault once, with what to do; returns how long to wait, ms, or None for a growing pause."""
        what = describe(fault)
        if what not in {self._fault, "ratelimited"}:
            advice = WHAT_TO_DO.get(what)
            log.log(
                logging.ERROR if advice else logging.WARNING,
                "AUDIT_CHANNEL %s: Slack did not take a post (%s); %s. The trail in the database is complete, and "
                "the channel is told later",
                self._channel_id,
                what,
                advice or "trying again",
            )
            self._fault = what
        if isinstance(fault, SlackApiError) and fault.response.status_code == 429:
            text = str(fault.response.headers.get("Retry-After", "1"))
            return 1000 * int(text) if text.isdigit() else 1000
        return FAULT_PAUSE_MS if what in WHAT_TO_DO else None
