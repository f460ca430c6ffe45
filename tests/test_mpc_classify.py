"""What an answer of the MPC means, and what of its reason may be kept."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Answer, classify
from bot.outcomes import Outcome
from bot.scrubbing import MAX_REASON, scrub

ACCEPTED, REJECTED, UNAVAILABLE, UNKNOWN = (
    Outcome.ACCEPTED,
    Outcome.REJECTED,
    Outcome.UNAVAILABLE,
    Outcome.UNKNOWN,
)
CODE = "nmVDPG760e2qQw97-DEL"
ADDRESS_SHAPE = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
CODE_SHAPE = re.compile(r"[A-Za-z0-9]{16}-[A-Z]{3}")


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Classify an answer; `Retry_After` stands for the header of that name."""
    return classify(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def reason(status: int, content: object) -> str | None:
    """Return what is kept of an answer in JSON."""
    return answer(status, json.dumps(content).encode()).detail


def expected(status: int) -> Outcome:
    """Return what the contract's table says of a status with an empty body, written down a second time."""
    if status < 200:
        return UNKNOWN
    if status < 300:
        return ACCEPTED
    if status < 400 or status in {401, 403, 408, 429, 503}:
        return UNAVAILABLE
    return REJECTED if status < 500 else UNKNOWN


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_the_outcome_of_the_contract(status: int) -> None:
    """Whatever the status, an answer has an outcome, and only what was surely not processed may be asked again."""
    got = answer(status)
    assert (got.outcome, got.http_status, got.detail) == (expected(status), status, None)
    assert got.again is (status in {408, 429, 503})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("body", [b"", b" ", b"\r\n", b" \t\n\x0b\x0c", b"\n" * 5000])
def test_an_empty_success_is_accepted(status: int, body: bytes) -> None:
    """The MPC's answer is "intentionally vacuous": nothing but white space is as good as nothing."""
    assert answer(status, body) == Answer(outcome=ACCEPTED, http_status=status)


@pytest.mark.parametrize(
    "content",
    [
        None,
        True,
        False,
        0,
        1.5,
        "",
        "error",
        [],
        ["error"],
        [{"error": "inside a list"}],
        {},
        {"message": "ok"},
        {"status": "ok"},
        {"status": "success"},
        {"status": "failure"},
        {"status": 500},
        {"status": ["error"]},
        {"status": None},
        {"error": None},
        {"error": False},
        {"error": 0},
        {"error": ""},
        {"error": [], "errors": {}},
        {"Error": "another key"},
        {"data": {"error": "deeper"}},
    ],
)
def test_json_that_reports_no_error_is_accepted(content: object) -> None:
    """JSON of any shape is accepted, unless its own `error`, `errors` or `status` says otherwise."""
    assert answer(200, json.dumps(content).encode()) == Answer(outcome=ACCEPTED, http_status=200)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"error": "no such label"}, "no such label"),
        ({"error": True}, None),
        ({"error": 1, "message": "no such label"}, "no such label"),
        ({"error": {"message": "no such label"}}, "no such label"),
        ({"error": {"code": 7}}, None),
        ({"error": ["one", "two"]}, "one; two"),
        ({"errors": ["one", {"detail": "two"}]}, "one; two"),
        ({"error": "", "errors": {"message": "x"}}, "x"),
        ({"status": "error"}, "error"),
        ({"status": "ERROR", "message": "no such label"}, "no such label"),
        ({"status": " failed "}, "failed"),
        ({"status": "fail", "reason": "no such label"}, "no such label"),
    ],
)
def test_json_that_reports_an_error_is_rejected(content: object, detail: str | None) -> None:
    """A truthy `error` or `errors`, or a `status` of error, fail or failed, is a no in spite of the 2xx."""
    got = answer(200, json.dumps(content).encode())
    assert (got.outcome, got.detail, got.again) == (REJECTED, detail, False)


@pytest.mark.parametrize(
    "body",
    [
        b"OK",
        b"<html><body>Welcome</body></html>",
        b"{",
        b"{'error': 'x'}",
        b"{} {}",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"\xff\xfe\xfa",
        b"\x00",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 60_000,
    ],
)
def test_a_success_that_is_not_json_is_unknown(body: bytes) -> None:
    """A page of a proxy, a broken object, NaN, or nesting without end: it may have been processed or not."""
    assert answer(200, body) == Answer(outcome=UNKNOWN, http_status=200, detail="the answer is not JSON")


def test_a_byte_order_mark_does_not_hide_json() -> None:
    """What some servers put before their JSON is no part of it."""
    assert answer(200, b"\xef\xbb\xbf{}").outcome == ACCEPTED
    got = answer(200, b'\xef\xbb\xbf{"error": "no such label"}')
    assert (got.outcome, got.detail) == (REJECTED, "no such label")
    assert answer(404, b'\xef\xbb\xbf{"error": "no such label"}').detail == "no such label"
    assert answer(404, b"\xef\xbb\xbfno such label").detail == "no such label"


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("no such label", "no such label"),
        ({"message": "m", "error": "e"}, "e"),
        ({"detail": "d"}, "d"),
        ({"detail": [{"loc": ["body", "label"], "msg": "wrong form", "type": "value_error"}]}, "wrong form"),
        ({"title": "t", "description": "d"}, "d"),
        ({"error": {"reason": {"message": "deep"}}}, "deep"),
        ({"error": {"error": {"error": {"error": "too deep"}}}}, None),
        ([f"e{number}" for number in range(9)], "e0; e1; e2; e3; e4"),
        ({"secret": "not a reason"}, None),
        (None, None),
        (42, None),
        ({}, None),
    ],
)
def test_the_reason_is_found_in_json_of_many_shapes(content: object, detail: str | None) -> None:
    """The MPC does not document its errors: the usual places are looked at, and nothing else of the body is kept."""
    assert reason(404, content) == detail


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(301, UNAVAILABLE), (400, REJECTED), (403, UNAVAILABLE), (422, REJECTED), (500, UNKNOWN), (503, UNAVAILABLE)],
)
def test_the_reason_is_kept_whatever_the_outcome(status: int, outcome: Outcome) -> None:
    """A reason in plain text, in JSON or in a page is kept beside every outcome but `accepted`."""
    for body in (b"out of order", b'{"error": "out of order"}', b"<html><body><h1>out of order</h1></body></html>"):
        got = answer(status, body)
        assert (got.outcome, got.detail) == (outcome, "out of order")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("31536001", 31_536_000.0),
        ("9" * 400, 31_536_000.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +1400", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 31_536_000.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("5, 10", None),
        ("soon", None),
        ("\u0665", None),
        ("inf", None),
        ("Wed, 99 Foo 2026 99:99:99 GMT", None),
        ("Wed, 01 Jan 2025 00:00:00 +99999999", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Wed, 01 Jan 2025 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str, seconds: float | None) -> None:
    """Seconds and HTTP dates count, from none to a year; whatever else stands there says nothing."""
    assert answer(429, Retry_After=header).retry_after_s == seconds
    assert answer(429, Retry_After=header).again


@pytest.mark.parametrize("zone", [UTC, None])
def test_retry_after_as_a_date_to_come_is_the_time_until_then(zone: object) -> None:
    """A date is counted from now on; one without a zone is in UTC."""
    moment = datetime.now(UTC) + timedelta(seconds=600)
    header = format_datetime(moment) if zone else format_datetime(moment.replace(tzinfo=None))
    seconds = answer(503, Retry_After=header).retry_after_s
    assert seconds is not None
    assert 590 < seconds <= 600


def test_retry_after_counts_only_where_nothing_was_processed() -> None:
    """A pause is of no use to a request that may have been processed, or that was refused for good."""
    assert answer(503).retry_after_s is None
    assert answer(403, Retry_After="3600").retry_after_s == 3600
    assert not answer(403, Retry_After="3600").again
    for status in (200, 404, 500):
        assert answer(status, Retry_After="3600").retry_after_s is None
    assert answer(204, Retry_After=f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT") == Answer(outcome=ACCEPTED, http_status=204)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no such label: A10cnQO", "no such label: A10cnQO"),
        ("label 2024-05-02T21:03:35.001_0000FzZw_01", "label 2024-05-02T21:03:35.001_0000FzZw_01"),
        ("", ""),
        (" \t\n ", ""),
        ("two\nlines\r\nand\ta tab", "two lines and a tab"),
        ("a\x00b\x1b[31mred\x7f", "ab[31mred"),
        ("left\u202eright\u2066x\u2069\u200b", "leftrightx"),
        ("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e"),
        ("half \ud800 a character", "half a character"),
        ("<b>bold</b> and <a href='https://example.org'>link</a>", "bold and link"),
        ("<script>alert('x')</script>gone", "gone"),
        ("<STYLE type='x'>b { color: red }", ""),
        ("an open <tag that never ends", "an open"),
        ("1 > 0", "1 0"),
        ("*bold* _label_ ~gone~ `code` a|b", "bold _label_ gone code a b"),
        ("hello <!channel> and <@U123> and <#C1|neo>", "hello and and"),
        ("hello @channel and :smile:", "hello @channel and :smile:"),
        ("it&#39;s &lt;b&gt; &amp; &quot;x&quot;", 'it\'s b & "x"'),
        ("sent to joe@example.org, wait", "sent to [e-mail address] wait"),
        ("sent to <joe@example.org> now", "sent to now"),
        ("<a href='mailto:joe@example.org'>joe@example.org</a>", "[e-mail address]"),
        ("sent to joe @ example.org", "sent to [e-mail address]"),
        ("sent to joe@<b>example.org</b>", "sent to [e-mail address]"),
        ("sent to joe\u200b@\u200bexample.org", "sent to [e-mail address]"),
        ("sent to joe&#64;example.org", "sent to [e-mail address]"),
        ("sent to joe%40example.org", "sent to [e-mail address]"),
        ("sent to joe\uff20example.org", "sent to [e-mail address]"),
        (f"the code is {CODE}.", "the code is [action code]"),
        (f"code={CODE}&x", "code=[action code]"),
        (CODE.lower(), "[action code]"),
        (CODE.replace("-", " - "), "[action code]"),
        (CODE.replace("-", "\u2013"), "[action code]"),
        (CODE.replace("-", "&#45;"), "[action code]"),
        (CODE.replace("PG", "P\u200bG"), "[action code]"),
        (CODE.replace("PG", "P\x00G"), "[action code]"),
        (f"x{CODE}x", "[action code]"),
        (f"{CODE} {CODE}", "[action code] [action code]"),
        ("contact-the help desk, fully-automated", "contact-the help desk, fully-automated"),
    ],
)
def test_a_reason_is_scrubbed(text: str, kept: str) -> None:
    """Control, bidirectional and other invisible characters, mark-up, addresses and action codes are taken out."""
    assert scrub(text) == kept


def test_a_reason_is_cut_at_200_characters() -> None:
    """A reason of 200 characters is whole, a longer one ends in an ellipsis and has 200."""
    assert scrub("x" * MAX_REASON) == "x" * 200
    assert scrub("x" * (MAX_REASON + 1)) == "x" * 199 + "\u2026"
    assert scrub("x" * 198 + " yz") == "x" * 198 + "\u2026"
    assert len(str(reason(400, {"error": "words " * 5000}))) <= MAX_REASON


@pytest.mark.parametrize("before", range(165, 201))
def test_the_cut_does_not_bare_a_secret(before: int) -> None:
    """Wherever the cut falls, no part of a code or of an address that was hidden comes back."""
    for secret in (CODE, f"{CODE}ETED", "joe@example.org"):
        kept = scrub("y" * before + " " + secret + " and more words, so that it has to be cut" * 5)
        assert not CODE_SHAPE.search(kept)
        assert "nmVD" not in kept
        assert "joe" not in kept
        assert len(kept) <= MAX_REASON


@pytest.mark.parametrize("piece", ["a", "a@", "<", "<!", "<script", "a ", " ", "&#64;", "A" * 16 + " ", "-", "@."])
def test_scrubbing_takes_no_longer_for_a_hostile_text(piece: str) -> None:
    """A text as long as the longest answer is scrubbed at once, whatever it repeats (the suite's time limit is on)."""
    for _ in range(10):
        assert len(scrub(piece * (64 * 1024 // len(piece)))) <= MAX_REASON


BODIES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=60),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["error", "errors", "status", "message", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    ).map(lambda content: json.dumps(content).encode()),
)
PARTS = st.sampled_from([
    CODE, CODE[:16], "-DEL", "-", " ", "joe", "@", "example.org", ".", "<", ">", "</b>", "&#64;", "&lt;", "\u200b",
    "\n", "\x00", "\u202e", "%40", "A" * 16, "x" * 150, "\u2013", "DEL", "|", "\ud800",
])  # fmt: skip


def assert_fit_for_the_trail(detail: str) -> None:
    """Hold a text to what the contract lets stand in the trail."""
    assert len(detail) <= MAX_REASON
    assert detail.isprintable()
    assert detail == detail.strip()
    assert not ADDRESS_SHAPE.search(detail)
    assert not CODE_SHAPE.search(detail)
    assert not set("<>*~`|") & set(detail)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(status=st.integers(-1, 1000), body=BODIES, header=st.none() | st.text(max_size=60))
def test_every_answer_has_an_outcome(status: int, body: bytes, header: str | None) -> None:
    """Classifying never raises, and what it keeps is one short, printable line without anything secret."""
    got = classify(status, {} if header is None else {"Retry-After": header}, body)
    assert got.outcome in {ACCEPTED, REJECTED, UNAVAILABLE, UNKNOWN}
    assert not got.again or got.outcome == UNAVAILABLE
    assert got.retry_after_s is None or 0 <= got.retry_after_s <= 31_536_000
    assert_fit_for_the_trail(got.detail or "")


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(PARTS, max_size=30).map("".join) | st.text(max_size=400))
def test_nothing_secret_or_live_survives_the_scrubbing(text: str) -> None:
    """However codes, addresses and mark-up are put together and taken apart, none is left in one piece."""
    assert_fit_for_the_trail(scrub(text))
