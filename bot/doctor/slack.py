"""Asks Slack: whether it takes the tokens, what they may do, what time it is there, and about the audit channel.

Nothing here opens a Socket Mode connection: over one, Slack would deliver commands, and they would be lost.

Sources: Slack's reference of `auth.test`, `apps.connections.open` (it gives a URL and opens nothing),
`conversations.info`, `conversations.join` and the conversation object; "Verifying requests from Slack" (five minutes).
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import wiring
from bot.config import Settings
from bot.doctor import network
from bot.doctor.findings import Finding, fault, fine, warning
from bot.doctor.manifest import SCOPES
from bot.remedies import WHAT_TO_DO
from bot.slack.faults import CALL, describe

CLOCK_WARNING_S, CLOCK_FAULT_S = 30.0, 240.0
"""Slack's deliveries are refused from 300 s on; a clock that drifts gets there."""
CONNECT_S = 5.0

_PASSING = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable"})

_NEEDED_FOR = {
    "commands": "/actcode",
    "chat:write": "answers and posts",
    "channels:read": "this check",
    "groups:read": "this check",
    "channels:history": "no post twice, and audit verify --slack",
    "groups:history": "no post twice, and audit verify --slack",
}
_BOT_TOKEN = WHAT_TO_DO | {"": "check SLACK_API_URL and SLACK_BOT_TOKEN"}
_CHANNEL = WHAT_TO_DO | {"": "try again; if it stays so, see what Slack means by that word"}
_APP_TOKEN = {
    "missing_scope": "make a new app-level token with the scope connections:write",
    "": "switch Socket Mode on for the app, and make a new app-level token with the scope connections:write",
}
"""What to do about each of Slack's words, and about any other."""


def examine(settings: Settings, *, mend: bool) -> Iterator[Finding]:
    """Ask Slack about everything; where it does not take the bot token, about nothing else."""
    client = wiring.slack_client(settings)
    began = time.time()
    try:
        answer = client.auth_test()
    except CALL as failure:
        yield _refused("token", "Slack does not take SLACK_BOT_TOKEN", failure, settings, _BOT_TOKEN)
        return
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    yield fine("token", f"{answer['user']} in the workspace {answer['team']}")
    yield judge_scopes(headers.get("x-oauth-scopes"))
    yield judge_clock(headers.get("date"), (began + time.time()) / 2)
    if settings.slack_app_token is not None:
        yield _app_token(settings)
    yield from _audit_channel(settings, client, mend=mend)


def judge_scopes(granted: str | None) -> Finding:
    """Judge the scopes that Slack says a token has."""
    if granted is None:
        return warning("scopes", "Slack did not say which there are", "see what stands between here and Slack")
    missing = [one for one in SCOPES if one not in {scope.strip() for scope in granted.split(",")}]
    if not missing:
        return fine("scopes", "all there")
    named = ", ".join(f"{one} (for {_NEEDED_FOR.get(one, 'what this version does')})" for one in missing)
    return fault("scopes", f"missing: {named}", WHAT_TO_DO["missing_scope"])


def judge_clock(date: str | None, here: float) -> Finding:
    """Judge how far this machine's clock (seconds since 1970) is from the `Date` of Slack's answer."""
    try:
        there = parsedate_to_datetime(date or "").timestamp() + 0.5  # a Date has whole seconds, cut off
    except (ValueError, OverflowError):
        return warning("clock", "Slack did not say what time it is", "see what stands between here and Slack")
    apart = here - there
    remedy = "let this machine's clock be set by NTP: Slack's deliveries are refused when it is five minutes off"
    said = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} Slack's"
    if abs(apart) > CLOCK_FAULT_S:
        return fault("clock", said, remedy)
    if abs(apart) > CLOCK_WARNING_S:
        return warning("clock", said, remedy)
    return fine("clock", "agrees with Slack's")


def judge_channel(channel: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge who reads an audit channel that the bot is in, and whether it may post there."""
    if channel.get("is_ext_shared") or channel.get("is_pending_ext_shared"):
        yield warning(
            "audit channel",
            "it is shared with another organization, which reads who asked for what",
            "end the sharing, or set AUDIT_CHANNEL to a private channel that is not shared, unless that is meant",
        )
    elif not (channel.get("is_private") or channel.get("is_im")):
        yield warning(
            "audit channel",
            "it is public: the whole workspace reads who asked for what, and guests may be invited",
            "make it private (its settings), and invite the bot again if need be, unless that is meant",
        )
    if channel.get("is_read_only"):
        yield warning(
            "audit channel",
            "only some may post there",
            "let the app post in the channel: its posting permissions may forbid it",
        )


def _refused(thing: str, said: str, failure: Exception, settings: Settings, known: Mapping[str, str]) -> Finding:
    """Tell a refusal of Slack's from one that is not Slack's at all."""
    if not isinstance(failure, SlackApiError):
        what, remedy = network.explain(failure, urlsplit(settings.slack_api_url).hostname or "")
        return fault(thing, f"Slack is not reached: {what}", remedy)
    word, status = describe(failure), failure.response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR or word in _PASSING:
        return fault(thing, f"Slack does not answer as it should ({word})", "see slack-status.com, and try again later")
    if word.startswith("HTTP "):
        remedy = "check SLACK_API_URL, and what stands between here and Slack: a proxy or a portal may answer instead"
        return fault(thing, f"what answers is not Slack ({word})", remedy)
    return fault(thing, f"{said} ({word})", known.get(word, known[""]))


def _app_token(settings: Settings) -> Finding:
    client = WebClient(base_url=settings.slack_api_url, timeout=wiring.SLACK_TIMEOUT_S, retry_handlers=[])
    try:
        url = urlsplit(str(client.apps_connections_open(app_token=settings.slack_app_token or "")["url"]))
    except CALL as failure:
        return _refused("app token", "Slack does not give a connection", failure, settings, _APP_TOKEN)
    host = url.hostname or ""
    if client.proxy is None:
        try:
            # As far as the port, and no further: see the module's docstring.
            socket.create_connection((host, url.port or 443), timeout=CONNECT_S).close()
        except OSError as failure:
            what, remedy = network.explain(failure, host)
            return fault("app token", f"Slack gives a connection, and it cannot be made: {what}", remedy)
    return fine("app token", "Slack gives a connection")


def _audit_channel(settings: Settings, client: WebClient, *, mend: bool) -> Iterator[Finding]:
    channel_id = settings.audit_channel
    if channel_id is None:
        remedy = "set AUDIT_CHANNEL to the ID of a channel, to have the trail shown in Slack, too"
        yield fault("audit channel", "AUDIT_CHANNEL is not set", remedy)
        return

    def ask(method: Callable[..., Any], said: str) -> dict[str, Any] | Finding:
        try:
            found: dict[str, Any] = method(channel=channel_id)["channel"]
        except CALL as failure:
            return _refused("audit channel", said, failure, settings, _CHANNEL)
        return found

    channel = ask(client.conversations_info, "Slack does not show it")
    if isinstance(channel, Finding):
        yield channel
        return
    if channel.get("is_archived"):
        yield fault("audit channel", "it is archived", WHAT_TO_DO["is_archived"])
        return
    said = f"{channel_id}, and the bot is in it"
    if not channel.get("is_member") and not channel.get("is_im"):
        if not mend or channel.get("is_private"):
            yield fault("audit channel", "the bot is not in it", WHAT_TO_DO["not_in_channel"])
            return
        joined = ask(client.conversations_join, "the bot is not in it and cannot join it")
        if isinstance(joined, Finding):
            # The scope channels:join is not among those that the bot needs to work.
            yield fault("audit channel", joined.said, WHAT_TO_DO["not_in_channel"])
            return
        said = f"{channel_id}, and the bot has joined it just now"
    yield fine("audit channel", said)
    yield from judge_channel(channel)
