"""The HTTP door, at its WSGI callable: what is Slack's is answered, and what is not never gets further."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.store.database import Database
from bot.web import MOST_BYTES
from tests.conftest import events_of
from tests.deliveries import FORM, Client, client_of


@pytest.fixture
def client(sqlite: Database) -> Client:
    """Give a site whose background does not run, so that what is admitted stays open."""
    return client_of(sqlite)


def test_a_good_command_is_acknowledged_with_nothing(client: Client) -> None:
    """The answer itself comes later; what was admitted is in the database by then."""
    assert client.command("A10cnQO") == ""
    assert client.status == 200
    assert [one["event"] for one in events_of(client.database)] == ["requested"]


def test_what_was_asked_for_begins_when_the_answer_is_out(client: Client) -> None:
    """Before, it would be in the way of the acknowledgement; and nobody but Slack can let anything begin."""
    client.command("A10cnQO")
    assert client.begun == [True]
    client.deliver(urlencode({"command": "/actcode", "text": "B20xx"}), secret="another")
    client.ask("POST", "/slack/events", b"ssl_check=1&token=x")
    client.ask("GET", "/healthz")
    assert client.begun == [True]


@pytest.mark.parametrize("text", ["payload1", "A10cnQO payload", "payload=1"])
def test_the_word_payload_is_nothing_special(client: Client, text: str) -> None:
    """Bolt's own parser loses such commands; ours does not."""
    client.command(text, channel_name="payload-ops")
    assert client.status == 200
    assert events_of(client.database)


def test_a_bad_label_is_explained_in_the_acknowledgement(client: Client) -> None:
    """The answer is ephemeral, with blocks and a fallback."""
    answer = json.loads(client.command("no!label"))
    assert answer["response_type"] == "ephemeral"
    assert answer["blocks"]
    assert "Nothing was sent" in answer["text"]


def test_a_probe_for_tls_is_answered(client: Client) -> None:
    """Slack asks `ssl_check=1` now and then and wants a 200."""
    client.ask("POST", "/slack/events", b"ssl_check=1&token=x")
    assert client.status == 200


def test_an_events_url_is_verified(client: Client) -> None:
    """Slack's challenge comes back, when it is signed."""
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"})
    assert "abc" in client.deliver(body, CONTENT_TYPE="application/json")
    assert client.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/slack/events", 404),
        ("PUT", "/slack/events", 404),
        ("POST", "/healthz", 404),
        ("GET", "/healthz/", 404),
        ("POST", "/slack/events/x", 404),
    ],
)
def test_there_are_three_pages(client: Client, method: str, path: str, status: int) -> None:
    """Anything else is 404."""
    client.ask(method, path)
    assert client.status == status


def test_the_numbers_are_prometheus_text(client: Client) -> None:
    """The queue is told, and how long its oldest request has waited."""
    client.command("A10cnQO")
    text = client.ask("GET", "/metrics").decode()
    assert "actcode_open_requests 1.0\n" in text
    assert "actcode_database_up 1.0\n" in text


def test_without_a_database_nothing_is_taken_and_that_is_told(client: Client, tmp_path: Path) -> None:
    """The health is 503, and a command hears that nothing was sent."""
    client.database.close()
    (tmp_path / "trail.db").chmod(0o000)
    broken = Database(f"sqlite:///{tmp_path}/nowhere/trail.db")
    lost = client_of(broken)
    lost.ask("GET", "/healthz")
    assert lost.status == 503
    assert "actcode_database_up 0.0\n" in lost.ask("GET", "/metrics").decode()
    assert "Nothing was sent" in json.loads(lost.command("A10cnQO"))["text"]
    assert lost.status == 200
    broken.close()


FORGERIES: dict[str, dict[str, Any]] = {
    "no headers": {"HTTP_X_SLACK_SIGNATURE": "", "HTTP_X_SLACK_REQUEST_TIMESTAMP": ""},
    "no signature": {"HTTP_X_SLACK_SIGNATURE": ""},
    "another signature": {"HTTP_X_SLACK_SIGNATURE": "v0=" + "0" * 64},
    "a signature that is not ASCII": {"HTTP_X_SLACK_SIGNATURE": "v0=\u00e9\u00ff"},
    "two signatures": {"HTTP_X_SLACK_SIGNATURE": "v0=1,v0=2"},
    "a timestamp that is no number": {"HTTP_X_SLACK_REQUEST_TIMESTAMP": "yesterday"},
    "a timestamp with digits of another script": {"HTTP_X_SLACK_REQUEST_TIMESTAMP": "\u0661\u0662"},
    "a negative timestamp": {"HTTP_X_SLACK_REQUEST_TIMESTAMP": "-1"},
    "an endless timestamp": {"HTTP_X_SLACK_REQUEST_TIMESTAMP": "9" * 5000},
    "a timestamp in the future": {"HTTP_X_SLACK_REQUEST_TIMESTAMP": str(int(time.time()) + 3600)},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_slack_has_not_signed_is_refused(client: Client, forgery: str) -> None:
    """A forged delivery is 401 and leaves no trace in the trail."""
    client.deliver(urlencode({"command": "/actcode", "text": "A10cnQO"}), **FORGERIES[forgery])
    assert client.status == 401
    assert events_of(client.database) == []


def test_what_slack_signed_long_ago_is_refused(client: Client) -> None:
    """A delivery is good for five minutes, and another app's secret is none."""
    wrongs: list[dict[str, Any]] = [{"age_s": 600}, {"secret": "0" * 32}]
    for wrong in wrongs:
        client.deliver(urlencode({"command": "/actcode", "text": "A10cnQO"}), **wrong)
        assert client.status == 401


BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", FORM),
    "no form": (b"\xc3\xa9\x00", FORM),
    "NULs": (b"command=%2Factcode&text=%00%00&user_id=U1", FORM),
    "a lone surrogate": (b"command=%2Factcode&text=%ED%A0%80&user_id=U1", FORM),
    "no fields but the command": (b"command=%2Factcode&text=A10cnQO", FORM),
    "another command": (b"command=%2Fother&text=A10cnQO", FORM),
    "a command twice": (b"command=%2Factcode&command=%2Fother&text=a&text=b", FORM),
    "a payload that is no JSON": (b"payload=%7B", FORM),
    "a payload that is a list": (b"payload=%5B%5D", FORM),
    "a payload of an unknown kind": (b"payload=%7B%22type%22%3A%22x%22%7D", FORM),
    "JSON that is none": (b"{", "application/json"),
    "JSON that is a number": (b"1", "application/json"),
    "deep JSON": (b"[" * 100_000, "application/json"),
    "an unknown event": (b'{"type":"event_callback","event":{"type":"x"}}', "application/json"),
    "another media type": (b"<xml/>", "text/xml"),
    "many labels": (b"command=%2Factcode&user_id=U1&text=" + b"a+" * 50_000, FORM),
    "many mistakes": (b"command=%2Factcode&user_id=U1&text=" + b"!x!+" * 20_000, FORM),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_strange_body_is_no_failure_of_ours(client: Client, caplog: pytest.LogCaptureFixture, case: str) -> None:
    """Whatever Slack's signature is on, the answer is below 500, and no traceback is logged."""
    body, content_type = BODIES[case]
    client.deliver(body, CONTENT_TYPE=content_type)
    assert client.status < 500
    assert not [one for one in caplog.records if one.exc_info]
    assert client.status in {200, 400, 404}


@pytest.mark.parametrize("body", [b'{"type":"event_callback","event":7}', b'{"type":"event_callback","team_id":[]}'])
def test_fields_of_a_wrong_type_are_no_failure_of_ours(client: Client, body: bytes) -> None:
    """What Bolt stumbles over is the sender's fault."""
    client.deliver(body, CONTENT_TYPE="application/json")
    assert client.status in {400, 404}


def test_what_is_no_text_is_not_slacks(client: Client) -> None:
    """slack_sdk cannot even sign such a body, and stumbles over it; it is refused."""
    headers = {"HTTP_X_SLACK_REQUEST_TIMESTAMP": str(int(time.time())), "HTTP_X_SLACK_SIGNATURE": "v0=1"}
    client.ask("POST", "/slack/events", b"\xff\xfe", **headers)
    assert client.status == 401


def test_what_is_too_large_is_refused_unread(client: Client) -> None:
    """The length is believed before anything is read; what is no length is refused, too."""
    for length in (str(MOST_BYTES + 1), "x", "-1", "\u0661"):
        client.deliver(b"a=1", CONTENT_LENGTH=length)
        assert client.status == 413


def test_a_command_from_nowhere_is_recorded_as_far_as_it_is_known(client: Client) -> None:
    """A delivery without the fields that Slack sends has no ID that could be compared, and is still answered."""
    client.deliver(b"command=%2Factcode&text=A10cnQO")
    (one,) = events_of(client.database)
    assert (one["event"], one["user_id"], one["team_id"]) == ("requested", None, None)
