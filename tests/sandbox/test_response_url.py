"""`response_url`s, posted to with slack_sdk and with requests."""

import pytest
import requests
from slack_sdk.webhook import WebhookClient

from bot.sandbox import faults
from bot.sandbox.records import Delivery
from bot.sandbox.slack import OBSERVING, USER, SandboxSlack


def post(delivery: Delivery, **message: object) -> requests.Response:
    """Post a message to a delivery's `response_url`."""
    return requests.post(str(delivery.response_url), json=message, timeout=5)


def test_the_asker_alone_sees_the_answer(slack: SandboxSlack) -> None:
    """Also where the bot is no member, and without any token."""
    delivery = slack.command("A10cnQO", channel="C0ELSEWHERE", user="U0ANNA")
    answer = WebhookClient(str(delivery.response_url)).send(text="done", response_type="ephemeral")
    assert (answer.status_code, answer.body) == (200, "ok")
    (one,) = slack.ephemerals
    assert (one.via, one.channel, one.user, one.text) == ("response_url", "C0ELSEWHERE", "U0ANNA", "done")
    assert one.trigger_id == delivery.trigger_id
    assert (slack.calls[0].method, slack.calls[0].status) == ("response_url", 200)
    assert slack.calls[0].params["text"] == "done"


def test_everybody_sees_an_answer_in_the_channel(slack: SandboxSlack) -> None:
    """`response_type` says so."""
    assert post(slack.command("x"), text="done", response_type="in_channel").status_code == 200
    assert [(one.via, one.channel) for one in slack.posts] == [("response_url", OBSERVING)]
    assert slack.ephemerals == []


def test_it_can_be_used_five_times(slack: SandboxSlack) -> None:
    """The sixth time it is gone; what Slack refuses does not count."""
    delivery = slack.command("x")
    assert post(delivery).json() == {"ok": False, "error": "no_text"}
    assert [post(delivery, text=str(number)).status_code for number in range(6)] == [200] * 5 + [404]
    assert post(delivery, text="x").json()["error"] == "used_url"
    assert [one.text for one in slack.ephemerals] == ["0", "1", "2", "3", "4"]


def test_it_can_be_too_old(slack: SandboxSlack) -> None:
    """After half an hour it is gone; others are not concerned."""
    old, young = slack.command("x"), slack.command("y")
    slack.expire(old)
    answer = post(old, text="x")
    assert (answer.status_code, answer.json()["error"]) == (404, "expired_url")
    assert post(young, text="x").status_code == 200
    assert [one.user for one in slack.ephemerals] == [USER]


def test_nobody_else_has_one(slack: SandboxSlack) -> None:
    """An address that was never handed out is not found."""
    url = str(slack.command("x").response_url)
    assert requests.post(url[:-3] + "xxx", json={"text": "x"}, timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"{", "application/json"), (b"[]", "application/json"), (b"text=x", "application/x-www-form-urlencoded")],
)
def test_it_takes_json_only(slack: SandboxSlack, body: bytes, content_type: str) -> None:
    """An object, with the right Content-Type."""
    url = str(slack.command("x").response_url)
    answer = requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_payload")
    assert requests.get(url, timeout=5).status_code == 400


def test_its_blocks_are_checked(slack: SandboxSlack) -> None:
    """As those of any message."""
    answer = post(slack.command("x"), blocks=[{"type": "secton"}])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_blocks")
    assert "secton" in slack.calls[0].why
    assert slack.ephemerals == []


def test_it_can_fail(slack: SandboxSlack) -> None:
    """Before the answer was taken or after, as ordered."""
    delivery = slack.command("x")
    slack.fail("response_url", faults.answer(500), faults.reset_before(), faults.reset_after())
    assert post(delivery, text="one").status_code == 500
    for text in ("two", "three"):
        with pytest.raises(requests.ConnectionError):
            post(delivery, text=text)
    assert [one.text for one in slack.ephemerals] == ["three"]
