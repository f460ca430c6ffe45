"""What a label is, how labels are found in what people type, and what is a station or a sub-command instead."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.labels import KINDS, InvalidLabel, Label, kinds_of, parse, parse_all, paste_again, subcommand

# A copy of the MPC's table of its own, so that a slip in bot/labels.py does not slip through here with it.
PUBLISHED = {
    "trksub": r"[-A-Za-z0-9_]{1,8}",
    "trkid": r"[-A-Za-z0-9_]{8,12}",
    "submission_block_id": (
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}_[A-Za-z0-9_]{8}_[0-9]{2}"
    ),
    "submission_id": (r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}_[A-Za-z0-9_]{8}"),
}
SUBMISSION = "2024-05-02T21:03:35.001_0000FzZw"
BLOCK = f"{SUBMISSION}_01"
CODE = "nmVDPG760e2qQw97-DEL"


def published_kinds(text: str) -> tuple[str, ...]:
    """Return the kinds of a text by the copy of the MPC's table, and by the standard library's calendar."""
    kinds = tuple(kind for kind, pattern in PUBLISHED.items() if re.fullmatch(pattern, text))
    if kinds and ":" in text:
        moment = text[:19].replace("23:59:60", "23:59:59")
        try:
            datetime.strptime(moment + "+0000", "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return ()
        if moment.endswith(("60", "61")):  # strptime takes them at any hour
            return ()
    return kinds


def texts(source: str) -> list[str]:
    """Return the labels of a command that has no fault."""
    parsed = parse_all(source)
    assert parsed.faults == ()
    return [label.text for label in parsed.labels]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("A", ("trksub",)),
        ("A10cnQO", ("trksub",)),
        ("K15A02C", ("trksub",)),
        ("-", ("trksub",)),
        ("_", ("trksub",)),
        ("_ab_", ("trksub",)),
        ("--help", ("trksub",)),
        ("help", ("trksub",)),
        ("703", ("trksub",)),
        ("A10cnQO8", ("trksub", "trkid")),
        ("payload1", ("trksub", "trkid")),
        ("--------", ("trksub", "trkid")),
        ("00000DwbE", ("trkid",)),
        ("00000DwbEz", ("trkid",)),
        ("2024-05-02", ("trkid",)),
        ("00000DwbEzAB", ("trkid",)),
        ("0e2qQw97-DEL", ("trkid",)),
        (SUBMISSION, ("submission_id",)),
        (BLOCK, ("submission_block_id",)),
        ("2024-02-29T00:00:00.000________________"[:32], ("submission_id",)),
        ("2016-12-31T23:59:60.500_0000FzZw", ("submission_id",)),
        ("2016-12-31T23:59:60.500_0000FzZw_99", ("submission_block_id",)),
    ],
)
def test_a_label_has_exactly_the_kinds_whose_patterns_it_matches(text: str, kinds: tuple[str, ...]) -> None:
    """A label is reported with exactly the rows of the table that it matches, in the table's order."""
    assert kinds_of(text) == kinds == published_kinds(text)
    assert parse(f'"{text}"') == Label(text, kinds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A10cnQO\n",
        "00000DwbEzABC",
        "A10 cnQO",
        "A10.cnQO",
        "\u0661\u0662\u0663",
        "\uff11\uff12\uff13",
        "caf\u00e9",
        "\u0410BC",
        f"{SUBMISSION}\n",
        f"{BLOCK}\n",
        f"{SUBMISSION}_1",
        f"{SUBMISSION}_001",
        f"{SUBMISSION[:-1]}",
        f"{SUBMISSION[:-1]}-",
        f"{SUBMISSION[:-1]}\u00e9",
        SUBMISSION.replace("T", " "),
        SUBMISSION.replace("T", "t"),
        SUBMISSION.replace(".001", ""),
        SUBMISSION.replace(".001", ".01"),
        SUBMISSION.replace("2024", "\u0662\u0660\u0662\u0664"),
        SUBMISSION.replace("-05-02", "-00-02"),
        SUBMISSION.replace("-05-02", "-13-02"),
        SUBMISSION.replace("-05-02", "-02-30"),
        SUBMISSION.replace("2024-05-02", "2023-02-29"),
        SUBMISSION.replace("2024", "0000"),
        SUBMISSION.replace("T21", "T24"),
        SUBMISSION.replace("T21:03:35", "T24:00:00"),
        SUBMISSION.replace(":35.", ":60."),
        SUBMISSION.replace("T21:03:35", "T23:59:61"),
        SUBMISSION.replace("T21:03:35", "T22:59:60"),
        CODE,
    ],
)
def test_what_matches_no_pattern_or_no_calendar_has_no_kind(text: str) -> None:
    """A text that no pattern matches as a whole, or whose date or time does not exist, is no label."""
    assert kinds_of(text) == ()
    assert published_kinds(text) == ()


@pytest.mark.parametrize(
    "separator", [" ", ",", ";", ", ", " ;,\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\uff0c", "\u3001"]
)
def test_labels_are_separated_by_white_space_commas_and_semicolons(separator: str) -> None:
    """White space of any kind, commas and semicolons part labels, alone or mixed, also at both ends."""
    assert texts(f"A10cnQO{separator}00000DwbEz") == ["A10cnQO", "00000DwbEz"]
    assert texts(f"{separator}A10cnQO{separator}") == ["A10cnQO"]


@pytest.mark.parametrize(
    "pasted",
    [
        "`A10cnQO`",
        "```A10cnQO```",
        "'A10cnQO'",
        '"A10cnQO"',
        "\u201cA10cnQO\u201d",
        "\u2018A10cnQO\u2019",
        "\u201eA10cnQO\u201c",
        "\u00abA10cnQO\u00bb",
        "<A10cnQO>",
        "&lt;A10cnQO&gt;",
        "<`\u201cA10cnQO\u201d`>.",
        "(A10cnQO)",
        "[A10cnQO]",
        "A10cnQO.",
        "A10cnQO...",
        "A10cnQO\u2026",
        "A10cnQO,",
        "A10cnQO;",
        "A10cnQO:",
        "A10cnQO?!",
        'A10cnQO."',
        "A10cnQO \u201d.",
        "\ufeffA10cnQO",
        "A10cnQO\u200b",
        "\u200e\u2068A10cnQO\u2069\u200f",
        "\u202aA10cnQO\u202c",
        "\u00adA10cnQO\u00ad",
        "\x00A10cnQO\x00",
        "\u2060\u3164A10cnQO\ufe0f",
    ],
)
def test_what_people_paste_around_a_label_is_taken_off(pasted: str) -> None:
    """Quotes, back-ticks, brackets, invisible characters and closing punctuation around a label do no harm."""
    assert texts(pasted) == ["A10cnQO"]
    assert parse(pasted) == Label("A10cnQO", ("trksub",))


@pytest.mark.parametrize("label", ["-A10_", "_A10-", "--", "__", "-", "2024-05-02"])
def test_dashes_and_underscores_stay_where_they_are(label: str) -> None:
    """A dash or underscore at an end of a label belongs to it, also between quotes."""
    assert texts(label) == texts(f"\u201c{label}\u201d.") == [label]


@pytest.mark.parametrize(
    "broken",
    ["A10`cnQO", 'A10"cnQO', "A10\u2019cnQO", "A10<cnQO", "A10>cnQO", "A10\u200bcnQO", "A10\u2066cnQO", "A10.cnQO"],
)
def test_what_is_taken_off_around_a_label_makes_it_invalid_inside(broken: str) -> None:
    """Quotes, brackets, punctuation and invisible characters inside a label are a fault, not two labels."""
    parsed = parse_all(broken)
    assert parsed.labels == ()
    assert len(parsed.faults) == 1


@pytest.mark.parametrize("nothing", ["", " ", "\n", ",;", '""', "<>", "\u200b", "...", "` `", "\u201c \u201d , ."])
def test_a_text_without_a_word_holds_no_label_and_no_fault(nothing: str) -> None:
    """Where there is nothing but separators and what people paste around labels, there is nothing to complain of."""
    parsed = parse_all(nothing)
    assert parsed.labels == ()
    assert parsed.faults == ()


def test_equal_labels_count_once_in_order_of_first_appearance() -> None:
    """Equal labels are one; labels that differ in case only are two."""
    assert texts("b A10cnQO, a10cnqo b `A10cnQO`") == ["b", "A10cnQO", "a10cnqo"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("5T0D452 703", [("5T0D452", ("703",))]),
        ("5T0D452, 703", [("5T0D452", ("703",))]),
        ("5T0D452;\n703", [("5T0D452", ("703",))]),
        ("`5T0D452 703`", [("5T0D452", ("703",))]),
        ("5T0D452 (703)", [("5T0D452", ("703",))]),
        ("00000DwbEz F51", [("00000DwbEz", ("F51",))]),
        ("5T0D452 703 A10cnQO W84", [("5T0D452", ("703",)), ("A10cnQO", ("W84",))]),
        ("5T0D452 703 5T0D452 F51 5T0D452 703", [("5T0D452", ("703", "F51"))]),
        ("703", [("703", ())]),
        ("703 A10cnQO", [("703", ()), ("A10cnQO", ())]),
        ("703 F51", [("703", ("F51",))]),
        ('5T0D452 "703"', [("5T0D452", ()), ("703", ())]),
        ("5T0D452 `703`", [("5T0D452", ()), ("703", ())]),
        ("5T0D452 \u2018703\u2019", [("5T0D452", ()), ("703", ())]),
        ("5T0D452 <703>", [("5T0D452", ("703",))]),
        ('"703" F51', [("703", ("F51",))]),
        ("5T0D452 703 F51", [("5T0D452", ("703",)), ("F51", ())]),
        (f"{BLOCK} 703", [(BLOCK, ()), ("703", ())]),
        (f"{SUBMISSION} 703", [(SUBMISSION, ()), ("703", ())]),
        ("5T0D452 f51", [("5T0D452", ()), ("f51", ())]),
        ("5T0D452 7034", [("5T0D452", ()), ("7034", ())]),
        ("5T0D452 FF1", [("5T0D452", ()), ("FF1", ())]),
    ],
)
def test_an_observatory_code_after_a_tracklet_is_its_station(
    source: str, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    """An unquoted observatory code straight after a trksub or trkid is its station; elsewhere it is a label."""
    parsed = parse_all(source)
    assert parsed.faults == ()
    assert [(label.text, label.stations) for label in parsed.labels] == expected


def test_the_station_of_a_wrong_word_does_not_become_a_label() -> None:
    """A code after a word that is no label is that word's station, and is not offered as a good label."""
    parsed = parse_all("5T0D\u041052 703 A10cnQO F51")
    assert [(label.text, label.stations) for label in parsed.labels] == [("A10cnQO", ("F51",))]
    assert len(parsed.faults) == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("help", ("help", "")),
        ("HELP", ("help", "")),
        ("  Help me", ("help", "me")),
        ("help?", ("help", "")),
        ("<help>", ("help", "")),
        ("&lt;help&gt;", ("help", "")),
        ("log", ("log", "")),
        ("log 20 mine", ("log", "20 mine")),
        ("log A10cnQO", ("log", "A10cnQO")),
        ("check  A10cnQO,  5T0D452 703", ("check", "A10cnQO,  5T0D452 703")),
        ('Check, "log"', ("check", '"log"')),
        ('"log 5"', ("log", '5"')),
        ('"log"', None),
        ("`LOG` 5", None),
        ("\u201chelp\u201d", None),
        ("'check' A10cnQO", None),
        ('<"log">', None),
        ("A10cnQO log", None),
        ("--help", None),
        ("logs", None),
        ("he\u200blp", None),
        ("chec\u212a", None),
        ("", None),
        (" , ", None),
    ],
)
def test_a_subcommand_is_the_first_word_unquoted_in_any_case(source: str, expected: tuple[str, str] | None) -> None:
    """`help`, `log` and `check` are sub-commands as the first word, in any case, unless quoted by themselves."""
    assert subcommand(source) == expected


def test_quoted_subcommands_are_labels() -> None:
    """`help`, `log` and `check` are legal tracklet names, and quoted they are labels."""
    assert texts('"help" `log` \u201ccheck\u201d') == ["help", "log", "check"]


def test_one_wrong_word_is_a_fault_beside_the_good_labels() -> None:
    """The good labels and every fault of a command come back, in the order of the text."""
    parsed = parse_all("A10cnQO caf\u00e9 5T0D452 703 a/b")
    assert [label.text for label in parsed.labels] == ["A10cnQO", "5T0D452"]
    assert [fault.text for fault in parsed.faults] == ["caf\u00e9", "a/b"]


@pytest.mark.parametrize(
    ("source", "kind"),
    [("", "empty"), ('""', "empty"), ("A10cnQO 5T0D452", "several labels"), ("caf\u00e9", "look-alike character")],
)
def test_parse_wants_exactly_one_label(source: str, kind: str) -> None:
    """`parse` refuses nothing, several labels, and what is no label, with a fault that says so."""
    with pytest.raises(InvalidLabel) as caught:
        parse(source)
    assert caught.value.fault.kind == kind


def test_parse_keeps_the_station() -> None:
    """One tracklet with its station is one label."""
    assert parse("5T0D452 703") == Label("5T0D452", ("trksub",), ("703",))


def test_the_error_and_the_fault_do_not_show_what_was_typed() -> None:
    """What may reach a log, that is `str` and `repr`, has the category only."""
    with pytest.raises(InvalidLabel) as caught:
        parse("hunter2\u0410hunter2")
    shown = f"{caught.value!s} {caught.value!r} {caught.value.fault!r}"
    assert "hunter" not in shown
    assert "0410" not in shown
    assert "look-alike character" in shown


PIECES = (
    *(SUBMISSION, BLOCK, SUBMISSION.replace("T", " "), CODE, CODE.replace("-", " - "), "703", "F51", "log", "Help"),
    *("2015 AC2", "2015", "AC2", "C/2024 A1", "(433)", "<label>", "&lt;", "&amp;", "a@b.c", "2024 05 02.12345\n"),
    *("2023-02-29T00:00:00.000_00000000", "2024-05-02", "21:03:35.001_0000FzZw", "_01", "-DEL", "\\A10"),
    *"`'\"<>()[]{}.,:;!?&|@#= \t\n\x00\x1f\u00a0\u00ad\u200b\u2066\u2069\ufeff\ufe0f\u201c\u201d\u00ab",
    *"\u0410\u00e9\u0661\uff21\u2013\ufdfa\ud800\udfff\U000e0041",
)
LABELISH = st.one_of(
    st.from_regex("|".join(f"(?:{pattern})" for pattern in PUBLISHED.values()), fullmatch=True),
    st.sampled_from(PIECES),
    st.text("aZ09-_.:T", max_size=14),
    st.text(st.characters(codec=None), max_size=3),
)
COMMANDS = st.lists(LABELISH, max_size=12).map("".join) | st.lists(LABELISH, max_size=12).map(" ".join)


@given(COMMANDS)
def test_whatever_is_let_through_is_a_label(source: str) -> None:
    """Whatever the text, what is let through matches rows of the MPC's table as a whole, and has just these kinds."""
    parsed = parse_all(source)
    for label in parsed.labels:
        assert label.kinds
        assert label.kinds == published_kinds(label.text)
        assert all(re.fullmatch("[0-9A-Z][0-9][0-9]", station) for station in label.stations)
    assert len({label.text for label in parsed.labels}) == len(parsed.labels)


@given(COMMANDS)
def test_parse_ends_with_a_label_or_with_its_own_error(source: str) -> None:
    """Whatever the text, `parse` gives a label that the MPC's table has, or raises `InvalidLabel`."""
    try:
        label = parse(source)
    except InvalidLabel:
        return
    assert label.kinds
    assert label.kinds == published_kinds(label.text)


@given(COMMANDS)
def test_a_fault_can_be_sent_and_repeats_no_action_code(source: str) -> None:
    """Whatever the text, a fault is short, has a reason, encodes as UTF-8, and holds nothing like an action code."""
    for fault in parse_all(source).faults:
        sent = (fault.text + fault.kind + fault.reason).encode()
        assert CODE.encode() not in sent
        assert fault.reason
        assert len(fault.text) <= 101
        assert re.fullmatch("[-A-Za-z0-9 ]+", fault.kind)


@given(COMMANDS)
def test_the_good_labels_can_be_pasted_again(source: str) -> None:
    """What `paste_again` writes is read as the same labels with the same stations, and as no sub-command."""
    labels = parse_all(source).labels
    written = paste_again(labels)
    assert parse_all(written).labels == labels
    assert parse_all(written).faults == ()
    assert subcommand(written) is None


@given(st.from_regex("|".join(f"(?:{pattern})" for pattern in PUBLISHED.values()), fullmatch=True))
def test_a_quoted_label_is_that_label(text: str) -> None:
    """Whatever matches the MPC's table and has a date that exists is let through when it is quoted."""
    kinds = published_kinds(text)
    if kinds:
        assert parse(f'"{text}"') == Label(text, kinds)
    else:
        with pytest.raises(InvalidLabel):
            parse(f'"{text}"')


@given(COMMANDS)
def test_a_subcommand_leaves_the_rest_as_it_was_typed(source: str) -> None:
    """Whatever the text, a sub-command is one of the three, and what follows it is the end of the text."""
    found = subcommand(source)
    if found:
        unescaped = re.sub("&(lt|gt|amp);", lambda match: {"lt": "<", "gt": ">", "amp": "&"}[match[1]], source)
        assert found[0] in {"help", "log", "check"}
        assert unescaped.endswith(found[1])


@pytest.mark.parametrize(
    ("unit", "labels", "faults"),
    [
        ("a ", 1, 0),
        ("a", 0, 1),
        ("<", 0, 0),
        ("a@", 0, 1),
        ("[label ", 0, 1),
        ("2024-05-02 ", 1, 0),
        ("aaaaaaaaaaaaaaaa-", 0, 1),
        ("\ufdfa", 0, 1),
        ("a\u0301", 0, 1),
        ("\ud800", 0, 1),
    ],
)
def test_a_long_hostile_text_ends(unit: str, labels: int, faults: int) -> None:
    """A text of 100,000 characters made to be hard to read comes back in few labels and short faults."""
    parsed = parse_all(unit * (100_000 // len(unit)))
    assert (len(parsed.labels), len(parsed.faults)) == (labels, faults)
    assert all(len(fault.text) + len(fault.reason) < 600 for fault in parsed.faults)


def test_the_table_cannot_be_changed() -> None:
    """The table of the patterns has the contract's four rows in its order, and nobody can write to it."""
    assert list(KINDS) == ["trksub", "trkid", "submission_block_id", "submission_id"]
    assert not hasattr(KINDS, "__setitem__")
