"""Every message that the bot shows in Slack. Pure: an outcome goes in, a message comes out.

It knows what is said to whom. It refuses to decide anything and to post anything.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from bot import findings, wording
from bot.decisions import Admission, Item
from bot.labels import Fault, Parsed, paste_again
from bot.outcomes import Outcome
from bot.slack.richtext import Message, button, message
from bot.store.outbox import Announcement, Ended
from bot.store.standing import COUNTED
from bot.wording import Strong, Text, Verbatim

LABELS_A_LINE = 25
MOST_WITHOUT_SUMMARY = 3

OPEN_FORM = "open_form"
"""The `action_id` of the button that opens the form."""
FORM_BUTTON = button("Open the form", action_id=OPEN_FORM, spoken="Open a form to ask for action codes")

_USAGE = message(
    [
        (Strong("/actcode LABEL [LABEL …]"), " asks the Minor Planet Center to mail a submission's action code again."),
        ("The code goes by e-mail to whoever submitted it, never to Slack. Each request mails a person: ask once.",),
        (
            "A label is a trksub (", Verbatim("A10cnQO"), "), a trkid (", Verbatim("00000DwbEz"),
            "), a submission ID (", Verbatim("2024-05-02T21:03:35.001_0000FzZw"), ") or a submission block ID (",
            Verbatim("2024-05-02T21:03:35.001_0000FzZw_01"), ").",
        ),
        ("Separate several by blanks, commas or semicolons. An observatory code after a tracklet (",
         Verbatim("5T0D452 703"), ") is taken for its station."),
        (Strong("/actcode check LABEL [LABEL …]"), " looks labels up at the MPC and mails nobody; a tracklet needs its "
         "station for it."),
        (Strong("/actcode log [N] [mine]"), " shows the last requests of this channel, or your own."),
        (Strong("/actcode help"), " shows this. For a tracklet of that name, quote it: ", Verbatim('/actcode "help"')),
    ]
)  # fmt: skip
USAGE = replace(_USAGE, blocks=(*_USAGE.blocks, FORM_BUTTON))
"""What `/actcode` and `/actcode help` answer."""


def not_recorded() -> Message:
    """Return the answer where the trail could not be written."""
    return message([wording.NOT_RECORDED])


def maybe_recorded() -> Message:
    """Return the answer where it is not known whether the trail was written."""
    return message([wording.MAYBE_RECORDED])


def not_read() -> Message:
    """Return the answer where the log could not be read."""
    return message([wording.NOT_READ])


def failed() -> Message:
    """Return the answer where the bot itself failed before anything was admitted."""
    return message(
        [
            (
                Strong("Something went wrong in the bot. "),
                "Whether your request was taken is not known: see /actcode log mine before you ask again, and tell "
                "whoever runs the bot; the reason is in its log.",
            )
        ]
    )


def faults(parsed: Parsed, *, command: str = "/actcode") -> Message:
    """Return the answer to a command that holds something that is no label: every fault, and the good ones again."""
    return message(fault_lines(parsed, command=command), tail=len(_good(parsed, command)))


def fault_lines(parsed: Parsed, *, command: str) -> list[Text]:
    """Return the same as lines; `command` is what the good ones can be pasted behind."""
    lines: list[Text] = [(Strong("Nothing was sent: "), "not everything in this command is a label.")]
    lines += [fault_line(one) for one in parsed.faults]
    return [*lines, *_good(parsed, command)]


def in_a_word(admission: Admission) -> str:
    """Return how a command is answered, in a word that can be counted: `asked` where anything will be sent."""
    if admission.invalid:
        return "invalid"
    return "refused" if admission.command_id is None else "asked"


def acknowledgement(admission: Admission) -> Message | None:
    """Return what is said at once; None where the answer itself is near."""
    lines = acknowledgement_lines(admission)
    return message(lines) if lines else None


def acknowledgement_lines(admission: Admission, *, where: str = "here") -> list[Text]:
    """Return the same as lines; `where` is where the answer will come."""
    lines: list[Text] = []
    if admission.denial is not None:
        sentence, advice = wording.denial(
            admission.denial.rule, until=admission.denial.until, limit=admission.denial.limit
        )
        lines.append((Strong("Refused. "), *sentence, " ", *advice))
        return lines + [bullet(one) for one in admission.items]
    lines += outcome_lines([one.as_denied() for one in admission.items if one.denial is not None])
    stations = [one for one in admission.items if one.stations and one.denial is None]
    lines += [_station(one) for one in stations] if lines else []
    if admission.command_id is not None:
        if admission.wait_s is not None:
            many = admission.ahead >= COUNTED
            place = f"Behind {COUNTED:,} requests or more" if many else f"Position {admission.ahead + 1} in the queue"
            wait = f"{'at least' if many else 'about'} {_time(admission.wait_s)}"
            lines.append((f"{place}, {wait}. The answer will come {where}.",))
        elif lines:
            lines.append(("The other labels are on their way to the MPC.",))
    return lines


def announcement(waiting: Announcement) -> Message:
    """Return the one word about an answer that takes long."""
    if waiting.pause_s > 0:
        wait = f"about {_time(waiting.pause_s)}"
        return message([(f"The MPC asked the bot to wait, {wait} more. Your request is kept: the answer comes here.",)])
    if waiting.ahead:
        return message([(f"Position {waiting.ahead + 1} in the queue: the answer will come here.",)])
    return message([("The MPC takes its time. The answer will come here; do not ask again meanwhile.",)])


def outcomes(ended: Sequence[Ended]) -> Message:
    """Return the answer to a command: all its outcomes, what they mean, and what to do now."""
    return message(outcome_lines(ended))


def outcome_lines(ended: Sequence[Ended]) -> list[Text]:
    """Return the same as lines; of several groups with the same advice, the last one gives it."""
    groups = _grouped(ended)
    lines: list[Text] = [_summary(ended)] if len(ended) > MOST_WITHOUT_SUMMARY else []
    for number, (explanation, labels) in enumerate(groups):
        if len(labels) == 1:
            request: Text = (" Request ", Verbatim(labels[0].request_id), ".")
            said = (Strong(explanation.word + ". "), *explanation.sentence, *_found(labels[0]))
            lines.append((*label(labels[0]), ": ", *said, *request))
        else:
            lines.append((Strong(f"{explanation.word} ({len(labels)}). "), *explanation.sentence))
        if number + 1 == len(groups) or groups[number + 1][0].advice != explanation.advice:
            lines.append(explanation.advice)
        lines += [bullet(one) for one in labels if len(labels) > 1]
    return lines


def _explanation(one: Ended) -> wording.Explanation:
    return wording.explain(one.outcome, http_status=one.http_status, detail=one.detail, rule=one.rule, until=one.until)


def _grouped(ended: Sequence[Ended]) -> list[tuple[wording.Explanation, list[Ended]]]:
    """Put equal explanations together, and those with the same outcome and advice next to each other."""
    groups: dict[wording.Explanation, list[Ended]] = {}
    for one in ended:
        groups.setdefault(_explanation(one), []).append(one)
    order = list(Outcome)
    return sorted(groups.items(), key=lambda pair: (order.index(Outcome(pair[1][0].outcome)), repr(pair[0].advice)))


def _summary(ended: Sequence[Ended]) -> Text:
    counts = Counter(one.outcome for one in ended)
    words = [f"{counts[one]} {wording.WORDS[one].lower()}" for one in Outcome if counts[one]]
    return (Strong(f"{len(ended)} labels: {', '.join(words)}."),)


def bullet(one: Ended | Item) -> Text:
    """Return a label, its kinds and its request as a line of a list."""
    found = _found(one) if isinstance(one, Ended) else ()
    return ("• ", *label(one), " · request ", Verbatim(one.request_id), *((".", *found) if found else ()))


def _found(one: Ended) -> Text:
    return () if one.finding is None else (" ", *findings.sentence(one.finding))


def label(one: Ended | Item) -> Text:
    """Return a label with what is known of it from the command."""
    station = f", station {' and '.join(one.stations)}" if one.stations else ""
    return Verbatim(one.label), f" ({wording.kinds(one.kinds)}{station})"


def _station(item: Item) -> Text:
    return (Verbatim(item.label), f": {' and '.join(item.stations)} is taken for its station.")


def _good(parsed: Parsed, command: str) -> list[Text]:
    """Return the good ones of a command that was stopped, in lines of as many as one command may usually hold."""
    groups = [parsed.labels[first : first + LABELS_A_LINE] for first in range(0, len(parsed.labels), LABELS_A_LINE)]
    fine = "These are fine, to be pasted again: "
    return [(fine, Verbatim(f"{command} {paste_again(one)}")) for one in groups]


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def fault_line(fault: Fault) -> Text:
    """Return what is wrong with one word, and the word where it may be shown."""
    return (Verbatim(fault.text), ": ", fault.reason) if fault.text else (fault.reason,)
