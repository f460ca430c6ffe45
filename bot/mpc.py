"""The Minor Planet Center's endpoints: a label goes in, an outcome comes out.

It knows how one request is made, how long it may take, and what its answer means. It refuses to know Slack, the
database, when the next request may go out, and how to put an outcome into a sentence for a person: `detail` is a
terse note for the trail.

Sources: the MPC's "Action Codes API" documentation page and tutorial (the endpoint, its form, that a 2xx proves
nothing), and the MPC's FAQ (five requests a second, then 429, then perhaps a blocked address).
"""

import html
import http.client
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3

from bot import __version__
from bot.characters import invisible
from bot.exchange import Exchange, NotSentError
from bot.outcomes import Outcome

MAX_BODY = 64 * 1024
MAX_REASON = 200
USER_AGENT = f"actcode/{__version__} (the action-code bot for Slack; python-requests/{requests.__version__})"
"""Some pages of the MPC have answered 500 to user agents that they did not know."""

# An ID of the right form that nobody has: the MPC is 79 years old, its submission IDs are not.
_NO_SUBMISSION = "1947-01-01T00:00:00.000_00000000"
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
_TRY_AGAIN = frozenset({408, 429, 503})
_NOT_PROCESSED = frozenset({401, 403, *_TRY_AGAIN})
_REASON_KEYS = ("error", "errors", "message", "msg", "reason", "detail", "description", "title", "status")
_LONGEST_WAIT_S = 31_536_000.0
_AT = r"(?:[@\uff20\ufe6b]|%40)"
_ADDRESS = re.compile(rf"(?<!\S)\S+?(?:{_AT}\S+|\s*{_AT}\s*[\w-]+\.\S+)")
# Whoever adds to it, or sets it in another dash, does not hide it; three capitals are one even when more follows.
_CODE = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z0-9]{16,}\s*[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*"
    r"(?:[A-Z]{3}|[A-Za-z]{3}(?![A-Za-z0-9]))\S*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request.

    Attributes:
        outcome: accepted, rejected, unavailable or unknown.
        http_status: None where no status line was read.
        detail: the MPC's reason, scrubbed, or a terse note; at most 200 characters.
        again: nothing was processed, and asking again may help.
        retry_after_s: how long the MPC asks to wait, seconds, at most a year; None where it does not say.
        elapsed_ms: from the start of the connection to the end of the answer.
    """

    outcome: Outcome
    http_status: int | None = None
    detail: str | None = None
    again: bool = False
    retry_after_s: float | None = None
    elapsed_ms: int = 0


class MPC:
    """The MPC behind `api_url`.

    Args:
        api_url: such as `https://data.minorplanetcenter.net/api`.
        timeout_s: limit for one request, from sending to the end of its answer, seconds.
    """

    def __init__(self, *, api_url: str, timeout_s: float) -> None:
        self._url = f"{api_url}/action-codes/retrieve"
        self._status_url = f"{api_url}/submission-status"
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

    def reach(self) -> Answer:
        """Ask the status of a submission that does not exist, which mails nobody: is there an MPC, and does it talk?

        Source: the MPC's "Submission Status API" page (404 where there is no such submission).
        """
        return self._ask("GET", self._status_url, {"submission_id": _NO_SUBMISSION}, leave=lambda: True)

    def _ask(self, method: str, url: str, content: dict[str, str], *, leave: Callable[[], bool]) -> Answer:
        # A session of its own for each request: a kept-alive connection that the server has just closed looks like
        # a reset after sending, and would make `unknown` of what was never sent.
        with requests.Session() as session, Exchange(timeout_s=self._timeout_s, leave=leave) as exchange:
            session.trust_env = False
            session.mount("http://", exchange.adapter)
            session.mount("https://", exchange.adapter)
            try:
                with session.request(
                    method,
                    url,
                    json=content,
                    headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"},
                    timeout=exchange.timeouts,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    status, headers = response.status_code, response.headers
                    body = exchange.read(response, MAX_BODY + 1)
            except NotSentError:
                return Answer(outcome=Outcome.UNAVAILABLE, detail="not sent: the process was paused", again=True)
            except _FAILURES as fault:
                return _failure(exchange, fault)
        if exchange.expired:
            return _too_late(status)
        if len(body) > MAX_BODY:
            return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer is too long")
        return classify(status, headers, body)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Say what a whole answer means (the table of outcomes in the README)."""
    retry_after_s = _retry_after(headers.get("Retry-After"))
    if 200 <= status < 300:
        return _classify_success(status, body)
    reason = scrub(_reason(body)) or None
    if 300 <= status < 400 or status in _NOT_PROCESSED:
        return Answer(
            outcome=Outcome.UNAVAILABLE,
            http_status=status,
            detail=reason,
            again=status in _TRY_AGAIN,
            retry_after_s=retry_after_s,
        )
    outcome = Outcome.REJECTED if 400 <= status < 500 else Outcome.UNKNOWN
    return Answer(outcome=outcome, http_status=status, detail=reason)


def scrub(text: str) -> str:
    """Return `text` fit for the trail and for Slack: one line of at most 200 characters.

    Control and invisible characters, mark-up, e-mail addresses and whatever is shaped like an action code are
    taken out.
    """
    text = re.sub(r"<(script|style)\b.*?(</\1\s*>|$)", " ", text, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"<[^<>]*>|<[^<>]*$", " ", text)
    # What does not show is dropped, not replaced: it must not hide an address or a code by cutting it in two.
    text = "".join(_shown(one) for one in html.unescape(text))
    text = re.sub(r"[<>*~`|]", " ", text)
    text = _ADDRESS.sub("[e-mail address]", text)
    text = _CODE.sub("[action code]", text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1].rstrip() + "…"


def _shown(one: str) -> str:
    if one.isspace() or not (one.isprintable() or invisible(one)):
        return " "
    return "" if invisible(one) else one


def _classify_success(status: int, body: bytes) -> Answer:
    if not body.strip():
        return Answer(outcome=Outcome.ACCEPTED, http_status=status)
    try:
        content = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer is not JSON")
    if isinstance(content, dict) and _reports_an_error(content):
        return Answer(outcome=Outcome.REJECTED, http_status=status, detail=scrub(_reason(body)) or None)
    return Answer(outcome=Outcome.ACCEPTED, http_status=status)


def _reports_an_error(content: dict[str, Any]) -> bool:
    said = content.get("status")
    failed = isinstance(said, str) and said.strip().lower() in {"error", "fail", "failed"}
    return bool(content.get("error") or content.get("errors") or failed)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _reason(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8-sig", errors="replace")
    return _told(content, depth=0)


def _told(content: object, *, depth: int) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict) and depth < 3:
        for key in _REASON_KEYS:
            if content.get(key) and (found := _told(content[key], depth=depth + 1)):
                return found
    if isinstance(content, list) and depth < 3:
        return "; ".join(filter(None, (_told(one, depth=depth + 1) for one in content[:5])))
    return ""


def _retry_after(text: str | None) -> float | None:
    """Read seconds or an HTTP date (RFC 9110, 10.2.3); whatever else stands there says nothing."""
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        return min(float(text), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_S)


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
