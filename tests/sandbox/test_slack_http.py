"""What the sandbox's Slack delivers over HTTP, and what it makes of the answer."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from slack_sdk.signature import SignatureVerifier

from bot.sandbox import faults
from bot.sandbox.doors import signature
from bot.sandbox.faults import Exchange, Fault
from bot.sandbox.loopback import LoopbackServer
from bot.sandbox.records import View
from bot.sandbox.slack import OBSERVING, USER, SandboxSlack
from bot.sandbox.watch import NotSeenError
from bot.sandbox.wire import Request, Response, Wire


class App:
    """An app that keeps what it is told, and answers what a test says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Fault = faults.answer(200)
        self.server = LoopbackServer(handle=self.handle, name="sandbox app")

    def handle(self, request: Request, wire: Wire) -> None:
        """Answer."""
        self.requests.append(request)
        Exchange(wire, lambda: Response(200), lambda _: None).perform(self.answer)

    @property
    def url(self) -> str:
        """Its Request URL."""
        return f"http://127.0.0.1:{self.server.port}/slack/events"

    def form(self) -> dict[str, str]:
        """Return the fields of the last form."""
        return dict(parse_qsl(self.requests[-1].body.decode(), keep_blank_values=True, strict_parsing=True))

    def verified(self, slack: SandboxSlack) -> bool:
        """Tell whether slack_sdk finds the last signature good."""
        last = self.requests[-1]
        return SignatureVerifier(slack.signing_secret).is_valid_request(last.body, dict(last.headers))


@pytest.fixture
def app() -> Iterator[App]:
    """Give such an app."""
    made = App()
    with made.server:
        yield made


def test_a_command_is_a_signed_form(slack: SandboxSlack, app: App) -> None:
    """With all the fields that Slack documents, and a signature that slack_sdk finds good."""
    delivery = slack.command("A10cnQO & <b>", user="U0ANNA", channel=OBSERVING)
    ack = slack.deliver_http(app.url, delivery)
    assert (ack.error, ack.status, ack.body, ack.text) == (None, 200, b"", "")
    assert app.form() == delivery.payload
    assert set(delivery.payload) == {
        "token", "team_id", "team_domain", "channel_id", "channel_name", "user_id", "user_name", "command", "text",
        "api_app_id", "is_enterprise_install", "response_url", "trigger_id",
    }  # fmt: skip
    assert delivery.payload["channel_name"] == "observing"
    assert delivery.payload["response_url"].startswith(f"http://127.0.0.1:{slack.api_url.split(':')[2][:5]}")
    assert (app.requests[0].method, app.requests[0].path) == ("POST", "/slack/events")
    assert app.requests[0].media_type == "application/x-www-form-urlencoded"
    assert app.verified(slack)


def test_a_command_can_be_anything(slack: SandboxSlack) -> None:
    """From a direct message, a private channel or another team; with and without fields."""
    assert slack.command("x", channel="D0ANNA").payload["channel_name"] == "directmessage"
    slack.add_channel("C0PRIVATE", "secret", is_private=True)
    assert slack.command("x", channel="C0PRIVATE").payload["channel_name"] == "privategroup"
    other = slack.command("x", team_id="T0OTHER", response_url=None, trigger_id="1.2.3", extra={"user_name": None})
    assert (other.payload["team_id"], other.trigger_id) == ("T0OTHER", "1.2.3")
    assert not {"response_url", "user_name"} & set(other.payload)
    assert slack.command("x", response_url="https://example.org").response_url == "https://example.org"
    assert slack.command("x", extra={"enterprise_id": "E1"}).payload["enterprise_id"] == "E1"


def test_a_signature_is_as_slack_documents_it() -> None:
    """The example of Slack's "Verifying requests from Slack"."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
        b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
        b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015."
        b"47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert signature("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body) == (
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    )


def test_it_can_sign_wrongly(slack: SandboxSlack, app: App) -> None:
    """With another secret, at another time, not at all, or the right headers for another body."""
    delivery = slack.command("x")
    slack.deliver_http(app.url, delivery, secret="another")
    assert not app.verified(slack)
    slack.deliver_http(app.url, delivery, timestamp=time.time() - 301)
    assert "." in app.requests[-1].headers["x-slack-request-timestamp"]
    slack.deliver_http(app.url, delivery, timestamp=int(time.time()) - 301)
    assert not app.verified(slack)
    slack.deliver_http(app.url, delivery, sign=False)
    assert "x-slack-signature" not in app.requests[-1].headers
    slack.deliver_http(app.url, delivery, body=b"\xff=x")
    assert app.requests[-1].body == b"\xff=x"
    slack.clock_offset_s = 3600
    slack.deliver_http(app.url, delivery)
    assert not app.verified(slack)


def test_headers_can_be_anything(slack: SandboxSlack, app: App) -> None:
    """Replaced, left out, or there twice."""
    delivery = slack.command("x")
    changed = {"x-slack-signature": "v0=\xe9", "user-agent": None, "Content-Type": "text/plain"}
    slack.deliver_http(app.url, delivery, headers=changed)
    headers = app.requests[-1].headers
    assert (headers["x-slack-signature"], headers["content-type"]) == ("v0=\xe9", "text/plain")
    assert "user-agent" not in headers
    slack.deliver_http(app.url + "?a=b", delivery, headers=[("X-Slack-Signature", "v0=second")])
    assert app.requests[-1].headers["x-slack-signature"] == "v0=second"
    assert app.requests[-1].query == {"a": "b"}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (faults.answer(200, {"text": "done", "response_type": "ephemeral"}), "done"),
        (faults.answer(200, "done", {"Content-Type": "text/plain"}), "done"),
        (faults.answer(200, {"blocks": [{"type": "divider"}]}), ""),
    ],
    ids=["JSON", "text", "blocks"],
)
def test_an_acknowledgement_with_a_message_is_shown(slack: SandboxSlack, app: App, answer: Fault, text: str) -> None:
    """To the asker alone."""
    app.answer = answer
    delivery = slack.command("x")
    ack = slack.deliver_http(app.url, delivery)
    assert (ack.error, ack.status, ack.text) == (None, 200, text)
    (one,) = slack.ephemerals
    assert (one.via, one.user, one.text, one.blocks) == ("ack", USER, text, ack.blocks)
    assert (one.trigger_id, one.shown) == (delivery.trigger_id, ack.shown)
    assert ack.headers["content-length"] == str(len(ack.body))


def test_an_acknowledgement_can_be_for_everybody(slack: SandboxSlack, app: App) -> None:
    """`response_type` says so, in a channel that the bot may not even know."""
    app.answer = faults.answer(200, {"text": "done", "response_type": "in_channel"})
    slack.deliver_http(app.url, slack.command("x", channel="C0ELSEWHERE"))
    assert [(one.via, one.channel, one.text) for one in slack.posts] == [("ack", "C0ELSEWHERE", "done")]


@pytest.mark.parametrize("body", ["", "[]", "{", "{}"])
def test_an_acknowledgement_without_a_message_shows_nothing(slack: SandboxSlack, app: App, body: str) -> None:
    """Whatever JSON it is."""
    app.answer = faults.answer(200, body, {"Content-Type": "application/json"})
    assert slack.deliver_http(app.url, slack.command("x")).error is None
    assert slack.ephemerals == []


def test_a_message_that_slack_does_not_take_is_an_error(slack: SandboxSlack, app: App) -> None:
    """The user sees that the command failed, and nothing of the message."""
    app.answer = faults.answer(200, {"text": "x", "blocks": [{"type": "secton"}]})
    ack = slack.deliver_http(app.url, slack.command("x"))
    assert (ack.error, ack.status) == ("invalid_command_response", 200)
    assert "secton" in ack.why
    assert slack.ephemerals == []


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (faults.answer(404, "no"), "dispatch_failed", 404),
        (faults.answer(201, {"text": "no"}), "dispatch_failed", 201),
        (faults.reset_before(), "dispatch_failed", None),
        (faults.garbage(), "dispatch_failed", None),
        (faults.hang(), "operation_timeout", None),
        (faults.dribble(0.05), "operation_timeout", None),
        (faults.delay(10), "operation_timeout", None),
    ],
    ids=str,
)
def test_anything_but_a_200_in_time_is_an_error(app: App, answer: Fault, error: str, status: int | None) -> None:
    """The user is told that the command failed, and is shown nothing else."""
    with SandboxSlack(ack_s=0.3) as slack:
        app.answer = answer
        ack = slack.deliver_http(app.url, slack.command("x"))
        assert (ack.error, ack.status) == (error, status)
        assert ack.elapsed_s < 3
        assert slack.ephemerals == []


def test_nobody_at_home_is_an_error(slack: SandboxSlack, app: App) -> None:
    """A refused connection is told at once."""
    app.server.refuse()
    ack = slack.deliver_http(app.url, slack.command("x"))
    assert (ack.error, ack.status) == ("dispatch_failed", None)
    assert "refused" in ack.why


def test_a_delivery_can_come_twice(slack: SandboxSlack, app: App) -> None:
    """The same form with the same IDs."""
    delivery = slack.command("x")
    for _ in range(2):
        slack.deliver_http(app.url, delivery)
    assert app.requests[0].body == app.requests[1].body


MODAL: dict[str, Any] = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "x"},
    "submit": {"type": "plain_text", "text": "x"},
    "blocks": [
        {
            "type": "input",
            "block_id": "labels",
            "label": {"type": "plain_text", "text": "x"},
            "element": {"type": "plain_text_input", "action_id": "a"},
        }
    ],
}


def view(slack: SandboxSlack) -> View:
    """Return a modal that is open."""
    return slack.open_view(slack.trigger("U0ANNA"), MODAL)


def interaction(app: App) -> dict[str, object]:
    """Return the payload of the last interaction."""
    payload: dict[str, object] = json.loads(app.form()["payload"])
    return payload


def test_interactions_are_a_form_with_json(slack: SandboxSlack, app: App) -> None:
    """Shortcuts, clicks in messages and in views, and submissions, each with what Slack documents."""
    slack.deliver_http(app.url, slack.shortcut("form"))
    assert interaction(app)["type"] == "shortcut"
    assert app.verified(slack)

    slack.deliver_http(app.url, slack.message_shortcut("find", {"text": "A10cnQO", "ts": "1.2"}))
    payload = interaction(app)
    assert payload["type"] == "message_action"
    assert payload["message_ts"] == "1.2"
    assert payload["channel"] == {"id": OBSERVING, "name": "observing"}

    clicked = slack.click({"action_id": "ask", "value": "v"})
    slack.deliver_http(app.url, clicked)
    payload = interaction(app)
    assert (payload["type"], payload["response_url"]) == ("block_actions", clicked.response_url)
    assert (clicked.user, clicked.channel) == (USER, OBSERVING)

    opened = view(slack)
    slack.deliver_http(app.url, slack.click({"action_id": "ask"}, view=opened))
    assert interaction(app)["container"] == {"type": "view", "view_id": opened.id}

    submitted = slack.submission(opened, {"labels": {"a": {"type": "plain_text_input", "value": "A10cnQO"}}})
    assert slack.deliver_http(app.url, submitted).error is None
    sent = interaction(app)["view"]
    assert isinstance(sent, dict)
    assert sent["state"]["values"]["labels"]["a"]["value"] == "A10cnQO"
    assert submitted.user == "U0ANNA"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"response_action": "errors", "errors": {"labels": "no label"}}, None),
        ({"response_action": "errors", "errors": {"other": "no label"}}, "invalid_command_response"),
        ({"response_action": "errors", "errors": {}}, "invalid_command_response"),
        ({"response_action": "errors", "errors": {"labels": ""}}, "invalid_command_response"),
        ({"response_action": "errors", "errors": {"labels": "x" * 3001}}, "invalid_command_response"),
        ({"response_action": "clear"}, None),
        ({"response_action": "update", "view": MODAL}, None),
        ({"response_action": "update", "view": {}}, "invalid_command_response"),
        ({"response_action": "close"}, "invalid_command_response"),
    ],
)
def test_a_form_can_be_answered(slack: SandboxSlack, app: App, answer: object, error: str | None) -> None:
    """With errors by the blocks that the form has, another view, or its end."""
    app.answer = faults.answer(200, answer)
    ack = slack.deliver_http(app.url, slack.submission(view(slack), {}))
    assert (ack.error, ack.payload) == (error, answer)


def test_a_form_shows_what_it_was_answered(slack: SandboxSlack, app: App) -> None:
    """The errors under its fields, then the other view, and then it is closed."""
    opened = view(slack)
    for answer, shown, is_open in (
        ({"response_action": "errors", "errors": {"labels": "no label"}}, "! no label", True),
        ({"response_action": "update", "view": MODAL | {"title": MODAL["title"] | {"text": "new"}}}, "== new ==", True),
        ({}, "== new ==", False),
    ):
        app.answer = faults.answer(200, answer)
        slack.deliver_http(app.url, slack.submission(opened, {}))
        assert shown in slack.views[-1].shown
        assert slack.views[-1].is_open == is_open


def test_events_are_json(slack: SandboxSlack, app: App) -> None:
    """In the Events API's wrapper, signed."""
    slack.deliver_http(app.url, slack.event({"type": "app_home_opened", "user": USER, "tab": "home"}))
    content = app.requests[-1].json()
    assert (content["type"], content["team_id"], content["event"]["type"]) == (
        "event_callback", slack.team_id, "app_home_opened",
    )  # fmt: skip
    assert app.requests[-1].media_type == "application/json"
    assert app.verified(slack)


def test_what_was_seen_can_be_waited_for(slack: SandboxSlack, app: App) -> None:
    """And is told where it does not come."""
    app.answer = faults.answer(200, {"text": "done"})
    thread = threading.Thread(target=lambda: slack.deliver_http(app.url, slack.command("x")))
    thread.start()
    assert slack.wait_for(lambda: slack.ephemerals)[0].text == "done"
    thread.join()
    slack.post({"channel": OBSERVING, "text": "posted"})
    slack.post({"channel": USER, "text": "to you"})
    with pytest.raises(NotSeenError, match=r"posted(.|\n)*to you(.|\n)*ack to U0OBSERVER1: done"):
        slack.wait_for(lambda: slack.calls, timeout=0.01)
