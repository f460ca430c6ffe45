"""The views of the form: what is typed into, and what it turns into. Pure.

It knows what is said and Slack's limits for views. It refuses to decide anything and to open anything.

Sources: Slack's "View objects" (24 characters for a title or a button, 3,000 for `private_metadata`), "Input block"
(2,000 for a label or a hint) and "Plain-text input element" (3,000 for what is typed).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from bot import wording
from bot.decisions import Admission
from bot.labels import Label, Parsed, paste_again
from bot.policy import Denial, Rule
from bot.slack import messages
from bot.slack.richtext import Block, message, plain
from bot.wording import Strong, Text, Verbatim

FORM = "request_codes"
"""The `callback_id` of the form, and of the global shortcut that opens it."""
MESSAGE_SHORTCUT = "request_codes_of_message"
"""The `callback_id` of the shortcut on a message."""
FIELD = "labels"
"""The `block_id` and the `action_id` of the field."""

MOST_TYPED = 3_000
MOST_IN_ERROR = 2_000
TITLE = "Action codes"

View = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a form was opened; Slack keeps it with the form, and gives it back with what was typed.

    Attributes:
        source: `modal` or `shortcut`, as in the trail.
        channel_id: None where it was no conversation.
    """

    source: str
    channel_id: str | None = None

    def metadata(self) -> str:
        """Return what Slack is to keep."""
        return json.dumps({"source": self.source, "channel_id": self.channel_id})

    @classmethod
    def read(cls, metadata: object) -> Self:
        """Return what `metadata` was called on; what is no such thing is a form from nowhere."""
        try:
            kept = json.loads(metadata if isinstance(metadata, str) else "")
        except ValueError:
            kept = None
        if not isinstance(kept, dict):
            return cls(source="modal")
        channel_id = kept.get("channel_id")
        return cls(
            source="shortcut" if kept.get("source") == "shortcut" else "modal",
            channel_id=channel_id if isinstance(channel_id, str) and channel_id else None,
        )


def form(origin: Origin, *, found: Sequence[Label] | None = None, most: int) -> View:
    """Return the form.

    Args:
        origin: where it is opened.
        found: labels to fill in, from a message; None: it is not about a message.
        most: how many labels one request may hold.
    """
    filled = _fitting(found or (), most)
    lines: list[Text] = [
        (
            "The Minor Planet Center (MPC) mails the action code to whoever submitted the observations, never to "
            "Slack. Each label mails a person: ask once.",
        )
    ]
    if found is not None:
        lines.append(_of_message(len(found), len(filled)))
    element = {"type": "plain_text_input", "action_id": FIELD, "multiline": True, "max_length": MOST_TYPED}
    if filled:
        # Between commas: only blanks and new lines between two of them could make a designation.
        element["initial_value"] = ",\n".join(filled)
    field = {
        "type": "input",
        "block_id": FIELD,
        "label": _plain_text("Labels"),
        "hint": _plain_text(
            "Separate several by new lines, blanks, commas or semicolons. A label is a trksub (A10cnQO), a trkid "
            "(00000DwbEz), a submission ID (2024-05-02T21:03:35.001_0000FzZw) or a submission block ID "
            "(2024-05-02T21:03:35.001_0000FzZw_01). A station may follow a tracklet: 5T0D452 703."
        ),
        "element": element,
    }
    return {
        **_modal([*message(lines).blocks, field], close="Cancel"),
        "submit": _plain_text("Ask for the codes"),
        "callback_id": FORM,
        "private_metadata": origin.metadata(),
    }


def not_here(denial: Denial, *, channel_id: str | None, channels: frozenset[str]) -> View:
    """Return what is shown in the place of the form to somebody who may not ask from there.

    Args:
        denial: the rule.
        channel_id: where; None where it was no conversation.
        channels: where one may.
    """
    if denial.rule is Rule.CHANNEL and channel_id is None:
        said: Text = ("Here, the bot is for certain channels. Type ", Verbatim("/actcode LABEL"), " in one of them:")
        return _modal([*message([said]).blocks, channel_list(channels)])
    sentence, advice = wording.denial(denial.rule, until=denial.until, limit=denial.limit)
    return _modal(list(message([(Strong("Refused. "), *sentence, " ", *advice)]).blocks))


def answer(admission: Admission, origin: Origin) -> View:
    """Return what the form turns into once a request was decided."""
    if admission.command_id is None:
        return _modal(list(message(messages.acknowledgement_lines(admission)).blocks))
    where = "in a direct message from the bot"
    if origin.channel_id is not None:
        where = f"in the conversation where you began, where only you see it, or {where}"
    lines: list[Text] = [
        (Strong("Your request was taken. "), f"You are told what comes of it {where}. You can close this."),
        *(messages.bullet(one) for one in admission.items if one.denial is None),
        *messages.acknowledgement_lines(admission, where="there"),
    ]
    return _modal(list(message(lines).blocks))


def errors(text: str) -> dict[str, Any]:
    """Return the acknowledgement that shows a text under the field, and leaves there what was typed."""
    short = text if len(text) <= MOST_IN_ERROR else text[: MOST_IN_ERROR - 1] + "…"
    return {"response_action": "errors", "errors": {FIELD: short}}


def faults(parsed: Parsed) -> str:
    """Return what is said under the field where something that was typed is no label."""
    shown = ["Nothing was sent."]
    for number, one in enumerate(parsed.faults):
        line = plain(messages.fault_line(one))
        if sum(map(len, shown)) + len(line) > MOST_IN_ERROR - 100:
            shown.append(f"… and {len(parsed.faults) - number} more.")
            break
        shown.append(line)
    return "\n".join(shown)


def no_label() -> str:
    """Return what is said under the field where there is nothing in it."""
    return "There is no label here. Type a trksub, a trkid or a submission ID."


def too_many(denial: Denial) -> str:
    """Return what is said under the field where there are too many labels in it."""
    sentence, _ = wording.denial(denial.rule, until=denial.until, limit=denial.limit)
    return f"{plain(sentence)} Take some away."


def not_opened() -> Text:
    """Return what is said to somebody for whom the form could not be opened."""
    return (
        Strong("The form could not be opened, and nothing was sent. "), "Try once more, or type ",
        Verbatim("/actcode LABEL"), " instead.",
    )  # fmt: skip


def channel_list(channels: frozenset[str]) -> Block:
    """Return channels, by their names for whoever may know them; nobody is notified."""
    sections = [
        {"type": "rich_text_section", "elements": [{"type": "channel", "channel_id": one}]} for one in sorted(channels)
    ]
    return {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": sections}]}


def _of_message(found: int, filled: int) -> Text:
    if not found:
        return (
            Strong("No label was found in the message. "),
            "Paste one below. Tracklet names are found only where the message says that they are such.",
        )
    labels = "1 label was" if found == 1 else f"{found} labels were"
    left_out = "" if filled == found else f"; the first {filled} stand below, the others did not fit"
    return (Strong(f"{labels} found in the message{left_out}. "), "Nothing is sent yet: remove what you do not need.")


def _fitting(found: Sequence[Label], most: int) -> list[str]:
    """Return the first labels as they are typed, as many as the field holds."""
    filled: list[str] = []
    length = 0
    for one in found[:most]:
        spelled = paste_again([one])
        length += len(spelled) + 2
        if length > MOST_TYPED:
            break
        filled.append(spelled)
    return filled


def _modal(blocks: Sequence[Block], *, close: str = "Close") -> View:
    return {"type": "modal", "title": _plain_text(TITLE), "close": _plain_text(close), "blocks": list(blocks)}


def _plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}
