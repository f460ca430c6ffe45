"""An export of the trail: writes events as lines, and reads such lines back as exactly the same events.

It knows JSON lines and CSV, and the form of every exported key. It refuses to know where the lines come from, and
whether the events are true: that is what `bot.verification` finds out.

CSV is exact, too. A cell that a spreadsheet would execute, or that begins with an apostrophe, gets an apostrophe in
front; reading takes off that one. An empty cell is null: `bot.trail.append` records no empty text and no empty list.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from bot import canonical, trail

MOST_BYTES = 65_536
"""In one line. An event has some 800; what is longer is none, and is not read into memory."""

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")
_HEADER = ",".join(trail.KEYS)
_NUMBERS = ("seq", "http_status", "elapsed_ms")
_NUMBER = re.compile("-?(0|[1-9][0-9]{0,18})")
_HASH = re.compile("[0-9a-f]{64}")
_UNKEPT = re.compile("[\x00\ud800-\udfff]")  # no database keeps these, and UTF-8 has no place for half a character
_MOST_SHOWN = 80


class Unreadable(Exception):  # noqa: N818 - it names a state, as the sentence in it does
    """What should be an event is none; the sentence says where, what was expected, and what stands there."""


def jsonl(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line of JSON for each event, with the keys in their order."""
    # One encoder for all: `json.dumps` makes one for each, which takes as long as the event does.
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for one in events:
        yield encode({key: one[key] for key in trail.KEYS})


def comma_separated(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file, its header first."""
    yield _HEADER
    for one in events:
        yield ",".join(_quoted(cell(one[key])) for key in trail.KEYS)


def cell(value: object) -> str:
    """Return a value as text that a spreadsheet shows instead of executing it."""
    text = plain(value)
    return "'" + text if text.startswith(_DANGEROUS) else text


def plain(value: object) -> str:
    """Return a value as text: nothing for null, and words with blanks between them for a list."""
    return "" if value is None else " ".join(value) if isinstance(value, list) else str(value)


class Export:
    """Reads an export, one event at a time, in constant memory.

    Iterating yields the events with their exported keys, and raises `Unreadable` at what is none.

    Args:
        stream: JSON lines or CSV, as this module writes them.

    Attributes:
        line: the line that was read last, counted from 1.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.line = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        lines = self._lines()
        for first in lines:
            if not first.strip():
                continue
            if first.strip() == _HEADER:
                yield from self._of_csv(lines)
            elif first.startswith("{"):
                yield from (self._of_json(one) for one in chain([first], lines) if one.strip())
            else:
                raise self._fault(f"should be an event as JSON, or {_HEADER[:9]}… as in a CSV export; it is", first)

    def _lines(self) -> Iterator[str]:
        while read := self._stream.readline(MOST_BYTES + 1):
            self.line += 1
            if len(read) > MOST_BYTES:
                raise self._fault(f"is longer than {MOST_BYTES} bytes, which no event is")
            try:
                text = read.decode("utf-8-sig" if self.line == 1 else "utf-8")
            except UnicodeDecodeError as fault:
                raise self._fault(f"is not UTF-8: in place {fault.start + 1} stands", read[fault.start]) from None
            yield text

    def _of_json(self, line: str) -> dict[str, Any]:
        try:
            content = json.loads(line, object_pairs_hook=self._object)
        except json.JSONDecodeError as fault:
            raise self._fault(f"is not JSON ({fault.msg}: place {fault.pos + 1}):", line.strip()) from None
        except (ValueError, RecursionError):
            raise self._fault("is no event:", line.strip()) from None
        if not isinstance(content, dict):
            raise self._fault("should be a JSON object; it is", content)
        return self._checked(content)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise self._fault("has a key twice:", twice)
        return dict(pairs)

    def _of_csv(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        rows = csv.reader(lines, strict=True)
        while True:
            try:
                cells = next(rows, None)
            except csv.Error as fault:
                raise self._fault(f"is not CSV ({fault})") from None
            if cells is None:
                return
            if not cells:
                continue
            if len(cells) != len(trail.KEYS):
                raise self._fault(f"should have {len(trail.KEYS)} cells; it has", len(cells))
            event = {key: _value(key, text) for key, text in zip(trail.KEYS, cells, strict=True)}
            for key, text in zip(trail.KEYS, cells, strict=True):
                if cell(event[key]) != text:
                    raise self._fault(f"has a cell {key} that no export has:", text)
            yield self._checked(event)

    def _checked(self, event: dict[str, Any]) -> dict[str, Any]:
        if wrong := misshapen(event):
            raise self._fault(f"(event {shown(event.get('seq'))}) {wrong}")
        return event

    def _fault(self, what: str, found: object = None) -> Unreadable:
        return Unreadable(f"line {self.line} {what}" + ("" if found is None else f" {shown(found)}"))


def misshapen(event: dict[str, Any]) -> str | None:
    """Say what keeps `event` from being an exported event, or return None."""
    if missing := [key for key in trail.KEYS if key not in event]:
        return f"has no {', '.join(missing)}"
    if unknown := [key for key in event if key not in trail.KEYS]:
        return f"has a key that no event has: {shown(unknown[0])}"
    for key, (fits, expected) in _FORMS.items():
        if not fits(event[key]):
            return f"has a wrong {key}: expected {expected}, found {shown(event[key])}"
    return None


def shown(value: object) -> str:
    """Return a value as a person can read it in a sentence: whatever it is, one line, not too long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _quoted(text: str) -> str:
    # As csv.writer does it, but for "\r" also where the lines end with "\n" alone (Python < 3.13 leaves it bare).
    return '"' + text.replace('"', '""') + '"' if any(one in text for one in ',"\r\n') else text


def _value(key: str, text: str) -> object:
    text = text.removeprefix("'")
    if text == "":
        return None
    if key in _NUMBERS and _NUMBER.fullmatch(text):
        return int(text)
    return text.split(" ") if key == "kinds" else text


def _text(value: object) -> bool:
    return isinstance(value, str) and not _UNKEPT.search(value)


def _number(value: object) -> bool:
    return type(value) is int


def _or_null(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _moment(value: object) -> bool:
    try:
        return isinstance(value, str) and canonical.timestamp(trail.milliseconds(value)) == value
    except (ValueError, OverflowError):
        return False


def _words(value: object) -> bool:
    return isinstance(value, list) and all(_text(one) and one.split() == [one] for one in value)


def _digest(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "seq": (lambda value: type(value) is int and value > 0, "a number from 1"),
    **dict.fromkeys(("id", "request_id", "source", "event"), (_text, "text")),
    "at": (_moment, "a moment such as 2026-01-31T04:00:00.000Z"),
    **dict.fromkeys(("team_id", "channel_id", "user_id", "label", "detail"), (_or_null(_text), "text or null")),
    "kinds": (_or_null(_words), "a list of words or null"),
    **dict.fromkeys(("http_status", "elapsed_ms"), (_or_null(_number), "a whole number or null")),
    **dict.fromkeys(("prev_hash", "hash"), (_digest, "64 digits of 0123456789abcdef")),
}
