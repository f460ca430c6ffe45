"""The settings: reads them from an environment, checks all of them, and names every fault at once.

It knows the names, defaults and limits of the variables, and what each command needs. It refuses to know
what is done with them, and it keeps no instance: `load` is called where a command starts.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values

from bot import addresses

T = TypeVar("T")

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigurationError(Exception):
    """The settings are wrong or incomplete.

    Attributes:
        faults: one sentence a fault, each naming its variable.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator can set; secrets do not show in its `repr`."""

    slack_bot_token: str | None = field(default=None, repr=False)
    slack_signing_secret: str | None = field(default=None, repr=False)
    slack_app_token: str | None = field(default=None, repr=False)
    slack_api_url: str = "https://slack.com/api/"
    audit_channel: str | None = None
    database_url: str = field(default="sqlite:///actcode.db", repr=False)
    mpc_api_url: str = "https://data.minorplanetcenter.net/api"
    mpc_timeout_s: float = 15.0
    mpc_rate_per_s: float = 5.0
    cooldown_s: int = 300
    max_labels: int = 25
    user_hourly_limit: int = 100
    station_codes: tuple[str, ...] = ()
    grace_s: float = 20.0
    metrics_port: int | None = None
    allowed_channels: frozenset[str] = frozenset()
    allowed_users: frozenset[str] = frozenset()
    port: int = 3000
    web_workers: int = 1
    log_level: str = "INFO"
    log_format: str = "text"


def environment(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` over what the `.env` in `directory` says: the environment wins.

    python-dotenv's own search starts from the calling source file, not from where the operator stands,
    so the file is named here.

    Raises:
        ConfigurationError: there is a `.env` that cannot be read.
    """
    try:
        found = dotenv_values(directory / ".env")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigurationError([f".env cannot be read ({type(fault).__name__}): it must be UTF-8 text."]) from fault
    return {**{name: value for name, value in found.items() if value is not None}, **environ}


def load(environ: Mapping[str, str], *, needs: tuple[str, ...] = ()) -> Settings:
    """Read the settings.

    Args:
        environ: the variables, as `environment` gives them; an empty one counts as unset.
        needs: names of the variables without which the command at hand cannot work.

    Raises:
        ConfigurationError: with a sentence for every fault.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, read in READERS.items():
        text = environ.get(name, "").strip()
        if not text:
            if name in needs:
                faults.append(f"{name} is not set. {HOW_TO_GET[name]}")
            continue
        try:
            values[name.lower()] = read(text)
        except ValueError as fault:
            faults.append(f"{name} {fault}.")
    if faults:
        raise ConfigurationError(faults)
    return Settings(**values)


def _token(prefix: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(re.escape(prefix) + r"[!-~]+", text):
            raise ValueError(f"must be a token that begins with {prefix}; what stands there does not look like one")
        return text

    return read


def _secret(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError('must be the "Signing Secret" of the app\'s Basic Information page')
    return text


def _number(low: float, high: float, *, whole: bool, unit: str = "") -> Callable[[str], Any]:
    form = r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]{1,6})?"
    what = "a whole number" if whole else "a number"

    def read(text: str) -> int | float:
        number = float(text) if re.fullmatch(form, text, re.ASCII) else None
        if number is None or not low <= number <= high:
            raise ValueError(f"must be {what}{unit} from {low:g} to {high:g}")
        return int(number) if whole else number

    return read


def _ids(form: str, example: str) -> Callable[[str], frozenset[str]]:
    def read(text: str) -> frozenset[str]:
        ids = frozenset(part for part in re.split(r"[\s,]+", text) if part)
        if not ids or not all(re.fullmatch(form, one, re.ASCII) for one in ids):
            raise ValueError(f"must be IDs such as {example}, separated by commas (names do not count)")
        return ids

    return read


def _channel(text: str) -> str:
    if not re.fullmatch(r"[CGD][A-Z0-9]{2,}", text, re.ASCII):
        raise ValueError("must be a channel ID such as C0123456789 (it stands at the end of the channel's details)")
    return text


def _stations(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", text) if part))
    if not codes or not all(re.fullmatch(r"[0-9A-Z][0-9][0-9]", code, re.ASCII) for code in codes):
        raise ValueError("must be observatory codes such as 703,F51")
    return codes


def _choice(*choices: str, fold: Callable[[str], str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if fold(text) not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return fold(text)

    return read


READERS: Mapping[str, Callable[[str], Any]] = {
    "SLACK_BOT_TOKEN": _token("xoxb-"),
    "SLACK_SIGNING_SECRET": _secret,
    "SLACK_APP_TOKEN": _token("xapp-"),
    "SLACK_API_URL": lambda text: addresses.web(text) + "/",
    "AUDIT_CHANNEL": _channel,
    "DATABASE_URL": addresses.database,
    "MPC_API_URL": addresses.web,
    "MPC_TIMEOUT_S": _number(0.1, 300, whole=False, unit=" of seconds"),
    "MPC_RATE_PER_S": _number(0.01, 1000, whole=False, unit=" of requests a second"),
    "COOLDOWN_S": _number(0, 31_536_000, whole=True, unit=" of seconds"),
    "MAX_LABELS": _number(1, 1000, whole=True),
    "USER_HOURLY_LIMIT": _number(0, 1_000_000, whole=True),
    "STATION_CODES": _stations,
    "GRACE_S": _number(0, 600, whole=False, unit=" of seconds"),
    "METRICS_PORT": _number(1, 65535, whole=True),
    "ALLOWED_CHANNELS": _ids(r"[CGD][A-Z0-9]{2,}", "C0123456789"),
    "ALLOWED_USERS": _ids(r"[UW][A-Z0-9]{2,}", "U0123456789"),
    "PORT": _number(1, 65535, whole=True),
    "WEB_WORKERS": _number(1, 64, whole=True),
    "LOG_LEVEL": _choice(*LOG_LEVELS, fold=str.upper),
    "LOG_FORMAT": _choice("text", "json", fold=str.lower),
}

HOW_TO_GET: Mapping[str, str] = {
    "SLACK_BOT_TOKEN": 'It is the "Bot User OAuth Token" (xoxb-…) of the app\'s OAuth & Permissions page.',
    "SLACK_SIGNING_SECRET": 'It is the "Signing Secret" of the app\'s Basic Information page.',
    "SLACK_APP_TOKEN": "It is an app-level token (xapp-…) with the scope connections:write, made on the app's "
    "Basic Information page.",
}
