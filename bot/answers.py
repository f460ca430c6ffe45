"""What an answer of the MPC to a request for an action code means.

Pure. It knows statuses, headers and bodies, and the table of outcomes. It refuses to know how an answer came, and to
put it into a sentence for a person: `detail` is a terse note for the trail.

Sources: the MPC's "Action Codes API" documentation page and tutorial (a 2xx proves nothing), and the MPC's FAQ (five
requests a second, then 429, then perhaps a blocked address).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bot.outcomes import Outcome
from bot.scrubbing import scrub

_TRY_AGAIN = frozenset({408, 429, 503})
_NOT_PROCESSED = frozenset({401, 403, *_TRY_AGAIN})
_REASON_KEYS = ("error", "errors", "message", "msg", "reason", "detail", "description", "title", "status")
_LONGEST_WAIT_S = 31_536_000.0


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


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Say what a whole answer means (the table of outcomes in the README)."""
    retry_after_s = retry_after(headers.get("Retry-After"))
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


def retry_after(text: str | None) -> float | None:
    """Read seconds or an HTTP date (RFC 9110, 10.2.3); whatever else stands there says nothing."""
    if text is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        return min(float(text), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_S)
