"""The door for HTTP: the WSGI application.

It knows how a delivery of Slack's is told from a forgery. It refuses to know what a command means.

Source: Slack's "Verifying requests from Slack".
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

from bot import health
from bot.health import Answer
from bot.store.database import Database

MOST_BYTES = 1024 * 1024
"""Of a body: many times what Slack sends."""
_IS_SLACKS = "actcode.is_slacks"
"""Stands in the environment of a request whose answer has consequences."""
StartResponse = Callable[[str, list[tuple[str, str]]], object]

log = logging.getLogger(__name__)


class Site:
    """The WSGI application.

    Args:
        app: Bolt's.
        database: whose health is told.
        signing_secret: with which Slack signs.
        numbers: returns the text of `/metrics`.
        answered: called behind each answer to Slack, when it is out; what was asked for may begin then.
    """

    def __init__(
        self,
        *,
        app: App,
        database: Database,
        signing_secret: str,
        numbers: Callable[..., bytes],
        answered: Callable[[], None],
    ) -> None:
        self._app = app
        self._numbers = numbers
        self._answered = answered
        self._database = database
        self._verifier = SignatureVerifier(signing_secret)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            status, content_type, body = self._answer(environ)
        except Exception:
            # The edge towards Slack: it shows the person "dispatch_failed", and the log has the reason once.
            log.exception("a request failed in an unforeseen way")
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b""
        headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return _Followed(body, self._answered) if _IS_SLACKS in environ else [body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        match environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""):
            case "POST", "/slack/events":
                return self._slack(environ)
            case "GET" | "HEAD", path if found := health.answer(path, self._database, self._numbers):
                return found
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n"

    def _slack(self, environ: dict[str, Any]) -> Answer:
        raw = _read(environ)
        if raw is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", b"The body is too large, or has no end.\n"
        body = _parse(raw, environ.get("CONTENT_TYPE") or "")
        if body is not None and body.get("ssl_check") == "1":
            return HTTPStatus.OK, "text/plain", b""
        if not self._is_slack(environ, raw):
            log.warning("a request that Slack has not signed, or not lately, was refused")
            return HTTPStatus.UNAUTHORIZED, "text/plain", b"The signature is not Slack's.\n"
        if body is None:
            return HTTPStatus.BAD_REQUEST, "text/plain", b"The body is not a form of Slack's.\n"
        environ[_IS_SLACKS] = True
        return self._dispatch(body)

    def _dispatch(self, body: dict[str, Any]) -> Answer:
        try:
            # The mode tells Bolt that the body is parsed already.
            response = self._app.dispatch(BoltRequest(body=body, mode="socket_mode"))
        except (AttributeError, LookupError, TypeError, ValueError) as fault:
            # Bolt stumbles over fields of another type than Slack sends, and its handler of errors over some of them.
            log.warning("a body that is none of Slack's: %s", type(fault).__name__)
            response = None
        if response is None or response.status >= 500:
            return HTTPStatus.BAD_REQUEST, "text/plain", b"The body is not one of Slack's.\n"
        content_type = response.first_headers().get("content-type", "text/plain")
        return HTTPStatus(response.status), content_type, (response.body or "").encode()

    def _is_slack(self, environ: dict[str, Any], raw: bytes) -> bool:
        timestamp = environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", "")
        signature = environ.get("HTTP_X_SLACK_SIGNATURE", "")
        # What is not plain makes the verifier raise.
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16 and signature.isascii()):
            return False
        try:
            return self._verifier.is_valid(raw, timestamp, signature)
        except UnicodeDecodeError:
            return False


class _Followed:
    """A body behind which something is called: a server closes it when it was sent (PEP 3333)."""

    def __init__(self, body: bytes, then: Callable[[], None]) -> None:
        self._body = body
        self.close = then

    def __iter__(self) -> Iterator[bytes]:
        yield self._body


def _read(environ: dict[str, Any]) -> bytes | None:
    """Return the body; None where it is more than anybody should read, or does not come whole."""
    # The server knows itself where a body ends that comes in chunks, without a length.
    length = environ.get("CONTENT_LENGTH") or (str(MOST_BYTES + 1) if environ.get("wsgi.input_terminated") else "0")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        return None
    if environ.get("CONTENT_LENGTH") and int(length) > MOST_BYTES:
        return None
    try:
        raw: bytes = environ["wsgi.input"].read(int(length))
    except Exception:  # noqa: BLE001 - each server has its own errors for what was broken off or is framed wrongly
        return None
    return raw if len(raw) <= MOST_BYTES else None


def _parse(raw: bytes, content_type: str) -> dict[str, Any] | None:
    """Return what the body says; None where it is neither of the two forms that Slack sends."""
    try:
        text = raw.decode("utf-8")
        if content_type.partition(";")[0].strip().lower() == "application/json":
            return _object(text)
        form: dict[str, Any] = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
        if "payload" in form:
            return _object(form["payload"])
    except (ValueError, RecursionError):
        return None
    return form


def _object(text: str) -> dict[str, Any] | None:
    content = json.loads(text)
    if "\\ud" in text.lower():
        # Half a character can be written in JSON, and stored nowhere.
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", errors="replace"))
    return content if isinstance(content, dict) else None
