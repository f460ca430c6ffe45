"""What App Home shows: one's own requests, what one may ask for, and how a code is used. Pure.

Source: Slack's "View objects" (a home view has up to 100 blocks, and no table).
"""

from collections.abc import Sequence
from typing import Any

from bot import trail, wording
from bot.outcomes import Outcome
from bot.policy import Policy
from bot.slack.messages import FORM_BUTTON
from bot.slack.richtext import Block, message
from bot.slack.views import channel_list
from bot.wording import Link, Moment, Strong, Text, Verbatim

MOST_REQUESTS = 10
MOST_OF_DETAIL = 60

View = dict[str, Any]


def build(rows: Sequence[dict[str, Any]], under_way: Sequence[str], *, policy: Policy, user_id: str, at: int) -> View:
    """Return the view.

    Args:
        rows: the user's last outcomes as `bot.trail` exports them, newest first.
        under_way: labels of theirs that have no outcome yet.
        policy: the rules of this installation.
        user_id: whose it is.
        at: what moment it shows, milliseconds since 1970.
    """
    requests: list[Text] = [("Now: ", Verbatim(one), " is under way.") for one in under_way]
    requests += [_request(one) for one in rows]
    shown = requests[:MOST_REQUESTS] or [("You have not asked for a code here yet.",)]
    return {
        "type": "home",
        "blocks": [
            _header("Action codes"),
            *message([_ABOUT]).blocks,
            *_way_in(policy, user_id),
            _header("Your last requests"),
            *message([*shown, ("As of ", Moment(at), ".")]).blocks,
            _header("What you may ask for"),
            *message(_rules(policy)).blocks,
            _header("How to use a code"),
            *message(_USE).blocks,
        ],
    }


_ABOUT: Text = (
    "When a code got lost, the bot asks the Minor Planet Center (MPC) to mail it again, to whoever submitted the "
    "observations, never to Slack. Each request mails a person: ask once.",
)
_USE: list[Text] = [
    (
        "With the code from the mail, a submission is deleted or corrected at ",
        Link(wording.SUBMIT_PAGE, "the MPC's action-code page"),
        ".",
    ),
    ("Treat a code as a password: 16 characters, a dash and three capitals. Never paste one into Slack.",),
    ("Codes exist only for new NEO and comet candidates and for NEO and NEOCP follow-up.",),
]


def _way_in(policy: Policy, user_id: str) -> list[Block]:
    if not policy.allows_user(user_id):
        return list(
            message([(Strong("You are not among those who may ask here. "), "Ask whoever runs the bot.")]).blocks
        )
    if policy.allowed_channels:
        typed: Text = ("Type ", Verbatim("/actcode LABEL"), " in one of these channels, where the bot may be used:")
        return [*message([typed]).blocks, channel_list(policy.allowed_channels)]
    return [*message([("Type ", Verbatim("/actcode LABEL"), " in any conversation, or:")]).blocks, FORM_BUTTON]


def _request(row: dict[str, Any]) -> Text:
    outcome = Outcome(row["event"])
    label: wording.Part = Verbatim(row["label"]) if row["label"] else "no label"
    detail = f" ({_short(row['detail'])})" if row["detail"] else ""
    return (
        Moment(trail.milliseconds(row["at"])), " · ", label, " · ",
        f"{wording.SYMBOLS[outcome]} ", Strong(wording.WORDS[outcome]), f"{detail} · request ",
        Verbatim(row["request_id"]),
    )  # fmt: skip


def _rules(policy: Policy) -> list[Text]:
    lines: list[Text] = [(f"Up to {_counted(policy.max_labels, 'label')} at a time.",)]
    if policy.user_hourly_limit:
        lines.append((f"Up to {_counted(policy.user_hourly_limit, 'label')} in an hour.",))
    if policy.cooldown_s:
        again = f"The same label again after {_duration(policy.cooldown_s)}, whoever asked for it"
        lines.append((f"{again}: look for the mail first.",))
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _duration(seconds: int) -> str:
    for unit, name in ((3600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            return _counted(seconds // unit, name)
    return _counted(seconds, "second")


def _short(detail: str) -> str:
    return detail if len(detail) <= MOST_OF_DETAIL else detail[:MOST_OF_DETAIL] + "…"


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}
