"""The MPC of the sandbox, through real HTTP."""

import threading
import time

import pytest
import requests

from bot.sandbox import faults
from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.watch import NotSeenError

SUBMISSION = "2024-05-02T21:03:35.001_0000FzZw"
BLOCK = f"{SUBMISSION}_01"


def ask(mpc: SandboxMPC, label: object = "A10cnQO") -> int:
    """Ask for an action code; returns the status."""
    url = f"{mpc.url}/action-codes/retrieve"
    return requests.post(url, json={"label": label}, timeout=5).status_code


def look_up(mpc: SandboxMPC, page: str, content: object) -> requests.Response:
    """Make a GET with a JSON body, as the MPC documents it."""
    return requests.get(f"{mpc.url}/{page}", json=content, timeout=5)


@pytest.mark.parametrize("label", ["A", "A10cnQO", "_ab_", "-", "00000DwbEz", "2024-05-02", SUBMISSION, BLOCK])
def test_a_well_formed_label_is_taken(mpc: SandboxMPC, label: str) -> None:
    """The answer is vacuous, and a mail goes out."""
    answer = requests.post(f"{mpc.url}/action-codes/retrieve", json={"label": label}, timeout=5)
    assert (answer.status_code, answer.json()) == (200, {})
    assert mpc.mails == [label]


@pytest.mark.parametrize(
    "label", ["", "A10cnQO\n", "1234567890123", "A 1", "É1", "١٢٣", f"{SUBMISSION}_1", f" {SUBMISSION}", None, 7, ["A"]]
)
def test_a_malformed_label_is_refused(mpc: SandboxMPC, label: object) -> None:
    """The patterns hold for the whole label, in ASCII only; nobody is mailed."""
    assert ask(mpc, label) == 400
    assert mpc.mails == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"A10cnQO"', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_object_is_refused(mpc: SandboxMPC, body: bytes) -> None:
    """The body must be JSON with a label in it."""
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{mpc.url}/action-codes/retrieve", data=body, headers=headers, timeout=5)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_a_form_is_refused(mpc: SandboxMPC) -> None:
    """The Content-Type must say JSON."""
    answer = requests.post(f"{mpc.url}/action-codes/retrieve", data='{"label": "A"}', timeout=5)
    assert answer.status_code == 400


def test_other_methods_and_pages_are_refused(mpc: SandboxMPC) -> None:
    """A GET is 405 and says what is allowed; an unknown page is 404."""
    answer = requests.get(f"{mpc.url}/action-codes/retrieve", timeout=5)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert requests.get(f"{mpc.url}/other", timeout=5).status_code == 404
    assert mpc.posts() == []


def test_a_label_that_is_not_on_file_is_told(mpc: SandboxMPC) -> None:
    """Where it is said what is on file, nothing else is."""
    mpc.on_file = {"A10cnQO"}
    assert [ask(mpc, "A10cnQO"), ask(mpc, "B20xx")] == [200, 404]
    assert mpc.mails == ["A10cnQO"]


def test_every_request_is_kept(mpc: SandboxMPC) -> None:
    """With what was asked, by whom, when, and what was answered."""
    before, before_wall = time.monotonic(), time.time()
    requests.post(
        f"{mpc.url}/action-codes/retrieve", json={"label": "A10cnQO"}, headers={"User-Agent": "x/1"}, timeout=5
    )
    (request,) = mpc.requests
    assert (request.method, request.path, request.endpoint) == ("POST", "/api/action-codes/retrieve", "retrieve")
    assert (request.label, request.body, request.status) == ("A10cnQO", b'{"label": "A10cnQO"}', 200)
    assert request.headers["user-agent"] == "x/1"
    assert before <= request.at <= time.monotonic()
    assert before_wall <= request.wall <= time.time()


def test_a_sixth_request_in_a_second_is_one_too_many() -> None:
    """It is answered 429, without a Retry-After; whatever is asked counts, and mails nobody."""
    with SandboxMPC() as mpc:
        answers = [look_up(mpc, "submission-status", {"submission_id": SUBMISSION}) for _ in range(5)]
        assert [one.status_code for one in answers] == [404] * 5
        late = requests.post(f"{mpc.url}/action-codes/retrieve", json={"label": "A"}, timeout=5)
        assert late.status_code == 429
        assert "Retry-After" not in late.headers
        assert mpc.mails == []
        mpc.retry_after_s = 2
        assert look_up(mpc, "wamo", []).headers["Retry-After"] == "2"


def test_the_second_slides() -> None:
    """Requests that are far enough apart are all taken."""
    with SandboxMPC(rate_per_s=1) as mpc:
        assert ask(mpc) == 200
        assert ask(mpc) == 429
        # Nothing happens that could be waited for: the passing of this second is what the test is about.
        threading.Event().wait(1.1)
        assert ask(mpc) == 200


def test_a_blocked_address_gets_nothing(mpc: SandboxMPC) -> None:
    """Everything is 403 until the block is lifted."""
    mpc.block()
    assert [ask(mpc), look_up(mpc, "wamo", []).status_code] == [403, 403]
    mpc.unblock()
    assert ask(mpc) == 200


def test_a_submission_has_a_status(mpc: SandboxMPC) -> None:
    """What the test has put there, or 404; a malformed ID is refused."""
    status: dict[str, object] = {"accepted": True, "pipeline_entry_time": None, "fault_events": []}
    mpc.submissions[SUBMISSION] = status
    assert look_up(mpc, "submission-status", {"submission_id": SUBMISSION}).json() == status
    assert look_up(mpc, "submission-status", {"submission_id": SUBMISSION[:-1] + "x"}).status_code == 404
    assert look_up(mpc, "submission-status", {"submission_id": "x"}).status_code == 400
    assert look_up(mpc, "submission-status", []).status_code == 400
    assert [one.label for one in mpc.requests] == [SUBMISSION, SUBMISSION[:-1] + "x", "x", None]
    assert (mpc.mails, mpc.posts()) == ([], [])


def test_wamo_finds_what_is_there(mpc: SandboxMPC) -> None:
    """What is not on file is missing from `found`, and what is no identifier is `malformed`, each with a sentence."""
    found = [{"iau_desig": "2024 AA1", "obsid": "x", "status": "published"}]
    mpc.tracklets |= {"5T0D452 703": found, BLOCK: []}
    answer = look_up(mpc, "wamo", ["5T0D452 703", "5T0D452 F51", BLOCK, "5T0D452", 7]).json()
    assert (answer["found"], answer["not_found"]) == ([{"5T0D452 703": found}, {BLOCK: []}], ["5T0D452 F51"])
    assert [identifier for identifier, _ in answer["malformed"]] == ["5T0D452", 7]
    assert "could not be parsed" in answer["malformed"][0][1]
    assert look_up(mpc, "wamo", {}).status_code == 400
    assert mpc.requests[0].label == "5T0D452"


def test_faults_are_met_in_turn(mpc: SandboxMPC) -> None:
    """A label's own come first, then those of any label, then what always happens, then what is normal."""
    mpc.fail("A", faults.answer(500), faults.answer(501))
    mpc.fail(None, faults.answer(502))
    mpc.always("A", faults.answer(503))
    assert [ask(mpc, "A") for _ in range(4)] == [500, 501, 502, 503]
    assert ask(mpc, "B") == 200
    mpc.always(None, faults.answer(504))
    assert [ask(mpc, "A"), ask(mpc, "B")] == [503, 504]
    mpc.clear()
    assert [ask(mpc, "A"), ask(mpc, "B")] == [200, 200]


def test_look_ups_have_faults_of_their_own(mpc: SandboxMPC) -> None:
    """A fault that is meant for the POST is not met by a look-up, and the other way round."""
    mpc.fail(None, faults.answer(500))
    mpc.fail("5T0D452", faults.answer(501), endpoint="wamo")
    assert look_up(mpc, "wamo", ["5T0D452 703"]).status_code == 501
    assert look_up(mpc, "wamo", ["5T0D452 703"]).status_code == 200
    assert ask(mpc) == 500


def test_connections_can_be_refused(mpc: SandboxMPC) -> None:
    """Nothing arrives, and afterwards everything is as before, at the same address."""
    mpc.refuse()
    with pytest.raises(requests.ConnectionError, match="refused"):
        ask(mpc)
    assert mpc.requests == []
    mpc.clear()
    assert ask(mpc) == 200


def test_an_answer_takes_its_time(mpc: SandboxMPC) -> None:
    """The mail has gone out before."""
    mpc.latency_s = 0.2
    started = time.monotonic()
    assert ask(mpc) == 200
    assert time.monotonic() - started >= 0.2


def test_many_ask_at_once(mpc: SandboxMPC) -> None:
    """Each is served, and they are kept in the order of their arrival."""
    threads = [threading.Thread(target=ask, args=(mpc, f"L{number}")) for number in range(40)]
    for thread in threads:
        thread.start()
    assert mpc.wait_for(lambda: len(mpc.mails) == 40)
    for thread in threads:
        thread.join()
    at = [one.at for one in mpc.requests]
    assert at == sorted(at)
    assert [one.status for one in mpc.requests] == [200] * 40
    assert len(mpc.posts("L7")) == 1


def test_waiting_in_vain_tells_what_was_seen(mpc: SandboxMPC) -> None:
    """The error has a line for each request."""
    ask(mpc)
    with pytest.raises(NotSeenError, match=r"POST /api/action-codes/retrieve 'A10cnQO' -> 200"):
        mpc.wait_for(lambda: len(mpc.mails) > 1, timeout=0.01)
