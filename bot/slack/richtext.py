"""Turns texts into Slack's rich text and into the plain fallback beside it.

Rich text shows every character as it is: no label, reason or typed text can become a mention, a link or an emoji.
The fallback is the only text that Slack parses, so this is the only place where anything is escaped.

Sources: Slack's "Rich text block" reference, and "Formatting text for app surfaces" on `&`, `<` and `>`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.wording import Link, Moment, Part, Strong, Text, Verbatim

MOST_BLOCKS = 50
MOST_CHARACTERS = 3_000
"""Of one block; Slack's limit for a text object, which rich text is held to as well."""
MOST_IN_MESSAGE = 12_000
"""Of a whole message: what one still reads, and far below Slack's 40,000."""

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: the fallback and the blocks."""

    text: str
    blocks: tuple[Block, ...]

    def payload(self) -> dict[str, Any]:
        """Return the fields that every way of posting shares; nothing in them is parsed or unfurled."""
        return {
            "text": self.text,
            "blocks": list(self.blocks),
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }


def message(lines: Iterable[Text]) -> Message:
    """Return a message of one line after the other, within Slack's limits.

    What does not fit is left out, and the last line says how many lines that were.
    """
    blocks: list[Block] = []
    fallback: list[str] = []
    total = in_block = 0
    todo = list(lines)
    for number, line in enumerate(todo):
        cut = _cut(line)
        length = sum(len(_plain(part)) for part in cut) + 1
        if total + length > MOST_IN_MESSAGE:
            rest: Text = (f"… and {len(todo) - number} more lines.",)
            blocks.append(_block([rest]))
            fallback.append(plain(rest))
            break
        if not blocks or in_block + length > MOST_CHARACTERS:
            blocks.append(_block([]))
            in_block = 0
        blocks[-1]["elements"].append(_section(cut))
        fallback.append(plain(cut))
        in_block += length
        total += length
    return Message(text=escape("\n".join(fallback)), blocks=tuple(blocks))


def plain(text: Text) -> str:
    """Return a text as plain characters, not escaped; moments are in UTC."""
    return "".join(_plain(part) for part in text)


def escape(text: str) -> str:
    """Return `text` with the three characters escaped that Slack's mrkdwn knows an escape for."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(part: Part) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Moment):
        return datetime.fromtimestamp(part.at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(part, Link):
        return f"{part.text} ({part.url})" if part.url.startswith("https:") else part.text
    return part.text


def _cut(line: Text) -> Text:
    """Shorten what would not fit into one block by itself, such as a pasted page in the place of a label."""
    most = MOST_CHARACTERS // 2
    return tuple(
        type(part)(part.text[:most] + "…") if isinstance(part, Verbatim | Strong) and len(part.text) > most else part
        for part in line
    )


def _block(lines: Sequence[Text]) -> Block:
    return {"type": "rich_text", "elements": [_section(line) for line in lines]}


def _section(line: Text) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": [_element(part) for part in line if part != ""]}


def _element(part: Part) -> dict[str, Any]:
    if isinstance(part, Verbatim):
        return {"type": "text", "text": part.text, "style": {"code": True}}
    if isinstance(part, Strong):
        return {"type": "text", "text": part.text, "style": {"bold": True}}
    if isinstance(part, Moment):
        return {
            "type": "date",
            "timestamp": part.at // 1000,
            "format": "{date_short_pretty}, {time_secs}",
            "fallback": _plain(part),
        }
    if isinstance(part, Link):
        return {"type": "link", "url": part.url, "text": part.text}
    return {"type": "text", "text": part}
