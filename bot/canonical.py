"""The canonical JSON of an event, straight from its columns: the form whose SHA-256 is the event's hash.

It knows that one form (RFC 8785: keys sorted, no blanks, UTF-8) and makes it quickly, because every event of a long
trail goes through it when the trail is verified. It refuses columns of another type than an event has: whoever forged
a database may have put anything there. `bot.trail.event_hash` says the same in one line of the standard library, and a
test holds the two together.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import Any

COLUMNS = (
    "seq", "id", "at", "request_id", "source", "team_id", "channel_id", "user_id", "label", "kinds",
    "event", "http_status", "elapsed_ms", "detail", "prev_hash", "hash",
)  # fmt: skip
"""What a row is made of, in this order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = len("1970-01-01T00:00:")
_MOST_KEPT = 10_000
_TWO_DIGITS = [f"{number:02d}" for number in range(60)]
_NUL = "\\u0000"


class _Texts(dict[Any, str]):
    """The JSON of texts that come again and again."""

    def __missing__(self, text: Any) -> str:
        made = "null" if text is None else quote(text)
        if len(self) < _MOST_KEPT:
            self[text] = made
        return made


class _Words(dict[Any, str]):
    """The same of lists, which a column holds with blanks between the words."""

    def __missing__(self, text: Any) -> str:
        made = "null" if text is None else f"[{','.join(map(quote, str.split(text)))}]"
        if len(self) < _MOST_KEPT:
            self[text] = made
        return made


class _Minutes(dict[int, str]):
    """The begin of a timestamp, by minutes since 1970."""

    def __missing__(self, minute: int) -> str:
        if len(self) >= _MOST_KEPT:
            self.clear()
        # Not strftime: what it makes of a year before 1000 has three digits on one system and four on another.
        made = self[minute] = (_EPOCH + timedelta(minutes=minute)).isoformat()[:_SECONDS]
        return made


_texts, _words, _minutes = _Texts(), _Words(), _Minutes()


def timestamp(milliseconds: int) -> str:
    """Return the RFC 3339 form (UTC, milliseconds) of `milliseconds` since 1970."""
    minute, rest = divmod(milliseconds, 60_000)
    return f"{_minutes[minute]}{_TWO_DIGITS[rest // 1000]}.{rest % 1000:03d}Z"


def digest(row: Sequence[Any]) -> str:
    """Return the hash of an event.

    Args:
        row: the values of `COLUMNS`; the last one, the hash itself, may be missing.

    Raises:
        TypeError, ValueError, OverflowError: a value is none that an event has.
    """
    seq, id_, at, request_id, source, team, channel, user, label, kinds, event, status, elapsed, detail, link = row[:15]
    content = (
        f'{{"at":"{timestamp(at)}","channel_id":{_texts[channel]},"detail":{_texts[detail]},'
        f'"elapsed_ms":{_number(elapsed)},"event":{_texts[event]},"http_status":{_number(status)},"id":{quote(id_)},'
        f'"kinds":{_words[kinds]},"label":{"null" if label is None else quote(label)},"prev_hash":{quote(link)},'
        f'"request_id":{quote(request_id)},"seq":{seq:d},"source":{_texts[source]},"team_id":{_texts[team]},'
        f'"user_id":{_texts[user]}}}'
    )
    if _NUL in content:
        raise ValueError("a text with a NUL in it")  # no database of ours keeps one
    return sha256(content.encode()).hexdigest()


def in_order(rows: Iterable[Sequence[Any]], *, seq: int, link: str) -> bool:
    """Say whether each row hashes to what it says, and follows the one before without a gap.

    Args:
        rows: the values of `COLUMNS`.
        seq: the number of the event before the first one.
        link: the hash of that event.
    """
    try:
        for row in rows:
            seq += 1
            if row[0] != seq or row[14] != link or (link := digest(row)) != row[15]:
                return False
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _number(value: Any) -> str:
    return "null" if value is None else f"{value:d}"
