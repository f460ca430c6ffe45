"""The Minor Planet Center's endpoints: a label goes in, and an outcome or a finding comes out.

It knows how one request is made and how long it may take. It refuses to know Slack, the database, when the next
request may go out, and what an answer means (`bot.answers`, `bot.wamo`).

Sources: the MPC's "Action Codes API", "Submission Status API" and "WAMO API" documentation pages and tutorials (the
endpoints and their forms; the look-ups are GETs with a JSON body).
"""

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import requests
import urllib3

from bot import __version__
from bot.answers import Answer, classify, retry_after
from bot.exchange import Exchange, NotSentError
from bot.findings import Finding
from bot.labels import Label
from bot.outcomes import Outcome
from bot.wamo import identifiers, is_submission, read_submission, read_wamo

MAX_BODY = 64 * 1024
MAX_LOOK_UP = 1024 * 1024
"""WAMO's answer has about 600 bytes an observation, and a submission block may hold hundreds of them."""
USER_AGENT = f"actcode/{__version__} (the action-code bot for Slack; python-requests/{requests.__version__})"
"""Some pages of the MPC have answered 500 to user agents that they did not know."""

# An ID of the right form that nobody has: the MPC is 79 years old, its submission IDs are not.
_NO_SUBMISSION = "1947-01-01T00:00:00.000_00000000"
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """What came of one look-up.

    Attributes:
        findings: by the text of a label; of what is missing, nothing was learned.
        http_status: None where no whole answer came.
        retry_after_s: as `bot.answers.Answer` has it.
    """

    findings: Mapping[str, Finding] = field(default_factory=dict)
    http_status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Whole:
    """An answer that came in time and is not too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """Of one request: its time, from sending or in all, seconds, and the size of its answer, bytes."""

    timeout_s: float
    in_all: bool = False
    size: int


class MPC:
    """The MPC behind `api_url`.

    Args:
        api_url: such as `https://data.minorplanetcenter.net/api`.
        timeout_s: limit for one request, from sending to the end of its answer, seconds.
    """

    def __init__(self, *, api_url: str, timeout_s: float) -> None:
        self._url = f"{api_url}/action-codes/retrieve"
        self._status_url = f"{api_url}/submission-status"
        self._wamo_url = f"{api_url}/wamo"
        self._timeout_s = timeout_s

    def retrieve(self, label: str, *, leave: Callable[[], bool]) -> Answer:
        """Ask once that the action code of `label` be mailed to its original submitter.

        Args:
            label: one that `bot.labels` let through.
            leave: called when the connection stands, just before the request leaves; False holds it back.
        """
        started = time.monotonic()
        answer = self._ask("POST", self._url, {"label": label}, leave=leave)
        return replace(answer, elapsed_ms=round((time.monotonic() - started) * 1000))

    def look_up(self, labels: Sequence[Label], *, leave: Callable[[], bool], within_s: float) -> LookUp:
        """Ask what there is under labels, which mails nobody.

        Args:
            labels: those that `bot.wamo.identifiers` has something for; one of a submission comes alone.
            leave: as for `retrieve`.
            within_s: limit for the whole, the connection included, seconds.
        """
        submission = labels[0].text if is_submission(labels[0].kinds) else None
        url = self._wamo_url if submission is None else self._status_url
        content: object = {"submission_id": submission}
        if submission is None:
            content = [one for label in labels for one in identifiers(label)]
        got = self._exchange("GET", url, content, leave, _Limits(timeout_s=within_s, in_all=True, size=MAX_LOOK_UP))
        if isinstance(got, Answer):
            return LookUp()
        if submission is None:
            findings = read_wamo(got.status, got.body, labels)
        else:
            finding = read_submission(got.status, got.body)
            findings = {} if finding is None else {submission: finding}
        wait_s = retry_after(got.headers.get("Retry-After"))
        return LookUp(findings=findings, http_status=got.status, retry_after_s=wait_s)

    def reach(self) -> Answer:
        """Ask the status of a submission that does not exist, which mails nobody: is there an MPC, and does it talk?

        Source: the MPC's "Submission Status API" page (404 where there is no such submission).
        """
        return self._ask("GET", self._status_url, {"submission_id": _NO_SUBMISSION}, leave=lambda: True)

    def _ask(self, method: str, url: str, content: object, *, leave: Callable[[], bool]) -> Answer:
        got = self._exchange(method, url, content, leave, _Limits(timeout_s=self._timeout_s, size=MAX_BODY))
        return got if isinstance(got, Answer) else classify(got.status, got.headers, got.body)

    def _exchange(
        self, method: str, url: str, content: object, leave: Callable[[], bool], limits: _Limits
    ) -> _Whole | Answer:
        """Make one request; returns what came of it where no whole answer did."""
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
        request = requests.Request(method, url, json=content, headers=headers).prepare()
        with Exchange(timeout_s=limits.timeout_s, leave=leave, in_all=limits.in_all) as exchange:
            try:
                # No session: it would follow a redirect, heed the environment, and keep a connection alive. One that
                # the server has just closed looks like a reset after sending, and makes `unknown` of what never left.
                with exchange.adapter.send(request, timeout=exchange.timeouts, stream=True) as response:
                    status, told = response.status_code, response.headers
                    body = exchange.read(response, limits.size + 1)
            except NotSentError:
                return Answer(outcome=Outcome.UNAVAILABLE, detail="not sent: the process was paused", again=True)
            except _FAILURES as fault:
                return _failure(exchange, fault)
        if exchange.expired:
            return _too_late(status)
        if len(body) > limits.size:
            return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer is too long")
        return _Whole(status, told, body)


def _too_late(status: int | None) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer did not end in time")


def _failure(exchange: Exchange, fault: Exception) -> Answer:
    if not exchange.connected:
        return Answer(outcome=Outcome.UNAVAILABLE, detail=f"no connection: {_cause(fault)}", again=True)
    if exchange.expired or isinstance(fault, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _too_late(None)
    return Answer(outcome=Outcome.UNKNOWN, detail="the connection broke after sending")


def _cause(fault: Exception) -> str:
    names = {
        "NameResolutionError": "the host's name was not found",
        "ConnectTimeoutError": "time-out",
        "SSLError": "TLS",
        "NewConnectionError": "refused or unreachable",
    }
    reasons = [fault, *(getattr(one, "reason", None) for one in fault.args)]
    return next((names[type(one).__name__] for one in reasons if type(one).__name__ in names), "broken off")
