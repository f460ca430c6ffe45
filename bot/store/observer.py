"""Who is told what a database has done: `bot.metrics`, which the store must not know."""

from collections.abc import Collection
from typing import Protocol


class Observer(Protocol):
    """Whoever wants to know what a database has done, and what it could not do."""

    def committed(self, events: Collection[str]) -> None:
        """These events are in the trail from now on."""

    def unavailable(self) -> None:
        """Something that was asked for did not happen."""
