"""Tells the asker, and only the asker, what came of a command.

It knows the three ways, best first: the `response_url`, an ephemeral post, a direct message. It refuses to know what
is said. A reply that fails everywhere is made again later, by whoever is alive, for a day.

Sources: Slack's "Handling user interaction" (a `response_url` lives for 30 minutes and five uses), "Rate limits" (429,
by method), and the reference of `chat.postEphemeral` (the user must be in the channel, and the bot, too).
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.admission import ANNOUNCE_AFTER_MS
from bot.remedies import OF_THE_APP, explained
from bot.slack import check_messages, faults, messages
from bot.slack.richtext import Message
from bot.store import ending, outbox
from bot.store.database import Database
from bot.store.outbox import Announcement, Reply
from bot.store.writing import Transaction

WEBHOOK_TIMEOUT_S = 5
GIVE_UP_MS = 24 * 3_600_000
FAULT_PAUSE_MS = 20_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one way to tell the asker.

    Attributes:
        told: whether Slack took it.
        wait_ms: where Slack wants no other call for so long; None: the next way may be tried.
        used_up: whether a `response_url` is of no use any more.
        why: what it failed with.
    """

    told: bool = False
    wait_ms: int | None = None
    used_up: bool = False
    why: str = ""


class Replies:
    """Makes the replies that are due.

    Args:
        database: where they are.
        client: of the Web API.
        owner: this process, as the others know it.
        failed: called with `response_url` and what was wrong, where one did not take a post.
    """

    def __init__(
        self, *, database: Database, client: WebClient, owner: str, failed: Callable[[str, str], None]
    ) -> None:
        self._database = database
        self._client = client
        self._owner = owner
        self._count_failure = failed
        self._lock = threading.Lock()
        self._shut_until = {"chat.postEphemeral": 0.0, "chat.postMessage": 0.0}
        self._fault: str | None = None

    def step(self) -> float | None:
        """Make one reply, or all announcements; 0: more are due, None: nothing is."""

        def work(tx: Transaction) -> tuple[list[Announcement], Reply | None]:
            waiting = outbox.claim_announcements(tx, older_than_ms=ANNOUNCE_AFTER_MS)
            # A reply that waited for slow announcements would be taken for given up.
            return waiting, None if waiting else outbox.claim_reply(tx, self._owner)

        waiting, reply = self._database.write(work)
        for one in waiting:
            self._post(one.response_url, messages.announcement(one))
        if reply is not None:
            self._make(reply)
        return 0 if waiting or (reply is not None and reply.more) else None

    def _make(self, reply: Reply) -> None:
        check = check_messages.is_check(reply.ended)
        said = check_messages.outcomes(reply.ended) if check else messages.outcomes(reply.ended)
        tried = [self._post(reply.response_url, said)] if reply.response_url else []
        ways = (self._ephemeral, self._direct) if reply.asker.channel_id else (self._direct,)
        for way in ways:
            if tried and (tried[-1].told or tried[-1].wait_ms is not None):
                break
            tried.append(way(reply, said))
        if tried[-1].told:
            self._database.write(lambda tx: ending.drop(tx, reply.command_id))
            return
        if reply.age_ms > GIVE_UP_MS:
            log.error("command %s: its asker could not be told for a day; the trail has its outcomes", reply.command_id)
            self._database.write(lambda tx: ending.drop(tx, reply.command_id))
            return
        if reply.tries == 0:
            why = ", ".join(one.why for one in tried)
            log.warning("command %s: its asker could not be told yet (%s); trying again", reply.command_id, why)
        self._database.write(
            lambda tx: outbox.retry_reply(
                tx,
                reply.command_id,
                owner=self._owner,
                tries=reply.tries,
                drop_url=any(one.used_up for one in tried),
                wait_ms=tried[-1].wait_ms,
            )
        )

    def _post(self, url: str, said: Message) -> Tried:
        tried = _send(url, said)
        if tried.told:
            return tried
        self._count_failure("response_url", tried.why)
        return replace(tried, why=f"response_url: {tried.why}")

    def _ephemeral(self, reply: Reply, said: Message) -> Tried:
        channel, user = reply.asker.channel_id or "", reply.asker.user_id or ""
        return self._call(
            "chat.postEphemeral",
            lambda: self._client.chat_postEphemeral(channel=channel, user=user, **said.payload()),
        )

    def _direct(self, reply: Reply, said: Message) -> Tried:
        # A user's ID as the channel opens the conversation with the bot (Slack's chat.postMessage reference).
        channel = reply.asker.user_id or ""
        return self._call("chat.postMessage", lambda: self._client.chat_postMessage(channel=channel, **said.payload()))

    def _call(self, method: str, call: Callable[[], object]) -> Tried:
        """Call the Web API, unless it is known that Slack would not take it now."""
        left_s = self._shut_until[method] - time.monotonic()
        if left_s > 0:
            return Tried(wait_ms=round(left_s * 1000) + 1, why=f"{method} is waiting")
        try:
            call()
        except faults.CALL as fault:
            return self._failed(method, fault)
        with self._lock:
            if self._fault is not None:
                log.info("replies: Slack's Web API takes them again")
            self._fault = None
        return Tried(told=True)

    def _failed(self, method: str, fault: Exception) -> Tried:
        what = faults.describe(fault)
        wait_ms = faults.wait_of(fault)
        shut = [method]
        if what in OF_THE_APP:
            # The next one would meet the same, whomever it is for.
            wait_ms, shut = FAULT_PAUSE_MS, list(self._shut_until)
            with self._lock:
                if what != self._fault:
                    log.error("replies: Slack's Web API does not take them (%s). They are made later", explained(what))
                self._fault = what
        if wait_ms is not None:
            self._shut_until.update(dict.fromkeys(shut, time.monotonic() + wait_ms / 1000))
        return Tried(wait_ms=wait_ms, why=f"{method}: {what}")


def _send(url: str, said: Message) -> Tried:
    """Post to a `response_url`; it must not stand in any log."""
    client = WebhookClient(url, timeout=WEBHOOK_TIMEOUT_S, retry_handlers=[])
    try:
        response = client.send_dict({"response_type": "ephemeral", "replace_original": False, **said.payload()})
    except faults.CALL as fault:
        return Tried(why=type(fault).__name__)
    status = response.status_code
    if status == 200 and not _is_a_refusal(response.body):
        return Tried(told=True)
    return Tried(
        wait_ms=faults.retry_after(response.headers) if status == 429 else None,
        used_up=status == 200 or (400 <= status < 500 and status not in {408, 429}),
        why=f"HTTP {status}",
    )


def _is_a_refusal(body: str) -> bool:
    """Return whether the body of a 200 says `ok: false` all the same; a message that was taken is answered `ok`."""
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("ok") is False
