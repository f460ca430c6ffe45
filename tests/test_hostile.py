"""Hostile input: whatever comes in is answered below 500, is not logged with a secret, and binds nothing for long."""

import contextlib
import json
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store.database import Database
from tests.conftest import events_of
from tests.deliveries import FORM, Client, client_of

JSON = "application/json"


@pytest.fixture
def client(sqlite: Database) -> Client:
    """Give a site whose background does not run."""
    return client_of(sqlite)


def harmless(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Hold the last answer to the promise."""
    assert client.status < 500
    assert not [one for one in caplog.records if one.exc_info]
    caplog.clear()


NAMES = st.sampled_from(
    [
        "type", "command", "text", "team_id", "team", "id", "user_id", "user", "channel_id", "channel", "enterprise",
        "enterprise_id", "is_enterprise_install", "trigger_id", "response_url", "event", "view", "actions", "payload",
        "authorizations", "callback_id", "challenge", "ssl_check", "api_app_id", "container", "message", "state", "bot",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "/actcode", "A10cnQO", "event_callback", "url_verification", "block_actions", "view_submission", "shortcut",
        "message_action", "view_closed", "app_home_opened", "block_suggestion", "true", "T1", "\ud800", "\x00", "1",
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, ANYTHING, max_size=8)
DELIVERIES = st.one_of(
    st.tuples(st.binary(max_size=200), st.sampled_from([FORM, JSON, "", "text/plain", "multipart/form-data", "\xff"])),
    OBJECTS.map(lambda content: (json.dumps(content).encode(), JSON)),
    OBJECTS.map(lambda content: (urlencode({"payload": json.dumps(content)}).encode(), FORM)),
    st.lists(st.tuples(NAMES, WORDS | st.text(max_size=5)), max_size=8).map(
        lambda pairs: (urlencode(pairs, errors="replace").encode(), FORM)
    ),
)


@given(delivery=DELIVERIES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_signed_is_answered(
    client: Client, caplog: pytest.LogCaptureFixture, delivery: tuple[bytes, str]
) -> None:
    """No body that carries Slack's signature makes the bot fail, whatever its fields are."""
    body, content_type = delivery
    with contextlib.suppress(UnicodeDecodeError):  # slack_sdk signs text alone
        client.deliver(body, CONTENT_TYPE=content_type)
        harmless(client, caplog)


HEADERS = st.dictionaries(
    st.sampled_from(
        ["HTTP_X_SLACK_SIGNATURE", "HTTP_X_SLACK_REQUEST_TIMESTAMP", "CONTENT_TYPE", "CONTENT_LENGTH",
         "HTTP_CONTENT_ENCODING", "HTTP_X_SLACK_RETRY_NUM", "PATH_INFO", "REQUEST_METHOD", "wsgi.input_terminated"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20) | st.sampled_from(["", "0", "9" * 30, "-1", "1e3", JSON]),
)  # fmt: skip


@given(body=st.binary(max_size=300), headers=HEADERS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_not_signed_is_refused(
    client: Client, caplog: pytest.LogCaptureFixture, body: bytes, headers: dict[str, str]
) -> None:
    """Any bytes with any headers get an answer, and leave no trace in the trail."""
    client.ask("POST", "/slack/events", body, **headers)
    harmless(client, caplog)
    assert events_of(client.database) == []
