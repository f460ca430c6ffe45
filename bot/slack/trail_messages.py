"""How the trail is shown in Slack: the posts of the audit channel, and what `/actcode log` answers. Pure."""

from collections.abc import Sequence
from typing import Any

from bot import trail, wording
from bot.outcomes import Outcome
from bot.slack.richtext import INSIDE_SLACK, Message, message, table
from bot.wording import Link, Moment, Strong, Text, Verbatim

MOST_OF_DETAIL = 60
"""Of a reason in the log: fifty rows of it fit into one table."""


def audit_line(event: dict[str, Any]) -> Text:
    """Return an outcome as a line for the audit channel: who, where, which label, what came of it, which request."""
    outcome = Outcome(event["event"])
    parts: list[wording.Part] = [f"{wording.SYMBOLS[outcome]} ", Strong(outcome), " "]
    if event["label"] is not None:
        parts += [Verbatim(event["label"]), f" ({wording.kinds(event['kinds'])}) "]
    if event["user_id"] is not None:
        parts += ["by ", _link(event["team_id"], event["user_id"])]
    else:
        parts.append("from the terminal")
    if event["channel_id"] is not None:
        parts += [" in ", _link(event["team_id"], event["channel_id"])]
    if event["elapsed_ms"] is not None:
        parts.append(f" · {event['elapsed_ms'] / 1000:.1f} s")
    if event["http_status"] is not None:
        parts.append(f" · HTTP {event['http_status']}")
    if event["detail"]:
        parts.append(f" · {event['detail']}")
    return (*parts, " · request ", Verbatim(event["request_id"]))


def audit_post(events: Sequence[dict[str, Any]], seq: int, its_hash: str, notice: Sequence[Text] = ()) -> Message:
    """Return a post of a notice, outcomes, or both, with the head of the trail behind the last line."""
    lines = [*notice, *map(audit_line, events)]
    lines[-1] = (*lines[-1], f" · #{seq} ", Verbatim(its_hash[:12]))
    return message(lines)


def breaker(broken_at: int | None, broken_by: str | None) -> list[Text]:
    """Return what the audit channel is told when the MPC does not serve the bot (since when, and why), or does again.

    Source: the MPC's FAQ on its APIs (an address that asked too often is answered 403, until the help desk lifts that).
    """
    if broken_at is None:
        return [
            (
                Strong("The MPC serves the bot again. "),
                "Requests are sent as always. Those that ended as “unavailable” were not sent: ask again.",
            )
        ]
    reason = broken_by or "it does not answer"
    advice = "If this goes on, python -m bot check says on the bot's machine whether the MPC can be reached from there."
    if reason.startswith("HTTP 403"):
        advice = (
            "The MPC may have blocked the bot's address because it was asked too often from there. Whoever runs the "
            "bot: write to the MPC's help desk, which can lift that (see the Minor Planet Center's FAQ)."
        )
    return [
        (Strong("The MPC does not serve the bot"), " since ", Moment(broken_at), f": {reason.rstrip('.')}."),
        (
            "Requests end at once as “unavailable”, and nothing is sent. One request at a time tests whether it does "
            "again, and this channel is told when it does.",
        ),
        (advice,),
    ]


def log(rows: Sequence[dict[str, Any]], under_way: Sequence[str], *, mine: bool) -> Message:
    """Return the last requests as a table, newest first, with times in the reader's own zone.

    Args:
        rows: outcomes as `bot.trail` exports them, newest first.
        under_way: labels that have no outcome yet.
        mine: whether they are one user's, from whatever channel, or a channel's, from whomever.
    """
    whose = "your" if mine else "this channel's"
    if not rows and not under_way:
        return message([(f"There are no requests in {whose} log yet.",)])
    cells: list[list[Text]] = [[("now",), (Verbatim(one),), ("… under way",), _NOTHING, _NOTHING] for one in under_way]
    for row in rows:
        outcome = Outcome(row["event"])
        other = row["channel_id"] if mine else row["user_id"]
        detail = f": {_short(row['detail'])}" if row["detail"] else ""
        cells.append(
            [
                (Moment(trail.milliseconds(row["at"])),),
                (Verbatim(row["label"]),) if row["label"] else ("no label",),
                (f"{wording.SYMBOLS[outcome]} {outcome}{detail}",),
                (_link(row["team_id"], other),) if other else _NOTHING,
                (Verbatim(row["request_id"]),),
            ]
        )
    header = ("When", "Label", "Outcome", "Where" if mine else "Who", "Request")
    return table((Strong(f"The last of {whose} requests, newest first"),), header, cells)


_NOTHING: Text = ("-",)


def _short(detail: str) -> str:
    return detail if len(detail) <= MOST_OF_DETAIL else detail[:MOST_OF_DETAIL] + "…"


# A mention would notify whoever is named; a link does not (Slack's "Deep linking": app_redirect takes an ID).
def _link(team_id: str | None, its_id: str) -> Link:
    team = "" if team_id is None else f"&team={team_id}"
    return Link(f"{INSIDE_SLACK}channel={its_id}{team}", its_id)
