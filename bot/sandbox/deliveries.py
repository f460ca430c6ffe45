"""What Slack tells an app: slash commands, shortcuts, buttons, forms and events, field by field.

Sources: Slack's "Implementing slash commands" (the form), "Interaction payloads" (a page for each type), and the
Events API's "Event wrapper".
"""

import secrets
import time
from typing import Any

from bot.sandbox.records import Delivery, Object, View
from bot.sandbox.surfaces import Surfaces

USER = "U0OBSERVER1"
OBSERVING = "C0OBSERVING"
DOMAIN = "sandbox"
VERIFICATION_TOKEN = "legacyVerificationToken"  # noqa: S105 - Slack still sends it, and nobody may rely on it


class Deliveries(Surfaces):
    """A workspace, and what its people do."""

    @property
    def base_url(self) -> str:
        """Where its `response_url`s begin."""
        raise NotImplementedError

    def command(
        self,
        text: str,
        *,
        user: str = USER,
        channel: str = OBSERVING,
        command: str = "/actcode",
        trigger_id: str | None = None,
        response_url: str | None = "",
        team_id: str | None = None,
        extra: Object | None = None,
    ) -> Delivery:
        """Make a slash command.

        Args:
            text: what stands after the command.
            user: who typed it.
            channel: where; any ID: commands work where the bot is not a member, and in direct messages.
            command: its name.
            trigger_id: None: a new one.
            response_url: "": a new one that works; None: none at all.
            team_id: None: this workself.
            extra: fields to add or to replace; None takes one out.
        """
        url, secret = (response_url, None) if response_url != "" else self._new_url()
        known = self.channels.get(channel)
        form: Object = {
            "token": VERIFICATION_TOKEN,
            "team_id": team_id or self.team_id,
            "team_domain": DOMAIN,
            "channel_id": channel,
            "channel_name": _channel_name(channel, known.name if known and not known.is_private else None),
            "user_id": user,
            "user_name": user.lower(),
            "command": command,
            "text": text,
            "api_app_id": self.app_id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": trigger_id or self.trigger(user),
        }
        payload = {name: value for name, value in (form | (extra or {})).items() if value is not None}
        return self._registered(Delivery(kind="slash_commands", payload=payload), secret)

    def shortcut(self, callback_id: str, *, user: str = USER) -> Delivery:
        """Make a global shortcut."""
        payload = self._interaction("shortcut", user) | {"callback_id": callback_id, "action_ts": _now()}
        return Delivery(kind="interactive", payload=payload)

    def message_shortcut(
        self, callback_id: str, message: Object, *, user: str = USER, channel: str = OBSERVING
    ) -> Delivery:
        """Make a shortcut on a message, such as `{"text": …, "blocks": […]}`."""
        url, secret = self._new_url()
        payload = self._interaction("message_action", user) | {
            "callback_id": callback_id,
            "action_ts": _now(),
            "message_ts": message.get("ts", _now()),
            "channel": self._channel(channel),
            "message": {"type": "message", "ts": _now(), **message},
            "response_url": url,
        }
        return self._registered(Delivery(kind="interactive", payload=payload), secret)

    def click(
        self, action: Object, *, user: str = USER, channel: str = OBSERVING, view: View | None = None
    ) -> Delivery:
        """Make a click on `{"action_id": …, "value": …}`, in a message, or in a view."""
        payload = self._interaction("block_actions", user)
        payload["actions"] = [{"type": "button", "block_id": "b", "action_ts": _now(), **action}]
        payload["state"] = {"values": {}}
        if view is not None:
            payload |= {"container": {"type": "view", "view_id": view.id}, "view": self._shown_view(view, {})}
            return Delivery(kind="interactive", payload=payload)
        url, secret = self._new_url()
        payload |= {
            "container": {"type": "message", "message_ts": _now(), "channel_id": channel, "is_ephemeral": True},
            "channel": self._channel(channel),
            "response_url": url,
        }
        return self._registered(Delivery(kind="interactive", payload=payload), secret)

    def submission(self, view: View, values: Object) -> Delivery:
        """Make the submission of a modal; `values` is its `state.values`, by block ID and action ID."""
        payload = self._interaction("view_submission", view.user)
        payload |= {"view": self._shown_view(view, values), "response_urls": []}
        return Delivery(kind="interactive", payload=payload)

    def event(self, event: Object) -> Delivery:
        """Make an event, such as `{"type": "app_home_opened", "user": …, "tab": "home"}`."""
        payload = {
            "token": VERIFICATION_TOKEN,
            "team_id": self.team_id,
            "api_app_id": self.app_id,
            "event": {"event_ts": _now(), **event},
            "type": "event_callback",
            "event_id": f"Ev0{secrets.token_hex(5).upper()}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self.team_id,
                    "user_id": self.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return Delivery(kind="events_api", payload=payload)

    def _interaction(self, kind: str, user: str) -> Object:
        team_id = self.team_id
        return {
            "type": kind,
            "token": VERIFICATION_TOKEN,
            "api_app_id": self.app_id,
            "team": {"id": team_id, "domain": DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": team_id},
            "trigger_id": self.trigger(user),
        }

    def _shown_view(self, view: View, values: Object) -> Object:
        return {
            "callback_id": "",
            "private_metadata": "",
            **view.view,
            "id": view.id,
            "team_id": self.team_id,
            "app_id": self.app_id,
            "bot_id": self.bot_id,
            "root_view_id": view.id,
            "previous_view_id": None,
            "hash": f"{int(time.time())}.{secrets.token_hex(4)}",
            "state": {"values": values},
        }

    def _channel(self, channel: str) -> Object:
        known = self.channels.get(channel)
        return {"id": channel, "name": _channel_name(channel, known.name if known else None)}

    def _new_url(self) -> tuple[str, str]:
        secret = secrets.token_urlsafe(18)
        number = secrets.randbelow(10**13)
        return f"{self.base_url}/commands/{self.team_id}/{number}/{secret}", secret

    def _registered(self, delivery: Delivery, secret: str | None) -> Delivery:
        if secret is not None:
            self.response_url(delivery, secret)
        return delivery


def _channel_name(channel: str, name: str | None) -> Any:
    if channel.startswith("D"):
        return "directmessage"
    return name or "privategroup"


def _now() -> str:
    return f"{time.time():.6f}"
