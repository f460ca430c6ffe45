"""The words for people: what came of a request, what that means, and what to do now.

Pure. It knows plain sentences. It refuses to know where they are shown: Slack's mark-up is `bot.slack.messages`'s,
the terminal's is `bot.cli`'s. A text is a list of parts, so that each place can show a label verbatim, a moment in
the reader's own time zone, and an address that can be followed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.outcomes import Outcome
from bot.policy import Rule

SUBMIT_PAGE = "https://www.minorplanetcenter.net/submit_action_code"


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text to be shown character by character, such as a label."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """The word that carries the sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, milliseconds since 1970."""

    at: int


@dataclass(frozen=True, slots=True)
class Link:
    """An address to follow."""

    url: str
    text: str


Part = str | Verbatim | Strong | Moment | Link
Text = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one outcome means.

    Attributes:
        word: the outcome in a word or two.
        sentence: what happened, and whether anything was sent.
        advice: what to do now.
    """

    word: str
    sentence: Text
    advice: Text


WORDS = {
    Outcome.ACCEPTED: "Accepted",
    Outcome.REJECTED: "Rejected",
    Outcome.UNAVAILABLE: "Not sent",
    Outcome.UNKNOWN: "Not known",
    Outcome.INVALID: "Not a label",
    Outcome.DENIED: "Refused",
}
SYMBOLS = {
    Outcome.ACCEPTED: "✓",
    Outcome.REJECTED: "✗",
    Outcome.UNAVAILABLE: "·",
    Outcome.UNKNOWN: "?",
    Outcome.INVALID: "✗",
    Outcome.DENIED: "✗",
}
KINDS = {
    "trksub": "trksub",
    "trkid": "trkid",
    "submission_block_id": "submission block ID",
    "submission_id": "submission ID",
}


def kinds(names: Iterable[str]) -> str:
    """Return what a label may be, such as `trksub or trkid`."""
    return " or ".join(KINDS[name] for name in names)


def explain(
    outcome: str, *, http_status: int | None = None, detail: str | None = None, rule: str | None = None,
    until: int | None = None,
) -> Explanation:  # fmt: skip
    """Put an outcome into words.

    Args:
        outcome: one of the six.
        http_status: what the MPC answered, where it did.
        detail: the MPC's reason, or a terse note.
        rule: of a denial, one of `bot.policy.Rule`.
        until: when to ask again, milliseconds since 1970.
    """
    word = WORDS[Outcome(outcome)]
    if outcome == Outcome.DENIED and rule is not None:
        return Explanation(word, *denial(Rule(rule), until=until))
    if outcome == Outcome.ACCEPTED:
        return Explanation(word, *_ACCEPTED)
    said = f" (HTTP {http_status})" if http_status else ""
    if outcome == Outcome.REJECTED:
        return Explanation(word, (f"The MPC rejected it{said}{_quoted(detail)}.",), _CHECK_THE_LABEL)
    if outcome == Outcome.UNKNOWN:
        why = ": ".join(filter(None, (f"HTTP {http_status}" if http_status else "", detail))) or "no answer"
        sentence = f"The MPC may or may not have taken it ({why}): the mail may or may not have gone out."
        return Explanation(word, (sentence,), _LOOK_FIRST)
    return Explanation(word, *_unavailable(http_status, detail, until))


def denial(rule: Rule, *, until: int | None, limit: int | None = None) -> tuple[Text, Text]:
    """Return what a rule refused and what to do about it."""
    number = "" if limit is None else f" ({limit})"
    nothing = "Nothing was sent."
    sentences: dict[Rule, Text] = {
        Rule.CHANNEL: (f"This channel is not among those where /actcode may be used. {nothing}",),
        Rule.USER: (f"You are not among those who may use /actcode here. {nothing}",),
        Rule.TOO_MANY: (f"That is more labels than one command may hold{number}. {nothing}",),
        Rule.HOURLY: (f"That would be more labels than one person may ask for in an hour{number}. {nothing}",),
        Rule.COOLDOWN: (
            "This label was asked for a short while ago, and the mail may be on its way. Nothing was sent again.",
        ),
        Rule.UNDER_WAY: ("Somebody is asking for this label at this moment. No second request was sent.",),
    }
    advice: dict[Rule, Text] = {
        Rule.CHANNEL: ("Use a channel that is, or ask whoever runs the bot.",),
        Rule.USER: ("Ask whoever runs the bot.",),
        Rule.TOO_MANY: ("Split it into several commands.",),
        Rule.HOURLY: ("Ask for fewer at once.",),
        Rule.COOLDOWN: ("Look for the mail first.",),
        Rule.UNDER_WAY: (
            "Whoever asked is told what comes of it. Look for the mail; you can ask again when that request has ended "
            "and, if the MPC took it, its cool-down is over, too.",
        ),
    }
    if until is not None:
        first = "Look for the mail first; you" if rule is Rule.COOLDOWN else "You"
        return sentences[rule], (f"{first} can ask again after ", Moment(until), ".")
    return sentences[rule], advice[rule]


NOT_RECORDED: Text = (
    Strong("Nothing was sent: "),
    "the audit trail could not be written, and without it the MPC is not asked. Try again in a minute; if this "
    "goes on, tell whoever runs the bot that its database does not answer.",
)

MAYBE_RECORDED: Text = (
    Strong("It is not known whether this was recorded: "),
    "the connection to the bot's database broke in that moment. If it was, the answer comes as usual. Look at /actcode "
    "log mine before you ask again: each request mails a person.",
)

NOT_READ: Text = (
    Strong("The log cannot be read now: "),
    "the bot's database does not answer. That says nothing about what was asked for before. Try again in a minute, and "
    "do not ask for a code again because of this.",
)

_ACCEPTED: tuple[Text, Text] = (
    (
        "The MPC took the request. It does not say whether the label is on file: if it is, the action code goes by "
        "e-mail to the original submitter, who may be someone else.",
    ),
    (
        "With the code, a submission is deleted or corrected at ",
        Link(SUBMIT_PAGE, "the MPC's action-code page"),
        ". If no mail comes, check the spelling and the case of the label; many good labels have no code.",
    ),
)
_CHECK_THE_LABEL: Text = (
    "No mail goes out. Check the spelling and the case of the label. Codes exist only for new NEO and comet "
    "candidates and for NEO and NEOCP follow-up.",
)
_LOOK_FIRST: Text = (
    "Look for the mail, or ask the original submitter for it, before you ask again: each request that the MPC takes "
    "mails a person.",
)


def _quoted(detail: str | None) -> str:
    return f": “{detail.rstrip('.')}”" if detail else " without a reason"


def _unavailable(http_status: int | None, detail: str | None, until: int | None) -> tuple[Text, Text]:
    nothing = "Nothing was sent."
    again: Text = ("Try again in a few minutes.",)
    if until is not None:
        again = ("Try again after ", Moment(until), ".")
    if http_status == 403:
        blocked = (
            "Tell whoever runs the bot: the MPC may have blocked the bot's address, and its help desk can lift that.",
        )
        return (f"The MPC refused to talk to the bot (HTTP 403). {nothing}",), blocked
    if http_status == 429:
        return (f"The MPC is being asked too often (HTTP 429). {nothing}",), again
    if http_status is not None:
        # A redirection or a request for a password: time alone does not mend it.
        lasting = http_status == 401 or 300 <= http_status < 400
        tell = (" If that does not help, tell whoever runs the bot: the MPC's service may have changed.",)
        return (f"The MPC could not take it (HTTP {http_status}). {nothing}",), (*again, *(tell if lasting else ()))
    why = detail or "no connection"
    return (f"The request did not reach the MPC ({why}). {nothing}",), again
