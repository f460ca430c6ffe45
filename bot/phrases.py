"""Recognises what several words, or a whole line, mean together although each of them might pass for a label.

It knows designations, IDs and action codes that a blank broke, 80-column lines, and the places to fill in of a
usage text. It refuses to know what a label is, and what a single wrong word is (`bot.mistakes`).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bot.mistakes import ACTION_CODE_REASON, DESIGNATION_REASON, ENDINGS, EXAMPLE_ID, Fault, fault_of, lacking

WINDOW = 4
"""How many words `across` wants to see at once."""

_COLUMNS = re.compile(r"(?:1[89]|20)\d\d\s{1,2}[01]?\d\s{1,2}[0-3]?\d\.\d", re.ASCII)
_DESIGNATION = re.compile(
    r"(?:= )?(?:1[6-9]\d\d|2[01]\d\d) [A-HJ-Y][A-HJ-Z]\d{0,4}(?!\S)"
    r"|(?:= )?\d{4} (?:P-L|T-[123])(?!\S)"
    r"|(?:= )?[ACDIPX]/\d{4} [A-HJ-Y]{1,2}\d{0,3}(?:-[A-Z]{1,2})?(?!\S)",
    re.ASCII,
)
_DESIGNATION_STARTS = frozenset("=0123456789ACDIPX")
_NUMBERED = re.compile(r"\W{0,3}\(\d{1,7}\)\W{0,3}", re.ASCII)
_PROPER_NAME = re.compile(r"[A-Z][a-z]{2,}")
_PLACEHOLDER = re.compile(
    r"\W{0,3}[<\[{]\W{0,3}(?:(?:your|my|the|a|an|some)[\s_-])?"
    r"(?:labels?|trk[\s_-]?subs?|trk[\s_-]?ids?|tracklets?|(?:submission[\s_-]?)?(?:block[\s_-]?)?ids?|stn|station)"
    r"\W{0,6}(?!\S)",
    re.ASCII | re.IGNORECASE,
)

_SPLIT_CODE = re.compile(rf"[0-9A-Za-z]{{16}}-{ENDINGS}")

_COLUMNS_REASON = (
    "This looks like an observation in the 80-column format. Give only its trksub, or the trkid or submission ID "
    "from the MPC's acknowledgement."
)
_PLACEHOLDER_REASON = (
    "This is a place to fill in, not a label. Put your own trksub, trkid or submission ID there, without brackets."
)
_SPLIT_ID_REASON = (
    "This looks like one ID that was broken by a blank. Write it in one piece, with a T between the date and the "
    f"time, as in {EXAMPLE_ID}."
)


class Word(NamedTuple):
    """A piece of what was typed, between two separators."""

    raw: str
    """As it was typed."""
    text: str
    """Without what people paste around a label; never empty."""
    quoted: bool
    """It stood between quotes of its own."""
    joined: bool
    """Only blanks stand between it and the word before."""


def columns(text: str) -> tuple[str, Fault | None]:
    """Take lines in the 80-column format out of a text.

    Returns:
        the text without such lines, and one fault for all of them, or None. Such a line is known by its date,
        "2024 05 02.87749" (MPC, "Format For Optical Astrometric Observations").
    """
    if not _COLUMNS.search(text):
        return text, None
    rest: list[str] = []
    taken: list[str] = []
    for line in text.splitlines():
        (taken if _COLUMNS.search(line) else rest).append(line)
    # A date that goes over the end of a line marks no line: its words are judged one by one.
    return "\n".join(rest), fault_of("80-column line", _COLUMNS_REASON, "\n".join(taken)) if taken else None


def across(window: Sequence[Word]) -> tuple[int, Fault] | None:
    """Recognise what the next words mean together, although each might be a label.

    Args:
        window: the next word and those joined to it, at most `WINDOW`; not empty.

    Returns:
        how many of the words it takes, at least one, and the fault; None where they have nothing in common.
    """
    for rule in (_placeholder, _designation, _split_code, _split_id):
        hit = rule(window)
        if hit:
            count, kind, reason = hit
            # Quotes around every single word say: I mean just these words. An example's brackets say more.
            if rule is not _placeholder and all(word.quoted for word in window[:count]):
                continue
            shown = "" if kind == "action code" else " ".join(word.text for word in window[:count])
            return count, fault_of(kind, reason, shown)
    return None


def _placeholder(window: Sequence[Word]) -> tuple[int, str, str] | None:
    if window[0].raw.isalnum():  # most words: no bracket, no need to look further
        return None
    found = _PLACEHOLDER.match(" ".join(word.raw[:40] for word in window))
    return (len(found.group().split()), "placeholder", _PLACEHOLDER_REASON) if found else None


def _designation(window: Sequence[Word]) -> tuple[int, str, str] | None:
    if window[0].text[0] not in _DESIGNATION_STARTS:  # most words
        return None
    if _NUMBERED.fullmatch(window[0].raw):
        named = len(window) > 1 and _PROPER_NAME.fullmatch(window[1].text)
        return 2 if named else 1, "designation", DESIGNATION_REASON
    found = _DESIGNATION.match(" ".join(word.text[:40] for word in window))
    if not found:
        return None
    count = found.group().count(" ") + 1
    # A comet's name follows in brackets; left over, it would pass for a trksub.
    count += count < len(window) and window[count].raw.startswith("(")
    return count, "designation", DESIGNATION_REASON


def _split_code(window: Sequence[Word]) -> tuple[int, str, str] | None:
    joined = window[0].text
    for count, word in enumerate(window[1:], 2):
        joined += word.text
        if len(joined) > len("1234567890123456-DEL"):
            return None
        if _SPLIT_CODE.fullmatch(joined):
            return count, "action code", ACTION_CODE_REASON
    return None


def _split_id(window: Sequence[Word]) -> tuple[int, str, str] | None:
    first = window[0].text
    if not first[:1].isdecimal() or "-" not in first[:5]:
        return None
    for count in range(len(window), 1, -1):
        rest = "".join(word.text[:40] for word in window[1:count])
        if not (lacking(first + rest) and lacking(f"{first}T{rest}")):
            return count, "broken ID", _SPLIT_ID_REASON
    time_follows = len(window) > 1 and re.match(r"T?\d\d:\d\d", window[1].text, re.ASCII)
    whole_date = re.fullmatch(r"\d{4}-\d\d-\d\dT?", first, re.ASCII)
    return (2, "broken ID", _SPLIT_ID_REASON) if time_follows and whole_date else None
