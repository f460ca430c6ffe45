"""The shortcut on a message: it opens the form with the labels that the message names, and sends nothing.

It knows where in Slack's form of a message there is text. It refuses to know what a label looks like.

Sources: Slack's "Message shortcut payload", and the file object of a mail that was forwarded to Slack (`plain_text`,
`preview_plain_text`, `subject`).
"""

import re
from collections.abc import Iterator
from typing import Any

from slack_bolt import Ack, App

from bot.harvest import harvest
from bot.slack import views
from bot.slack.form import Body, Form

# Which of the fields of a message, of what it holds and of what that holds, are text that somebody reads.
_TEXTS = frozenset({"text", "title", "pretext", "value", "subject", "plain_text", "preview_plain_text", "preview"})
_PARTS = frozenset(
    {
        "message", "blocks", "message_blocks", "attachments", "files", "elements", "fields", "rows",
        "text", "title", "label",
    }
)  # fmt: skip
_INLINE = frozenset({"rich_text_section", "rich_text_preformatted", "rich_text_quote"})
_DEEPEST = 16
_ESCAPED = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ESCAPE = re.compile("&(?:lt|gt|amp);")


class MessageShortcut:
    """Opens the form for a message.

    Args:
        form: what is opened.
    """

    def __init__(self, *, form: Form) -> None:
        self._form = form

    def register(self, app: App) -> None:
        """Let `app` call this for the shortcut."""
        app.message_shortcut(views.MESSAGE_SHORTCUT)(self.handle)

    def handle(self, ack: Ack, body: Body) -> None:
        """Open a form with the labels of the message in it."""
        self._form.open(body, source="shortcut", found=harvest(text_of(body.get("message"))))
        ack()


def text_of(message: object) -> str:
    """Return all the text of a message: its own, its blocks', its attachments', and that of mails among its files."""
    return _ESCAPE.sub(lambda found: _ESCAPED[found[0]], "\n".join(_texts(message, 0)))


def _texts(part: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(part, list):
        for one in part:
            yield from _texts(one, depth + 1)
    elif isinstance(part, dict):
        if part.get("type") in _INLINE and isinstance(part.get("elements"), list):
            # Pieces of one line: a word may be bold in the middle of it.
            yield "".join(_inline(one) for one in part["elements"])
            return
        for name, value in part.items():
            if name in _TEXTS and isinstance(value, str):
                yield value
            elif name in _PARTS:
                yield from _texts(value, depth + 1)


def _inline(element: Any) -> str:
    if not isinstance(element, dict):
        return ""
    text = element.get("text", element.get("url", " "))
    return text if isinstance(text, str) else ""
