"""Labels in prose: what a mail says to be one is found, and no ordinary word ever is."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.harvest import MOST_READ, harvest
from bot.labels import Label, kinds_of

ID = "2024-05-02T21:03:35.001_0000FzZw"

ACKNOWLEDGEMENT = """\
Subject: MPC: your submission of 2024 May 2

The submission with the ACK line:
  NEO CANDIDATE 2024-05-02 telescope 2
has been received. Please keep this message; a label is needed for every question.
The following submission ID has been assigned to these observations:
  2024-05-02T21:03:35.001_0000FzZw
The following observations have been assigned unique IDs
(IDs are NOT assigned to observations already submitted):

     A10cnQO  C2024 05 02.87749 10 02 57.160+09 01 47.30         20.51GV     703 -> L4eBVG000000CfiO010000A9a
     A10cnQO  C2024 05 02.88211 10 02 57.260+09 01 48.10         20.44GV     703 -> L4eBVG000000CfiO020000A9a
     P11JuVG* C2024 05 02.88400 10 03 11.100+09 11 01.90         20.91GV     F51 -> L4eBVG000000CfiO030000A9a
     K24J01A  C2024 05 02.88500 10 03 12.100+09 11 02.90         20.91GV     F51 -> L4eBVG000000CfiO040000A9a
29149         C2005 10 10.39002 02 57 12.16 +09 01 47.3          16.5 Vro5016703
"""


def found(text: str) -> list[str]:
    """Return the labels of a text, with their stations, as WAMO writes them."""
    return [" ".join((one.text, *one.stations)) for one in harvest(text)]


def test_an_acknowledgement_names_its_submission_and_its_tracklets() -> None:
    """The submission ID and each temporary designation once; no designation, no number, no obsID, no word."""
    assert found(ACKNOWLEDGEMENT) == [ID, "A10cnQO 703", "P11JuVG F51"]


def test_a_quoted_or_stripped_observation_is_read_too() -> None:
    """A mail program may put a mark before each line, or take the blanks away that it began with."""
    lines = ACKNOWLEDGEMENT.splitlines()
    assert found("\n".join(f"> {one}" for one in lines)) == [ID, "A10cnQO 703", "P11JuVG F51"]
    assert found("\n".join(one.strip() for one in lines)) == [ID, "A10cnQO 703", "P11JuVG F51"]


def test_an_observation_whose_blanks_were_folded_gives_no_half_a_name() -> None:
    """Without its columns, a line is prose: a name that lost a character is somebody else's."""
    folded = "\n".join(" ".join(one.split()) for one in ACKNOWLEDGEMENT.splitlines())
    assert {one.split()[0] for one in found(folded)} <= {ID, "A10cnQO", "P11JuVG"}
    assert found("A10cnQO C2024 05 02.87749 10 02 57.160+09 01 47.30 20.51GV 703") == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"Submission ID: {ID}.", [ID]),
        (f"({ID}_01), <{ID}_02>; {ID}", [f"{ID}_01", f"{ID}_02", ID]),
        (f"https://example.org/x?id={ID}&y", [ID]),
        (f"{ID}a {ID}_1 x{ID} {ID}_001", []),
        ("2024-13-02T21:03:35.001_0000FzZw", []),
        ("trksub: A10cnQO", ["A10cnQO"]),
        ("trkSub A10cnQO was received", ["A10cnQO"]),
        ("*trksub*: `A10cnQO`", ["A10cnQO"]),
        ("trksubs = A10cnQO, B10cnQO and C10cnQO were received on 2024", ["A10cnQO", "B10cnQO", "C10cnQO"]),
        ("Tracklet: 5T0D452 703", ["5T0D452 703"]),
        ("trksub: F51", ["F51"]),
        ("trksub: 0012345", ["0012345"]),
        ("2 labels: 1 accepted, 1 rejected. Labels: 25", []),
        ("label: 2024-05-02, tracklets: 3 or 4", []),
        ("trkid: 00000DwbEz.", ["00000DwbEz"]),
        ("Tracklet IDs:\n- 00000DwbEz\n- 00000DwbF0\nThank you for 2 of them", ["00000DwbEz", "00000DwbF0"]),
        ("Tracklet IDs:\n- 00000DwbEz\nis 1 of them\n- 00000DwbF0", ["00000DwbEz"]),
        ('"trkSub": "A10cnQO", "trkID": "00000DwbEz"', ["A10cnQO", "00000DwbEz"]),
        ("<trkSub>A10cnQO</trkSub><stn>F51</stn>", ["A10cnQO"]),
        ("label: A10cnQO", ["A10cnQO"]),
        (
            "trkSub |mode|stn |obsTime\nA10cnQO|CCD |F51 |2024-05-02T21:03:35.1Z\nmine   |CCD |F51 |2024-05-02\nnext",
            ["A10cnQO", "mine"],
        ),
        ("permID|trkSub|trkID\n1234|A1|\n||00000DwbEz\n\n9|B2|", ["A1", "00000DwbEz"]),
        ("trksub: please send it, A10cnQO", []),
        ("The label is on the box. A label: none. trksub unknown", []),
        ("Use a trksub or a trkid, such as A10cnQO.", []),
        ("A10cnQO and 00000DwbEz are what we want", []),
        ("trksub: nmVDPG760e2qQw97-DEL", []),
        ("nmVDPG760e2qQw97-DEL label: 1234567890123", []),
        ("mytrksub: A1, trksub-like: A2, labelled: A3", []),
        ("", []),
    ],
)
def test_a_tracklet_is_taken_only_where_the_text_says_that_it_is_one(text: str, names: list[str]) -> None:
    """Behind a mark, in a list under one, in a table's column; words, numbers and action codes are left alone."""
    assert found(text) == names


WORDS = st.text(string.ascii_letters + string.digits + "äß-_", min_size=1, max_size=12)
PROSE = st.lists(
    st.one_of(WORDS, st.sampled_from(["please", "label", "2024", "A10cnQO", "00000DwbEz", "mail"])), max_size=40
).map(" ".join)


@given(PROSE)
@example("Please ask the MPC for the code of A10cnQO today")
def test_prose_holds_no_labels(text: str) -> None:
    """Any words and numbers in a row, however much they look like labels, are none."""
    if not any(mark in text.lower() for mark in ("trksub", "trkid", "trk-", "trk_", "trk sub", "trk id")):
        assert harvest(text) == ()


@given(PROSE, st.sampled_from([ID, f"{ID}_01", "2016-12-31T23:59:60.999_abcd1234"]), PROSE)
def test_an_id_is_found_wherever_it_stands(before: str, name: str, after: str) -> None:
    """Its form is like nothing else's."""
    assert Label(name, kinds_of(name)) in harvest(f"{before} ({name}) {after}")


@given(st.text(max_size=300) | st.text("trksubidlabe :=|\n20 C.A1", max_size=300))
def test_whatever_is_found_is_a_label(text: str) -> None:
    """Nothing is raised, each is there once, and each stands in the text as it is."""
    labels = harvest(text)
    assert all(one.kinds == kinds_of(one.text) and one.kinds and one.text in text for one in labels)
    assert len({one.text for one in labels}) == len(labels)


@pytest.mark.parametrize("line", ["trksub: A1, ", "trkids:\n", "|trkSub", ID, "2024 05 02.8", "label:label:", "\n- A1"])
def test_a_long_text_takes_no_long_time(line: str) -> None:
    """However often a mark stands there, a text is read in about one pass, and its end is not read."""
    text = line * (MOST_READ // len(line))
    assert len(harvest(f"{text} {ID}_07 {text}")) <= MOST_READ
