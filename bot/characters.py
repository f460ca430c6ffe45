"""Single characters: which ones show as nothing, which ones only look like part of a label, and their names.

It knows Unicode, quotes and dashes. It refuses to know what a label is beyond the characters that one may have.
"""

import unicodedata
from collections.abc import Callable

QUOTES = frozenset(
    "`'\"\u00ab\u00bb\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2035\u2036\u2039\u203a"
    "\u300c\u300d\u300e\u300f\u301d\u301e\u301f\uff02\uff07\uff40"
)
"""Back-ticks and every straight or curly quote that an editor, a mail or a chat puts around a word."""

IN_LABELS = frozenset("-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What a trksub or a trkid is made of."""

# Unicode counts these as letters, marks, symbols or not assigned yet, and they show as nothing all the same.
_BLANK_RANGES = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2060, 0x206F), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
)  # fmt: skip
_BLANK = frozenset(chr(code) for first, last in _BLANK_RANGES for code in range(first, last + 1))
_LOOK_ALIKE_SCRIPTS = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LATIN ", "LISU ")
_MOST_NAMED = 3


def invisible(char: str) -> bool:
    """Tell whether a character shows as nothing: zero-width, bidirectional marks, controls, fillers."""
    return char in _BLANK or unicodedata.category(char) in {"Cf", "Cc"}


def dash(char: str) -> bool:
    """Tell whether a character is drawn as a dash, whichever of the many it is."""
    return char == "\u2212" or unicodedata.category(char) == "Pd"


def look_alike(char: str) -> bool:
    """Tell whether a character can be taken for one that a label may have."""
    return not char.isascii() and (
        dash(char)
        or unicodedata.category(char) in {"Nd", "Pc"}
        or unicodedata.normalize("NFKD", char)[0] in IN_LABELS
        or unicodedata.name(char, "").startswith(_LOOK_ALIKE_SCRIPTS)
    )


def printable(text: str) -> str:
    """Return a text that can be sent and shown: what is invisible, or half a character, becomes U+FFFD."""
    # A direction mark would turn the answer around, and UTF-8 has no place for a lone surrogate.
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" or invisible(char) else char for char in text)


def complaint(text: str, allowed: frozenset[str]) -> tuple[str, str] | None:
    """Say which characters of a text do not belong there.

    Returns:
        the category, which has nothing of the text in it, and a reason that names the first few characters
        with their places, counted from 1; None where all the characters are allowed.
    """
    strange = [(place, char) for place, char in enumerate(text, 1) if char not in allowed]
    if not strange:
        return None
    distinct = {char for _, char in strange}
    category, reason = next(
        (category, reason) for category, belongs, reason in _COMPLAINTS if any(map(belongs, distinct))
    )
    named = ", ".join(f"{_name(char)} in place {place}" for place, char in strange[:_MOST_NAMED])
    more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
    return category, f"{reason} Here: {named}{more}."


_COMPLAINTS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    (
        "invisible character",
        invisible,
        "There is a character inside that does not show. Type the label anew instead of pasting it.",
    ),
    (
        "look-alike character",
        look_alike,
        "A character only looks like one that a label may have. Type the label anew on a plain keyboard.",
    ),
    (
        "character",
        lambda _: True,
        "A label has only the letters A to Z and a to z, digits, - and _; between two labels goes a blank or a comma.",
    ),
)


def _name(char: str) -> str:
    if char.isascii() and char.isprintable():
        return f'"{char}"' if char != '"' else "'\"'"
    nameless = {"Cc": "a control character", "Cs": "half a character"}.get(unicodedata.category(char), "no name")
    return f"U+{ord(char):04X} {unicodedata.name(char, f'({nameless})')}"
