"""What an operator does about a fault that Slack names, and that does not pass by itself.

It knows Slack's words for such faults. It refuses to know who met one.

Source: the errors of `chat.postMessage` and `auth.test` in Slack's reference of methods.
"""

_FORBIDDEN = "let the app post in the channel: its posting permissions forbid it"
_REVOKED = "install the app again: its token was revoked"

WHAT_TO_DO = {
    "not_in_channel": "invite the bot there: /invite @actcode",
    "channel_not_found": "check AUDIT_CHANNEL, and invite the bot there if the channel is private",
    "is_archived": "unarchive the channel, or set AUDIT_CHANNEL to another one",
    "missing_scope": "add the scopes of manifest.json to the app and install it again",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "not_authed": "check SLACK_BOT_TOKEN",
    "not_allowed_token_type": "check SLACK_BOT_TOKEN: it must be a bot token, xoxb-…",
    "account_inactive": _REVOKED,
    "token_revoked": _REVOKED,
    "token_expired": "install the app again: its token is too old",
    "access_denied": "ask an admin of the workspace to allow the app",
    "restricted_action": _FORBIDDEN,
    "restricted_action_read_only_channel": _FORBIDDEN,
    "restricted_action_thread_only_channel": _FORBIDDEN,
    "restricted_action_non_threadable_channel": _FORBIDDEN,
}

OF_THE_APP = frozenset(
    {
        "missing_scope",
        "invalid_auth",
        "not_authed",
        "not_allowed_token_type",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "access_denied",
    }
)
"""Those that every call meets alike, whomever it is for."""


def explained(what: str) -> str:
    """Return Slack's word for a fault with what to do about it."""
    return f"{what}: {WHAT_TO_DO.get(what, 'see what Slack says of it in the reference of chat.postMessage')}"
