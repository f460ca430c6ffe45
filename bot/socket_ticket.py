"""Asks Slack for the URL of a Socket Mode connection, and tells a refusal for good from one for now.

Source: Slack's pages on `apps.connections.open` and on rate limits.
"""

import logging
from collections.abc import Callable
from http.client import HTTPException

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.config import ConfigurationError
from bot.slack.client import Client

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

MOST_PAUSE_S = 60.0


class NotNow(Exception):  # noqa: N818 - it names a state, not a mistake
    """Slack gave no URL, and may give one later.

    Attributes:
        pause_s: for how long it wants not to be asked, seconds.
    """

    def __init__(self, why: str, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.pause_s = pause_s


class Tickets:
    """Where connections are asked for.

    Args:
        api_url: of Slack's Web API.
        app_token: `xapp-…`.
        timeout_s: of one call.
        failed: called with the method, and with what a call failed with, in a word.

    Attributes:
        proxy: the URL of the HTTP proxy that the environment names, for the connections, too; or None.
    """

    def __init__(
        self, *, api_url: str, app_token: str | None, timeout_s: int, failed: Callable[[str, str], None]
    ) -> None:
        # The client says each failure once more, by itself, and each time.
        silent = logging.getLogger("slack_sdk.tickets")
        silent.setLevel(logging.CRITICAL + 1)
        self._client = Client(base_url=api_url, timeout=timeout_s, retry_handlers=[], logger=silent, failed=failed)
        self._app_token = app_token or ""
        self.proxy: str | None = self._client.proxy

    def ask(self, *, switched_off: bool) -> str:
        """Return the URL of a new connection.

        Args:
            switched_off: whether Slack has closed the last one because Socket Mode is off.

        Raises:
            NotNow: it may work later.
            ConfigurationError: it will not until somebody changes a setting.
        """
        try:
            return str(self._client.apps_connections_open(app_token=self._app_token)["url"])
        except SlackApiError as fault:
            raise _refusal(fault, switched_off=switched_off) from fault
        except (OSError, HTTPException, SlackClientError, ValueError, KeyError) as fault:
            raise NotNow(f"Slack was not reached ({type(fault).__name__})") from fault


def _refusal(fault: SlackApiError, *, switched_off: bool) -> Exception:
    what = str(fault.response.get("error"))
    if what in FOR_GOOD:
        return ConfigurationError([f"SLACK_APP_TOKEN: Slack does not accept it ({what}). {FOR_GOOD[what]}"])
    if switched_off and what not in FOR_NOW:
        return no_socket_mode(what)
    headers = getattr(fault.response, "headers", {})
    after = str(headers.get("Retry-After", ""))
    pause_s = min(float(after), MOST_PAUSE_S) if after.isdecimal() else 0.0
    return NotNow(f"Slack did not give a connection ({what})", pause_s)


def no_socket_mode(what: str) -> ConfigurationError:
    """Return the fault of an app whose Socket Mode was switched off."""
    return ConfigurationError(
        [
            f"SLACK_APP_TOKEN: Slack has closed Socket Mode for this app ({what}). Switch it on again on the app's "
            "page Socket Mode, or serve HTTP: python -m bot serve --http"
        ]
    )
