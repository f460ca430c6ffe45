"""Rich text and its fallback: verbatim, escaped in one place, and within Slack's limits."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.richtext import MOST_IN_MESSAGE, Message, escape, message, plain
from bot.wording import Link, Moment, Strong, Text, Verbatim

MOST_BLOCKS, MOST_CHARACTERS, MOST_TEXT = 50, 3_000, 40_000
"""Slack's own limits, written down a second time."""
LIVE = "<!channel> <@U1> <#C1> <https://example.org|x> *b* _i_ ~s~ `c` :00: &lt; @here & >quote"
PARTS = st.one_of(
    st.text(max_size=2000),
    st.builds(Verbatim, st.text(min_size=1, max_size=5000)),
    st.builds(Strong, st.text(min_size=1, max_size=200)),
    st.builds(Moment, st.integers(0, 10**13)),
    st.builds(Link, st.just("https://example.org/"), st.text(min_size=1, max_size=50)),
)


def texts(said: Message) -> list[dict[str, Any]]:
    """Return the rich text blocks of a message, those in the cells of a table, too."""
    rows = [row for block in said.blocks if block["type"] == "table" for row in block["rows"]]
    cells = [cell for row in rows for cell in row if cell["type"] == "rich_text"]
    return [block for block in said.blocks if block["type"] == "rich_text"] + cells


def elements(said: Message) -> list[dict[str, Any]]:
    """Return the innermost elements of a message, in order."""
    return [part for block in texts(said) for section in block["elements"] for part in section["elements"]]


def assert_within_limits(said: Message) -> None:
    """Hold a message to the limits of Slack's, and to the few elements that can do no harm."""
    assert len(said.blocks) <= MOST_BLOCKS
    assert len(said.text) <= MOST_TEXT
    assert {block["type"] for block in said.blocks} <= {"rich_text", "table", "actions"}
    for block in said.blocks:
        if block["type"] == "table":
            assert len(block["rows"]) <= 100
            assert {len(row) for row in block["rows"]} == {len(block["rows"][0])}
            assert all(cell["text"] for cell in block["rows"][0])
            assert sum(len(one.get("text", "")) for one in elements(said)) <= 10_000
    for block in texts(said):
        assert (
            sum(len(part.get("text", "")) for one in block["elements"] for part in one["elements"]) <= MOST_CHARACTERS
        )
        for section in block["elements"]:
            assert section["type"] == "rich_text_section"
            assert section["elements"]
    assert {part["type"] for part in elements(said)} <= {"text", "link", "date"}


def test_each_kind_of_part_has_its_element() -> None:
    """Labels are code, the word that counts is bold, moments are in the reader's zone, and links can be followed."""
    line: Text = (
        "plain ",
        Verbatim("A10"),
        "",
        Strong("Now"),
        Moment(86_399_999),
        Link("https://example.org/", "here"),
    )
    said = message([line])
    assert said.blocks == (
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "plain "},
                        {"type": "text", "text": "A10", "style": {"code": True}},
                        {"type": "text", "text": "Now", "style": {"bold": True}},
                        {
                            "type": "date",
                            "timestamp": 86_399,
                            "format": "{date_short_pretty}, {time_secs}",
                            "fallback": "1970-01-01 23:59:59 UTC",
                        },
                        {"type": "link", "url": "https://example.org/", "text": "here"},
                    ],
                }
            ],
        },
    )
    assert said.text == "plain A10Now1970-01-01 23:59:59 UTChere (https://example.org/)"


def test_a_link_inside_slack_shows_in_the_fallback_as_its_text() -> None:
    """An address that only Slack understands is no use to a notification."""
    assert plain((Link("https://slack.com/app_redirect?channel=U1&team=T1", "U1"),)) == "U1"


def test_each_line_is_a_section_of_its_own() -> None:
    """Lines stay lines, in the blocks and in the fallback."""
    said = message([("one",), ("two", Verbatim("2"))])
    assert len(said.blocks) == 1
    assert len(said.blocks[0]["elements"]) == 2
    assert said.text == "one\ntwo2"


@pytest.mark.parametrize("part", [LIVE, Verbatim(LIVE), Strong(LIVE)])
def test_nothing_that_is_shown_is_live(part: str | Verbatim | Strong) -> None:
    """Mentions, links, mark-up and emoji show verbatim in the blocks, and the fallback has them escaped."""
    said = message([(part,)])
    (element,) = elements(said)
    assert element["type"] == "text"
    assert element["text"] == LIVE
    assert "<" not in said.text
    assert said.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == LIVE


def test_escaping_is_slacks_and_no_more() -> None:
    """The three characters that Slack knows an escape for are escaped, once."""
    assert escape("a & b < c > d \" ' &amp;") == "a &amp; b &lt; c &gt; d \" ' &amp;amp;"


def test_nothing_is_parsed_or_unfurled_where_it_is_posted() -> None:
    """However a message is posted, Slack is told to leave names and links in it alone."""
    payload = message([("@here https://example.org",)]).payload()
    assert payload == {
        "text": "@here https://example.org",
        "blocks": [
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_section",
                        "elements": [{"type": "text", "text": "@here https://example.org"}],
                    }
                ],
            }
        ],
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_long_messages_become_several_blocks() -> None:
    """No block has more than Slack's limit, and nothing is lost as long as the whole is readable."""
    lines: list[Text] = [(f"{number:03} " + "x" * 95,) for number in range(119)]
    said = message(lines)
    assert_within_limits(said)
    assert len(said.blocks) > 1
    assert [part["text"] for part in elements(said)] == [plain(line) for line in lines]


def test_what_does_not_fit_is_counted() -> None:
    """The last line says how many lines were left out, and all the others are there whole."""
    said = message([(f"{number:03} " + "x" * 95,) for number in range(500)])
    assert_within_limits(said)
    shown = said.text.split("\n")
    assert shown[-1] == f"\u2026 and {500 - (len(shown) - 1)} more lines."
    assert [int(line[:3]) for line in shown[:-1]] == list(range(len(shown) - 1))
    assert len(said.text) <= MOST_IN_MESSAGE + len(shown[-1])


def test_one_line_left_out_is_one_line() -> None:
    """Even the count is in proper English."""
    said = message([("x" * 2_900,) for _ in range(5)])
    assert said.text.split("\n")[-1] == "\u2026 and 1 more line."


def test_the_tail_stays_when_the_middle_goes() -> None:
    """What is marked as the end, such as what can be pasted again, outlives what stands before it."""
    lines: list[Text] = [(f"{number:03} " + "x" * 95,) for number in range(500)]
    said = message([*lines, ("the end",), ("of it",)], tail=2)
    assert_within_limits(said)
    shown = said.text.split("\n")
    assert shown[-2:] == ["the end", "of it"]
    assert shown[-3] == f"\u2026 and {500 - (len(shown) - 3)} more lines."


def test_a_tail_that_would_push_out_everything_is_cut_like_the_rest() -> None:
    """The end does not take more than half of the room."""
    lines: list[Text] = [("x" * 99,)] * 200
    said = message([("first",), *lines], tail=200)
    assert_within_limits(said)
    assert said.text.startswith("first\nxxx")
    assert said.text.endswith("more lines.")


@pytest.mark.parametrize("kind", [Verbatim, Strong])
def test_a_page_in_the_place_of_a_label_is_shortened(kind: type[Verbatim] | type[Strong]) -> None:
    """One part that would fill a block by itself is cut, and shows that it was."""
    said = message([("before ", kind("y" * 50_000), " after")])
    assert_within_limits(said)
    assert [part["text"][-3:] for part in elements(said)] == ["re ", "yy\u2026", "ter"]


def test_escaping_does_not_push_a_message_over_the_limit() -> None:
    """The fallback is longest where all of it has to be escaped, and that counts."""
    assert_within_limits(message([("&" * 900,) for _ in range(100)]))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: (*parts, ".")), min_size=1, max_size=60))
def test_every_message_is_within_slacks_limits(lines: list[Text]) -> None:
    """Whatever is to be said, there is something to show, in few enough blocks, and nothing live in the fallback."""
    said = message([tuple(part if not isinstance(part, str) else part[:900] for part in line) for line in lines])
    assert said.blocks
    assert len(said.blocks) <= MOST_BLOCKS
    assert len(said.text) <= MOST_TEXT
    assert "<" not in said.text
    assert {part["type"] for part in elements(said)} <= {"text", "link", "date"}
