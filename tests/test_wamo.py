"""What submission-status and WAMO say of a label, how it is told, and that nothing else of their answers is kept."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import findings, wamo
from bot.findings import Finding, Group, Known
from bot.labels import Label, parse
from bot.sandbox.mpc_answers import observation

SUBMISSION = "2026-01-01T00:05:07.453_0000BhCE"
BLOCK = f"{SUBMISSION}_01"
LABEL = parse("5T0D452 703")
KEY = "5T0D452 703"


def said(finding: Finding | None) -> str | None:
    """Return what the trail keeps of a finding."""
    return findings.note(None, finding)


def status(content: object, *, http_status: int = 200) -> str | None:
    """Return what is told of an answer of submission-status."""
    return said(wamo.read_submission(http_status, json.dumps(content).encode()))


def found(*observations: dict[str, Any], label: Label = LABEL, key: str = KEY) -> str | None:
    """Return what is told where WAMO has these observations."""
    body = json.dumps({"found": [{key: list(observations)}], "malformed": [], "not_found": []}).encode()
    return said(wamo.read_wamo(200, body, [label]).get(label.text))


def one(said: str, letter: str, **more: str) -> dict[str, Any]:
    """Return an observation of our tracklet."""
    return observation("5T0D452", "703", said=said, letter=letter, **more)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("5T0D452 703", ("5T0D452 703",)),
        ("5T0D452 703 5T0D452 F51", ("5T0D452 703", "5T0D452 F51")),
        ("00000DwbEz 703", ("00000DwbEz 703",)),
        ("A10cnQO", ()),
        (SUBMISSION, (SUBMISSION,)),
        (BLOCK, (BLOCK,)),
    ],
)
def test_what_a_label_is_looked_up_by(typed: str, asked: tuple[str, ...]) -> None:
    """A tracklet with each of its stations, and not without one; an ID by itself."""
    assert wamo.identifiers(parse(typed)) == asked


SUBMISSIONS: dict[str, tuple[object, str | None]] = {
    "accepted": (
        {"accepted": True, "pipeline_entry_time": "2026-01-01T00:06:00.696565+00:00", "fault_events": []},
        "The MPC has this submission: accepted by ingest, in the pipeline since 2026-01-01 00:06 UTC",
    ),
    "accepted, in another time zone": (
        {"accepted": True, "pipeline_entry_time": "2026-01-01T02:06:00+02:00"},
        "The MPC has this submission: accepted by ingest, in the pipeline since 2026-01-01 00:06 UTC",
    ),
    "accepted, not processed yet": (
        {"accepted": True, "pipeline_entry_time": None, "fault_events": [{"message": "warning: name", "phase": 2}]},
        "The MPC has this submission: accepted by ingest, not in the pipeline yet",
    ),
    "rejected": (
        {
            "accepted": False,
            "pipeline_entry_time": None,
            "fault_events": [
                {"message": "exact duplicate of submission 2025-11-12T21:09:16.359_0000Ba8U", "failure_code": 5},
                {"message": "ingest failed", "phase": 2, "failure_code": 7},
            ],
        },
        "The MPC has this submission, but it was rejected at ingest: exact duplicate of submission "
        "2025-11-12T21:09:16.359_0000Ba8U",
    ),
    "rejected, with an address and a code": (
        {"accepted": False, "fault_events": [{"message": "ask anna@example.org for nmVDPG760e2qQw97-DEL."}]},
        "The MPC has this submission, but it was rejected at ingest: ask [e-mail address] for [action code]",
    ),
    "rejected without a reason": (
        {"accepted": False, "fault_events": [7, {"message": 7}, {}]},
        "The MPC has this submission, but it was rejected at ingest, without a reason",
    ),
    "no boolean": ({"accepted": "yes", "pipeline_entry_time": None}, None),
    "no time": ({"accepted": True, "pipeline_entry_time": "soon"}, None),
    "a time out of the world": ({"accepted": True, "pipeline_entry_time": "9999-12-31T23:59:59-14:00"}, None),
    "a number as the time": ({"accepted": True, "pipeline_entry_time": 7}, None),
    "a list": ([], None),
    "an error": ({"error": "busy"}, None),
}


@pytest.mark.parametrize("case", SUBMISSIONS)
def test_the_status_of_a_submission(case: str) -> None:
    """Accepted or not, since when or why; what is not as documented says nothing."""
    content, told = SUBMISSIONS[case]
    assert status(content) == told


def test_a_submission_that_the_mpc_does_not_have() -> None:
    """404 is documented to mean just that; any other failure says nothing."""
    assert status("x", http_status=404) == ("The MPC has no submission with this ID: check the spelling and the case")
    good = SUBMISSIONS["accepted"][0]
    assert [status(good, http_status=number) for number in (201, 302, 400, 403, 429, 500, 503)] == [None] * 7


FATES = {
    "P": (one("has been identified as (29149) and published in MPS   145016", "P", iau_desig="29149",
              ref="MPS   145016"), "published as (29149) in MPS 145016"),
    "P, provisional": (one("has been identified as 2026 FH2 and published in MPEC 2026-F101", "P",
                           iau_desig="2026 FH2", ref="MPEC 2026-F101"), "published as 2026 FH2 in MPEC 2026-F101"),
    "p": (one("has been identified as 2026 FH2, publication is pending", "p", iau_desig="2026 FH2"),
          "identified as 2026 FH2, publication pending"),
    "ITF": (one("has been placed in the Isolated Tracklet File (ITF)", "I"), "in the Isolated Tracklet File"),
    "NEOCP": (one("is on the NEOCP/PCCP", "N"), "on the NEOCP/PCCP"),
    "queue": (one("is in the 'neocp/incoming' processing queue", "X"), "in the processing queue neocp/incoming"),
    "deleted": (one("has been deleted", "D"), "deleted"),
    "rejected": (one("was rejected", "R"), "rejected"),
    "duplicate": (one("was flagged as a near-duplicate", "M"), "flagged as near-duplicate"),
    "unidentified": (one("is an unidentified isolated observation", "U"), "unidentified and isolated"),
    "not processed": (one("has not been processed", "X"), "not processed yet"),
    "no minor planet": (one("is not a minor planet", "Z"), "not a minor planet"),
    "artificial": (one("was suspected to be artificial", "Z"), "suspected to be artificial"),
    "only a letter": ({"status": "P"}, "published"),
    "a letter nobody knows": ({"status": "?"}, "with a status that the bot does not know"),
    "nothing": ({}, "with a status that the bot does not know"),
    "fields of other types": ({"status": 7, "status_decoded": ["x"], "ref": {}, "iau_desig": 3},
                              "with a status that the bot does not know"),
}  # fmt: skip


@pytest.mark.parametrize("case", FATES)
def test_what_became_of_an_observation(case: str) -> None:
    """Each of WAMO's sentences, and each letter of a status, in a few words."""
    observed, fate = FATES[case]
    assert found(observed) == f"Under this trksub the MPC has 1 observation, {fate}"


def test_observations_that_fared_alike_are_counted() -> None:
    """Three of a tracklet are one line; of many fates, the largest are told."""
    published, itf, gone, queued = (FATES[name][0] for name in ("P", "ITF", "deleted", "queue"))
    assert found(*[published] * 3) == "Under this trksub the MPC has 3 observations, published as (29149) in MPS 145016"
    assert found(itf, published, published) == (
        "Under this trksub the MPC has 3 observations: 2 published as (29149) in MPS 145016; "
        "1 in the Isolated Tracklet File"
    )
    many = found(*[published] * 9, *[itf] * 4, *[gone] * 3, *[queued] * 2)
    assert many is not None
    assert many.endswith("4 in the Isolated Tracklet File; 3 deleted; 2 others")


def test_no_astrometry_is_kept() -> None:
    """Neither the 80-column line nor what stands in other fields in its place gets through."""
    line = "29149         C2005 10 10.39002 02 57 12.16 +09 01 47.3          16.5 Vro5016703"
    hostile = one("has been identified as x and published in y", "P", iau_desig=line, ref=line)
    assert found(hostile) == "Under this trksub the MPC has 1 observation, published"
    assert "57 12" not in str(found(FATES["P"][0]))


def test_what_wamo_does_not_have() -> None:
    """It is missing from `found`, whatever else stands there; the sentence says where it was looked for."""
    nothing = json.dumps({"found": []}).encode()
    several = Label("5T0D452", ("trksub",), ("703", "F51"))
    cases = {
        LABEL: "this trksub at 703: check the spelling and the case",
        several: "this trksub at 703 or F51: check the spelling and the case",
        parse(BLOCK): "this submission block ID: check the spelling and the case",
        parse("00000DwbEz 703"): "this name at 703; but it was looked for among the trksubs only",
    }
    for label, told in cases.items():
        (finding,) = wamo.read_wamo(200, nothing, [label]).values()
        assert said(finding) == f"The MPC has no observations under {told}"
    assert found() == f"The MPC has no observations under {cases[LABEL]}"


def test_one_answer_tells_of_many_labels() -> None:
    """Each gets its own; of one that WAMO calls malformed, nothing is said."""
    published = FATES["P"][0]
    labels = [LABEL, parse("A10cnQO F51"), parse(BLOCK), parse("bad 703")]
    content = {
        "found": [{KEY: [published]}, {BLOCK: [published, published]}],
        "malformed": [["bad 703", "Note that one or more of your lines"]],
        "not_found": ["A10cnQO F51"],
    }
    got = wamo.read_wamo(200, json.dumps(content).encode(), labels)
    assert {label: (one.known, sum(group.count for group in one.groups)) for label, one in got.items()} == {
        "5T0D452": (Known.OBSERVED, 1),
        "A10cnQO": (Known.NOTHING, 0),
        BLOCK: (Known.OBSERVED, 2),
    }


@pytest.mark.parametrize(
    "content",
    [
        {}, [], "found", None, {"found": None}, {"found": {}}, {"found": ["x"]}, {"found": [], "malformed": 7},
        {"found": [{KEY: "x"}]}, {"found": [{KEY: ["x"]}]}, {"found": [], "malformed": [KEY]},
    ],
)  # fmt: skip
def test_an_answer_that_is_not_as_documented_says_nothing(content: object) -> None:
    """Least of all that there are no observations."""
    assert wamo.read_wamo(200, json.dumps(content).encode(), [LABEL]) == {}


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"[" * 100_000, b"<html>not JSON</html>"])
def test_what_is_no_json_says_nothing(body: bytes) -> None:
    """Whatever came in the place of an answer."""
    assert wamo.read_wamo(200, body, [LABEL]) == {}
    assert wamo.read_submission(200, body) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from([KEY, "P", BLOCK]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["found", "malformed", KEY, BLOCK, "status", "status_decoded", "ref", "iau_desig", "accepted",
             "pipeline_entry_time", "fault_events", "message"],
        ),
        inner,
        max_size=5,
    ),
    max_leaves=30,
)  # fmt: skip
TIMES = st.datetimes(timezones=st.none() | st.timezones()).map(lambda moment: moment.isoformat())


@settings(derandomize=True, deadline=None, max_examples=500)
@given(content=JSON, moment=TIMES | st.text(max_size=30))
def test_no_json_breaks_the_reading(content: object, moment: str) -> None:
    """What is found can be told in a line that the trail takes, and is the same after it was stored."""
    entered = {"accepted": True, "pipeline_entry_time": moment}
    got = [wamo.read_submission(200, json.dumps(one).encode()) for one in (content, entered)]
    for body in (content, {"found": [content]}, {"found": [{KEY: content}]}, {"found": [{KEY: [content]}]}):
        got += wamo.read_wamo(200, json.dumps(body).encode(), [LABEL, parse(BLOCK)]).values()
    for finding in filter(None, got):
        assert Finding.from_json(finding.to_json()) == finding
        told = findings.note(None, finding)
        assert told is not None
        assert len(told) <= 200
        assert told.isprintable()


def test_a_reason_comes_first_and_leaves_room() -> None:
    """The detail of an outcome has both, and what was found stays whole."""
    finding = Finding(known=Known.NOTHING, kind="trksub", stations=("703",))
    told = findings.note(None, finding)
    assert told is not None
    told = f"; t{told[1:]}"
    assert findings.note("no such label", finding) == f"no such label{told}"
    both = findings.note("x" * 200, finding)
    assert both is not None
    assert len(both) == 200
    assert both.startswith("x" * 90)
    assert both.endswith(f"…{told}")
    assert findings.note("no such label", None) == "no such label"
    wordy = Finding(known=Known.OBSERVED, kind="trksub", groups=tuple(Group(count=1, fate="y" * 90) for _ in range(3)))
    assert len(findings.note("x" * 200, wordy) or "") == 200
