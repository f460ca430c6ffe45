"""Makes trails of any length: rows of `events` with a true chain, as a team would have left them behind.

It knows what a year of use looks like: bursts of labels, tens of channels, hundreds of users, labels that are asked for
again. It refuses to know where the rows go.

The last `TAIL` events say the same in every trail: the same question has the same answer, however much stands before.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import NamedTuple

from bot import trail

TAIL = 5_000
STEP_MS = 6_000
"""From one event to the next, on average: five million make a year, and the last hour is as busy in every trail."""
TEAM = "T0BENCH"
CHANNELS = tuple(f"C0BENCH{number:02}" for number in range(40))
USERS = tuple(f"U0BENCH{number:03}" for number in range(400))
MOST_LABELS = 5
REPEATED = 2_000
"""About how many labels, of those that came last, are likely to be asked for again."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ENDS = (
    ("accepted", 200, None),
    ("rejected", 404, "no submission has this label"),
    ("unavailable", 503, None),
    ("unknown", None, "no answer came in time"),
)
_WEIGHTS = (84, 12, 2, 2)
_DENIED = 0.03
_INVALID = 0.03


class Row(NamedTuple):
    """A row of the table `events`, in the order of its columns."""

    seq: int
    id: str
    at: int
    request_id: str
    source: str
    team_id: str
    channel_id: str
    user_id: str
    label: str | None
    kinds: str | None
    event: str
    http_status: int | None
    elapsed_ms: int | None
    detail: str | None
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class _Happening:
    """What an event says, before it has its time and its place in the chain."""

    request_id: str
    channel_id: str
    user_id: str
    label: str | None
    event: str
    http_status: int | None = None
    elapsed_ms: int | None = None
    detail: str | None = None


def label(number: int) -> str:
    """Return the trksub with this number."""
    text = ""
    for _ in range(6):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return "B" + text


def rows(count: int, *, now: int) -> Iterator[Row]:
    """Yield a trail of `count` events, at least `TAIL` of them, that ends at `now` (milliseconds since 1970)."""
    previous, seq = trail.GENESIS, 0
    for some, seed in ((count - TAIL, 1), (TAIL, 2)):
        rng = Random(seed)  # noqa: S311 - the same trail each time is what is wanted
        for one in islice(_happenings(rng), some):
            seq += 1
            at = now - (count - seq) * STEP_MS - rng.randrange(STEP_MS)
            row = _chained(seq, f"{rng.getrandbits(128):032x}", at, one, previous)
            previous = row.hash
            yield row


def _chained(seq: int, event_id: str, at: int, one: _Happening, previous: str) -> Row:
    """Return the row of an event; its hash is `bot.trail.event_hash`, spelled out because millions are made.

    What is spelled out wrongly here does not verify, and the benchmark says so.
    """
    moment = datetime.fromtimestamp(at // 1000, UTC).isoformat()[:19]
    text, kinds = ("null", "null") if one.label is None else (f'"{one.label}"', '["trksub"]')
    detail = "null" if one.detail is None else json.dumps(one.detail)
    status = "null" if one.http_status is None else one.http_status
    elapsed = "null" if one.elapsed_ms is None else one.elapsed_ms
    canonical = (
        f'{{"at":"{moment}.{at % 1000:03}Z","channel_id":"{one.channel_id}","detail":{detail},"elapsed_ms":{elapsed},'
        f'"event":"{one.event}","http_status":{status},"id":"{event_id}","kinds":{kinds},"label":{text},'
        f'"prev_hash":"{previous}","request_id":"{one.request_id}","seq":{seq},"source":"slash","team_id":"{TEAM}",'
        f'"user_id":"{one.user_id}"}}'
    )
    return Row(
        seq, event_id, at, one.request_id, "slash", TEAM, one.channel_id, one.user_id, one.label,
        None if one.label is None else "trksub", one.event, one.http_status, one.elapsed_ms, one.detail,
        previous, hashlib.sha256(canonical.encode()).hexdigest(),
    )  # fmt: skip


def _happenings(rng: Random) -> Iterator[_Happening]:
    """Yield what happens, without end: a command's requests are all made before the first one leaves."""
    newest = REPEATED
    while True:
        # Some channels and users ask far more often than others; the most silent ones hardly ever do.
        channel_id = CHANNELS[int(len(CHANNELS) * rng.random() ** 3)]
        user_id = USERS[int(len(USERS) * rng.random() ** 2)]
        requests = [f"{rng.getrandbits(48):012x}" for _ in range(rng.randint(1, MOST_LABELS))]
        chance = rng.random()
        if chance < _INVALID:
            yield _Happening(requests[0], channel_id, user_id, None, "invalid", detail="length")
            continue
        labels = []
        for _ in requests:
            newest += 1
            labels.append(label(newest if rng.random() < 0.5 else newest - rng.randrange(REPEATED)))
        if chance < _INVALID + _DENIED:
            yield _Happening(requests[0], channel_id, user_id, labels[0], "denied", detail="cool-down of the label")
            continue
        for request_id, text in zip(requests, labels, strict=True):
            yield _Happening(request_id, channel_id, user_id, text, trail.REQUESTED)
        for request_id, text in zip(requests, labels, strict=True):
            yield _Happening(request_id, channel_id, user_id, text, trail.SENDING)
            (end,) = rng.choices(_ENDS, _WEIGHTS)
            event, status, detail = end
            yield _Happening(request_id, channel_id, user_id, text, event, status, rng.randint(30, 900), detail)
