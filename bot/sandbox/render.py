"""What a person sees of a message, as plain text: the blocks where there are any, the fallback otherwise.

Source: Slack's Block Kit reference, on what each block shows.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]


def shown(message: Object) -> str:
    """Return what Slack's client shows of a message's `text` and `blocks`."""
    blocks = message.get("blocks")
    if not blocks:
        return unescaped(str(message.get("text") or ""))
    return "\n".join(_block(one) for one in blocks)


def shown_view(view: Object, errors: Object) -> str:
    """Return what Slack's client shows of a modal or an App Home, and of the errors under its fields."""
    lines = [f"== {view['title']['text']} =="] if "title" in view else []
    for block in view["blocks"]:
        lines.append(_block(block))
        if block.get("block_id") in errors:
            lines.append(f"! {errors[block['block_id']]}")
    buttons = [f"[{view[name]['text']}]" for name in ("close", "submit") if name in view]
    return "\n".join([*lines, *([" ".join(buttons)] if buttons else [])])


def unescaped(text: str) -> str:
    """Return mrkdwn with its three escapes resolved (Slack's "Formatting text for app surfaces")."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _block(block: Object) -> str:
    kind = block["type"]
    if kind == "rich_text":
        return "\n".join(_rich(one) for one in block["elements"])
    if kind == "divider":
        return "─" * 20
    if kind in {"section", "header"}:
        parts = [block.get("text"), *block.get("fields", ()), block.get("accessory")]
        return "\n".join(_object(one) for one in parts if one)
    if kind in {"context", "actions"}:
        return "  ".join(_object(one) for one in block["elements"])
    if kind == "table":
        return "\n".join(" | ".join(_cell(cell) for cell in row) for row in block["rows"])
    return _input(block) if kind == "input" else f"[{block['alt_text']}]"


def _input(block: Object) -> str:
    typed = block["element"].get("initial_value") or "____"
    hint = [_object(block["hint"])] if "hint" in block else []
    return "\n".join([f"{_object(block['label'])} [{typed}]", *hint])


def _rich(element: Object, bullet: str = "") -> str:
    if element["type"] == "rich_text_list":
        ordered = element["style"] == "ordered"
        return "\n".join(
            _rich(one, f"{number}. " if ordered else "• ") for number, one in enumerate(element["elements"], 1)
        )
    prefix = "> " if element["type"] == "rich_text_quote" else bullet
    return prefix + _inline(element["elements"])


def _inline(elements: Iterable[Object]) -> str:
    return "".join(_INLINE[one["type"]](one) for one in elements)


_INLINE: Mapping[str, Callable[[Object], str]] = {
    "text": lambda one: one["text"],
    "link": lambda one: one.get("text") or one["url"],
    "emoji": lambda one: f":{one['name']}:",
    "user": lambda one: f"@{one['user_id']}",
    "usergroup": lambda one: f"@{one['usergroup_id']}",
    "channel": lambda one: f"#{one['channel_id']}",
    "color": lambda one: one["value"],
    "date": lambda one: one.get("fallback") or str(one["timestamp"]),
    "broadcast": lambda one: f"@{one['range']}",
}


def _object(part: Object) -> str:
    if part["type"] == "mrkdwn":
        return unescaped(part["text"])
    if part["type"] == "plain_text":
        return str(part["text"])
    if part["type"] == "button":
        return f"[{part['text']['text']}]"
    return f"[{part.get('alt_text', part['type'])}]"


def _cell(cell: Object) -> str:
    return str(cell["text"]) if cell["type"] == "raw_text" else _block(cell)
