"""Which requests meet which faults, as a test orders them."""

import threading
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from bot.sandbox.faults import Fault


@dataclass(slots=True)
class _Orders:
    next: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None


class Script:
    """Which faults the next requests meet, by what they ask for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[Hashable, _Orders] = {}

    def fail(self, key: Hashable, *faults: Fault) -> None:
        """Let the next requests for `key` meet these faults, in turn, one each."""
        with self._lock:
            self._orders.setdefault(key, _Orders()).next.extend(faults)

    def always(self, key: Hashable, fault: Fault) -> None:
        """Let every request for `key` meet this fault, after those of `fail`."""
        with self._lock:
            self._orders.setdefault(key, _Orders()).always = fault

    def clear(self) -> None:
        """Let everything be normal again."""
        with self._lock:
            self._orders.clear()

    def take(self, *keys: Hashable) -> Fault | None:
        """Return the fault that this request meets; of its keys, the first one counts most."""
        with self._lock:
            orders = [self._orders[key] for key in keys if key in self._orders]
            for one in orders:
                if one.next:
                    return one.next.popleft()
            return next((one.always for one in orders if one.always is not None), None)
