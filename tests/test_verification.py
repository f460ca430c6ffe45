"""The chain, wherever its events come from: what is one, what is none, and what the sentence says of it.

Forgeries of a database are in `test_forgeries`; here are exports, and the chain itself.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import exports, tombstone, trail, verification
from bot.exports import Export
from bot.verification import Verdict
from tests.exported import chained, exported, lines


def csv_lines(events: Sequence[dict[str, Any]]) -> bytes:
    """Return an export as CSV."""
    return "".join(f"{line}\n" for line in exports.comma_separated(events)).encode()


FORMS: dict[str, Callable[[Sequence[dict[str, Any]]], bytes]] = {"jsonl": lines, "csv": csv_lines}
FLIPPED = exported(3)
LINK = "a" * 64

places = st.floats(0, 1, exclude_max=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


def checked(content: bytes) -> Verdict:
    """Check an export as `audit verify FILE` does."""
    export = Export(io.BytesIO(content))
    return verification.check(export, line=lambda: export.line)


def pruned(said: str, *, first: int = 4) -> list[dict[str, Any]]:
    """Return a chain from `first` on, with a tombstone in its middle."""
    contents = exported(3, first=first)
    contents[1] |= {"event": tombstone.PRUNED, "detail": said}
    return chained(contents, first=first, link=LINK)


def test_a_whole_chain_is_intact() -> None:
    """The verdict says how many events there are, and which is the last."""
    events = exported(5)
    for verdict in (verification.check(events), *(checked(form(events)) for form in FORMS.values())):
        assert (verdict.fault, verdict.forged, verdict.gaps) == (None, None, 0)
        assert (verdict.count, verdict.read, verdict.first, verdict.seq) == (5, 5, 1, 5)
        assert verdict.head == events[-1]["hash"]


def test_no_events_are_no_fault() -> None:
    """An empty trail is as whole as any."""
    assert verification.check([]).fault is None
    assert verification.check([]).head == trail.GENESIS


@pytest.mark.parametrize("form", FORMS)
@given(place=places, flip=st.integers(1, 255))
@example(place=0, flip=1)
def test_any_flipped_byte_of_an_export_is_found(form: str, place: float, flip: int) -> None:
    """Whichever byte is changed, into whatever: the export is broken, or every event in it is as it was."""
    content = bytearray(FORMS[form](FLIPPED))
    content[int(place * len(content))] ^= flip
    verdict = checked(bytes(content))
    assert verdict.fault is not None or list(Export(io.BytesIO(content))) == FLIPPED


@pytest.mark.parametrize("form", FORMS)
def test_every_flipped_bit_of_an_export_is_found(form: str) -> None:
    """The same for one bit, at every place there is."""
    plain = FORMS[form](FLIPPED[:1])
    for place in range(len(plain)):
        for bit in range(8):
            content = bytearray(plain)
            content[place] ^= 1 << bit
            verdict = checked(bytes(content))
            unnoticed = verdict.fault is None and verdict.read > 0
            assert not unnoticed or list(Export(io.BytesIO(content))) == FLIPPED[:1], (place, bit)


def edited(events: list[dict[str, Any]], seq: int, **values: object) -> list[dict[str, Any]]:
    """Return the events with one of them edited."""
    return [{**one, **values} if one["seq"] == seq else one for one in events]


def rehashed(events: list[dict[str, Any]], seq: int) -> list[dict[str, Any]]:
    """Return the events with one of them edited and its own hash made good."""
    event = {**events[seq - 1], "label": "another"}
    return [*events[: seq - 1], {**event, "hash": trail.event_hash(event)}, *events[seq:]]


EVENTS = exported(6)
HASHES = {one["seq"]: one["hash"] for one in EVENTS}

FORGED: dict[str, tuple[Callable[[], list[dict[str, Any]]], int, list[str]]] = {
    "an edited label": (
        lambda: edited(EVENTS, 3, label="x"), 2,
        ["event 3 (line 3): its content hashes to", trail.event_hash({**EVENTS[2], "label": "x"}), HASHES[3]],
    ),
    "an edited hash": (lambda: edited(EVENTS, 3, hash=LINK), 2, ["event 3 (line 3): its content hashes", LINK]),
    "an edited link": (
        lambda: edited(EVENTS, 3, prev_hash=LINK), 2,
        [f"event 3 (line 3): its prev_hash should be {HASHES[2]}, the hash of event 2, and is {LINK}"],
    ),
    "an edit with a hash of its own": (
        lambda: rehashed(EVENTS, 3), 3,
        ["event 4 (line 4): its prev_hash should be", f"the hash of event 3, and is {HASHES[3]}"],
    ),
    "another begin": (
        lambda: exported(6, link=LINK), 0,
        [f"event 1 (line 1): its prev_hash should be {trail.GENESIS}, 64 zeros, and is {LINK}"],
    ),
    "a line twice": (
        lambda: [*EVENTS[:2], EVENTS[1], *EVENTS[2:]], 2,
        ["event 2 (line 3) stands there twice: event 3 was expected"],
    ),
    "a line moved down": (
        lambda: [*EVENTS[1:4], EVENTS[0]], 0,
        ["event 1 is missing"],
    ),
    "a swapped pair": (
        lambda: [EVENTS[0], EVENTS[2], EVENTS[1], *EVENTS[3:]], 1,
        ["event 2 is missing; event 3 (line 2) stands in its place"],
    ),
    "another chain behind": (
        lambda: [*EVENTS[:3], *exported(6, link=LINK)[3:]], 3,
        [f"event 4 (line 4): its prev_hash should be {HASHES[3]}, the hash of event 3"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_what_is_no_chain_is_named(what: str) -> None:
    """The sentence has the event and its line, what was expected, and what stands there, hashes in full."""
    make, count, said = FORGED[what]
    verdict = checked(lines(make()))
    assert verdict.fault is not None
    assert verdict.forged is not None
    assert all(part in verdict.fault for part in said), verdict.fault
    assert verdict.count == count


def test_gaps_are_told_from_forgeries() -> None:
    """A part of an export has gaps, and each of its events is checked all the same."""
    verdict = checked(lines([EVENTS[1], EVENTS[2], EVENTS[5]]))
    assert (verdict.gaps, verdict.forged, verdict.count, verdict.read) == (2, None, 0, 3)
    assert verdict.fault == "event 1 is missing, and no event says that it was removed; the first one is event 2"
    verdict = checked(lines([*EVENTS[:2], EVENTS[5]]))
    assert (verdict.gaps, verdict.forged, verdict.count, verdict.read) == (1, None, 2, 3)
    assert verdict.fault == "event 3 is missing (and those up to 5); event 6 (line 3) stands in its place"
    verdict = checked(lines(edited([EVENTS[0], EVENTS[3], EVENTS[4]], 5, label="x")))
    assert (verdict.gaps, verdict.count, verdict.read) == (1, 1, 2)
    assert str(verdict.fault).startswith("event 2 is missing")
    assert str(verdict.forged).startswith("event 5 (line 3): its content hashes to")


def test_what_cannot_be_read_is_a_break() -> None:
    """What stands before it is counted, and the sentence is the reader's."""
    verdict = checked(lines(EVENTS[:2]) + b"#\n" + lines(EVENTS[2:]))
    assert verdict.count == 2
    assert str(verdict.fault).startswith("line 3 is not JSON")


def test_a_pruned_trail_begins_where_its_tombstone_says() -> None:
    """The first event follows the last one that was removed and links to its hash; the verdict says what is gone."""
    verdict = checked(lines(pruned(tombstone.write(1, 3, 3, LINK))))
    assert (verdict.fault, verdict.gaps, verdict.count, verdict.first, verdict.seq) == (None, 0, 3, 4, 6)
    assert verdict.removed is not None
    assert (verdict.removed.first, verdict.removed.last, verdict.removed.last_hash) == (1, 3, LINK)


def test_the_newest_of_several_tombstones_counts() -> None:
    """Of a trail that was pruned twice, the first tombstone may be there still."""
    contents = exported(4, first=10)
    contents[1] |= {"event": tombstone.PRUNED, "detail": tombstone.write(1, 5, 5, "b" * 64)}
    contents[2] |= {"event": tombstone.PRUNED, "detail": tombstone.write(6, 9, 4, LINK)}
    assert verification.check(chained(contents, first=10, link=LINK)).fault is None


@pytest.mark.parametrize(
    ("said", "fault", "forged"),
    [
        (tombstone.write(1, 3, 3, "b" * 64), f"event 4: its prev_hash should be {'b' * 64}, as event 5 says", True),
        (tombstone.write(1, 2, 2, LINK), "event 3 is missing: event 5 says that events 1 to 2 were removed", False),
        (tombstone.write(1, 4, 4, LINK), "event 4 should not be there: event 5 says that events 1 to 4", True),
        ("events 1 to 3 removed", "event 1 is missing (and those up to 3), and no event says", False),
        ("", "event 1 is missing (and those up to 3), and no event says", False),
    ],
)
def test_a_tombstone_excuses_nothing_else(said: str, fault: str, *, forged: bool) -> None:
    """It must name the event before the first one, and that event's hash."""
    verdict = verification.check(pruned(said))
    assert str(verdict.fault).startswith(fault), verdict.fault
    assert (verdict.forged is not None, verdict.count, verdict.removed) == (forged, 0, None)


def test_a_tombstone_is_an_event_and_no_other_text() -> None:
    """The same sentence as a reason of the MPC's excuses nothing."""
    contents = exported(3, first=4)
    contents[1]["detail"] = tombstone.write(1, 3, 3, LINK)
    assert verification.check(chained(contents, first=4, link=LINK)).fault is not None


def test_an_event_that_a_tombstone_calls_removed_is_a_forgery() -> None:
    """A chain from the very first event on has nothing removed."""
    contents = exported(3)
    contents[1] |= {"event": tombstone.PRUNED, "detail": tombstone.write(1, 1, 1, LINK)}
    assert str(verification.check(chained(contents)).fault).startswith("event 1 should not be there: event 2 says")


def test_of_a_broken_and_pruned_trail_the_first_break_is_named() -> None:
    """Whether its begin was removed is looked for behind the break, too."""
    events = pruned(tombstone.write(1, 3, 3, LINK))
    assert str(verification.check(edited(events, 4, label="x")).fault).startswith("event 4: its content")
    unsaid = pruned("nothing")
    assert str(verification.check(edited(unsaid, 4, label="x")).fault).startswith("event 1 is missing")


@given(first=st.integers(1, 10**18), more=st.integers(0, 10**6), last_hash=digests)
def test_a_tombstone_is_read_as_it_was_written(first: int, more: int, last_hash: str) -> None:
    """Nothing else is one: not with a word before it, nor with a line after it."""
    written = tombstone.write(first, first + more, more + 1, last_hash)
    read = tombstone.Tombstone(first=first, last=first + more, count=more + 1, last_hash=last_hash)
    assert tombstone.read(written) == read
    for other in (f"{written}\n", f" {written}", written.upper(), written.replace("1", "\u0661", 1), "", written[:-1]):
        assert other == written or tombstone.read(other) is None
