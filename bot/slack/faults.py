"""What a call to Slack failed with: in a word, and what follows from that.

It knows which failures are answers, which leave a doubt, and how long to wait. It refuses to try again.

Sources: Slack's "Rate limits" (429 and `Retry-After`) and the errors of `chat.postMessage`; of `fatal_error` and
`internal_error` it says that some of the work may have been done.
"""

import re
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk.errors import SlackApiError

CALL = (SlackApiError, OSError, HTTPException, ValueError)
"""What a call raises that fails; the last one, where an answer is no text."""

LONGEST_WAIT_S = 600

_WAITING = frozenset({"ratelimited", "rate_limited", "request_timeout"})
_IN_DOUBT = frozenset({"fatal_error", "internal_error", "service_unavailable"})


def describe(fault: Exception) -> str:
    """Return what a call failed with, without anything secret: Slack's own word, or the error's kind."""
    if isinstance(fault, SlackApiError):
        return _word(fault) or f"HTTP {fault.response.status_code}"
    return type(fault).__name__


def is_an_answer(fault: Exception) -> bool:
    """Return whether Slack itself said no, for a reason that does not pass in a moment."""
    return isinstance(fault, SlackApiError) and _word(fault) not in {None, *_WAITING, *_IN_DOUBT}


def was_not_taken(fault: Exception) -> bool:
    """Return whether the call surely had no effect; a time-out or a broken connection does not tell."""
    if isinstance(fault, URLError):
        return isinstance(fault.reason, ConnectionRefusedError | socket.gaierror)
    if isinstance(fault, SlackApiError) and fault.response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return is_an_answer(fault) or (isinstance(fault, SlackApiError) and _word(fault) in _WAITING)


def wait_of(fault: Exception) -> int | None:
    """Return how long Slack asks to wait, milliseconds; None where it does not."""
    if not isinstance(fault, SlackApiError):
        return None
    if fault.response.status_code == HTTPStatus.TOO_MANY_REQUESTS or _word(fault) in {"ratelimited", "rate_limited"}:
        return retry_after(fault.response.headers)
    return None


def retry_after(headers: Mapping[str, str]) -> int:
    """Return how long the headers of a 429 ask to wait, milliseconds; a second where they do not say."""
    said = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
    seconds = int(said) if re.fullmatch(r"[0-9]{1,9}", said) else 1
    return 1000 * min(max(1, seconds), LONGEST_WAIT_S)


def _word(fault: SlackApiError) -> str | None:
    """Return Slack's word for the fault; None where something else answered, such as a proxy in between."""
    response = fault.response
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    word = response.get("error")
    # Where the answer is no JSON, slack_sdk puts its text there.
    return word if isinstance(word, str) and re.fullmatch(r"[a-z0-9_]{1,80}", word) else None
