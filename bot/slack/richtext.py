"""Turns texts into Slack's rich text and into the plain fallback beside it.

Rich text shows every character as it is: no label, reason or typed text can become a mention, a link or an emoji.
The fallback is the only text that Slack parses, so this is the only place where anything is escaped.

Sources: Slack's "Rich text block" reference, and "Formatting text for app surfaces" on `&`, `<` and `>`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from bot.wording import Link, Moment, Part, Strong, Text, Verbatim

MOST_BLOCKS = 50
MOST_CHARACTERS = 3_000
"""Of one block; Slack's limit for a text object, which rich text is held to as well."""
MOST_IN_MESSAGE = 12_000
"""Of a whole message: what one still reads, and far below Slack's 40,000."""

INSIDE_SLACK = "https://slack.com/app_redirect?"
"""Links that open a person or a channel in Slack's client (Slack's "Deep linking"); of no use in a fallback."""

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


def message(lines: Iterable[Text], *, tail: int = 0) -> Message:
    """Return a message of one line after the other, within Slack's limits.

    Args:
        lines: what is said. What does not fit is left out, and a line says how many lines that were.
        tail: how many of the last lines are to stay even then, if there is room for them at all.
    """
    blocks: list[Block] = []
    in_block = 0
    shown = _fitting([_cut(line) for line in lines], tail)
    for line in shown:
        length = _length(line)
        if not blocks or in_block + length > MOST_CHARACTERS:
            blocks.append({"type": "rich_text", "elements": []})
            in_block = 0
        blocks[-1]["elements"].append(_section(line))
        in_block += length
    return Message(text=escape("\n".join(map(plain, shown))), blocks=tuple(blocks))


def table(title: Text, header: Sequence[str], rows: Sequence[Sequence[Text]]) -> Message:
    """Return a message of a title and a table under it; the fallback has a line a row.

    Source: Slack's "Table block" reference (100 rows, 20 columns, one table a message).
    """
    cells: list[list[Block]] = [[{"type": "raw_text", "text": one} for one in header]]
    cells += [[{"type": "rich_text", "elements": [_section(one)]} for one in row] for row in rows]
    titles = {"type": "rich_text", "elements": [_section(title)]}
    fallback = [plain(title), *(" · ".join(map(plain, row)) for row in rows)]
    return Message(text=escape("\n".join(fallback)), blocks=(titles, {"type": "table", "rows": cells}))


def button(text: str, *, action_id: str, spoken: str) -> Block:
    """Return a block with one button.

    Args:
        text: what stands on it, at most 75 characters.
        action_id: what Slack tells the app when it is pressed.
        spoken: what a screen reader says in the place of `text`, at most 75 characters.
    """
    label = {"type": "plain_text", "text": text}
    one = {"type": "button", "text": label, "action_id": action_id, "accessibility_label": spoken}
    return {"type": "actions", "elements": [one]}


def plain(text: Text) -> str:
    """Return a text as plain characters, not escaped; moments are in UTC."""
    return "".join(_plain(part) for part in text)


def escape(text: str) -> str:
    """Return `text` with the three characters escaped that Slack's mrkdwn knows an escape for."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fitting(lines: list[Text], tail: int) -> list[Text]:
    if sum(map(_length, lines)) <= MOST_IN_MESSAGE:
        return lines
    head, end = lines[: len(lines) - tail], lines[len(lines) - tail :]
    room = MOST_IN_MESSAGE - sum(map(_length, end))
    if room < MOST_IN_MESSAGE // 2:
        head, end, room = lines, [], MOST_IN_MESSAGE
    count = bisect_right(list(accumulate(map(_length, head))), room)
    left_out = len(head) - count
    return [*head[:count], (f"… and {left_out} more {'line' if left_out == 1 else 'lines'}.",), *end]


def _length(line: Text) -> int:
    """Return how much room a line takes. The fallback, where `&` is five characters, has three times the room."""
    text = plain(line)
    return max(len(text), len(escape(text)) // 3) + 1


def _plain(part: Part) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Moment):
        return datetime.fromtimestamp(part.at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(part, Link):
        return part.text if part.url.startswith(INSIDE_SLACK) else f"{part.text} ({part.url})"
    return part.text


def _cut(line: Text) -> Text:
    """Shorten what would not fit into one block by itself, such as a pasted page in the place of a label."""
    most = MOST_CHARACTERS // 2
    return tuple(
        type(part)(part.text[:most] + "…") if isinstance(part, Verbatim | Strong) and len(part.text) > most else part
        for part in line
    )


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
