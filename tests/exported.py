"""Exported events that are made here, without a database: what an export may hold."""

import json
from collections.abc import Sequence
from typing import Any

from bot import canonical, trail


def exported(count: int = 5, *, first: int = 1, link: str = trail.GENESIS) -> list[dict[str, Any]]:
    """Return so many events, from `first` on, in one chain that begins with `link`."""
    return chained(
        [
            {
                "id": f"{seq:032x}", "at": canonical.timestamp(1_700_000_000_000 + seq), "request_id": f"r{seq}",
                "source": "slash", "team_id": "T1", "channel_id": "C1", "user_id": "U1", "label": "-A10cnQO",
                "kinds": ["trksub", "trkid"], "event": "rejected", "http_status": 404, "elapsed_ms": seq,
                "detail": "'=no such \"label\", Zażółć \u2028 \U0001f52d",
            }
            for seq in range(first, first + count)
        ],
        first=first, link=link,
    )  # fmt: skip


def chained(contents: Sequence[dict[str, Any]], *, first: int = 1, link: str = trail.GENESIS) -> list[dict[str, Any]]:
    """Return events with these contents in one chain: numbers and hashes are made anew."""
    events: list[dict[str, Any]] = []
    for seq, content in enumerate(contents, first):
        event = dict.fromkeys(trail.KEYS) | content | {"seq": seq, "prev_hash": link}
        link = event["hash"] = trail.event_hash(event)
        events.append(event)
    return events


def lines(events: Sequence[dict[str, Any]]) -> bytes:
    """Return an export as a program of somebody else's might write it: JSON lines, in UTF-8."""
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events)
