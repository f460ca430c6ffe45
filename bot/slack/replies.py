"""Tells the asker, and only the asker, what came of a command.

It knows the three ways, best first: the `response_url`, an ephemeral post, a direct message. It refuses to know what
is said. A reply that fails everywhere is made again later, by whoever is alive.

Sources: Slack's "Handling user interaction" (a `response_url` lives for 30 minutes and five uses) and the reference
of `chat.postEphemeral` (the user must be in the channel, and the bot, too).
"""

import logging
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.admission import ANNOUNCE_AFTER_MS
from bot.slack import messages
from bot.slack.richtext import Message
from bot.store import outbox, queue
from bot.store.database import Database
from bot.store.outbox import Reply

WEBHOOK_TIMEOUT_S = 5
GIVE_UP_MS = 24 * 3_600_000

log = logging.getLogger(__name__)


class Replies:
    """Makes the replies that are due.

    Args:
        database: where they are.
        client: of the Web API.
        owner: this process, as the others know it.
    """

    def __init__(self, *, database: Database, client: WebClient, owner: str) -> None:
        self._database = database
        self._client = client
        self._owner = owner

    def step(self) -> float | None:
        """Make one reply, and all announcements; 0: there may be more, None: nothing is due."""
        waiting, reply = self._database.write(
            lambda tx: (
                outbox.claim_announcements(tx, older_than_ms=ANNOUNCE_AFTER_MS),
                outbox.claim_reply(tx, self._owner),
            )
        )
        for one in waiting:
            _post(one.response_url, messages.announcement(one))
        if reply is None:
            return None
        self._make(reply)
        return 0

    def _make(self, reply: Reply) -> None:
        said = messages.outcomes(reply.ended)
        status = _post(reply.response_url, said) if reply.response_url else 0
        if status == 200 or self._ephemeral(reply, said) or self._direct(reply, said):
            self._database.write(lambda tx: queue.drop(tx, [reply.command_id]))
            return
        if reply.age_ms > GIVE_UP_MS:
            log.error("command %s: its asker could not be told for a day; the trail has its outcomes", reply.command_id)
            self._database.write(lambda tx: queue.drop(tx, [reply.command_id]))
            return
        used_up = 400 <= status < 500 and status not in {408, 429}
        self._database.write(lambda tx: outbox.retry_reply(tx, reply.command_id, tries=reply.tries, drop_url=used_up))

    def _ephemeral(self, reply: Reply, said: Message) -> bool:
        try:
            self._client.chat_postEphemeral(
                channel=reply.asker.channel_id or "", user=reply.asker.user_id or "", **said.payload()
            )
        except (SlackApiError, OSError, HTTPException) as fault:
            log.info("command %s: no ephemeral reply (%s)", reply.command_id, describe(fault))
            return False
        return True

    def _direct(self, reply: Reply, said: Message) -> bool:
        try:
            # A user's ID as the channel opens the conversation with the bot (Slack's chat.postMessage reference).
            self._client.chat_postMessage(channel=reply.asker.user_id or "", **said.payload())
        except (SlackApiError, OSError, HTTPException) as fault:
            log.warning("command %s: its asker could not be told (%s); trying again", reply.command_id, describe(fault))
            return False
        return True


def _post(url: str, said: Message) -> int:
    """Post to a `response_url`; returns the status, 0 where there was none. It must not stand in any log."""
    client = WebhookClient(url, timeout=WEBHOOK_TIMEOUT_S, retry_handlers=[])
    try:
        response = client.send_dict({"response_type": "ephemeral", "replace_original": False, **said.payload()})
    except (OSError, HTTPException, ValueError) as fault:
        log.info("a response_url did not answer (%s)", type(fault).__name__)
        return 0
    if response.status_code != 200:
        log.info("a response_url answered HTTP %d", response.status_code)
    return response.status_code


def describe(fault: Exception) -> str:
    """Return what a call to Slack failed with, without anything secret: Slack's own word, or the error's kind."""
    if isinstance(fault, SlackApiError):
        response = fault.response
        return str(response.get("error") or f"HTTP {response.status_code}")
    return type(fault).__name__
