"""The slash command `/actcode`: its text goes in, the acknowledgement comes out.

It knows the sub-commands. It refuses to decide who may ask and to wait for the MPC: what is admitted lives in the
database, and `bot.worker` answers it.

Sources: Slack's "Implementing slash commands" (3 s for the acknowledgement, the fields of the form).
"""

import hashlib
import logging
import re
from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App

from bot import labels, trail
from bot.decisions import Delivery
from bot.retrieval import Retrieval
from bot.slack import check_messages, messages, trail_messages
from bot.slack.richtext import Message
from bot.store import outbox
from bot.store.database import Database
from bot.store.errors import CommitUnheard, DatabaseUnavailable
from bot.store.patience import ANSWER_S
from bot.trail import Asker

RESPONSE_URL_S = 29 * 60
"""Slack keeps a response_url for 30 minutes; the last one is left to the clocks."""
LOG_DEFAULT = 10
LOG_MOST = 50

log = logging.getLogger(__name__)


class Actcode:
    """Answers `/actcode`.

    Args:
        database: for the log.
        retrieval: admits.
        count: called with how a command was answered, in one word.
    """

    def __init__(self, *, database: Database, retrieval: Retrieval, count: Callable[[str, str], None]) -> None:
        self._database = database
        self._retrieval = retrieval
        self._count = count

    def register(self, app: App) -> None:
        """Let `app` call this for the command."""
        app.command("/actcode")(self.handle)

    def handle(self, ack: Ack, command: dict[str, Any]) -> None:
        """Acknowledge one delivery of the command."""
        try:
            answer, said = self._answer(command)
        except CommitUnheard as fault:
            log.error("whether a command was admitted is not known: the database broke off (%s)", fault)  # noqa: TRY400
            answer, said = "maybe_recorded", messages.maybe_recorded()
        except DatabaseUnavailable as fault:
            log.error("a command was not admitted: the database does not answer (%s)", fault)  # noqa: TRY400
            answer, said = "not_recorded", messages.not_recorded()
        except Exception:
            # The edge towards a person: they must hear that it failed, within 3 s, whatever it was.
            log.exception("a command failed in an unforeseen way")
            answer, said = "failed", messages.failed()
        self._count("slash", answer)
        if said is None:
            ack()
        else:
            ack(response_type="ephemeral", text=said.text, blocks=list(said.blocks))

    def _answer(self, command: dict[str, Any]) -> tuple[str, Message | None]:
        """Return what a command is answered, after a word for it that can be counted."""
        text = _field(command, "text") or ""
        if not text.strip():
            return "usage", messages.USAGE
        asker = Asker(
            source="slash",
            team_id=_field(command, "team_id"),
            channel_id=_field(command, "channel_id"),
            user_id=_field(command, "user_id"),
        )
        sub_command = labels.subcommand(text)
        if sub_command is None:
            return self._retrieve(asker, text, command)
        name, rest = sub_command
        if name == "log":
            return self._log(asker, rest)
        return self._check(asker, rest, command) if name == "check" else ("usage", messages.USAGE)

    def _retrieve(self, asker: Asker, text: str, command: dict[str, Any]) -> tuple[str, Message | None]:
        parsed = labels.parse_all(text)
        if not parsed.labels and not parsed.faults:
            return "usage", messages.USAGE
        admission = self._retrieval.admit(asker, parsed, _delivery(command))
        return messages.in_a_word(admission), messages.faults(
            parsed
        ) if admission.invalid else messages.acknowledgement(admission)

    def _check(self, asker: Asker, text: str, command: dict[str, Any]) -> tuple[str, Message | None]:
        parsed = labels.parse_all(text)
        if not parsed.labels and not parsed.faults:
            return "usage", messages.USAGE
        admission = self._retrieval.lookups.check(asker, parsed, _delivery(command))
        if admission.invalid:
            return messages.in_a_word(admission), messages.faults(parsed, command="/actcode check")
        answer = messages.in_a_word(admission)
        return "check" if answer == "asked" else answer, check_messages.acknowledgement(admission, parsed.labels)

    def _log(self, asker: Asker, rest: str) -> tuple[str, Message]:
        asked = re.fullmatch(r"\s*([0-9]{1,9})?\s*(mine)?\s*", rest, re.ASCII | re.IGNORECASE)
        if asked is None or (asked[1] is not None and int(asked[1]) == 0):
            return "usage", messages.USAGE
        count = min(int(asked[1] or LOG_DEFAULT), LOG_MOST)
        mine = asked[2] is not None
        narrow = trail.Filter(
            team_id=asker.team_id,
            user_id=asker.user_id if mine else None,
            channel_id=None if mine else asker.channel_id,
            events=trail.OUTCOMES,
        )
        try:
            with self._database.reading(within_s=ANSWER_S) as connection:
                rows = list(trail.read(connection, narrow, newest=count))
                under_way = outbox.under_way(
                    connection, channel_id=narrow.channel_id, user_id=narrow.user_id, count=count
                )
        except DatabaseUnavailable as fault:
            log.error("the log was not read: the database does not answer (%s)", fault)  # noqa: TRY400
            return "log", messages.not_read()
        return "log", trail_messages.log(rows[::-1][: count - len(under_way)], under_way, mine=mine)


def _field(command: dict[str, Any], name: str) -> str | None:
    value = command.get(name)
    return value if isinstance(value, str) and value else None


def _delivery(command: dict[str, Any]) -> Delivery:
    return Delivery(key=_key(command), response_url=_field(command, "response_url"), response_url_s=RESPONSE_URL_S)


def _key(command: dict[str, Any]) -> str | None:
    """Return what is the same for the same delivery. The `trigger_id` itself is a credential, and is not kept."""
    trigger_id = _field(command, "trigger_id")
    if trigger_id is None:
        return None
    return hashlib.sha256(f"{_field(command, 'team_id')}\n{trigger_id}".encode()).hexdigest()
