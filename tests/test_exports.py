"""Exports: what is written is read back exactly, and what is no export is a sentence."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import canonical, exports, trail
from bot.exports import Export, Unreadable
from tests.exported import exported, lines

FORMS = {"jsonl": exports.jsonl, "csv": exports.comma_separated}

BOTH_FORMS = pytest.mark.parametrize("form", FORMS)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "Cc")), min_size=1, max_size=12).filter(
    lambda word: word.split() == [word]
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
numbers = st.integers(-(2**31), 2**31 - 1)
an_event = st.fixed_dictionaries(
    {
        "seq": st.integers(1, 2**62),
        **dict.fromkeys(("id", "request_id", "source", "event"), texts),
        "at": st.integers(0, 4_000_000_000_000).map(canonical.timestamp),
        **dict.fromkeys(("team_id", "channel_id", "user_id", "label", "detail"), st.none() | texts),
        "kinds": st.none() | st.lists(words, min_size=1, max_size=3),
        **dict.fromkeys(("http_status", "elapsed_ms"), st.none() | numbers),
        **dict.fromkeys(("prev_hash", "hash"), digests),
    }
)


def written(form: str, events: list[dict[str, Any]]) -> bytes:
    """Return an export as the program writes it."""
    return b"".join(line.encode() + b"\n" for line in FORMS[form](events))


def fault(content: bytes) -> str:
    """Return what reading an export ends with."""
    with pytest.raises(Unreadable) as caught:
        list(Export(io.BytesIO(content)))
    return str(caught.value)


@BOTH_FORMS
@given(events=st.lists(an_event, max_size=4))
def test_what_was_written_is_read_back(form: str, events: list[dict[str, Any]]) -> None:
    """Whatever text, number or null an event has, both forms keep it exactly."""
    assert list(Export(io.BytesIO(written(form, events)))) == events


@given(events=st.lists(an_event, min_size=1, max_size=4))
def test_a_spreadsheet_gets_the_same_and_executes_nothing(events: list[dict[str, Any]]) -> None:
    """The library that everybody has reads the same cells, none of which begins like a formula."""
    rows = list(csv.reader(io.StringIO(written("csv", events).decode(), newline=""), strict=True))
    assert rows == [list(trail.KEYS), *([exports.cell(one[key]) for key in trail.KEYS] for one in events)]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


@BOTH_FORMS
def test_what_editors_do_to_the_lines_is_no_fault(form: str) -> None:
    """A byte-order mark, blank lines, line ends of another system and a missing last one change no event."""
    events = exported(3)
    plain = written(form, events)
    for other in (b"\xef\xbb\xbf" + plain, b"\n" + plain + b"\n\n", plain.replace(b"\n", b"\r\n"), plain[:-1]):
        assert list(Export(io.BytesIO(other))) == events


def test_what_has_no_line_has_no_event() -> None:
    """Nothing, nothing but blank lines, and a header alone are exports of an empty trail."""
    for empty in (b"", b"\n \n", written("csv", [])):
        assert list(Export(io.BytesIO(empty))) == []


LINE = lines(exported(1))
EVENT = json.loads(LINE)


def changed(**values: object) -> bytes:
    """Return a good line and then one with other values."""
    return LINE + json.dumps({**EVENT, **values}).encode()


NO_EVENTS = {
    "another file": (b"%PDF-1.4\n", ["line 1", "should be an event as JSON", "%PDF-1.4"]),
    "a cut line": (LINE + LINE[:40], ["line 2 is not JSON", "Unterminated string starting at: place 18"]),
    "two in a line": (LINE + LINE.strip() + LINE, ["line 2 is not JSON", "Extra data"]),
    "a list": (LINE + b"[]\n", ["line 2 should be a JSON object; it is []"]),
    "a number that is none": (LINE + b"9" * 5000, ["line 2 is no event: '9999"]),
    "a deep nest": (LINE + b"[" * 60_000, ["line 2 is no event: '[["]),
    "another encoding": (LINE + "{'é'}".encode("latin-1"), ["line 2 is not UTF-8: in place 3 stands 233"]),
    "a key twice": (LINE + LINE[:-2] + b', "seq": 1}', ["line 2 has a key twice: 'seq'"]),
    "a key too many": (changed(note="x"), ["line 2 (event 1) has a key that no event has: 'note'"]),
    "a key too few": (LINE + b'{"seq": 2}', ["line 2 (event 2) has no id, at, request_id"]),
    "a long line": (LINE + b'{"seq": "' + b"x" * 10_000_000, ["line 2 is longer than 65536 bytes"]),
    "a number as text": (changed(seq="2"), ["line 2 (event '2') has a wrong seq: expected a number", "found '2'"]),
    "no number": (changed(seq=True), ["wrong seq", "found True"]),
    "number nought": (changed(seq=0), ["wrong seq", "found 0"]),
    "a fraction": (changed(elapsed_ms=1.5), ["wrong elapsed_ms", "found 1.5"]),
    "not a number": (changed(http_status=float("nan")), ["wrong http_status", "found nan"]),
    "a moment of another form": (changed(at="2026-01-01T00:00:00Z"), ["wrong at", "found '2026-01-01T00:00:00Z'"]),
    "a moment that is none": (changed(at="2026-02-30T00:00:00.000Z"), ["wrong at"]),
    "no moment": (changed(at=5), ["wrong at", "found 5"]),
    "kinds as text": (changed(kinds="trksub"), ["wrong kinds: expected a list of words or null, found 'trksub'"]),
    "a kind that is two": (changed(kinds=["trksub trkid"]), ["wrong kinds"]),
    "half a character": (changed(detail="\ud800"), ["wrong detail", r"'\ud800'"]),
    "a NUL": (changed(detail="\0"), ["wrong detail", r"'\x00'"]),
    "a hash of capitals": (changed(hash="F" * 64), ["wrong hash: expected 64 digits", "found 'FFFF"]),
    "null where text must be": (changed(event=None), ["wrong event: expected text, found None"]),
}


@pytest.mark.parametrize("what", NO_EVENTS)
def test_what_is_no_event_is_a_sentence(what: str) -> None:
    """It says which line, what was expected and what stands there, in one line that is not too long."""
    content, said = NO_EVENTS[what]
    sentence = fault(content)
    assert all(part in sentence for part in said), sentence
    assert sentence.isprintable()
    assert len(sentence) < 250


CSV = written("csv", exported(1))

NO_ROWS = {
    "another header": (CSV.replace(b"seq,", b"number,", 1), ["line 1 should be an event as JSON", "seq,id,at"]),
    "a cell too few": (CSV + b"2,3\n", ["line 3 should have 16 cells; it has 2"]),
    "a quote that is not closed": (CSV + b'2,"', ["line 3 is not CSV", "unexpected end"]),
    "a quote that is never closed": (CSV + b'2,"' + b"x\n" * 200_000, ["is not CSV", "field larger than"]),
    "a quote in the middle": (CSV + b'"2"x,3\n', ["line 3 is not CSV"]),
    "a number with a blank": (CSV.replace(b"\n1,", b"\n 1,"), ["line 2 (event ' 1') has a wrong seq"]),
    "a number with a sign": (CSV.replace(b"\n1,", b"\n+1,"), ["line 2 has a cell seq that no export has: '+1'"]),
    "an apostrophe too many": (CSV.replace(b",T1,", b",'T1,"), ["a cell team_id that no export has", "T1"]),
    "a formula": (CSV.replace(b",'-A10", b",-A10"), ["line 2 has a cell label that no export has: '-A10cnQO'"]),
    "two blanks": (CSV.replace(b"trksub trkid", b"trksub  trkid"), ["wrong kinds", "''"]),
}


@pytest.mark.parametrize("what", NO_ROWS)
def test_what_is_no_row_is_a_sentence(what: str) -> None:
    """Nothing is read that the program would have written in another way."""
    content, said = NO_ROWS[what]
    sentence = fault(content)
    assert all(part in sentence for part in said), sentence


def test_an_export_is_read_in_constant_memory() -> None:
    """A line is asked for when the one before was used up."""
    stream = io.BytesIO(lines(exported(1000)))
    export = Export(stream)
    reading = iter(export)
    next(reading)
    assert export.line == 1
    assert stream.tell() == len(lines(exported(1)))
