"""What several words, or a whole line, mean together although each word might pass for a label."""

import pytest

from bot.labels import parse_all

SUBMISSION = "2024-05-02T21:03:35.001_0000FzZw"
OBSERVATION = "     K15A02C  C2024 05 02.87749 10 11 12.345-01 02 03.45         18.2 GV     703"


@pytest.mark.parametrize(
    ("source", "kind", "good"),
    [
        ("2015 AC2", "designation", []),
        ("2015 AC", "designation", []),
        ("2015  AC123", "designation", []),
        ("(2015 AC2)", "designation", []),
        ('"2015 AC2"', "designation", []),
        ('2015 "AC2"', "designation", []),
        ("A10cnQO 703 2015 AC2", "designation", ["A10cnQO"]),
        ("A10cnQO = 2015 AC2", "designation", ["A10cnQO"]),
        ("2015 AC2 703", "designation", []),
        ("C/2024 A1", "designation", []),
        ("C/2024 A1 (ATLAS)", "designation", []),
        ("P/2019 LD2 A10cnQO", "designation", ["A10cnQO"]),
        ("2040 P-L", "designation", []),
        ("(433) Eros", "designation", []),
        ("(4179)", "designation", []),
        ("<label>", "placeholder", []),
        ("&lt;label&gt;", "placeholder", []),
        ("<LABEL>", "placeholder", []),
        ('"<label>"', "placeholder", []),
        ("<tracklet>", "placeholder", []),
        ("<trksub> 703", "placeholder", []),
        ("<your label>", "placeholder", []),
        ("<your submission ID>", "placeholder", []),
        ("[your-label]", "placeholder", []),
        ("[LABEL \u2026]", "placeholder", []),
        ("A10cnQO <label>", "placeholder", ["A10cnQO"]),
        ("2024-05-02 21:03:35.001_0000FzZw", "broken ID", []),
        ("2024-05-02 21:03:35.001_0000FzZw_01", "broken ID", []),
        ("2024-05-02T 21:03:35.001_0000FzZw", "broken ID", []),
        ("2024-05-02T21:03:35.001_ 0000FzZw", "broken ID", []),
        ("2024-05-02T21:03:35.001\n_0000FzZw", "broken ID", []),
        ("2024-05-02 21:03:35.001 _0000FzZw _01", "broken ID", []),
        (f"{SUBMISSION} _01", "broken ID", []),
        ("2024-05-02 21:03", "broken ID", []),
        ('"2024-05-02 21:03:35.001_0000FzZw" A10cnQO', "broken ID", ["A10cnQO"]),
        (OBSERVATION, "80-column line", []),
        (f"{OBSERVATION}\n{OBSERVATION}", "80-column line", []),
        (f"A10cnQO\n{OBSERVATION}\n5T0D452 703", "80-column line", ["A10cnQO", "5T0D452"]),
    ],
)
def test_words_that_mean_something_together_are_one_fault(source: str, kind: str, good: list[str]) -> None:
    """A designation, a broken ID, a place to fill in or an 80-column line is one fault, and no label comes of it."""
    parsed = parse_all(source)
    assert [fault.kind for fault in parsed.faults] == [kind]
    assert [label.text for label in parsed.labels] == good


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ('"2015" "AC2"', ["2015", "AC2"]),
        ("2015, AC2", ["2015", "AC2"]),
        ("2015; AC2", ["2015", "AC2"]),
        ("2015 ac2", ["2015", "ac2"]),
        ("2015 A2", ["2015", "A2"]),
        ("2015", ["2015"]),
        ("2015AC2", ["2015AC2"]),
        ("K15A02C", ["K15A02C"]),
        ("67P", ["67P"]),
        ("label LABEL trksub", ["label", "LABEL", "trksub"]),
        ("2024-05-02", ["2024-05-02"]),
        ("2024-05-02 A10cnQO", ["2024-05-02", "A10cnQO"]),
        ("A10cnQO -DEL", ["A10cnQO", "-DEL"]),
        (f"{SUBMISSION}, _01", [SUBMISSION, "_01"]),
        ('"nmVDPG76" "0e2qQw97-DEL"', ["nmVDPG76", "0e2qQw97-DEL"]),
        ('"(433)"', ["433"]),
    ],
)
def test_words_that_are_labels_by_themselves_are_let_through(source: str, good: list[str]) -> None:
    """Labels that only remind of something else pass; quotes around each word settle it."""
    parsed = parse_all(source)
    assert parsed.faults == ()
    assert [label.text for label in parsed.labels] == good


def test_a_broken_id_does_not_let_its_date_through() -> None:
    """An ID broken by a blank holds a legal trkid, its date, and that is not sent."""
    parsed = parse_all("2024-05-02 21:03:35.001_0000FzZw")
    assert parsed.labels == ()
    assert parsed.faults[0].text == "2024-05-02 21:03:35.001_0000FzZw"
    assert "broken by a blank" in parsed.faults[0].reason


def test_a_date_over_the_end_of_a_line_is_judged_word_by_word() -> None:
    """The date of an 80-column line that a mail broke over two lines still stops the command."""
    parsed = parse_all("K15A02C C2024 05\n02.87749")
    assert parsed.faults
    assert "80-column line" not in {fault.kind for fault in parsed.faults}
