"""`check`: tells whether this installation would work, a line for each thing, and what to do about each fault.

It looks and changes nothing, but for the tables of a new SQLite file. It never makes the MPC send mail.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot import config, logs, trail, wiring
from bot.config import ConfigurationError, Settings
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.remedies import WHAT_TO_DO
from bot.slack.faults import describe
from bot.store.database import DatabaseUnavailable, SchemaError

SCOPES = ("commands", "chat:write", "channels:read", "groups:read", "channels:history", "groups:history")
"""Of the bot token; the same stand in manifest.json, which a test holds to this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes:
        thing: such as `audit channel`.
        said: what is so.
        remedy: what to do; None where all is well.
        setting: it is a setting that is wrong.
    """

    thing: str
    said: str
    remedy: str | None = None
    setting: bool = False


def run(environ: Mapping[str, str]) -> int:
    """Check everything; returns 0, 1 where something is wrong, 2 where a setting is."""
    findings = list(_examine(environ))
    for one in findings:
        remedy = "" if one.remedy is None else f" -> {one.remedy}"
        print(f"{'ok   ' if one.remedy is None else 'FAULT'} {one.thing}: {one.said}{remedy}")
    faults = [one for one in findings if one.remedy is not None]
    if any(one.setting for one in faults):
        return 2
    return 1 if faults else 0


def _examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        settings = config.load(environ, needs=("SLACK_BOT_TOKEN",))
    except ConfigurationError as fault:
        yield from (
            Finding("settings", one, "set it in the environment or in .env", setting=True) for one in fault.faults
        )
        return
    logs.set_up("WARNING", settings.log_format)
    yield _settings(settings)
    yield from _slack(settings)
    yield _database(settings)
    yield _mpc(settings)


def _settings(settings: Settings) -> Finding:
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        return Finding(
            "settings",
            "neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set",
            "set the first for Socket Mode, the second for HTTP",
            setting=True,
        )
    return Finding("settings", f"complete; serve would use {'Socket Mode' if settings.slack_app_token else 'HTTP'}")


def _slack(settings: Settings) -> Iterator[Finding]:
    client = wiring.slack_client(settings)
    try:
        answer = client.auth_test()
    except (SlackApiError, OSError, HTTPException) as fault:
        what = describe(fault)
        remedy = WHAT_TO_DO.get(what, "check SLACK_API_URL, the network, and SLACK_BOT_TOKEN")
        yield Finding("token", f"Slack does not take SLACK_BOT_TOKEN ({what})", remedy)
        return
    yield Finding("token", f"{answer['user']} in the workspace {answer['team']}")
    granted = {one.strip() for one in str(answer.headers.get("x-oauth-scopes", "")).split(",")}
    missing = [one for one in SCOPES if one not in granted]
    if missing:
        yield Finding("scopes", f"missing: {', '.join(missing)}", WHAT_TO_DO["missing_scope"])
    else:
        yield Finding("scopes", "all there")
    if settings.slack_app_token is not None:
        yield _app_token(settings)
    yield _audit_channel(settings, client)


def _app_token(settings: Settings) -> Finding:
    client = WebClient(base_url=settings.slack_api_url, timeout=wiring.SLACK_TIMEOUT_S, retry_handlers=[])
    try:
        client.apps_connections_open(app_token=settings.slack_app_token or "")
    except (SlackApiError, OSError, HTTPException) as fault:
        remedy = "switch Socket Mode on for the app, and make a new app-level token with the scope connections:write"
        return Finding("app token", f"Slack does not give a connection ({describe(fault)})", remedy)
    return Finding("app token", "Slack gives a connection")


def _audit_channel(settings: Settings, client: WebClient) -> Finding:
    if settings.audit_channel is None:
        remedy = "set AUDIT_CHANNEL to the ID of a channel, to have the trail shown in Slack, too"
        return Finding("audit channel", "AUDIT_CHANNEL is not set", remedy)
    try:
        channel = client.conversations_info(channel=settings.audit_channel)["channel"]
    except (SlackApiError, OSError, HTTPException) as fault:
        what = describe(fault)
        return Finding("audit channel", f"Slack does not show it ({what})", WHAT_TO_DO.get(what, "try again"))
    if channel.get("is_archived"):
        return Finding("audit channel", "it is archived", WHAT_TO_DO["is_archived"])
    if not channel.get("is_member"):
        return Finding("audit channel", "the bot is not in it", WHAT_TO_DO["not_in_channel"])
    return Finding("audit channel", f"{settings.audit_channel}, and the bot is in it")


def _database(settings: Settings) -> Finding:
    remedy = "check DATABASE_URL, and that the server runs, or that the file and its folder can be written"
    try:
        with wiring.database_of(settings) as database:
            database.write(lambda tx: tx.seq)
            seq, head = database.read(trail.head_of)
    except SchemaError as fault:
        return Finding("database", str(fault), "run: python -m bot db upgrade", setting=True)
    except DatabaseUnavailable as fault:
        return Finding("database", f"it does not answer ({logs.redact(str(fault))})", remedy)
    return Finding("database", f"{database.dialect}, {seq} events, head {head[:12]}")


def _mpc(settings: Settings) -> Finding:
    answer = MPC(api_url=settings.mpc_api_url, timeout_s=settings.mpc_timeout_s).reach()
    if answer.outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
        return Finding("MPC", "it answers")
    what = f"HTTP {answer.http_status}" if answer.http_status else answer.detail or "no answer"
    remedy = "check MPC_API_URL and the network; on HTTP 403, ask the MPC's help desk whether this address is blocked"
    return Finding("MPC", f"it does not answer as it should ({what})", remedy)
