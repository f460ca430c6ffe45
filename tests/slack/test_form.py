"""The form, from the button to the answer: over HTTP, with Slack's and the MPC's stand-ins at the other ends."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import faults
from tests.conftest import events_of
from tests.slack.office import ANNA, Office, office


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    """Give an office that works."""
    with office(tmp_path) as made:
        yield made


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Office]:
    """Give an office in which nothing that was admitted is sent."""
    with office(tmp_path, works=False, MAX_LABELS="3") as made:
        yield made


FORM = """\
== Action codes ==
The Minor Planet Center (MPC) mails the action code to whoever submitted the observations, never to Slack. Each label \
mails a person: ask once.
Labels [____]
Separate several by new lines, blanks, commas or semicolons. A label is a trksub (A10cnQO), a trkid (00000DwbEz), a \
submission ID (2024-05-02T21:03:35.001_0000FzZw) or a submission block ID (2024-05-02T21:03:35.001_0000FzZw_01). A \
station may follow a tracklet: 5T0D452 703.
[Cancel] [Ask for the codes]"""
TAKEN = """\
== Action codes ==
Your request was taken. You are told what comes of it in the conversation where you began, where only you see it, or \
in a direct message from the bot. You can close this.
• A10cnQO (trksub) · request {0}
• 00000DwbEz (trkid) · request {1}
[Close]"""


def test_the_button_of_the_usage_opens_a_form_that_asks(here: Office) -> None:
    """From /actcode alone to the answer: the MPC is asked once for each label, and only the asker is told."""
    usage = here.deliver(here.slack.command("", user=ANNA))
    assert usage.shown.endswith("[Open the form]")
    view = here.press()
    assert view.shown == FORM
    assert here.submit(view, "A10cnQO\n00000DwbEz\n").error is None
    asked = [one for one in events_of(here.database) if one["event"] == "requested"]
    assert here.slack.views[-1].shown == TAKEN.format(*(one["request_id"] for one in asked))
    here.slack.wait_for(lambda: any("2 labels" in one or "Accepted (2)" in one for one in here.told()))
    assert {(one["source"], one["channel_id"], one["user_id"], one["team_id"]) for one in asked} == {
        ("modal", here.slack.observing.id, ANNA, here.slack.team_id)
    }
    (answer,) = [one for one in here.slack.ephemerals if "Accepted" in one.shown]
    assert (answer.via, answer.channel, answer.user) == ("chat.postEphemeral", here.slack.observing.id, ANNA)
    assert sorted(here.mpc.mails) == ["00000DwbEz", "A10cnQO"]


def test_the_global_shortcut_answers_in_a_direct_message(here: Office) -> None:
    """It is in no channel, so the answer comes from the bot itself, and the trail has no channel."""
    assert here.deliver(here.slack.shortcut("request_codes", user=ANNA)).error is None
    (view,) = here.slack.views
    assert view.shown == FORM
    here.submit(view, "A10cnQO")
    assert "You are told what comes of it in a direct message from the bot." in here.slack.views[-1].shown
    here.slack.wait_for(lambda: here.slack.dms)
    assert "Accepted" in here.slack.dms[0].shown
    assert here.slack.ephemerals == []
    assert not [one for one in here.slack.calls if one.method == "chat.postEphemeral"]
    assert {(one["source"], one["channel_id"]) for one in events_of(here.database)} == {("modal", None)}


def test_where_the_bot_is_not_in_the_channel_the_answer_is_a_direct_message(here: Office) -> None:
    """Nobody has to invite the bot to ask it something."""
    here.slack.add_channel("C0ELSEWHERE", "elsewhere", is_member=False)
    here.submit(here.press(channel="C0ELSEWHERE"), "A10cnQO")
    here.slack.wait_for(lambda: here.slack.dms)
    assert "A10cnQO (trksub): Accepted." in here.slack.dms[0].shown


FAULTS = """\
Nothing was sent.
2015 AC2: This looks like a designation. The MPC finds action codes by the trksub, the trkid or the submission ID \
that the observations were submitted under. Words that really are trksubs: put quotes around each of them.
This looks like an action code. Treat it as a password: it was not kept and goes no further from here. Use it at \
https://www.minorplanetcenter.net/submit_action_code, and give the trksub or an ID here instead."""


def test_what_is_no_label_is_explained_under_the_field_and_can_be_mended(idle: Office) -> None:
    """The form stays open with what was typed; nothing is sent or kept of it; the mended one is taken."""
    view = idle.press()
    ack = idle.submit(view, "A10cnQO 2015 AC2 nmVDPG760e2qQw97-DEL")
    assert ack.payload == {"response_action": "errors", "errors": {"labels": FAULTS}}
    events = events_of(idle.database)
    assert [(one["event"], one["label"], one["source"]) for one in events] == [("invalid", None, "modal")] * 2
    assert "2015" not in str(events)
    assert idle.submit(view, "A10cnQO").payload["response_action"] == "update"
    assert [one["event"] for one in events_of(idle.database)][2:] == ["requested"]


def test_a_thousand_faults_stay_within_the_limits(idle: Office) -> None:
    """The first ones are named, and how many more there are is said."""
    ack = idle.submit(idle.press(), " ".join(f"w!{number}" for number in range(500)))
    said = ack.payload["errors"]["labels"].split("\n")
    assert ack.error is None
    assert said[1].startswith("w!0: ")
    assert said[-1] == f"… and {500 - (len(said) - 2)} more."


@pytest.mark.parametrize("text", ["", " \n ", "``", ",;"])
def test_an_empty_field_is_not_recorded(idle: Office, text: str) -> None:
    """Where nothing was typed, that is said under the field."""
    ack = idle.submit(idle.press(), text)
    assert "There is no label here" in ack.payload["errors"]["labels"]
    assert events_of(idle.database) == []


def test_too_many_labels_can_be_taken_away(idle: Office) -> None:
    """The rule is said under the field, with its number, and what was typed stays."""
    view = idle.press()
    ack = idle.submit(view, "A1 A2 A3 A4")
    assert ack.payload["errors"]["labels"] == (
        "That is more labels than one command may hold (3). Nothing was sent. Take some away."
    )
    assert idle.submit(view, "A1 A2 A3").payload["response_action"] == "update"


def test_words_that_are_sub_commands_elsewhere_are_labels_in_the_form(idle: Office) -> None:
    """A field for labels holds labels."""
    idle.submit(idle.press(), "log, help")
    assert [one["label"] for one in events_of(idle.database)] == ["log", "help"]


def test_a_submission_that_comes_twice_has_one_effect(idle: Office) -> None:
    """The second one gets the first one's answer, and nothing is queued again."""
    view = idle.press()
    delivery = idle.slack.submission(view, {"labels": {"labels": {"value": "A10cnQO"}}})
    first, second = idle.deliver(delivery), idle.deliver(delivery)
    assert first.payload == second.payload
    assert [one["event"] for one in events_of(idle.database)] == ["requested"]


def test_a_refusal_is_shown_in_the_form(here: Office) -> None:
    """A cool-down is said at once, in the words of the command, with the labels that are on their way."""
    here.submit(here.press(), "A10cnQO")
    here.slack.wait_for(here.told)
    here.submit(here.press(), "A10cnQO")
    shown = here.slack.views[-1].shown
    assert "A10cnQO (trksub): Refused. This label was asked for a short while ago" in shown
    assert "Look for the mail first; you can ask again after" in shown
    assert "Your request was taken" not in shown
    here.submit(here.press(), "A10cnQO B10cnQO")
    shown = here.slack.views[-1].shown
    assert "Your request was taken." in shown
    assert "A10cnQO (trksub): Refused." in shown
    assert "• B10cnQO (trksub) · request " in shown


def test_a_form_opens_only_where_one_may_ask(tmp_path: Path) -> None:
    """In a channel that is not allowed, or in none, the rule is shown in its place, and nothing can be typed."""
    with office(tmp_path, works=False, ALLOWED_CHANNELS="C0ALLOWED") as made:
        assert made.press().shown == (
            "== Action codes ==\nRefused. This channel is not among those where /actcode may be used. Nothing was "
            "sent. Use a channel that is, or ask whoever runs the bot.\n[Close]"
        )
        made.deliver(made.slack.shortcut("request_codes", user=ANNA))
        assert made.slack.views[-1].shown == (
            "== Action codes ==\nHere, the bot is for certain channels. Type /actcode LABEL in one of them:\n"
            "• #C0ALLOWED\n[Close]"
        )
        assert made.press(channel="C0ALLOWED").shown == FORM


def test_a_form_from_nowhere_does_not_get_past_the_rules(tmp_path: Path) -> None:
    """What is submitted is judged anew, whatever the form said, and a form that knows no channel is in none."""
    with office(tmp_path, works=False, ALLOWED_CHANNELS="C0ALLOWED") as made:
        view = made.press(channel="C0ALLOWED")
        for metadata in ("", "7", "[]", "{", '{"channel_id": 7}', '{"source": "cli"}', "null"):
            view.view["private_metadata"] = metadata
            made.submit(view, f"A10cnQO {len(metadata)}")
            assert "This channel is not among those" in made.slack.views[-1].shown
        assert {(one["event"], one["source"]) for one in events_of(made.database)} == {("denied", "modal")}


@pytest.mark.parametrize("failure", ["hangs", "expired", "gone"])
def test_where_the_form_does_not_open_one_is_told_what_to_type(here: Office, failure: str) -> None:
    """Slack is acknowledged within its 3 s all the same, and a direct message says what else to do."""
    click = here.slack.click({"action_id": "open_form"}, user=ANNA)
    if failure == "expired":
        here.slack.expire(click)
    else:
        here.slack.fail("views.open", faults.hang() if failure == "hangs" else faults.reset_before())
    ack = here.deliver(click)
    assert (ack.error, ack.payload) == (None, {})
    assert ack.elapsed_s < 3
    (told,) = here.slack.dms
    assert told.shown == (
        "The form could not be opened, and nothing was sent. Try once more, or type /actcode LABEL instead."
    )


def test_a_slack_that_takes_no_call_is_acknowledged(here: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody can be told either, the log says what failed, without the `trigger_id`."""
    click = here.slack.click({"action_id": "open_form"}, user=ANNA)
    here.slack.refuse()
    ack = here.deliver(click)
    assert (ack.error, ack.payload) == (None, {})
    said = [one.getMessage() for one in caplog.records]
    assert "the form was not opened (URLError)" in said
    assert "somebody could not be told that the form was not opened (URLError)" in said
    assert str(click.trigger_id) not in caplog.text


def test_a_press_that_is_delivered_twice_opens_one_form(here: Office) -> None:
    """The second delivery finds its `trigger_id` used up, and nobody is told of a failure that was none."""
    click = here.slack.click({"action_id": "open_form"}, user=ANNA)
    assert [here.deliver(click).error for _ in range(2)] == [None, None]
    assert len(here.slack.views) == 1
    assert here.slack.dms == []


def test_without_a_database_the_form_says_that_nothing_was_sent(idle: Office, tmp_path: Path) -> None:
    """It stays open with what was typed, so that it can be submitted again later."""
    view = idle.press()
    idle.database.close()
    (tmp_path / "office.db").rename(tmp_path / "away.db")
    (tmp_path / "office.db").mkdir()
    ack = idle.submit(view, "A10cnQO")
    assert ack.elapsed_s < 3
    assert "Nothing was sent: the audit trail could not be written" in ack.payload["errors"]["labels"]
    (tmp_path / "office.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "office.db")
    assert idle.submit(view, "A10cnQO").payload["response_action"] == "update"


def test_a_form_without_what_slack_sends_fails_plainly(idle: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever submits hears that it failed, the log has the reason once, and neither has what was typed."""
    delivery = idle.slack.submission(idle.press(), {"labels": {}})
    with caplog.at_level(logging.DEBUG):
        ack = idle.deliver(delivery)
    assert "Something went wrong in the bot." in ack.payload["errors"]["labels"]
    assert len([one for one in caplog.records if one.exc_info]) == 1
    assert "Traceback" not in json.dumps(ack.payload)
