"""Judges the settings: what is wrong with them by themselves, before anybody is asked.

Sources: Slack's "Tokens" (prefixes) and "Verifying requests from Slack" (the signing secret), and the MPC's FAQ (five
requests a second).
"""

import re
from collections.abc import Iterator, Mapping

from bot.config import Settings
from bot.doctor.findings import Finding, fault, fine, warning

MPC_MOST_PER_S = 5.0

_BOT_TOKEN = "the bot token (xoxb-…) is on the app's page OAuth & Permissions"  # noqa: S105 - says where one is
_APP_TOKEN = "an app-level token (xapp-…) is made on the app's page Basic Information"  # noqa: S105 - the same
_MISTAKEN = (
    ("SLACK_BOT_TOKEN", "xapp-", f"that is an app-level token, which belongs in SLACK_APP_TOKEN; {_BOT_TOKEN}"),
    ("SLACK_BOT_TOKEN", "xoxp-", f"that is a user token; {_BOT_TOKEN}"),
    ("SLACK_BOT_TOKEN", "xoxe", f"that is a token that expires: switch token rotation off for the app; {_BOT_TOKEN}"),
    ("SLACK_APP_TOKEN", "xoxb-", f"that is a bot token, which belongs in SLACK_BOT_TOKEN; {_APP_TOKEN}"),
    ("SLACK_APP_TOKEN", "xoxp-", f"that is a user token; {_APP_TOKEN}"),
)


def explain(sentence: str, environ: Mapping[str, str]) -> Finding:
    """Return what to do about a fault that `bot.config` found; its sentence begins with the variable."""
    name = sentence.partition(" ")[0]
    return fault("settings", sentence, _remedy(name, environ.get(name, "").strip()), setting=True)


def judge(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Judge settings that can be read."""
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        yield fault(
            "settings",
            "neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set",
            "set the first for Socket Mode, the second for HTTP",
            setting=True,
        )
    else:
        yield fine("settings", f"complete; serve would use {'Socket Mode' if settings.slack_app_token else 'HTTP'}")
    if settings.slack_signing_secret is not None:
        yield from _signing_secret(settings.slack_signing_secret)
    if "DYNO" in environ and settings.database_url.startswith("sqlite:"):
        yield fault(
            "settings",
            "DATABASE_URL is a SQLite file on a dyno, whose disk goes at every restart, and the trail with it",
            "add a PostgreSQL and set DATABASE_URL to it, then run: python -m bot db upgrade",
        )
    if settings.mpc_rate_per_s > MPC_MOST_PER_S:
        yield warning(
            "settings",
            f"MPC_RATE_PER_S is {settings.mpc_rate_per_s:g}; the MPC blocks who asks more than 5 times a second",
            "set it to 5 or less",
        )
    if settings.grace_s < settings.mpc_timeout_s:
        yield warning(
            "settings",
            f"GRACE_S ({settings.grace_s:g}) is shorter than MPC_TIMEOUT_S ({settings.mpc_timeout_s:g}): what is under "
            "way at a restart becomes unknown",
            "set GRACE_S to more than MPC_TIMEOUT_S",
        )


def _signing_secret(secret: str) -> Iterator[Finding]:
    where = 'set it to the "Signing Secret" of the app\'s page Basic Information'
    if secret.startswith(("xox", "xapp-")):
        yield fault("settings", "SLACK_SIGNING_SECRET is a token", where, setting=True)
    elif re.fullmatch(r"[A-Za-z0-9]{24}", secret):
        yield fault("settings", "SLACK_SIGNING_SECRET looks like the Verification Token", where, setting=True)
    elif not re.fullmatch(r"[0-9a-f]{32}", secret):
        yield warning("settings", "SLACK_SIGNING_SECRET does not look like one: it has 32 hexadecimal digits", where)


def _remedy(name: str, value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "take the quotes away: where it is set, they count as a part of it"
    for variable, prefix, remedy in _MISTAKEN:
        if (name, value[: len(prefix)]) == (variable, prefix):
            return remedy
    if name == "AUDIT_CHANNEL" and value:
        link = re.search(r"/(?:archives|client/T[A-Z0-9]+)/([CG][A-Z0-9]{2,})", value)
        if link:
            return f"that is a link; set AUDIT_CHANNEL={link[1]}"
        return "names change, IDs do not: copy the ID (C…) from the end of the channel's details"
    return "set it in the environment or in .env"
