"""One request to the MPC, and what came of it: a whole answer, or why there is none and whether anything was sent.

It knows HTTP. It refuses to know what is asked, and what a whole answer means.
"""

import http.client
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests
import urllib3

from bot import __version__
from bot.answers import Answer
from bot.exchange import Exchange, NotSentError
from bot.outcomes import Outcome

USER_AGENT = f"actcode/{__version__} (the action-code bot for Slack; python-requests/{requests.__version__})"
"""Some pages of the MPC have answered 500 to user agents that they did not know."""

log = logging.getLogger(__name__)

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
_NO_URL = (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError)


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that came in time and is not too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one request: its time, from sending or in all, seconds, and the size of its answer, bytes."""

    timeout_s: float
    in_all: bool = False
    size: int


def ask(method: str, url: str, content: object, leave: Callable[[], bool], limits: Limits) -> Whole | Answer:
    """Make one request; returns what came of it where no whole answer did.

    Args:
        method: of HTTP.
        url: of an endpoint.
        content: is sent as JSON.
        leave: called when the connection stands, just before the request leaves; False holds it back.
        limits: of this request.
    """
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
    with Exchange(timeout_s=limits.timeout_s, leave=leave, in_all=limits.in_all) as exchange:
        try:
            request = requests.Request(method, url, json=content, headers=headers).prepare()
            # No session: it would follow a redirect, heed the environment, and keep a connection alive. One that
            # the server has just closed looks like a reset after sending, and makes `unknown` of what never left.
            with exchange.adapter.send(request, timeout=exchange.timeouts, stream=True) as response:
                status, told = response.status_code, response.headers
                body = exchange.read(response, limits.size + 1)
        except NotSentError:
            return Answer(outcome=Outcome.UNAVAILABLE, detail="not sent: the process was paused", again=True)
        except _FAILURES as fault:
            return _failure(exchange, fault)
        except Exception as fault:
            if exchange.connected:
                raise  # it may have left: whoever asked has to say so
            log.exception("a request to the MPC failed in an unforeseen way; nothing of it was sent")
            return Answer(outcome=Outcome.UNAVAILABLE, detail=f"not sent: {type(fault).__name__}")
    if exchange.expired:
        return _too_late(status)
    if len(body) > limits.size:
        return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer is too long")
    return Whole(status, told, body)


def _too_late(status: int | None) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, http_status=status, detail="the answer did not end in time")


def _failure(exchange: Exchange, fault: Exception) -> Answer:
    if not exchange.connected:
        again = not isinstance(fault, _NO_URL)
        return Answer(outcome=Outcome.UNAVAILABLE, detail=f"no connection: {_cause(fault)}", again=again)
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
    if isinstance(fault, _NO_URL):
        return "the URL cannot be used"
    reasons = [fault, *(getattr(one, "reason", None) for one in fault.args)]
    return next((names[type(one).__name__] for one in reasons if type(one).__name__ in names), "broken off")
