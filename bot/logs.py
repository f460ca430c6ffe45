"""The log: lines for an operator, on standard error, as text or as JSON, and without a secret in them.

No code of ours logs a secret. The filter here is for what libraries and tracebacks may say; the loggers of Bolt,
slack_sdk and urllib3 are held to warnings, because below that they print tokens, whole bodies and response_urls.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime

CHATTY = ("slack_bolt", "slack_sdk", "urllib3", "alembic", "sqlalchemy", "websockets")

_SECRETS = (
    (re.compile(r"xox[a-z](?:\.xox[a-z])?-[\w-]+|xapp-[\w-]+"), "[token]"),
    (re.compile(r"https?://[^\s'\"]*/(?:commands|actions|app|workflows|services)/[^\s'\"]+"), "[response_url]"),
    (re.compile(r"wss?://[^\s'\"]+"), "[socket URL]"),
    (re.compile(r"(postgres\w*(?:\+\w+)?)://[^\s'\"]+"), r"\1://[…]"),
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail address]"),
    (re.compile(r"\b[A-Za-z0-9]{16}-[A-Z]{3}\b"), "[action code]"),
)


def set_up(level: str, form: str) -> None:
    """Send the log of this process to standard error.

    Args:
        level: such as `INFO`.
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def redact(text: str) -> str:
    """Return `text` without anything that looks like a secret or an address of a person."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = f"{_moment(record)} {record.levelname} {record.name}: {record.getMessage()}"
        return redact("\n".join(filter(None, (said, _trace(record)))))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if trace := _trace(record):
            line["trace"] = redact(trace)
        return json.dumps(line, ensure_ascii=False)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return "".join(traceback.format_exception(*record.exc_info)).rstrip()
