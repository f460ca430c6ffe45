"""The form: the button and the shortcuts open it, and what is typed into it goes the way of a command.

It knows the `trigger_id`, which opens a view within 3 s or never, and what Slack's acknowledgement of a submission can
say. It refuses to decide who may ask, and to put anything into words.

Sources: Slack's "Handling user interaction" (payloads, `trigger_id`) and "Modals" (`response_action`).
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot import labels, wording
from bot.decisions import Delivery
from bot.labels import Label
from bot.policy import Policy, Rule
from bot.retrieval import Retrieval
from bot.slack import faults, messages, views
from bot.slack.richtext import message, plain
from bot.slack.views import Origin
from bot.store.errors import CommitUnheard, DatabaseUnavailable
from bot.trail import Asker

log = logging.getLogger(__name__)

Body = dict[str, Any]


class Form:
    """Opens the form, and takes what was typed into it.

    Args:
        client: of the Web API, with a time-out that leaves time for the acknowledgement.
        retrieval: admits.
        policy: who may ask.
        count: called with whence the form was opened, and how a submission was answered, in a word each.
    """

    def __init__(
        self, *, client: WebClient, retrieval: Retrieval, policy: Policy, count: Callable[[str, str], None]
    ) -> None:
        self._client = client
        self._retrieval = retrieval
        self._policy = policy
        self._count = count

    def register(self, app: App) -> None:
        """Let `app` call this for the button, the global shortcut and the submission."""
        app.action(messages.OPEN_FORM)(self.handle)
        app.global_shortcut(views.FORM)(self.handle)
        app.view(views.FORM)(self.submit)

    def handle(self, ack: Ack, body: Body) -> None:
        """Open an empty form."""
        self.open(body, source="modal")
        ack()

    def open(self, body: Body, *, source: str, found: Sequence[Label] | None = None) -> None:
        """Open the form for whoever did what `body` tells; where that fails, say what else to do.

        It is done before the acknowledgement, because the `trigger_id` lives no longer than Slack waits for that.

        Args:
            body: an interaction.
            source: `modal` or `shortcut`.
            found: see `bot.slack.views.form`.
        """
        origin = Origin(source=source, channel_id=id_of(body, "channel"))
        user_id = id_of(body, "user")
        denial = self._policy.who(channel_id=origin.channel_id, user_id=user_id)
        if denial is None:
            view = views.form(origin, found=found, most=self._policy.max_labels)
        else:
            channels = self._policy.allowed_channels
            view = views.not_here(denial, channel_id=origin.channel_id, channels=channels)
        try:
            self._client.views_open(trigger_id=str(body.get("trigger_id")), view=view)
        except faults.CALL as fault:
            what = faults.describe(fault)
            log.warning("the form was not opened (%s)", what)
            # With this word, the same delivery has opened it before.
            if what != "exchanged_trigger_id":
                self._say_how_else(user_id)

    def _say_how_else(self, user_id: str | None) -> None:
        try:
            # A direct message, because there may be no channel, or none in which the bot is.
            self._client.chat_postMessage(channel=user_id or "", **message([views.not_opened()]).payload())
        except faults.CALL as fault:
            log.warning("somebody could not be told that the form was not opened (%s)", faults.describe(fault))

    def submit(self, ack: Ack, body: Body) -> None:
        """Acknowledge a submission: with what is wrong, under the field, or with another view."""
        try:
            said = self._submitted(body)
        except CommitUnheard as fault:
            log.error("whether a form was admitted is not known: the database broke off (%s)", fault)  # noqa: TRY400
            self._count("modal", "maybe_recorded")
            said = views.errors(plain(wording.MAYBE_RECORDED))
        except DatabaseUnavailable as fault:
            log.error("a form was not admitted: the database does not answer (%s)", fault)  # noqa: TRY400
            self._count("modal", "not_recorded")
            said = views.errors(plain(wording.NOT_RECORDED))
        except Exception:
            # The edge towards a person: they must hear that it failed, within 3 s, whatever it was.
            log.exception("a form failed in an unforeseen way")
            self._count("modal", "failed")
            said = views.errors(messages.failed().text)
        ack(**said)

    def _submitted(self, body: Body) -> dict[str, Any]:
        view = body["view"]
        typed = _typed(view)
        parsed = labels.parse_all(typed)
        if not parsed.labels and not parsed.faults:
            self._count("modal", "usage")
            return views.errors(views.no_label())
        origin = Origin.read(view.get("private_metadata"))
        asker = Asker(
            source=origin.source,
            team_id=id_of(body, "team"),
            channel_id=origin.channel_id,
            user_id=id_of(body, "user"),
        )
        admission = self._retrieval.admit(asker, parsed, Delivery(key=_key(asker, view, typed)))
        self._count(origin.source, messages.in_a_word(admission))
        if admission.invalid:
            return views.errors(views.faults(parsed))
        if admission.denial is not None and admission.denial.rule is Rule.TOO_MANY:
            return views.errors(views.too_many(admission.denial))
        return {"response_action": "update", "view": views.answer(admission, origin)}


def id_of(body: Body, name: str) -> str | None:
    """Return the ID of what an interaction has under `name`, such as its `user`."""
    part = body.get(name)
    value = part.get("id") if isinstance(part, dict) else None
    return value if isinstance(value, str) and value else None


def _typed(view: Body) -> str:
    value = view["state"]["values"][views.FIELD][views.FIELD]["value"]
    return value if isinstance(value, str) else ""


def _key(asker: Asker, view: Body, typed: str) -> str:
    """Return what is the same for the same submission.

    The text belongs to it: the view is the same one, with the same hash, when somebody mends what stood under the
    field as wrong and submits again.
    """
    return hashlib.sha256(f"{asker.team_id}\n{view['id']}\n{typed}".encode(errors="surrogatepass")).hexdigest()
