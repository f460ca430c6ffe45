"""What is wrong with a single word that is no label, and what of it may be repeated."""

import pytest

from bot.labels import parse_all
from bot.mistakes import Fault, explain

CODE = "nmVDPG760e2qQw97-DEL"


def only_fault(source: str) -> Fault:
    """Return the fault of a text that has just one."""
    parsed = parse_all(source)
    assert len(parsed.faults) == 1
    return parsed.faults[0]


@pytest.mark.parametrize(
    ("typed", "kind", "says"),
    [
        ("1234567890123", "too long", "13 characters"),
        ("A" * 24, "too long", "at most 12"),
        ("A" * 16, "too long", "treat it as a password"),
        ("L4eBVG000000CfiO010000A9a", "obsID", "one observation"),
        ("MK73oI010000DZYs010000123", "obsID", "WAMO"),
        ("\\A10cnQO", "backslash", "trkid or the submission ID"),
        ("joe@example.org", "e-mail address", "address on file"),
        ("<mailto:joe@example.org|joe@example.org>", "e-mail address", "label"),
        ("https://example.org/A10", "link", "link"),
        ("<https://example.org|example.org>", "link", "link"),
        ("www.example.org", "link", "link"),
        ("xoxb-123456789012-abc", "token", "password"),
        ("@joe", "mention", "person"),
        ("<@U123|joe>", "mention", "person"),
        ("<!here>", "mention", "group"),
        ("#neo", "channel", "channel"),
        ("<#C123|neo>", "channel", "channel"),
        ("P/Halley", "designation", "designation"),
        ("12P/Pons-Brooks", "designation", "designation"),
        ("C/2024A1", "designation", "designation"),
        ("2024-05-02T21:03:35.001_0000FzZ", "incomplete ID", "eight letters or digits"),
        ("2024-05-02T21:03:35.001_0000FzZw_1", "incomplete ID", "two digits"),
        ("2024-05-02T21:03:35.001_0000FzZwX", "incomplete ID", "from place 33 on"),
        ("2024-05-02T21:03:35.001", "incomplete ID", "an underscore"),
        ("2024-05-02T21:03:35_0000FzZw", "incomplete ID", "three digits"),
        ("2024-05-02T21:03:35.01_0000FzZw", "incomplete ID", "exactly three digits"),
        ("2024-05-02T21:03:35.0011_0000FzZw", "incomplete ID", "exactly three digits"),
        ("2024-05-02T21:03", "incomplete ID", "a time such as"),
        ("2024-05-02t21:03:35.001_0000FzZw", "incomplete ID", "capital T"),
        ("2024-05-0221:03:35.001_0000FzZw", "incomplete ID", "capital T"),
        ("2024-5-2T21:03:35.001_0000FzZw", "incomplete ID", "a date such as"),
        ("2024-02-30T21:03:35.001_0000FzZw", "impossible date", "date in this ID"),
        ("2023-02-29T21:03:35.001_0000FzZw_01", "impossible date", "date in this ID"),
        ("0000-05-02T21:03:35.001_0000FzZw", "impossible date", "date in this ID"),
        ("2024-13-02T21:03:35.001_0000FzZw", "impossible date", "date in this ID"),
        ("2024-05-02T24:00:00.001_0000FzZw", "impossible time", "time in this ID"),
        ("2024-05-02T22:59:60.001_0000FzZw", "impossible time", "time in this ID"),
        ("2024-05-02T23:59:61.001_0000FzZw", "impossible time", "time in this ID"),
        ("2024-05-02T21:03:75.001_0000FzZw", "impossible time", "time in this ID"),
        ("A10/cnQO", "character", '"/" in place 4'),
        ('A10"cnQO', "character", "'\"' in place 4"),
        ("A10=B20", "character", '"=" in place 4'),
        ("a.b.c.d.e.f", "character", "and 2 more"),
        ("\u4e2d", "character", "U+4E2D"),
        ("A\u0410", "look-alike character", "U+0410 CYRILLIC CAPITAL LETTER A in place 2"),
        ("\u039fK15", "look-alike character", "U+039F GREEK CAPITAL LETTER OMICRON in place 1"),
        ("A\u0661", "look-alike character", "U+0661 ARABIC-INDIC DIGIT ONE in place 2"),
        ("\uff21", "look-alike character", "U+FF21 FULLWIDTH LATIN CAPITAL LETTER A in place 1"),
        ("caf\u00e9", "look-alike character", "U+00E9 LATIN SMALL LETTER E WITH ACUTE in place 4"),
        ("A\u2013B", "look-alike character", "U+2013 EN DASH in place 2"),
        ("A10cnQO\u2013", "look-alike character", "U+2013 EN DASH in place 8"),
        ("A\u2212B", "look-alike character", "U+2212 MINUS SIGN in place 2"),
        ("2024-05-02\u042221:03:35.001_0000FzZw", "look-alike character", "U+0422 CYRILLIC CAPITAL LETTER TE in"),
        ("A\u200bB", "invisible character", "U+200B ZERO WIDTH SPACE in place 2"),
        ("A\u0410\u200bB", "invisible character", "U+0410 CYRILLIC CAPITAL LETTER A in place 2, U+200B"),
        ("A\x00B", "invisible character", "U+0000 (a control character) in place 2"),
        ("A\u3164B", "invisible character", "U+3164 HANGUL FILLER in place 2"),
        ("A\U000e0fffB", "invisible character", "U+E0FFF (no name) in place 2"),
        ("A\ud800B", "character", "U+D800 (half a character) in place 2"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_explained_in_the_observers_terms(typed: str, kind: str, says: str) -> None:
    """Each mistake that observers make has a category of its own and a reason that says what to do."""
    fault = only_fault(typed)
    assert fault.kind == kind
    assert says in fault.reason


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        "nmVDPG760e2qQw97-XYZ",
        CODE.lower(),
        f"`{CODE}`",
        f"<{CODE}>.",
        f"\u200b{CODE}\u200b",
        f"action_code={CODE}",
        f"https://example.org/submit_action_code?action_code={CODE}",
        f"/{CODE}/",
        CODE.replace("-", "\u2013"),
        CODE.replace("-", "\u200b-"),
        CODE.replace("-", ""),
        CODE.replace("PG", 'P"G'),
        CODE.replace("PG", "P\u200bG"),
        CODE.replace("n", "\uff4e"),
        CODE.replace("n", ""),
        CODE + "\u0301",
        "nmVDPG760e2qQw97 -DEL",
        "nmVDPG760e2qQw97- DEL",
        "nmVDPG760e2qQw97 - del",
        "nmVDPG760e2qQw97\n-DEL",
        "nmVDPG76 0e2qQw97-DEL",
        f"{CODE} {CODE.replace('DEL', 'COM')}",
    ],
)
def test_an_action_code_gets_its_own_answer_and_is_not_repeated(typed: str) -> None:
    """A pasted action code, whole or a little broken, is a password: not repeated, and told where it belongs."""
    parsed = parse_all(typed)
    fault = only_fault(typed)
    assert parsed.labels == ()
    assert fault.kind == "action code"
    assert fault.text == ""
    assert "password" in fault.reason
    assert "not kept" in fault.reason
    assert "https://www.minorplanetcenter.net/submit_action_code" in fault.reason


@pytest.mark.parametrize(
    "typed",
    [
        "nmVDPG760e2qQw97",
        "nmVDPG760\u04352qQw97-DEL/x",
        "#nmVDPG760e2qQ97-XYZ",
        "joe@example.org",
        "#joe@example.org",
        "joe\uff20example.org",
        "https://hooks.slack.com/commands/T1/2/3",
        "hooks.slack.com/commands/T1/2/3",
        "xoxb-123456789012-abc",
        f"K15A02C C2024 05 02.12345 {CODE} 703",
    ],
)
def test_what_may_be_secret_or_private_is_not_repeated(typed: str) -> None:
    """Half a code, an e-mail address, a token or a link with something in it is not repeated to anyone."""
    for fault in parse_all(typed).faults:
        assert fault.text == ""


def test_what_is_repeated_is_what_was_typed_without_what_was_around_it() -> None:
    """The person who typed a wrong word sees it again, without the quotes around it."""
    assert only_fault("\u201ca/b\u201d.").text == "a/b"


def test_what_is_repeated_is_short() -> None:
    """Of a very long word only the beginning is repeated."""
    assert only_fault("A" * 5000).text == "A" * 100 + "\u2026"


def test_what_is_repeated_shows_and_encodes() -> None:
    """Invisible characters and lone surrogates come back as U+FFFD, so they neither turn nor break the answer."""
    assert only_fault("A\u202eB\ud800C\x00D").text == "A\ufffdB\ufffdC\ufffdD"


def test_equal_mistakes_are_told_once() -> None:
    """The same wrong word twice is one fault."""
    assert only_fault("a/b a/b `a/b`").text == "a/b"


@pytest.mark.parametrize("ending", ["DEL", "COM", "DNE", "ART", "CMT"])
def test_every_ending_of_an_action_code_is_known(ending: str) -> None:
    """A code that lost or gained a character is still known by each of the MPC's five endings."""
    assert explain(f"nmVDPG760e2qQw9-{ending}").kind == "action code"
    assert explain(f"nmVDPG760e2qQw9777-{ending}").kind == "action code"
