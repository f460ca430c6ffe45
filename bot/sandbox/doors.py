"""How a delivery reaches an app over HTTP, and what Slack makes of the app's answer.

Sources: Slack's "Verifying requests from Slack" (the signature), "Implementing slash commands" (3 s, an answer in
the body of the 200), "Handling view interactions" (`response_action`).
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from bot.sandbox.blocks import check_message, check_view
from bot.sandbox.records import Acknowledgement, Delivery, Object
from bot.sandbox.rules import RefusedError, check_string
from bot.sandbox.surfaces import Surfaces

Headers = Sequence[tuple[str, str]]

MOST_IN_ERROR = 3_000
"""Of a text under a field. Slack says nothing of a limit; this is the one of its other texts."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the X-Slack-Signature of a request."""
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def conclude(workspace: Surfaces, delivery: Delivery, answer: Acknowledgement) -> Acknowledgement:
    """Show the user what an acknowledgement says, or say why Slack does not."""
    payload = answer.payload
    try:
        if delivery.payload.get("type") == "view_submission":
            _check_view_response(payload, delivery)
            workspace.answer_view(delivery.payload["view"]["id"], payload)
        elif delivery.kind == "slash_commands" and (payload.get("text") or payload.get("blocks")):
            check_message(payload)
            workspace.answer("ack", delivery, payload)
    except RefusedError as fault:
        return Acknowledgement(
            error="invalid_command_response",
            elapsed_s=answer.elapsed_s,
            status=answer.status,
            body=answer.body,
            payload=payload,
            headers=answer.headers,
            why=f"{fault.error} {fault.why}".strip(),
        )
    return answer


def post(url: str, body: bytes, headers: Headers, *, limit_s: float) -> Acknowledgement:
    """Post to the app, and wait for its answer no longer than Slack does."""
    target = urlsplit(url)
    start = time.monotonic()
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=limit_s)
    # A socket's own time-out is for each read: an answer that dribbles would keep Slack waiting for ever.
    alarm = threading.Timer(limit_s, _cut, args=(connection,))
    alarm.start()
    failure = ""
    try:
        connection.putrequest("POST", f"{target.path}?{target.query}" if target.query else target.path or "/")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as fault:
        failure = repr(fault)
    finally:
        alarm.cancel()
        alarm.join()
        connection.close()
    elapsed_s = time.monotonic() - start
    if elapsed_s >= limit_s:
        return Acknowledgement(error="operation_timeout", elapsed_s=elapsed_s)
    if failure:
        return Acknowledgement(error="dispatch_failed", elapsed_s=elapsed_s, why=failure)
    return Acknowledgement(
        error=None if response.status == 200 else "dispatch_failed",
        elapsed_s=elapsed_s,
        status=response.status,
        body=content,
        payload=_payload(response.headers.get_content_type(), content),
        headers={name.lower(): value for name, value in response.getheaders()},
    )


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError):
        # The socket is None before the connection stands, and once the answer has begun that ends it.
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def headers_for(
    content_type: str, *, secret: str | None, timestamp: str, body: bytes, overrides: Mapping[str, str | None] | Headers
) -> list[tuple[str, str]]:
    """Return the headers of a delivery.

    A mapping replaces headers by their names (None takes one out); a sequence of pairs comes on top, as duplicates do.
    """
    headers = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "Connection": "close",
    }
    if secret is not None:
        headers["X-Slack-Request-Timestamp"] = timestamp
        headers["X-Slack-Signature"] = signature(secret, timestamp, body)
    if not isinstance(overrides, Mapping):
        return [*headers.items(), *overrides]
    replaced = {name.lower() for name in overrides}
    kept = [(name, value) for name, value in headers.items() if name.lower() not in replaced]
    return kept + [(name, value) for name, value in overrides.items() if value is not None]


def _payload(content_type: str, content: bytes) -> Object:
    if not content.strip():
        return {}
    if content_type == "application/json":
        try:
            payload = json.loads(content)
        except ValueError:
            return {}
        return payload if isinstance(payload, dict) else {}
    return {"text": content.decode("utf-8", "replace")}


def _check_view_response(payload: Object, delivery: Delivery) -> None:
    action = payload.get("response_action")
    if action in {"update", "push"}:
        check_view(payload.get("view"))
    elif action == "errors":
        errors = payload.get("errors")
        known = {one.get("block_id") for one in delivery.payload["view"]["blocks"] if one["type"] == "input"}
        if not isinstance(errors, dict) or not errors or not set(errors) <= known:
            raise RefusedError("invalid_arguments", "errors must be by the block IDs of the view's inputs")
        for block_id, text in errors.items():
            check_string(text, f"errors.{block_id}", most=MOST_IN_ERROR)
    elif action not in {None, "clear"}:
        raise RefusedError("invalid_arguments", f"unknown response_action {action!r}")
