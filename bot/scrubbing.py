"""Takes out of a text of the MPC's what must not be kept or shown.

Pure. It knows what mark-up, e-mail addresses and action codes look like. It refuses to know where a text is from.
"""

import html
import re

from bot.characters import invisible

MAX_REASON = 200

_AT = r"(?:[@\uff20\ufe6b]|%40)"
_ADDRESS = re.compile(rf"(?<!\S)\S+?(?:{_AT}\S+|\s*{_AT}\s*[\w-]+\.\S+)")
# Whoever adds to it, or sets it in another dash, does not hide it; three capitals are one even when more follows.
_CODE = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z0-9]{16,}\s*[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*"
    r"(?:[A-Z]{3}|[A-Za-z]{3}(?![A-Za-z0-9]))\S*"
)


def scrub(text: str) -> str:
    """Return `text` fit for the trail and for Slack: one line of at most 200 characters.

    Control and invisible characters, mark-up, e-mail addresses and whatever is shaped like an action code are
    taken out.
    """
    text = re.sub(r"<(script|style)\b.*?(</\1\s*>|$)", " ", text, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"<[^<>]*>|<[^<>]*$", " ", text)
    # What does not show is dropped, not replaced: it must not hide an address or a code by cutting it in two.
    text = "".join(_shown(one) for one in html.unescape(text))
    text = re.sub(r"[<>*~`|]", " ", text)
    text = _ADDRESS.sub("[e-mail address]", text)
    text = _CODE.sub("[action code]", text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1].rstrip() + "…"


def _shown(one: str) -> str:
    if one.isspace() or not (one.isprintable() or invisible(one)):
        return " "
    return "" if invisible(one) else one
