"""Recognises what is not a label, and says in the observer's terms what is wrong with it and what to do.

It knows what observers paste in place of a label: action codes, obsIDs, addresses, parts of IDs, dates that do
not exist. It refuses to know what a label is (`bot.labels` asks here only about words that are none), what words
mean together (`bot.phrases`), and where its sentences go.

Nothing that could be an action code, an e-mail address or a token is ever repeated, not even to the person who
typed it.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from bot.characters import IN_LABELS, complaint, dash, printable

MOST_SHOWN = 100
"""How many characters of a wrong word are repeated to the person who typed it."""

ENDINGS = "(?i:DEL|COM|DNE|ART|CMT)"
# Anchored on the dash, with look-behinds of fixed width, so that a long word costs one pass.
_CODE = re.compile(r"(?<=[0-9A-Za-z]{16})(?<![0-9A-Za-z]{17})-[A-Za-z]{3}(?![0-9A-Za-z])")
# A code with a character too many or too few is still a secret; nine characters before the ending and more
# are too long for a label, so this takes no label away.
_MAIMED_CODE = re.compile(
    rf"(?<=[0-9A-Za-z]{{9}})-{ENDINGS}(?![0-9A-Za-z])"
    rf"|(?<=[0-9A-Za-z]{{16}})(?<![0-9A-Za-z]{{17}}){ENDINGS}(?![0-9A-Za-z])"
)
_PERHAPS_CODE = re.compile(r"(?<=[^\W_]{12})-[^\W\d_]{3}")
_CODE_LENGTH = len("1234567890123456-DEL")
_CODE_BODY = re.compile(r"[0-9A-Za-z]{16}")
_NOT_OF_CODE = re.compile(r"[^-\w]|_")
# E-mail addresses, tokens and whatever a link may carry: Slack is to see none of them from us.
_PRIVATE = re.compile(r"\S[@\uff20\ufe6b]\S|://|slack\.com|xox[a-z]-|xapp-", re.IGNORECASE)

EXAMPLE_ID = "2024-05-02T21:03:35.001_0000FzZw"
_ID_START = re.compile(r"\d{4}-\d\d?-\d\d?", re.ASCII)
_ID_PARTS = tuple(
    (re.compile(pattern, re.ASCII), wanted)
    for pattern, wanted in (
        (r"\d{4}-\d\d-\d\d", "a date such as 2024-05-02 is wanted"),
        (r"T", "a capital T is wanted between the date and the time"),
        (r"\d\d:\d\d:\d\d", "a time such as 21:03:35 is wanted"),
        (r"\.\d{3}(?!\d)", "a point and exactly three digits are wanted after the seconds"),
        (r"_", "an underscore is wanted after the three digits"),
        (r"\w{8}", "eight letters or digits are wanted after the underscore"),
        (r"(?:_\d\d)?\Z", "nothing is wanted, or an underscore and two digits"),
    )
)

ACTION_CODE_REASON = (
    "This looks like an action code. Treat it as a password: it was not kept and goes no further from here. Use it "
    "at https://www.minorplanetcenter.net/submit_action_code, and give the trksub or an ID here instead."
)
DESIGNATION_REASON = (
    "This looks like a designation. The MPC finds action codes by the trksub, the trkid or the submission ID "
    "that the observations were submitted under. Words that really are trksubs: put quotes around each of them."
)

# Each pattern decides from the word's start, in one pass. Sources: the MPC's WAMO page for the obsID (25 base-62
# characters, "L4eBVG000000CfiO010000A9a"), its page on the format of identifications for the leading backslash.
_SHAPES = tuple(
    (kind, re.compile(pattern, re.ASCII | re.IGNORECASE), reason)
    for kind, pattern, reason in (
        (
            "link",
            r"[a-z][a-z0-9+.-]{1,20}://|www\.",
            "This is a link. Give the trksub, the trkid or the submission ID itself.",
        ),
        (
            "e-mail address",
            r"[^@]+@[^@.]+\.",
            (
                "This is an e-mail address. The MPC mails the code to the address on file and needs only a label: a "
                "trksub, a trkid or a submission ID."
            ),
        ),
        (
            "token",
            r"xox[a-z]-|xapp-",
            "This looks like a Slack token, which is a password. It was not kept; have it replaced all the same.",
        ),
        (
            "mention",
            r"@|!(?:here|channel|everyone|subteam)",
            "This names a person or a group. Give a label: a trksub, a trkid or a submission ID.",
        ),
        ("channel", r"#", "This names a channel. Give a label: a trksub, a trkid or a submission ID."),
        (
            "backslash",
            r"\\[-\w]{1,12}\Z",
            (
                "A trksub may begin with a backslash, but the MPC does not take such a trksub when it is asked for an "
                "action code. Use the trkid or the submission ID of the same observations."
            ),
        ),
        (
            "obsID",
            r"[0-9a-z]{25}\Z",
            (
                "This looks like an obsID, which names one observation. Use the trksub, or the trkid or submission ID "
                "that WAMO shows for it."
            ),
        ),
        ("designation", r"(?-i:\d{1,4}[PDCXAI]/|[PDCXAI]/(?:\d{4}|[A-Z][a-z]))", DESIGNATION_REASON),
    )
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with something that was typed.

    Attributes:
        text: what was typed, for the eyes of the person who typed it only; empty where it could be a secret or private.
        kind: a short, stable category without any of the typed text: all that a record or a log may hold.
        reason: what is wrong and what to do; it may name single characters, so it goes where `text` goes.
    """

    text: str = field(repr=False)
    kind: str
    reason: str = field(repr=False)


def explain(text: str) -> Fault:
    """Say what is wrong with a word that matches none of the label patterns, or whose date does not exist."""
    if _holds_code(text):
        return Fault("", "action code", ACTION_CODE_REASON)
    for kind, shape, reason in _SHAPES:
        if shape.match(text):
            return fault_of(kind, reason, text)
    dated = _ID_START.match(text) is not None
    strange = complaint(text, IN_LABELS | {":", "."} if dated else IN_LABELS)
    if strange:
        return fault_of(*strange, text)
    if dated:
        return fault_of(*_wrong_id(text), text)
    if _CODE_BODY.fullmatch(text):
        return Fault(
            "",
            "too long",
            "A label has at most 12 characters. This has 16, as an action code has before its ending: if it is one, "
            "treat it as a password; it was not kept.",
        )
    return fault_of(
        "too long",
        f"This has {len(text)} characters. A trksub has at most 8, a trkid at most 12, and a submission ID "
        f"looks like {EXAMPLE_ID}.",
        text,
    )


def fault_of(kind: str, reason: str, typed: str) -> Fault:
    """Make a fault, with as much of what was typed as may be repeated."""
    return Fault(_shown(typed), kind, reason)


def _shown(text: str) -> str:
    """Return what may be repeated of a text: encodable, of bounded length, and nothing private."""
    seen = text[: MOST_SHOWN + _CODE_LENGTH]
    if _holds_code(seen) or _PERHAPS_CODE.search(_squeezed(seen)) or _PRIVATE.search(seen):
        return ""
    return printable(text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "\u2026")


def _squeezed(text: str) -> str:
    """Return a text's letters, digits and dashes, in their plain forms: what an action code hides behind."""
    if not text.isascii():
        text = text.translate({ord(char): _plain(char) for char in set(text) if not char.isascii()})
    return _NOT_OF_CODE.sub("", text)


def _plain(char: str) -> str:
    folded = "-" if dash(char) else unicodedata.normalize("NFKC", char)
    # What folds to several characters stood for none of a code's.
    return folded if len(folded) == 1 else char


def _holds_code(text: str) -> bool:
    if len(text) < len("123456789-DEL"):
        return False
    squeezed = _squeezed(text)
    return bool(_CODE.search(text) or _CODE.search(squeezed) or _MAIMED_CODE.search(squeezed))


def lacking(text: str) -> str | None:
    """Return what a submission ID or submission block ID lacks, in words; None where it is all there."""
    place = 0
    for part, wanted in _ID_PARTS:
        found = part.match(text, place)
        if not found:
            return f"from place {place + 1} on, {wanted}"
        place = found.end()
    return None


def date_exists(text: str) -> bool:
    """Tell whether the date exists that a text of the form YYYY-MM-DD… begins with."""
    try:
        date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True


def _wrong_id(text: str) -> tuple[str, str]:
    wanted = lacking(text)
    if wanted:
        return "incomplete ID", f"This looks like a part of a submission ID ({EXAMPLE_ID}): {wanted}."
    part = "time" if date_exists(text) else "date"
    return f"impossible {part}", f"The {part} in this ID does not exist. Compare it with the MPC's acknowledgement."
