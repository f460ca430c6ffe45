"""Asks Slack for the URL of a Socket Mode connection, and tells a refusal for good from one for now.

Source: Slack's pages on `apps.connections.open` and on rate limits.
"""

from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.config import ConfigurationError

NEW_TOKEN = "Make a new app-level token (xapp-…) on the app's page Basic Information."  # noqa: S105 - a sentence
FOR_GOOD = {
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"),
        NEW_TOKEN,
    ),
    **dict.fromkeys(
        ("missing_scope", "no_permission"), "Make an app-level token (xapp-…) with the scope connections:write."
    ),
}
"""Errors that no waiting mends, and what to do."""
FOR_NOW = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
"""Errors that say nothing about the app or its token."""


class NotNow(Exception):  # noqa: N818 - it names a state, not a mistake
    """Slack gave no URL, and may give one later.

    Attributes:
        pause_s: for how long it wants not to be asked, seconds.
    """

    def __init__(self, why: str, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.pause_s = pause_s


def ask(client: WebClient, app_token: str | None, *, switched_off: bool) -> str:
    """Return the URL of a new connection.

    Args:
        client: of the Web API.
        app_token: `xapp-…`.
        switched_off: whether Slack has closed the last connection with the reason that Socket Mode is off.

    Raises:
        NotNow: it may work later.
        ConfigurationError: it will not until somebody changes a setting.
    """
    try:
        return str(client.apps_connections_open(app_token=app_token or "")["url"])
    except SlackApiError as fault:
        what = str(fault.response.get("error"))
        if what in FOR_GOOD:
            raise ConfigurationError(
                [f"SLACK_APP_TOKEN: Slack does not accept it ({what}). {FOR_GOOD[what]}"]
            ) from fault
        if switched_off and what not in FOR_NOW:
            raise no_socket_mode(what) from fault
        after = str(fault.response.headers.get("Retry-After", "")) if hasattr(fault.response, "headers") else ""
        raise NotNow(f"Slack did not give a connection ({what})", float(after) if after.isdecimal() else 0.0) from fault
    except (OSError, HTTPException, SlackClientError, ValueError, KeyError) as fault:
        raise NotNow(f"Slack was not reached ({type(fault).__name__})") from fault


def no_socket_mode(what: str) -> ConfigurationError:
    """Return the fault of an app whose Socket Mode was switched off."""
    return ConfigurationError(
        [
            f"SLACK_APP_TOKEN: Slack has closed Socket Mode for this app ({what}). Switch it on again on the app's "
            "page Socket Mode, or serve HTTP: python -m bot serve --http"
        ]
    )
