"""The audit channel as a witness: what its posts say of the trail, held against the trail itself.

A chain of hashes alone does not show that its tail was cut off, or that all of it was written anew. So each post
carries the head of the trail at that moment, as message metadata and legibly, in a place that the database's owner
does not control alone. It refuses to call Slack, and to recompute hashes, which is `bot.verification`'s.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sqlalchemy import Connection

from bot import canonical, trail
from bot.store import channels

EVENT_TYPE = "actcode_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What one post says: outcomes after `after` and up to `seq` were shown, and the hash of event `seq` was this.

    Attributes:
        broken_at: since when the MPC does not serve the bot, as far as the channel knows with this post, milliseconds
            since 1970; None: it does.
        at: when it was posted, milliseconds since 1970; 0 where it is not posted yet.
    """

    after: int
    seq: int
    hash: str
    broken_at: int | None = None
    at: int = field(default=0)

    def metadata(self) -> dict[str, Any]:
        """Return the message metadata that `read` understands."""
        payload = {key: value for key, value in asdict(self).items() if key != "at" and value is not None}
        return {"event_type": EVENT_TYPE, "event_payload": payload}

    @classmethod
    def read(cls, message: dict[str, Any]) -> Self | None:
        """Return what a message says, or None where it is no post of the trail."""
        metadata = message.get("metadata") or {}
        payload = metadata.get("event_payload") or {}
        if metadata.get("event_type") != EVENT_TYPE:
            return None
        try:
            broken_at = payload.get("broken_at")
            return cls(
                after=int(payload["after"]),
                seq=int(payload["seq"]),
                hash=str(payload["hash"]),
                broken_at=None if broken_at is None else int(broken_at),
                at=round(float(message["ts"]) * 1000),
            )
        except (KeyError, TypeError, ValueError):
            return None


def going_on(connection: Connection, posted: Sequence[Anchor], after: int) -> Anchor | None:
    """Return the post that goes on behind event `after`, the last one if there are several; None: there is none.

    A post that contradicts the trail is none: it was made before a backup was restored.
    """
    fitting = [one for one in posted if one.after == after and _contradiction(connection, one) is None]
    return max(fitting, key=lambda one: (one.seq, one.at), default=None)


def compare(connection: Connection, anchors: Sequence[Anchor], channel_id: str) -> list[str]:
    """Hold what the channel says against the trail.

    Returns:
        A sentence for each thing that does not fit; none: all fits. What the channel is still to be told is no fault.
    """
    faults = [said for one in anchors if (said := _contradiction(connection, one))]
    started, told = channels.place(connection, channel_id) or (0, 0)
    shown = started
    for one in sorted(anchors, key=lambda anchor: (anchor.after, anchor.seq)):
        if one.after > shown and (missing := _outcomes(connection, shown, one.after)):
            faults.append(_unseen(missing, f"before that of {canonical.timestamp(one.at)}"))
        shown = max(shown, one.seq)
    if told > shown and (missing := _outcomes(connection, shown, told)):
        faults.append(_unseen(missing, "at the end"))
    return faults


def _contradiction(connection: Connection, anchor: Anchor) -> str | None:
    """Return what the trail has instead of what a post says; None where it has the same, or it was pruned."""
    when = f"On {canonical.timestamp(anchor.at)}"
    last, _ = trail.head_of(connection)
    if anchor.seq > last:
        return (
            f"{when} the channel was shown event {anchor.seq} ({anchor.hash[:12]}…), and the trail ends at event {last}"
            ": its tail was cut off, or an older backup was restored"
        )
    event = next(trail.read(connection, trail.Filter(), after=anchor.seq - 1, page=1), None)
    if event is None or event["seq"] != anchor.seq or event["hash"] == anchor.hash:
        return None
    return (
        f"{when} the channel was shown event {anchor.seq} with the hash {anchor.hash[:12]}…, and in the trail it has "
        f"{event['hash'][:12]}…: the chain was written anew from there or from before"
    )


def _outcomes(connection: Connection, after: int, upto: int) -> list[int]:
    narrow = trail.Filter(events=trail.OUTCOMES)
    found = []
    for one in trail.read(connection, narrow, after=after, page=100):
        if one["seq"] > upto:
            break
        found.append(one["seq"])
    return found


def _unseen(missing: list[int], where: str) -> str:
    one = len(missing) == 1
    span = f"event {missing[0]}" if one else f"events {missing[0]} to {missing[-1]}"
    what = f"1 outcome ({span}) is" if one else f"{len(missing)} outcomes ({span}) are"
    return f"{what} in no post {where}: a post was deleted, or never made"
