"""What `/actcode check` answers: at once, and when the labels have been looked up. Pure."""

from collections.abc import Sequence

from bot import findings
from bot.decisions import Admission
from bot.labels import Label
from bot.slack import messages
from bot.slack.richtext import Message, message
from bot.store.outbox import Ended
from bot.store.presence import CHECKED
from bot.wording import Strong, Text, Verbatim

_NOT_NOW = "It could not be looked up now. Try again in a minute."


def acknowledgement(admission: Admission, labels: Sequence[Label]) -> Message | None:
    """Return what is said at once.

    Args:
        admission: the decision; it holds the labels that are looked up.
        labels: all that were typed.
    """
    if admission.denial is not None:
        return messages.acknowledgement(admission)
    able = {one.label for one in admission.items}
    lines: list[Text] = [_without_station(one) for one in labels if one.text not in able]
    if able:
        lines.append(("Looking up at the MPC; nobody is mailed. The answer will come here.",))
    return message(lines)


def is_check(ended: Sequence[Ended]) -> bool:
    """Say whether these were only looked up."""
    return any(one.outcome == CHECKED for one in ended)


def outcomes(ended: Sequence[Ended]) -> Message:
    """Return the answer: what the MPC has under each label."""
    lines: list[Text] = [(Strong("Looked up at the MPC; nobody was mailed."),)]
    for one in ended:
        said: Text = (_NOT_NOW,) if one.finding is None else findings.sentence(one.finding)
        lines.append((*messages.label(one), ": ", *said))
    return message(lines)


def _without_station(label: Label) -> Text:
    return (
        Verbatim(label.text),
        " cannot be looked up without its station: the MPC knows a tracklet only together with an observatory code. "
        "Type ",
        Verbatim(f"/actcode check {label.text} CODE"),
        " with yours, such as ",
        Verbatim("703"),
        ".",
    )
