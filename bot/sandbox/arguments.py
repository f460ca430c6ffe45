"""The arguments of a call to Slack: JSON or a form, with the token in a header or among them.

Sources: Slack's "Using the Slack Web API" (how arguments and tokens are passed), and "Handling user interaction".
"""

import json
from typing import Any

from bot.sandbox.records import Object
from bot.sandbox.rules import RefusedError
from bot.sandbox.wire import Request

_JSON_ARGUMENTS = ("blocks", "metadata", "attachments", "view")


def arguments(request: Request) -> tuple[Object, str | None]:
    """Return the arguments of a call, and the token, wherever they stand."""
    params: Object = dict(request.query)
    if request.media_type == "application/json":
        try:
            content = request.json()
        except ValueError:
            content = None
        params |= content if isinstance(content, dict) else {}
    else:
        params |= request.form()
        for name in _JSON_ARGUMENTS:
            if isinstance(params.get(name), str):
                params[name] = _parsed(params[name])
    token = params.pop("token", None)
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return params, credentials.strip() if scheme.lower() == "bearer" else token


def posted(request: Request) -> Any:
    """Return the JSON that was posted to a `response_url`."""
    if request.method != "POST" or request.media_type != "application/json":
        raise RefusedError("invalid_payload", "not a POST of JSON")
    try:
        return request.json()
    except ValueError as fault:
        raise RefusedError("invalid_payload", "not JSON") from fault


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def is_true(value: object) -> bool:
    """Tell whether an argument says yes, in JSON or in a form."""
    return value is True or str(value).lower() in {"1", "true"}
