"""What Slack hands out to be used within a short time, and few times: `response_url`s and `trigger_id`s.

Source: Slack's "Handling user interaction" (five uses of a `response_url`, within 30 minutes; a `trigger_id` lives for
3 s and opens one view).
"""

import math
import secrets
import time
from dataclasses import dataclass

from bot.sandbox.records import Delivery
from bot.sandbox.rules import RefusedError

RESPONSE_URL_USES = 5
RESPONSE_URL_S = 30 * 60
TRIGGER_S = 3.0


@dataclass(slots=True)
class _ResponseUrl:
    delivery: Delivery
    since: float
    uses: int = 0


@dataclass(slots=True)
class _Trigger:
    user: str
    since: float
    used: bool = False


class Grants:
    """The `response_url`s, by their last part, and the `trigger_id`s; whoever uses it holds the lock."""

    def __init__(self) -> None:
        self._urls: dict[str, _ResponseUrl] = {}
        self._triggers: dict[str, _Trigger] = {}

    def add_url(self, secret: str, delivery: Delivery) -> None:
        """Let `secret` be the end of a `response_url` of this delivery, from now on."""
        self._urls[secret] = _ResponseUrl(delivery, time.monotonic())

    def delivery_of(self, secret: str) -> Delivery:
        """Return the delivery to which a `response_url` belongs that can still be used.

        Raises:
            RefusedError: no_such_url, expired_url, used_url.
        """
        url = self._urls.get(secret)
        if url is None:
            raise RefusedError("no_such_url")
        if time.monotonic() - url.since > RESPONSE_URL_S:
            raise RefusedError("expired_url")
        if url.uses >= RESPONSE_URL_USES:
            raise RefusedError("used_url")
        return url.delivery

    def use_url(self, secret: str) -> None:
        """Count one use."""
        self._urls[secret].uses += 1

    def trigger(self, user: str) -> str:
        """Return a new `trigger_id`."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = _Trigger(user, time.monotonic())
        return trigger_id

    def user_of(self, trigger_id: str) -> str:
        """Return whose `trigger_id` this is, if it can still be used.

        Raises:
            RefusedError: invalid_trigger_id, expired_trigger_id, exchanged_trigger_id.
        """
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise RefusedError("invalid_trigger_id")
        if time.monotonic() - trigger.since > TRIGGER_S:
            raise RefusedError("expired_trigger_id")
        if trigger.used:
            raise RefusedError("exchanged_trigger_id")
        return trigger.user

    def use_trigger(self, trigger_id: str) -> None:
        """Count its only use."""
        self._triggers[trigger_id].used = True

    def expire(self, delivery: Delivery) -> None:
        """Let the `response_url` and the `trigger_id` of a delivery be too old."""
        for url in self._urls.values():
            if url.delivery == delivery:
                url.since = -math.inf
        if delivery.trigger_id in self._triggers:
            self._triggers[delivery.trigger_id].since = -math.inf
