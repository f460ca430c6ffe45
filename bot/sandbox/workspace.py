"""A Slack workspace with one app in it: who is where, what was said, and who may say something.

It knows what Slack does with a message, whichever way it comes. It refuses to know HTTP and WebSockets.

Sources: Slack's pages on chat.postMessage and chat.postEphemeral, "Rate limits" (about one message a second and
channel, with short bursts), and "Handling user interaction" (a `response_url` works wherever the user is).
"""

import secrets
import time

from bot.sandbox.allowance import Allowance
from bot.sandbox.blocks import check_message
from bot.sandbox.grants import Grants
from bot.sandbox.records import SCOPES, ApiCall, Channel, Delivery, Ephemeral, Object, Post, View, new_id
from bot.sandbox.rules import RefusedError
from bot.sandbox.watch import Watch


class Workspace:
    """The state of the sandbox's Slack.

    Args:
        watch: the lock of this state.
        post_rate_per_s: messages a second that a channel takes; None: any number.
        post_burst: messages that it takes at once after a pause.
        scopes: of the bot's token.
    """

    def __init__(
        self, *, watch: Watch, post_rate_per_s: float | None, post_burst: int, scopes: frozenset[str] = SCOPES
    ) -> None:
        self.watch = watch
        self._allowance = Allowance(rate_per_s=post_rate_per_s, burst=post_burst)
        self.scopes = set(scopes)
        self.team_id = new_id("T")
        self.app_id = new_id("A")
        self.bot_user_id = new_id("U")
        self.bot_id = new_id("B")
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-{self.app_id}-{secrets.token_hex(12)}"
        self.signing_secret = secrets.token_hex(16)
        self.channels: dict[str, Channel] = {}
        self.users: set[str] | None = None
        self.posts: list[Post] = []
        self.dms: list[Post] = []
        self.ephemerals: list[Ephemeral] = []
        self.calls: list[ApiCall] = []
        self.views: list[View] = []
        self.homes: dict[str, View] = {}
        self.grants = Grants()
        self._last_ts = 0

    def add_channel(
        self,
        channel_id: str,
        name: str,
        *,
        is_private: bool = False,
        is_archived: bool = False,
        is_member: bool = True,
        members: set[str] | None = None,
    ) -> Channel:
        """Add a channel; see `Channel` for what can be said of it, and what can be changed later."""
        channel = Channel(
            id=channel_id,
            name=name,
            is_private=is_private,
            is_archived=is_archived,
            is_member=is_member,
            members=members,
        )
        with self.watch.changing():
            self.channels[channel_id] = channel
        return channel

    def open_dm(self, user: str) -> Channel:
        """Return the conversation between the bot and a user."""
        if not self.knows(user):
            raise RefusedError("user_not_found")
        with self.watch.changing():
            for channel in self.channels.values():
                if channel.user == user:
                    return channel
            channel = Channel(id=new_id("D"), name="directmessage", is_private=True, members={user}, user=user)
            self.channels[channel.id] = channel
            return channel

    def knows(self, user: object) -> bool:
        """Say whether there is such a user."""
        return isinstance(user, str) and user[:1] in {"U", "W"} and (self.users is None or user in self.users)

    def channel_of(self, given: object) -> Channel:
        """Return the channel with this ID, or the direct messages with the user with this ID."""
        with self.watch.reading():
            if isinstance(given, str) and given in self.channels:
                return self.channels[given]
        if isinstance(given, str) and given[:1] in {"U", "W"}:
            try:
                return self.open_dm(given)
            except RefusedError as fault:
                raise RefusedError("channel_not_found") from fault
        raise RefusedError("channel_not_found")

    def post(self, message: Object) -> Post:
        """Take a chat.postMessage.

        Raises:
            RefusedError: Slack would not take it.
        """
        channel = self.channel_of(message.get("channel"))
        public = not channel.is_private and "chat:write.public" in self.scopes
        if not channel.is_member and not public:
            raise RefusedError("channel_not_found" if channel.is_private else "not_in_channel")
        if channel.is_archived:
            raise RefusedError("is_archived")
        check_message(message)
        with self.watch.changing():
            self._allowance.take(channel.id)
            post = self._message(channel, message, via="chat.postMessage")
            (self.posts if channel.user is None else self.dms).append(post)
            return post

    def post_ephemeral(self, message: Object) -> str:
        """Take a chat.postEphemeral, and return its timestamp.

        Raises:
            RefusedError: Slack would not take it.
        """
        user = message.get("user")
        with self.watch.reading():
            channel = self.channels.get(str(message.get("channel")))
        if channel is None or (channel.is_private and not channel.is_member):
            raise RefusedError("channel_not_found")
        if not channel.is_member:
            raise RefusedError("not_in_channel")
        if channel.is_archived:
            raise RefusedError("is_archived")
        if not isinstance(user, str) or (channel.members is not None and user not in channel.members):
            raise RefusedError("user_not_in_channel")
        check_message(message)
        with self.watch.changing():
            self._allowance.take(channel.id)
            self._tell("chat.postEphemeral", channel.id, user, message)
            return self._ts()

    def respond(self, secret: str, message: object) -> None:
        """Take what was posted to a `response_url`.

        Raises:
            RefusedError: unknown, used_url, expired_url, or what `check_message` says.
        """
        with self.watch.changing():
            delivery = self.grants.delivery_of(secret)
            if not isinstance(message, dict):
                raise RefusedError("invalid_payload")
            check_message(message)
            self.grants.use_url(secret)
            self.answer("response_url", delivery, message)

    def answer(self, via: str, delivery: Delivery, message: Object) -> None:
        """Show the answer to a delivery to the user, or with `response_type` in_channel to everybody there."""
        with self.watch.changing():
            if message.get("response_type") == "in_channel":
                channel = self.channels.get(delivery.channel) or Channel(id=delivery.channel, name="")
                self.posts.append(self._message(channel, message, via=via))
            else:
                self._tell(via, delivery.channel, delivery.user, message, delivery.trigger_id)

    def response_url(self, delivery: Delivery, secret: str) -> None:
        """Let `secret` be the end of a `response_url` of this delivery, from now on."""
        with self.watch.changing():
            self.grants.add_url(secret, delivery)

    def expire(self, delivery: Delivery) -> None:
        """Let the `response_url` and the `trigger_id` of a delivery be too old."""
        with self.watch.changing():
            self.grants.expire(delivery)

    def trigger(self, user: str) -> str:
        """Return a new `trigger_id`."""
        with self.watch.changing():
            return self.grants.trigger(user)

    def history(self, channel_id: str) -> list[Post]:
        """Return what was posted in a channel, newest first."""
        with self.watch.reading():
            return [one for one in reversed(self.posts + self.dms) if one.channel == channel_id]

    def _message(self, channel: Channel, message: Object, *, via: str) -> Post:
        return Post(
            ts=self._ts(),
            channel=channel.id,
            text=message.get("text") or "",
            blocks=message.get("blocks") or [],
            metadata=message.get("metadata"),
            via=via,
            at=time.monotonic(),
            user=channel.user,
            arguments=message,
        )

    def _tell(self, via: str, channel: str, user: str, message: Object, trigger_id: str | None = None) -> None:
        self.ephemerals.append(
            Ephemeral(
                via=via,
                channel=channel,
                user=user,
                text=message.get("text") or "",
                blocks=message.get("blocks") or [],
                at=time.monotonic(),
                trigger_id=trigger_id,
                arguments=message,
            )
        )

    def _ts(self) -> str:
        """Return a timestamp that no other message has."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"
