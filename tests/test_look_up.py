"""One look-up at the MPC, over HTTP: what it asks, and that whatever breaks, nothing is found and nothing is raised."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bot import exchange
from bot.findings import Known
from bot.labels import Label, parse
from bot.mpc import MAX_LOOK_UP, MPC, LookUp
from bot.sandbox import faults
from bot.sandbox.faults import Fault
from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.mpc_answers import observation

SUBMISSION = "2026-01-01T00:05:07.453_0000BhCE"
OBSERVED = observation("5T0D452", "703", said="has been placed in the Isolated Tracklet File (ITF)", letter="I")


@pytest.fixture
def sandbox() -> Iterator[SandboxMPC]:
    """Give an MPC that takes any number of requests, and has a tracklet and a submission."""
    with SandboxMPC(rate_per_s=None) as mpc:
        mpc.tracklets["5T0D452 703"] = [OBSERVED]
        mpc.submissions[SUBMISSION] = {"accepted": True, "pipeline_entry_time": None, "fault_events": []}
        yield mpc


def look_up(sandbox: SandboxMPC, *labels: Label, within_s: float = 2.0) -> LookUp:
    """Look labels up."""
    return MPC(api_url=sandbox.url, timeout_s=9).look_up(labels, leave=lambda: True, within_s=within_s)


def test_wamo_is_asked_as_the_mpc_documents_it(sandbox: SandboxMPC) -> None:
    """One GET with a list as JSON, with everything that is to be looked up; nobody is mailed."""
    several = Label("A10cnQO", ("trksub",), ("703", "F51"))
    got = look_up(sandbox, parse("5T0D452 703"), several, parse(f"{SUBMISSION}_01"))
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("GET", "/api/wamo")
    assert json.loads(request.body) == ["5T0D452 703", "A10cnQO 703", "A10cnQO F51", f"{SUBMISSION}_01"]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("actcode/")
    assert {label: one.known for label, one in got.findings.items()} == {
        "5T0D452": Known.OBSERVED,
        "A10cnQO": Known.NOTHING,
        f"{SUBMISSION}_01": Known.NOTHING,
    }
    assert sandbox.mails == []


def test_the_status_of_a_submission_is_asked_as_the_mpc_documents_it(sandbox: SandboxMPC) -> None:
    """One GET with the ID in an object."""
    got = look_up(sandbox, parse(SUBMISSION))
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("GET", "/api/submission-status")
    assert json.loads(request.body) == {"submission_id": SUBMISSION}
    assert got.findings[SUBMISSION].known is Known.TAKEN_IN
    assert look_up(sandbox, parse(f"{SUBMISSION[:-1]}x")).findings[f"{SUBMISSION[:-1]}x"].known is Known.NO_SUBMISSION


FAULTS: dict[str, tuple[Fault, int | None]] = {
    "silence": (faults.hang(), None),
    "a body that dribbles": (faults.dribble(0.05), None),
    "a head that dribbles": (faults.dribble(0.05, part="head"), None),
    "no HTTP": (faults.garbage(), None),
    "half an answer": (faults.truncated(), None),
    "a reset": (faults.reset_after(), None),
    "an answer that is too long": (faults.too_long(MAX_LOOK_UP + 1), None),
    "a failure of the server": (faults.answer(500, "no"), 500),
    "a redirect": (faults.redirect("http://127.0.0.1:9/"), 307),
    "a block": (faults.answer(403, "Forbidden"), 403),
    "a page": (faults.answer(200, "<html>found</html>"), 200),
    "another list": (faults.answer(200, [1, 2]), 200),
    "a malformed list": (faults.answer(200, {"found": [7], "accepted": None}), 200),
}


@pytest.mark.parametrize("label", [parse("5T0D452 703"), parse(SUBMISSION)], ids=["wamo", "submission-status"])
@pytest.mark.parametrize("case", FAULTS)
def test_whatever_breaks_nothing_is_found(sandbox: SandboxMPC, case: str, label: Label) -> None:
    """Nothing is raised, and it ends in time."""
    fault, http_status = FAULTS[case]
    for endpoint in ("wamo", "submission-status"):
        sandbox.fail(None, fault, endpoint=endpoint)
    started = time.monotonic()
    got = look_up(sandbox, label, within_s=0.5)
    assert (dict(got.findings), got.http_status) == ({}, http_status)
    assert time.monotonic() - started < 2
    assert len(sandbox.requests) == 1


def test_a_429_says_how_long_to_wait(sandbox: SandboxMPC) -> None:
    """So that the others can keep to it."""
    sandbox.fail(None, faults.answer(429, "", {"Retry-After": "7"}), endpoint="wamo")
    got = look_up(sandbox, parse("5T0D452 703"))
    assert (got.http_status, got.retry_after_s) == (429, 7)


def test_what_must_not_leave_any_more_does_not(sandbox: SandboxMPC) -> None:
    """A look-up whose turn is over is not made."""
    mpc = MPC(api_url=sandbox.url, timeout_s=9)
    assert mpc.look_up([parse(SUBMISSION)], leave=lambda: False, within_s=1) == LookUp()
    sandbox.refuse()
    assert look_up(sandbox, parse(SUBMISSION)) == LookUp()
    assert sandbox.requests == []


def test_the_limit_holds_for_the_whole(sandbox: SandboxMPC) -> None:
    """What passes before the request leaves is taken from the time for its answer."""

    def leave() -> bool:
        threading.Event().wait(0.8)
        return True

    sandbox.fail(None, faults.hang(), endpoint="wamo")
    started = time.monotonic()
    got = MPC(api_url=sandbox.url, timeout_s=9).look_up([parse("5T0D452 703")], leave=leave, within_s=1)
    assert got == LookUp()
    assert 0.9 < time.monotonic() - started < 1.6


def test_the_connection_counts_as_well() -> None:
    """A server that accepts and then says nothing ends a look-up as early as an answer that does not come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/api"
        started = time.monotonic()
        got = MPC(api_url=url, timeout_s=9).look_up([parse(SUBMISSION)], leave=lambda: True, within_s=0.5)
        assert got == LookUp()
        assert time.monotonic() - started < 2 < exchange.CONNECT_TIMEOUT_S


def test_a_long_answer_is_read(sandbox: SandboxMPC) -> None:
    """A submission block holds hundreds of observations."""
    sandbox.tracklets["5T0D452 703"] = [OBSERVED] * 1000
    finding = look_up(sandbox, parse("5T0D452 703")).findings["5T0D452"]
    assert [one.count for one in finding.groups] == [1000]
