"""Who may ask, how much, and how soon again. Pure: what has happened is handed in.

It knows the rules of this installation. It refuses to look anything up, and to word an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HOUR_MS = 3_600_000


class Rule(StrEnum):
    """Which rule refused a label; the words stand in the trail."""

    CHANNEL = "channel not allowed"
    USER = "user not allowed"
    TOO_MANY = "too many labels in one command"
    HOURLY = "hourly limit of the user"
    COOLDOWN = "cool-down of the label"
    UNDER_WAY = "the label is under way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A refusal.

    Attributes:
        rule: which rule.
        until: when it ends, milliseconds since 1970; None where that is not a matter of time, or not known.
        limit: the number that was exceeded, where there is one.
    """

    rule: Rule
    until: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules, as `bot.config` reads them; empty and 0 mean "no such rule"."""

    allowed_channels: frozenset[str] = frozenset()
    allowed_users: frozenset[str] = frozenset()
    max_labels: int = 25
    user_hourly_limit: int = 100
    cooldown_s: int = 300

    def who(self, *, channel_id: str | None, user_id: str | None) -> Denial | None:
        """Refuse who is not on a list. The terminal has neither ID: who has a shell here has the database, too."""
        terminal = channel_id is None and user_id is None
        # A form that was opened in no channel is in none that is allowed.
        if self.allowed_channels and not terminal and channel_id not in self.allowed_channels:
            return Denial(rule=Rule.CHANNEL)
        if user_id is not None and not self.allows_user(user_id):
            return Denial(rule=Rule.USER)
        return None

    def allows_user(self, user_id: str) -> bool:
        """Say whether a user may ask at all."""
        return not self.allowed_users or user_id in self.allowed_users

    def size(self, labels: int) -> Denial | None:
        """Refuse a command of more labels than one command may hold."""
        return Denial(rule=Rule.TOO_MANY, limit=self.max_labels) if labels > self.max_labels else None

    def is_over(self, labels: int) -> bool:
        """Say whether so many labels in an hour are more than a user may ask for."""
        return 0 < self.user_hourly_limit < labels

    def hourly(self, *, labels: int, recent: Sequence[int]) -> Denial | None:
        """Refuse a command that would bring its user over the limit.

        Args:
            labels: how many the command holds.
            recent: when the user's requests of the last hour were made, oldest first (milliseconds
                since 1970).
        """
        if not self.is_over(len(recent) + labels):
            return None
        over = len(recent) + labels - self.user_hourly_limit
        # A command larger than the limit itself never fits, however long one waits.
        until = recent[over - 1] + HOUR_MS if over <= len(recent) else None
        return Denial(rule=Rule.HOURLY, until=until, limit=self.user_hourly_limit)

    def label(self, *, under_way: bool, last: int | None, now: int) -> Denial | None:
        """Refuse a label that is being asked for, or that was accepted (or may have been) a moment ago."""
        if not self.cooldown_s:
            return None
        if under_way:
            return Denial(rule=Rule.UNDER_WAY)
        if last is not None and (until := last + self.cooldown_s * 1000) > now:
            return Denial(rule=Rule.COOLDOWN, until=until)
        return None
