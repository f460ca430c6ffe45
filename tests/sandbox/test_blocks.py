"""Which messages Slack takes."""

from typing import Any

import pytest

from bot.sandbox.blocks import MOST_CHARACTERS, MOST_TEXT, check_message, check_view
from bot.sandbox.rules import RefusedError

PLAIN = {"type": "plain_text", "text": "x", "emoji": True}
MRKDWN = {"type": "mrkdwn", "text": "*x*", "verbatim": True}
IMAGE = {"type": "image", "image_url": "https://example.org/x.png", "alt_text": "x"}
OPTION = {"text": PLAIN, "value": "v"}
BUTTON = {"type": "button", "text": PLAIN, "action_id": "a", "value": "v", "style": "primary"}
SELECT = {"type": "static_select", "action_id": "s", "placeholder": PLAIN, "options": [OPTION]}
INPUT: dict[str, Any] = {
    "type": "input",
    "block_id": "labels",
    "label": PLAIN,
    "hint": PLAIN,
    "element": {"type": "plain_text_input", "action_id": "a", "multiline": True, "initial_value": ""},
}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    """Return a block of rich text with one section."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


GOOD: list[dict[str, Any]] = [
    {"type": "section", "text": MRKDWN, "accessory": BUTTON},
    {"type": "section", "fields": [PLAIN, MRKDWN], "accessory": IMAGE},
    {"type": "header", "text": PLAIN, "block_id": "h"},
    {"type": "divider"},
    {"type": "context", "elements": [MRKDWN, IMAGE]},
    {"type": "actions", "elements": [BUTTON, SELECT, {"type": "overflow", "action_id": "o", "options": [OPTION]}]},
    IMAGE | {"title": PLAIN},
    INPUT,
    rich(
        {"type": "text", "text": "_ab_", "style": {"code": True}},
        {"type": "link", "url": "https://example.org", "text": "here"},
        {"type": "user", "user_id": "U1"},
        {"type": "channel", "channel_id": "C1"},
        {"type": "emoji", "name": "telescope"},
        {"type": "date", "timestamp": 1, "format": "{date}", "fallback": "1970"},
        {"type": "broadcast", "range": "here"},
    ),
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_list", "style": "bullet", "elements": [{"type": "rich_text_section", "elements": []}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x"}]},
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "x"}]},
        ],
    },
    {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}, rich({"type": "text", "text": "x"})]]},
]

BAD: list[Any] = [
    "section",
    {"type": "sectoin", "text": MRKDWN},
    {"type": ["section"]},
    {"type": "section"},
    {"type": "section", "text": "x"},
    {"type": "section", "text": MRKDWN | {"text": ""}},
    {"type": "section", "text": MRKDWN | {"text": "x" * 3001}},
    {"type": "section", "text": MRKDWN | {"text": 7}},
    {"type": "section", "text": MRKDWN | {"emoji": True}},
    {"type": "section", "text": PLAIN | {"type": "markdown"}},
    {"type": "section", "text": MRKDWN, "colour": "red"},
    {"type": "section", "text": MRKDWN, "block_id": "x" * 256},
    {"type": "section", "fields": [PLAIN] * 11},
    {"type": "section", "fields": PLAIN},
    {"type": "section", "fields": [PLAIN | {"text": "x" * 2001}]},
    {"type": "header", "text": MRKDWN},
    {"type": "header", "text": PLAIN | {"text": "x" * 151}},
    {"type": "divider", "text": PLAIN},
    {"type": "context", "elements": []},
    {"type": "context", "elements": [PLAIN] * 11},
    {"type": "context", "elements": [BUTTON]},
    {"type": "actions", "elements": [BUTTON] * 26},
    {"type": "actions", "elements": [BUTTON | {"text": PLAIN | {"text": "x" * 76}}]},
    {"type": "actions", "elements": [BUTTON | {"style": "red"}]},
    {"type": "actions", "elements": [BUTTON | {"action_id": "x" * 256}]},
    {"type": "actions", "elements": [BUTTON | {"value": "x" * 2001}]},
    {"type": "actions", "elements": [SELECT | {"options": [OPTION] * 101}]},
    {"type": "actions", "elements": [SELECT | {"options": ["v"]}]},
    {"type": "actions", "elements": [{"type": "plain_text_input"}]},
    IMAGE | {"alt_text": ""},
    INPUT | {"element": BUTTON},
    rich({"type": "text", "text": ""}),
    rich({"type": "text", "text": "x", "style": {"blink": True}}),
    rich({"type": "text", "text": "x", "style": {"code": 1}}),
    rich({"type": "text", "text": "x", "style": "code"}),
    rich({"type": "txt", "text": "x"}),
    rich({"type": "text", "text": "x", "verbatim": True}),
    rich({"type": "link", "text": "x"}),
    rich({"type": "date", "timestamp": "1", "format": "{date}"}),
    rich({"type": "date", "timestamp": True, "format": "{date}"}),
    rich({"type": "date", "timestamp": 1}),
    rich({"type": "broadcast", "range": "all"}),
    rich({"type": "user"}),
    {"type": "rich_text", "elements": []},
    {"type": "rich_text", "elements": [{"type": "text", "text": "x"}]},
    {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "dashes", "elements": []}]},
    {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]},
    {"type": "table", "rows": [[]] * 101},
]


def refusal(message: dict[str, Any]) -> str:
    """Return Slack's word for what is wrong with a message."""
    with pytest.raises(RefusedError) as caught:
        check_message(message)
    return caught.value.error


@pytest.mark.parametrize("block", GOOD, ids=lambda block: str(block["type"]))
def test_a_good_block_is_taken(block: dict[str, Any]) -> None:
    """Each kind of block in its documented shape."""
    check_message({"blocks": [block]})


@pytest.mark.parametrize("block", BAD)
def test_a_malformed_block_is_refused(block: object) -> None:
    """Unknown types and fields, missing and empty ones, and what is too long or too many."""
    assert refusal({"text": "x", "blocks": [block]}) == "invalid_blocks"


def test_a_refusal_says_where() -> None:
    """For whoever reads the test: the place, and what is wrong there."""
    with pytest.raises(RefusedError) as caught:
        check_message({"blocks": [GOOD[3], rich({"type": "text", "text": ""})]})
    assert caught.value.why == "blocks[1].elements[0].elements[0].text: empty"


def test_a_message_has_limits() -> None:
    """Fifty blocks, 40,000 characters of text, something at all, and one table."""
    check_message({"blocks": [GOOD[3]] * 50})
    assert refusal({"blocks": [GOOD[3]] * 51}) == "invalid_blocks"
    check_message({"text": "x" * MOST_TEXT})
    assert refusal({"text": "x" * (MOST_TEXT + 1)}) == "msg_too_long"
    assert refusal({}) == "no_text"
    assert refusal({"text": " ", "blocks": []}) == "no_text"
    assert refusal({"text": 7}) == "invalid_arguments"
    assert refusal({"blocks": {"type": "divider"}}) == "invalid_blocks_format"
    assert refusal({"blocks": [GOOD[-1]] * 2}) == "invalid_blocks"
    assert refusal({"blocks": [{"type": "divider", "block_id": "d"}] * 2}) == "invalid_blocks"


def test_all_blocks_together_have_a_limit() -> None:
    """It is not documented, and applies where each block by itself is short enough."""
    text = rich({"type": "text", "text": "x" * (MOST_CHARACTERS // 6)})
    check_message({"blocks": [text] * 6})
    assert refusal({"blocks": [text] * 7}) == "msg_blocks_too_long"


@pytest.mark.parametrize("metadata", ["x", {}, {"event_type": "t"}, {"event_type": 1, "event_payload": {}}])
def test_malformed_metadata_is_refused(metadata: object) -> None:
    """It has a type and an object."""
    check_message({"text": "x", "metadata": {"event_type": "t", "event_payload": {"seq": 1}}})
    assert refusal({"text": "x", "metadata": metadata}) == "invalid_metadata_format"


MODAL: dict[str, Any] = {"type": "modal", "title": PLAIN, "submit": PLAIN, "callback_id": "c", "blocks": [INPUT]}


def test_a_good_view_is_taken() -> None:
    """A modal with an input, and an App Home of a hundred blocks."""
    check_view(MODAL | {"close": PLAIN, "private_metadata": ""})
    check_view({"type": "home", "blocks": [GOOD[3]] * 100})


@pytest.mark.parametrize(
    "view",
    [
        "modal",
        {"type": "page", "blocks": []},
        {"type": "home"},
        {"type": "home", "blocks": [GOOD[3]] * 101},
        MODAL | {"title": PLAIN | {"text": "x" * 25}},
        MODAL | {"title": MRKDWN},
        MODAL | {"submit": PLAIN | {"text": "x" * 25}},
        MODAL | {"callback_id": "x" * 256},
        MODAL | {"private_metadata": "x" * 3001},
        MODAL | {"colour": "red"},
        MODAL | {"submit_disabled": "no"},
        MODAL | {"external_id": "x" * 256},
        MODAL | {"blocks": [*MODAL["blocks"], GOOD[10]]},
        MODAL | {"blocks": [INPUT | {"element": INPUT["element"] | {"max_length": 3001}}]},
        MODAL | {"blocks": [INPUT | {"element": INPUT["element"] | {"max_length": 2, "initial_value": "xxx"}}]},
        MODAL | {"blocks": [INPUT | {"label": PLAIN | {"text": "x" * 2001}}]},
        {"type": "home", "blocks": [GOOD[3]], "title": PLAIN},
        {"type": "home", "blocks": [GOOD[3]], "submit": PLAIN},
        {"type": "home", "blocks": [GOOD[10]]},
        {name: value for name, value in MODAL.items() if name != "title"},
        {name: value for name, value in MODAL.items() if name != "submit"},
    ],
)
def test_a_malformed_view_is_refused(view: object) -> None:
    """What is too long or missing; an input needs something to submit it with."""
    with pytest.raises(RefusedError, match="invalid_arguments"):
        check_view(view)


def test_a_view_of_more_than_250_kb_is_refused() -> None:
    """Slack has a word of its own for it."""
    blocks = [{"type": "section", "text": PLAIN | {"text": "x" * 2600}}] * 100
    with pytest.raises(RefusedError, match="view_too_large"):
        check_view({"type": "home", "blocks": blocks})
