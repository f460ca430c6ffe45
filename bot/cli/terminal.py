"""Shows the texts of `bot.wording` on a terminal, and without colour or width in a pipe."""

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text as RichText

from bot.wording import Link, Moment, Strong, Text, Verbatim

STYLES = {Verbatim: "cyan", Strong: "bold", Link: "underline"}


def console() -> Console:
    """Return where output goes; in a pipe, lines are as long as they are."""
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False, emoji=False, markup=False)


def rich_text(text: Text) -> RichText:
    """Return a text of ours as one of rich's; moments are in the terminal's time zone."""
    shown = RichText()
    for part in text:
        if isinstance(part, str):
            shown.append(part)
        elif isinstance(part, Moment):
            shown.append(local_time(part.at))
        elif isinstance(part, Link):
            shown.append(f"{part.text} ({part.url})", style=STYLES[Link])
        else:
            shown.append(printable(part.text), style=STYLES[type(part)])
    return shown


def local_time(milliseconds: int) -> str:
    """Return a moment in the terminal's time zone."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def printable(text: str) -> str:
    """Return `text` without what a terminal would take for a command to itself."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
