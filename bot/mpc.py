"""The Minor Planet Center's endpoints: a label goes in, and an outcome or a finding comes out.

It knows what is asked, and how long that may take. It refuses to know how one request is made (`bot.asking`), Slack,
the database, when the next request may go out, and what an answer means (`bot.answers`, `bot.wamo`).

Sources: the MPC's "Action Codes API", "Submission Status API" and "WAMO API" documentation pages and tutorials (the
endpoints and their forms; the look-ups are GETs with a JSON body).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bot.answers import Answer, classify, retry_after
from bot.findings import Finding
from bot.labels import Label
from bot.wamo import identifiers, is_submission, read_submission, read_wamo

if TYPE_CHECKING:
    from bot.asking import Whole

MAX_BODY = 64 * 1024
MAX_LOOK_UP = 1024 * 1024
"""WAMO's answer has about 600 bytes an observation, and a submission block may hold hundreds of them."""

# An ID of the right form that nobody has: the MPC is 79 years old, its submission IDs are not.
_NO_SUBMISSION = "1947-01-01T00:00:00.000_00000000"


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
        got = _asked("GET", url, content, leave, timeout_s=within_s, in_all=True, size=MAX_LOOK_UP)
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
        got = _asked(method, url, content, leave, timeout_s=self._timeout_s, size=MAX_BODY)
        return got if isinstance(got, Answer) else classify(got.status, got.headers, got.body)


def get_ready() -> None:
    """Load what the first request needs.

    It is not loaded with this module: requests takes a fifth of the start, in which nobody is acknowledged. Nor should
    it be long after that, because the program's files may be replaced while it runs.
    """
    import_module("bot.asking")


def _asked(method: str, url: str, content: object, leave: Callable[[], bool], **limits: Any) -> "Whole | Answer":
    from bot.asking import Limits, ask  # noqa: PLC0415

    return ask(method, url, content, leave, Limits(**limits))
