"""What the sandbox's Slack keeps: what was posted, who was told, what was called, and what was delivered."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from bot.sandbox.render import shown, shown_view

Object = dict[str, Any]

SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "channels:read",
        "groups:read",
        "channels:history",
        "groups:history",
        "channels:join",
        "im:write",
    }
)
"""Those of a bot that does all that this one might do."""


def new_id(kind: str) -> str:
    """Return an ID of Slack's: a letter for what it is of, and some more."""
    return f"{kind}0{secrets.token_hex(5).upper()}"


@dataclass(slots=True, kw_only=True)
class Channel:
    """A conversation.

    Attributes:
        is_member: whether the bot is in it.
        is_ext_shared: it is shared with another organization (Slack Connect).
        is_read_only: only some may post.
        members: the users in it; None: everybody.
        user: of a direct message, the person at the other end.
    """

    id: str
    name: str
    is_private: bool = False
    is_archived: bool = False
    is_member: bool = True
    is_ext_shared: bool = False
    is_read_only: bool = False
    members: set[str] | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A message that everybody in its channel sees.

    Attributes:
        via: "chat.postMessage", "response_url" or "ack" (the latter two with `response_type` in_channel).
        user: of a direct message, who gets it.
        arguments: all that was sent with it.
        at: `time.monotonic()`.
    """

    ts: str
    channel: str
    text: str
    blocks: list[Object]
    metadata: Object | None
    via: str
    at: float
    user: str | None = None
    arguments: Object = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What a person sees of it."""
        return shown({"text": self.text, "blocks": self.blocks})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeral:
    """A message that one person sees, and nobody keeps.

    Attributes:
        via: "ack", "response_url" or "chat.postEphemeral".
        trigger_id: of the delivery that it answers; None for chat.postEphemeral.
        arguments: all that was sent with it.
        at: `time.monotonic()`.
    """

    via: str
    channel: str
    user: str
    text: str
    blocks: list[Object]
    at: float
    trigger_id: str | None = None
    arguments: Object = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What a person sees of it."""
        return shown({"text": self.text, "blocks": self.blocks})


@dataclass(slots=True, kw_only=True)
class ApiCall:
    """A call of the Web API, or of a `response_url` (method "response_url").

    Attributes:
        params: its arguments, without the token.
        status: the HTTP status of the answer; None while nothing whole was answered.
        error: Slack's word for what is wrong with the call; None: nothing.
        why: the same in more words, for whoever reads the test.
        at: `time.monotonic()`.
    """

    method: str
    params: Object
    at: float
    status: int | None = None
    error: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A modal that was opened, or an App Home that was published (`trigger_id` is None).

    Attributes:
        view: what it shows now.
        errors: under its fields, by their block IDs.
        is_open: whether a modal has not been closed by the answer to its submission.
    """

    id: str
    user: str
    view: Object
    trigger_id: str | None
    at: float
    errors: Object = field(default_factory=dict)
    is_open: bool = True

    @property
    def shown(self) -> str:
        """What a person sees of it."""
        return shown_view(self.view, self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that Slack tells the app; it can be delivered more than once.

    Attributes:
        kind: the type of its Socket Mode envelope: slash_commands, interactive or events_api.
        payload: what the envelope holds, or the form or JSON of the HTTP request.
    """

    kind: str
    payload: Object

    @property
    def user(self) -> str:
        """Who did it."""
        return str(self.payload.get("user_id") or self.payload.get("user", {}).get("id", ""))

    @property
    def channel(self) -> str:
        """Where."""
        return str(self.payload.get("channel_id") or self.payload.get("channel", {}).get("id", ""))

    @property
    def trigger_id(self) -> str | None:
        """Its `trigger_id`."""
        return self.payload.get("trigger_id")

    @property
    def response_url(self) -> str | None:
        """Its `response_url`."""
        return self.payload.get("response_url")

    def encoded(self) -> tuple[str, bytes]:
        """Return the media type and the body with which it goes over HTTP."""
        if self.kind == "events_api":
            return "application/json", json.dumps(self.payload).encode()
        form: Mapping[str, Any] = self.payload
        if self.kind == "interactive":
            form = {"payload": json.dumps(self.payload)}
        return "application/x-www-form-urlencoded", urlencode(form, errors="surrogatepass").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """How the app answered a delivery, and what Slack made of it.

    Attributes:
        error: what Slack tells the user instead: operation_timeout (nothing within 3 s), dispatch_failed (no
            connection, or no 200) or invalid_command_response (a message that Slack does not take); None: all is well.
        status: of the HTTP response; 200 in Socket Mode, where an acknowledgement means that; None: nothing came.
        body: the bytes of the HTTP response.
        payload: the message in it, if there is one.
        elapsed_s: from the delivery to the answer.
        headers: of the HTTP response, by their names in small letters.
        why: `error` in more words, for whoever reads the test.
    """

    error: str | None
    elapsed_s: float
    status: int | None = None
    body: bytes = b""
    payload: Object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def text(self) -> str:
        """The message's fallback text."""
        return str(self.payload.get("text") or "")

    @property
    def blocks(self) -> list[Object]:
        """The message's blocks."""
        return self.payload.get("blocks") or []

    @property
    def shown(self) -> str:
        """What the user sees of it."""
        return shown(self.payload)
