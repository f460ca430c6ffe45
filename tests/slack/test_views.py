"""What the form says and turns into: within Slack's limits, and in the words of the command."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.decisions import Admission
from bot.labels import Fault, Label, Parsed, parse_all
from bot.policy import Denial, Rule
from bot.sandbox.blocks import check_view
from bot.sandbox.doors import MOST_IN_ERROR
from bot.sandbox.render import shown_view
from bot.slack import views
from bot.slack.views import Origin
from tests.slack.test_messages import BLOCK_ID, COOL, LATER, REFUSED_ONE, item

CHANNEL = Origin(source="modal", channel_id="C1")
NOWHERE = Origin(source="shortcut")


def shown(view: dict[str, Any]) -> str:
    """Return what a view shows that Slack would take."""
    check_view(view)
    return shown_view(view, {})


THERE = "in the conversation where you began, where only you see it, or in a direct message from the bot"
TAKEN = f"Your request was taken. You are told what comes of it {THERE}. You can close this."


@pytest.mark.parametrize(
    ("admission", "told"),
    [
        (
            Admission(command_id="c", items=(item("A1", stations=("703",)),)),
            f"{TAKEN}\n• A1 (trksub, station 703) · request request00001",
        ),
        (
            Admission(command_id="c", items=(item("A1"),), ahead=13, wait_s=1200),
            f"{TAKEN}\n• A1 (trksub) · request request00001\n"
            "Position 14 in the queue, about 20 min. The answer will come there.",
        ),
        (
            Admission(command_id="c", items=(item("A1"), item("B1", 2, COOL))),
            f"{TAKEN}\n• A1 (trksub) · request request00001\n{REFUSED_ONE}\n"
            "The other labels are on their way to the MPC.",
        ),
        (Admission(items=(item("B1", 2, COOL),)), REFUSED_ONE),
        (
            Admission(denial=Denial(rule=Rule.HOURLY, until=LATER, limit=100)),
            "Refused. That would be more labels than one person may ask for in an hour (100). Nothing was sent. "
            "You can ask again after 2027-01-15 08:00:00 UTC.",
        ),
    ],
)
def test_the_form_turns_into_what_was_decided(admission: Admission, told: str) -> None:
    """What was taken, where its answer comes, and what was refused and why."""
    assert shown(views.answer(admission, CHANNEL)) == f"== Action codes ==\n{told}\n[Close]"


@pytest.mark.parametrize("denial", [None, COOL])
def test_the_longest_answer_is_one_view(denial: Denial | None) -> None:
    """A hundred block IDs with their requests, taken or refused, are there with what is said of them."""
    items = tuple(item(BLOCK_ID, number, denial, ("703",)) for number in range(100))
    told = shown(views.answer(Admission(command_id=None if denial else "c", items=items), NOWHERE))
    assert [f"request{number:05}" in told for number in range(100)] == [True] * 100


def test_a_form_remembers_where_it_was_opened() -> None:
    """Slack keeps it with the form; what is not ours is a form from nowhere."""
    for origin in (CHANNEL, NOWHERE, Origin(source="shortcut", channel_id="D1")):
        assert Origin.read(origin.metadata()) == origin
    for metadata in (None, 7, "", "{", "[]", "null", '"x"', '{"source": "slash", "channel_id": ""}'):
        assert Origin.read(metadata) == Origin(source="modal")


@given(st.lists(st.from_regex(r"[-A-Za-z0-9_]{1,12}", fullmatch=True) | st.just(BLOCK_ID), max_size=200), st.booleans())
@example(names=["2015", "AC2", "log", "703", "A1", "703"], many=True)
def test_what_is_filled_in_is_read_again_as_it_was_found(names: list[str], many: bool) -> None:  # noqa: FBT001
    """Labels that the field has room for come out of it as they went in, and Slack takes the form."""
    labels = [Label(name, parse_all(f'"{name}"').labels[0].kinds) for name in dict.fromkeys(names) if readable(name)]
    view = views.form(CHANNEL, found=labels, most=1000 if many else 25)
    check_view(view)
    filled = view["blocks"][-1]["element"].get("initial_value", "")
    found = parse_all(filled)
    assert found.faults == ()
    assert list(found.labels) == labels[: len(found.labels)]
    assert len(found.labels) == len(labels) or len(found.labels) == 25 or len(filled) > 3000 - 40


def readable(name: str) -> bool:
    """Say whether a name, as the form spells it, is a label that nothing else is read into."""
    parsed = parse_all(f'"{name}"')
    return [one.text for one in parsed.labels] == [name] and not parsed.faults


def test_the_field_takes_no_more_than_it_holds() -> None:
    """Long labels fill it before many are in it, and how many are left out is said."""
    labels = [Label(f"{BLOCK_ID[:-2]}{number:02}", ("submission_block_id",)) for number in range(100)]
    told = shown(views.form(CHANNEL, found=labels, most=100))
    assert "100 labels were found in the message; the first 81 stand below, the others did not fit." in told


@pytest.mark.parametrize("count", [1, 25, 500])
def test_what_stands_under_the_field_is_short_enough(count: int) -> None:
    """However much is wrong, and however long that is, it fits, and how much is left out is said."""
    faults = tuple(Fault("x" * 100, "character", f"{number} " + "y" * 150) for number in range(count))
    text = views.errors(views.faults(Parsed((), faults)))["errors"]["labels"]
    assert len(text) <= views.MOST_IN_ERROR < MOST_IN_ERROR
    assert text.startswith("Nothing was sent.\nxxx")
    assert ("more." in text) == (count > 1)


def test_one_endless_text_is_cut() -> None:
    """Slack takes no longer text under a field."""
    text = views.errors("x" * 5000)["errors"]["labels"]
    assert len(text) == views.MOST_IN_ERROR
    assert text.endswith("x…")
