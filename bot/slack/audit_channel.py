"""Shows every outcome in the audit channel: once, in the trail's order, and without notifying anybody.

It knows how far the channel has been told, how fast Slack takes posts, and what a failure leaves in doubt. It refuses
to decide what an outcome is. The trail is complete without it: a channel that fails is told later.

A post is claimed before it is made and noted after it was. Whoever finds a claim without its note reads the channel
itself, to see whether Slack took the post. Only where the channel cannot be read is it made again: better twice than
never.

Source: Slack's "Rate limits" (about one post a second and channel) and the errors of `chat.postMessage`.
"""

import logging
import time
from itertools import islice
from typing import Any

from slack_sdk import WebClient

from bot import anchors, trail
from bot.anchors import Anchor
from bot.remedies import explained
from bot.slack import faults, trail_messages, witness
from bot.store import channels
from bot.store.channels import Turn
from bot.store.database import Database
from bot.store.patience import BACKGROUND_S

MOST_LINES = 25
"""Lines in one post: as many as surely fit into `bot.slack.richtext.MOST_IN_MESSAGE`."""
PAUSE_MS = 1_050
FAULT_PAUSE_MS = 20_000
POST_WITHIN_S = 5.0
"""A turn is used within this time, or taken anew: well before its process is taken for dead."""

_PASSING = "what passes by itself"

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
        self._unread = False
        self._unnoted: Anchor | None = None

    def follow(self) -> None:
        """Begin with what is recorded from now on, where this channel has not been told anything yet."""
        self._database.write(lambda tx: channels.follow(tx, self._channel_id))

    def step(self) -> float | None:
        """Make one post; returns after how many seconds the next one may follow, None: nothing is left to tell."""
        if self._unnoted is not None:
            return self._note(self._unnoted)
        turn = self._database.write(lambda tx: channels.claim(tx, self._channel_id, owner=self._owner))
        if not isinstance(turn, Turn):
            return turn
        posted: list[Anchor] | None = []
        if turn.doubt is not None:
            try:
                posted = self._read_since(turn.doubt)
            except faults.CALL as fault:
                return self._put_off(fault, certain=False)
        if posted and (made := self._unnoted_of(posted, turn)) is not None:
            return self._note(made)
        return self._tell(turn, settled=posted is not None)

    def _read_since(self, doubt: int) -> list[Anchor] | None:
        """Return what the channel shows; None where the bot may not read it.

        Raises:
            Exception: one of `faults.CALL`, where Slack may say in a while.
        """
        try:
            posted = witness.read_since(self._client, self._channel_id, doubt)
        except faults.CALL as fault:
            if not faults.is_an_answer(fault):
                raise
            if not self._unread:
                log.warning(
                    "AUDIT_CHANNEL %s: it cannot be read (%s). A post of which nobody knows whether Slack took it is "
                    "made again, so it may be there twice",
                    self._channel_id,
                    explained(faults.describe(fault)),
                )
            self._unread = True
            return None
        self._unread = False
        return posted

    def _unnoted_of(self, posted: list[Anchor], turn: Turn) -> Anchor | None:
        """Return the post that somebody made and did not note; None: there is none."""
        with self._database.reading(within_s=BACKGROUND_S) as connection:
            made = anchors.going_on(connection, posted, turn.after)
        if made is None or (made.seq, made.broken_at) == (turn.after, turn.told_broken_at):
            return None
        return made

    def _tell(self, turn: Turn, *, settled: bool) -> float | None:
        """Make a post; `settled` says that there is no doubt about an earlier one any more."""
        notice = []
        if turn.broken_at != turn.told_broken_at:
            notice = trail_messages.breaker(turn.broken_at, turn.broken_by)
        room = MOST_LINES - len(notice)
        with self._database.reading(within_s=BACKGROUND_S) as connection:
            last, head = trail.head_of(connection)
            narrow = trail.Filter(events=trail.OUTCOMES)
            events = list(islice(trail.read(connection, narrow, after=turn.after, page=room), room))
        upto = last
        if len(events) == room:
            upto, head = events[-1]["seq"], events[-1]["hash"]
        if not events and not notice:
            self._database.write(lambda tx: channels.passed(tx, self._channel_id, owner=self._owner, seq=upto))
            return None
        if not self._is_still_ours(turn):
            return 0.0
        anchor = Anchor(after=turn.after, seq=upto, hash=head, broken_at=turn.broken_at)
        said = trail_messages.audit_post(events, upto, head, notice)
        try:
            self._post(said.payload(), anchor)
        except faults.CALL as fault:
            return self._put_off(fault, certain=settled and faults.was_not_taken(fault))
        pause_s = self._note(anchor)
        return pause_s if upto < last else None

    def _is_still_ours(self, turn: Turn) -> bool:
        """Return whether nobody else has had the turn, as they have where this process was paused."""
        if time.monotonic() - turn.taken_at <= POST_WITHIN_S:
            return True
        return self._database.write(lambda tx: channels.renew(tx, self._channel_id, owner=self._owner))

    def _post(self, payload: dict[str, Any], anchor: Anchor) -> None:
        self._client.chat_postMessage(channel=self._channel_id, metadata=anchor.metadata(), **payload)
        # From here on it must not be made again, even if the database does not take the note of it.
        self._unnoted = anchor
        if self._fault is not None:
            log.info("AUDIT_CHANNEL %s: posts are taken again", self._channel_id)
        self._fault = None

    def _note(self, made: Anchor) -> float:
        self._database.write(
            lambda tx: channels.told(
                tx,
                self._channel_id,
                owner=self._owner,
                seq=made.seq,
                pause_ms=PAUSE_MS,
                broken_at=made.broken_at,
            )
        )
        self._unnoted = None
        return PAUSE_MS / 1000

    def _put_off(self, fault: Exception, *, certain: bool) -> float:
        """Say what is wrong, once, and try again later; returns when to look again, seconds."""
        lasting = faults.describe(fault) if faults.is_an_answer(fault) else None
        wait_ms = faults.wait_of(fault)
        if wait_ms is None:
            self._say(fault, lasting)
            wait_ms = FAULT_PAUSE_MS if lasting else None
        self._database.write(
            lambda tx: channels.not_told(
                tx, self._channel_id, owner=self._owner, wait_ms=wait_ms, certain=certain, fault=lasting
            )
        )
        return 1.0

    def _say(self, fault: Exception, lasting: str | None) -> None:
        kind = lasting or _PASSING
        if kind == self._fault:
            return
        self._fault = kind
        log.log(
            logging.ERROR if lasting else logging.WARNING,
            "AUDIT_CHANNEL %s: Slack did not take a post (%s). The trail in the database is complete, and the channel "
            "is told later",
            self._channel_id,
            explained(lasting) if lasting else f"{faults.describe(fault)}; trying again",
        )
