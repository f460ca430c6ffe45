"""What a person sees of a message."""

from typing import Any

from bot.sandbox.render import shown
from tests.sandbox.test_blocks import BUTTON, GOOD, rich


def test_without_blocks_the_text_is_shown() -> None:
    """With its three escapes resolved, each once."""
    assert shown({"text": "a &lt;b&gt; &amp;amp;"}) == "a <b> &amp;"
    assert shown({}) == ""


def test_rich_text_is_shown_as_it_reads() -> None:
    """Every element as Slack's client would show it."""
    sections: list[dict[str, Any]] = [
        {"type": "text", "text": "see "},
        {"type": "link", "url": "https://example.org"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "color", "value": "#fff"},
        {"type": "date", "timestamp": 1, "format": "{date}"},
    ]
    assert shown({"text": "other", "blocks": [rich(*sections)]}) == "see https://example.org@S1#fff1"
    assert shown({"blocks": [GOOD[8]]}) == "_ab_here@U1#C1:telescope:1970@here"


def test_lists_and_quotes_are_marked() -> None:
    """Bullets, numbers, and the sign of a quotation."""
    section = rich({"type": "text", "text": "x"})["elements"][0]
    elements = [
        {"type": "rich_text_list", "style": "bullet", "elements": [section]},
        {"type": "rich_text_list", "style": "ordered", "elements": [section, section]},
        {"type": "rich_text_quote", "elements": section["elements"]},
    ]
    assert shown({"blocks": [{"type": "rich_text", "elements": elements}]}) == "• x\n1. x\n2. x\n> x"


def test_every_other_block_is_shown() -> None:
    """One after the other, whatever it is."""
    text = shown({"blocks": [GOOD[0], GOOD[1], GOOD[3], GOOD[4], GOOD[6], GOOD[7], GOOD[10]]})
    assert text.splitlines() == ["*x*", "[x]", "x", "*x*", "[x]", "─" * 20, "*x*  [x]", "[x]", "x [____]", "x", "x | x"]
    assert shown({"blocks": [{"type": "actions", "elements": [BUTTON]}]}) == "[x]"
