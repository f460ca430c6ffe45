"""What Slack takes as blocks, and what it refuses.

Not all of Block Kit: the blocks and elements that a bot like this one uses. What is not known here is refused, so
that a block which nobody has checked against Slack's reference does not pass unseen.

Source: Slack's Block Kit reference (docs.slack.dev/reference/block-kit), a page for each block, element and
composition object. `MOST_CHARACTERS` is not documented: slackapi/bolt-js#2509 found it.
"""

import json

from bot.sandbox.elements import IMAGES, INLINE, INPUTS, INTERACTIVE, RICH
from bot.sandbox.rules import (
    Check,
    Object,
    RefusedError,
    bad,
    check_element,
    check_elements,
    check_keys,
    check_list,
    check_object,
    check_string,
    check_text,
    of_type,
)

MOST_BLOCKS = 50
MOST_BLOCKS_IN_VIEW = 100
MOST_VIEW = 250_000
MOST_CHARACTERS = 13_200
"""Of all the texts in a message's blocks together; beyond that, msg_blocks_too_long."""
MOST_TEXT = 40_000
"""Of a message's `text`; beyond that, msg_too_long."""


def check_message(message: Object) -> None:
    """Refuse a message that Slack would refuse: its `text`, `blocks` and `metadata`.

    Raises:
        RefusedError: no_text, msg_too_long, invalid_blocks_format, invalid_blocks, msg_blocks_too_long,
            invalid_metadata_format.
    """
    text, blocks = message.get("text"), message.get("blocks")
    if text is not None and not isinstance(text, str):
        raise RefusedError("invalid_arguments", "text is no string")
    if not blocks and not (text or "").strip():
        raise RefusedError("no_text")
    if len(text or "") > MOST_TEXT:
        raise RefusedError("msg_too_long")
    if blocks:
        check_blocks(blocks)
        if characters(blocks) > MOST_CHARACTERS:
            raise RefusedError("msg_blocks_too_long")
    metadata = message.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise RefusedError("invalid_metadata_format")


def check_blocks(blocks: object, *, most: int = MOST_BLOCKS) -> None:
    """Refuse blocks that Slack would refuse.

    Raises:
        RefusedError: invalid_blocks_format, where they are no list; otherwise invalid_blocks.
    """
    if not isinstance(blocks, list):
        raise RefusedError("invalid_blocks_format")
    if len(blocks) > most:
        raise bad("blocks", f"more than {most}")
    known: set[str] = set()
    for number, block in enumerate(blocks):
        where = f"blocks[{number}]"
        check, fields = of_type(check_object(block, where), _BLOCKS, where)
        check_keys(block, {"block_id", *fields}, where)
        block_id = block.get("block_id")
        if block_id is not None:
            check_string(block_id, f"{where}.block_id", most=255)
            if block_id in known:
                raise bad(f"{where}.block_id", "used twice")
            known.add(block_id)
        check(block, where)
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise bad("blocks", "more than one table")


def check_view(view: object) -> None:
    """Refuse a view (a modal or an App Home) that Slack would refuse.

    Source: Slack's "View objects"; a table is for messages only ("Table block"), and views.open refuses a view of
    more than 250 kB (view_too_large).

    Raises:
        RefusedError: invalid_arguments, view_too_large.
    """
    if not isinstance(view, dict) or view.get("type") not in _VIEWS:
        raise RefusedError("invalid_arguments", "view.type is neither modal nor home")
    if len(json.dumps(view)) > MOST_VIEW:
        raise RefusedError("view_too_large")
    try:
        _check_view(view)
    except RefusedError as fault:
        raise RefusedError("invalid_arguments", fault.why) from fault


def _check_view(view: Object) -> None:
    check_keys(view, _VIEWS[view["type"]], "view")
    if view["type"] == "modal":
        check_text(view.get("title"), "view.title", most=24, only="plain_text")
    for name in ("submit", "close"):
        if name in view:
            check_text(view[name], f"view.{name}", most=24, only="plain_text")
    for name, most in (("callback_id", 255), ("private_metadata", 3000), ("external_id", 255)):
        if name in view:
            check_string(view[name], f"view.{name}", most=most, least=0)
    for name in ("clear_on_close", "notify_on_close", "submit_disabled"):
        if not isinstance(view.get(name, False), bool):
            raise bad(f"view.{name}", "neither true nor false")
    check_blocks(view.get("blocks"), most=MOST_BLOCKS_IN_VIEW)
    kinds = {one["type"] for one in view["blocks"]}
    if "table" in kinds:
        raise bad("view.blocks", "a table, which is for messages only")
    if view["type"] == "modal" and "submit" not in view and "input" in kinds:
        raise bad("view.submit", "needed where there is an input")


def characters(part: object) -> int:
    """Return how long the texts in blocks are, all together."""
    if isinstance(part, list):
        return sum(characters(one) for one in part)
    if isinstance(part, dict):
        text = part.get("text")
        return (len(text) if isinstance(text, str) else 0) + sum(
            characters(one) for one in part.values() if not isinstance(one, str)
        )
    return 0


def _section(part: Object, where: str) -> None:
    if not part.get("text") and not part.get("fields"):
        raise bad(where, "neither text nor fields")
    if "text" in part:
        check_text(part["text"], f"{where}.text")
    for number, one in enumerate(check_list(part.get("fields", []), f"{where}.fields", most=10, least=0)):
        check_text(one, f"{where}.fields[{number}]", most=2000)
    if "accessory" in part:
        check_element(part["accessory"], INTERACTIVE | IMAGES, f"{where}.accessory")


def _header(part: Object, where: str) -> None:
    check_text(part.get("text"), f"{where}.text", most=150, only="plain_text")


def _nothing(_part: Object, _where: str) -> None:
    """Find nothing to check."""


def _context(part: Object, where: str) -> None:
    for number, one in enumerate(check_list(part.get("elements"), f"{where}.elements", most=10)):
        if isinstance(one, dict) and one.get("type") == "image":
            check_element(one, IMAGES, f"{where}.elements[{number}]")
        else:
            check_text(one, f"{where}.elements[{number}]")


def _actions(part: Object, where: str) -> None:
    check_elements(part.get("elements"), INTERACTIVE, f"{where}.elements", most=25)


def _input(part: Object, where: str) -> None:
    check_text(part.get("label"), f"{where}.label", most=2000, only="plain_text")
    if "hint" in part:
        check_text(part["hint"], f"{where}.hint", most=2000, only="plain_text")
    check_element(part.get("element"), INPUTS, f"{where}.element")


def _rich_text(part: Object, where: str) -> None:
    check_elements(part.get("elements"), RICH, f"{where}.elements")


def _table(part: Object, where: str) -> None:
    for number, row in enumerate(check_list(part.get("rows"), f"{where}.rows", most=100)):
        check_elements(row, _CELLS, f"{where}.rows[{number}]", most=20)


_EVERY_VIEW = {"type", "blocks", "callback_id", "private_metadata", "external_id"}
_VIEWS = {
    "modal": _EVERY_VIEW | {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"},
    "home": _EVERY_VIEW,
}
_CELLS: dict[str, tuple[Check, str]] = {
    "raw_text": (INLINE["text"][0], "text"),
    "rich_text": (_rich_text, "elements block_id"),
}
_BLOCKS: dict[str, tuple[Check, str]] = {
    "section": (_section, "text fields accessory expand"),
    "header": (_header, "text"),
    "divider": (_nothing, ""),
    "context": (_context, "elements"),
    "actions": (_actions, "elements"),
    "image": (IMAGES["image"][0], "image_url alt_text title"),
    "input": (_input, "label element hint optional dispatch_action"),
    "rich_text": (_rich_text, "elements"),
    "table": (_table, "rows column_settings"),
}
