"""The shortcut on a message: it finds the labels, fills them in, and sends nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.slack.shortcuts import text_of
from tests.conftest import events_of
from tests.slack.office import ANNA, Office, office
from tests.test_harvest import ACKNOWLEDGEMENT, ID


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    """Give an office that works."""
    with office(tmp_path, MAX_LABELS="20") as made:
        yield made


def shortcut(here: Office, message: dict[str, Any], **where: Any) -> str:
    """Use the shortcut on a message; returns the form that opens."""
    ack = here.deliver(here.slack.message_shortcut("request_codes_of_message", message, user=ANNA, **where))
    assert (ack.error, ack.payload) == (None, {})
    return here.slack.views[-1].shown


def rich(*elements: Any) -> list[dict[str, Any]]:
    """Return blocks of one line of rich text."""
    return [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}]


def mail(text: str) -> dict[str, Any]:
    """Return a mail as Slack shows it that was forwarded to a channel."""
    return {
        "text": "",
        "files": [
            {
                "id": "F1",
                "filetype": "email",
                "mode": "email",
                "subject": "MPC",
                "from": [{"address": "somebody@example.org", "name": "trksub: A1"}],
                "plain_text": text,
                "preview_plain_text": text[:300],
                "preview": f"<div>{text[:300]}</div>",
            }
        ],
    }


FILLED = f"""\
== Action codes ==
The Minor Planet Center (MPC) mails the action code to whoever submitted the observations, never to Slack. Each label \
mails a person: ask once.
3 labels were found in the message. Nothing is sent yet: remove what you do not need.
Labels [{ID},
A10cnQO 703,
P11JuVG F51]
"""


def test_an_acknowledgement_is_asked_for_with_two_clicks(here: Office) -> None:
    """The form has the labels of the mail; nothing is sent before it is submitted, and then what is left in it."""
    assert shortcut(here, mail(ACKNOWLEDGEMENT)).startswith(FILLED)
    assert events_of(here.database) == []
    here.submit(here.slack.views[-1], "A10cnQO 703")
    here.slack.wait_for(here.told)
    assert "A10cnQO (trksub, station 703): Accepted." in here.told()[-1]
    events = events_of(here.database)
    assert {(one["source"], one["channel_id"]) for one in events} == {("shortcut", here.slack.observing.id)}
    assert here.mpc.mails == ["A10cnQO"]


def test_a_message_without_labels_opens_an_empty_form(here: Office) -> None:
    """It says that nothing was found and what is looked for, and can be filled in by hand."""
    shown = shortcut(here, {"text": "Good night, and please observe A10cnQO & 00000DwbEz"})
    assert "No label was found in the message. Paste one below." in shown
    assert "Labels [____]" in shown


@pytest.mark.parametrize(
    "message", [{}, {"blocks": 7, "files": [7, None, []], "text": None}, {"text": 7}, {"blocks": rich(7, "x")}]
)
def test_a_strange_message_holds_nothing(here: Office, message: dict[str, Any]) -> None:
    """Whatever Slack puts into a message, the form opens."""
    assert "No label was found" in shortcut(here, message)


def test_what_does_not_fit_is_said(here: Office) -> None:
    """No more labels are filled in than one command may hold, and the field has room for them."""
    many = "\n".join(f"{ID[:-2]}{number:02}_01" for number in range(60))
    shown = shortcut(here, {"text": many})
    assert "60 labels were found in the message; the first 20 stand below, the others did not fit." in shown
    assert shown.count("2024-05-02T21:03:35.001_0000Fz") == 20 + 2
    assert "1 label was found in the message. Nothing is sent yet" in shortcut(here, {"text": ID})


def test_labels_that_are_stations_or_sub_commands_elsewhere_are_quoted(here: Office) -> None:
    """What is filled in is read again as what was found."""
    assert 'Labels ["F51"]' in shortcut(here, {"text": "trksub: F51"})


PLACES: dict[str, dict[str, Any]] = {
    "text": {"text": f"see {ID}"},
    "escaped text": {"text": f"&lt;{ID}&gt;"},
    "rich text": {"blocks": rich({"type": "text", "text": f"see {ID}"})},
    "pieces of a line": {
        "blocks": rich(
            {"type": "text", "text": ID[:10], "style": {"bold": True}}, {"type": "text", "text": ID[10:]}
        )
    },
    "a link": {"blocks": rich({"type": "link", "url": f"https://example.org/{ID}"})},
    "a section": {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ID}}]},
    "fields": {"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": ID}]}]},
    "a list": {
        "blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": rich(
            {"type": "text", "text": ID})[0]["elements"]}]}]
    },
    "a table": {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": ID}]]}]},
    "an attachment": {"attachments": [{"text": ID, "fallback": "x"}]},
    "an attachment's field": {"attachments": [{"fields": [{"title": "ID", "value": ID}]}]},
    "a forwarded message": {
        "attachments": [{"message_blocks": [{"message": {"blocks": rich({"type": "text", "text": ID})}}]}]
    },
    "a mail": mail(f"x {ID} y"),
    "a mail's subject": {"files": [{"subject": ID}]},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_every_text_of_a_message_is_read(here: Office, place: str) -> None:
    """Its own, its blocks', its attachments', that of a message that was forwarded, and that of a mail."""
    assert f"Labels [{ID}]" in shortcut(here, PLACES[place])


def test_who_wrote_it_is_not_text() -> None:
    """Names, addresses and IDs around a message are not what it says, and depth without end is not followed."""
    assert "A1" not in text_of(mail("x")) + text_of({"user": "trksub: A1", "ts": "trksub: A1"})
    deep: Any = "trksub: A1"
    for _ in range(5000):
        deep = {"blocks": [deep]}
    assert text_of(deep) == ""


def test_the_form_of_a_message_opens_only_where_one_may_ask(tmp_path: Path) -> None:
    """The rules are those of the channel in which the message stands."""
    with office(tmp_path, works=False, ALLOWED_USERS="U0OTHER") as made:
        assert "Refused. You are not among those who may use /actcode here." in shortcut(made, {"text": ID})
