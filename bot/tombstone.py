"""What a pruned trail says of what was removed: the detail of the event `pruned`.

It knows one sentence, written and read here and nowhere else. It refuses to remove anything.
"""

import re
from dataclasses import dataclass

PRUNED = "pruned"
"""The `event` whose detail is a tombstone."""

_FORM = re.compile(
    r"events (?P<first>[1-9][0-9]{0,18}) to (?P<last>[1-9][0-9]{0,18}) removed \((?P<count>[1-9][0-9]{0,18})\); "
    r"last removed hash (?P<last_hash>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What was removed from the begin of a trail.

    Attributes:
        first: the number of the first event that was removed.
        last: the number of the last one; the next one is the first that is left.
        count: how many they were.
        last_hash: the hash of the last one, which is the `prev_hash` of the first that is left.
    """

    first: int
    last: int
    count: int
    last_hash: str


def write(first: int, last: int, count: int, last_hash: str) -> str:
    """Return the detail of an event `pruned`; see `Tombstone` for the arguments."""
    return f"events {first} to {last} removed ({count}); last removed hash {last_hash}"


def read(detail: str) -> Tombstone | None:
    """Return what `write` was given, or None where the detail is none of its sentences."""
    found = _FORM.fullmatch(detail)
    if found is None:
        return None
    return Tombstone(
        first=int(found["first"]), last=int(found["last"]), count=int(found["count"]), last_hash=found["last_hash"]
    )
