"""Labels: the MPC's four patterns, and how the labels are found in what people type and paste.

It knows the patterns, which dates exist, what people paste around a label, where a station is meant, and which
words are sub-commands. It refuses to know Slack, the MPC's answers, and any I/O; what is wrong with a word that
is no label, `bot.mistakes` says, and what words mean together, `bot.phrases`.

Source of the patterns: the MPC's "Action Codes API" documentation page, whose table says for each kind of label
which regular expression it takes. Errors: `InvalidLabel`, and no other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.characters import QUOTES, invisible
from bot.mistakes import Fault, date_exists, explain
from bot.phrases import WINDOW, Word, across, columns

__all__ = [
    "KINDS",
    "SUBCOMMANDS",
    "Fault",
    "InvalidLabel",
    "Label",
    "Parsed",
    "kinds_of",
    "parse",
    "parse_all",
    "paste_again",
    "subcommand",
]

_TIME = r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}"

# ASCII, or \d and \w let Arabic digits and accented letters through; used with `fullmatch`, because $ lets a
# trailing newline through.
KINDS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "trksub": re.compile(r"[-A-Za-z0-9_]{1,8}", re.ASCII),
        "trkid": re.compile(r"[-A-Za-z0-9_]{8,12}", re.ASCII),
        "submission_block_id": re.compile(rf"{_TIME}_\w{{8}}_\d{{2}}", re.ASCII),
        "submission_id": re.compile(rf"{_TIME}_\w{{8}}", re.ASCII),
    }
)
"""The four kinds of label and their patterns, in the order in which kinds are reported."""

SUBCOMMANDS = frozenset({"help", "log", "check"})
"""First words that are no labels unless they are quoted."""

# A leap second has come on some days only, but which ones will have one, no table here can know.
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d|23:59:60", re.ASCII)
_STATION = re.compile(r"[0-9A-Z][0-9][0-9]", re.ASCII)
_TRACKLET_KINDS = frozenset({"trksub", "trkid"})

# Besides the ASCII separators those that other keyboards have in their place.
_SEPARATORS = r"\s,;\uff0c\u3001\uff1b\u060c\u061b"
_PIECE = re.compile(rf"[^{_SEPARATORS}]+")
_LEADING_SEPARATORS = re.compile(rf"[{_SEPARATORS}]+")
# No dash and no underscore here: a label may begin and end with them.
_BEFORE = QUOTES | frozenset("<([{")
_AFTER = QUOTES | frozenset(">)]}.,:!?\u2026\u3002\uff0e\uff1a\uff01\uff1f\uff09\uff3d")

# Slack escapes these three in the text of a command, and nothing else.
_ESCAPED = re.compile("&(lt|gt|amp);")
_PLAIN = {"lt": "<", "gt": ">", "amp": "&"}


@dataclass(frozen=True, slots=True)
class Label:
    """A text that the MPC takes as a label.

    Attributes:
        text: the label itself, case and all.
        kinds: exactly the rows of `KINDS` that it matches, in their order; never empty.
        stations: the observatory codes that followed it, as in WAMO ("5T0D452 703").
    """

    text: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a whole command's text holds.

    Attributes:
        labels: the good ones, unique, in order of first appearance.
        faults: what is wrong with the rest; with a single one in it, nothing of the command may be sent.
    """

    labels: tuple[Label, ...]
    faults: tuple[Fault, ...]


class InvalidLabel(ValueError):  # noqa: N818 - the text is the thing that is wrong, not the program
    """The text is not one label.

    Attributes:
        fault: what is wrong. The message of the exception is the fault's `kind` alone, as it may be logged.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


def kinds_of(text: str) -> tuple[str, ...]:
    """Return the kinds of label that a text is, as it stands; none for an ID whose date or time does not exist."""
    kinds = tuple(kind for kind, pattern in KINDS.items() if pattern.fullmatch(text))
    return kinds if _TRACKLET_KINDS.issuperset(kinds) or _exists(text) else ()


def parse(text: str) -> Label:
    """Read one label, with or without what people paste around it, and with or without its station.

    Raises:
        InvalidLabel: the text holds something else, nothing, or more than one label.
    """
    parsed = parse_all(text)
    if parsed.faults:
        raise InvalidLabel(parsed.faults[0])
    if not parsed.labels:
        raise InvalidLabel(Fault("", "empty", "There is no label here. Type a trksub, a trkid or a submission ID."))
    if len(parsed.labels) > 1:
        raise InvalidLabel(Fault("", "several labels", "There is more than one label here. Type one of them."))
    return parsed.labels[0]


def parse_all(text: str) -> Parsed:
    """Read all the labels of a command, or of the lines of a form; it never raises.

    A sub-command is not looked for here: ask `subcommand` first.
    """
    text, fault = columns(_unescaped(text))
    words = list(_words(text))
    labels: dict[str, Label] = {}
    faults = [fault] if fault else []
    explained: dict[str, Fault] = {}
    owner: str | None = None  # whose station an observatory code would be, "" for a wrong word's
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if owner is not None and not word.quoted and _STATION.fullmatch(word.text):
            # A wrong word's station has nowhere to go, but it is not a label for that.
            if owner in labels:
                labels[owner] = _with_station(labels[owner], word.text)
            owner = None
        elif together := across(_window(words, place - 1)):
            count, fault = together
            faults.append(fault)
            owner = ""
            place += count - 1
        elif kinds := kinds_of(word.text):
            labels.setdefault(word.text, Label(word.text, kinds))
            owner = word.text if _TRACKLET_KINDS.issuperset(kinds) else None
        else:
            if word.text not in explained:
                explained[word.text] = explain(word.text)
            faults.append(explained[word.text])
            owner = ""
    return Parsed(tuple(labels.values()), tuple(dict.fromkeys(faults)))


def subcommand(text: str) -> tuple[str, str] | None:
    """Tell whether a command's text begins with a sub-command.

    Returns:
        the sub-command in small letters and the text after it, without the separators in between; None where
        the first word is quoted by itself, or is another word.
    """
    text = _unescaped(text)
    word = next(_words(text), None)
    if word is None or word.quoted or word.text.lower() not in SUBCOMMANDS or not word.text.isascii():
        return None
    rest = text[text.index(word.raw) + len(word.raw) :]
    between = _LEADING_SEPARATORS.match(rest)
    return word.text.lower(), rest[between.end() :] if between else rest


def paste_again(labels: Iterable[Label]) -> str:
    """Write labels, with their stations, so that `parse_all` reads just these from it, and `subcommand` nothing."""
    return ", ".join(
        f"{_spelled(label.text)} {station}".rstrip() for label in labels for station in label.stations or ("",)
    )


def _spelled(text: str) -> str:
    """Return a label so that it is read as one: in quotes where it could be a station or a sub-command."""
    return f'"{text}"' if _STATION.fullmatch(text) or text.lower() in SUBCOMMANDS else text


def _with_station(label: Label, station: str) -> Label:
    return label if station in label.stations else replace(label, stations=(*label.stations, station))


def _exists(text: str) -> bool:
    """Tell whether an ID's date and time exist."""
    return date_exists(text) and _CLOCK.fullmatch(text, 11, 19) is not None


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _PLAIN[found[1]], text)


def _words(text: str) -> Iterator[Word]:
    """Cut a text at its separators; what is nothing but quotes, brackets and punctuation is no word."""
    end = 0
    joined = True
    for piece in _PIECE.finditer(text):
        joined = joined and not text[end : piece.start()].strip()
        end = piece.end()
        word = _word(piece.group(), joined=joined)
        if word.text:
            yield word
            joined = True


def _word(raw: str, *, joined: bool) -> Word:
    first, last = 0, len(raw)
    while first < last and (raw[first] in _BEFORE or invisible(raw[first])):
        first += 1
    while first < last and (raw[last - 1] in _AFTER or invisible(raw[last - 1])):
        last -= 1
    quoted = not QUOTES.isdisjoint(raw[:first]) and not QUOTES.isdisjoint(raw[last:])
    return Word(raw, raw[first:last], quoted, joined)


def _window(words: list[Word], place: int) -> list[Word]:
    end = place + 1
    while end < min(place + WINDOW, len(words)) and words[end].joined:
        end += 1
    return words[place:end]
