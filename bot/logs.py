"""The log: lines for an operator, on standard error, as text or as JSON, and without a secret in them.

No code of ours logs a secret. The filter here is for what libraries and tracebacks may say; Bolt, slack_sdk and
urllib3 are held to warnings or errors, because below that they print tokens, whole bodies and response_urls.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime

CHATTY = {
    "slack_bolt": logging.ERROR,  # its warnings show what it was sent
    "slack_sdk": logging.WARNING,
    # They log each failing call, and the text of whoever answered it; whoever calls says it once.
    "slack_sdk.web": logging.CRITICAL,
    "slack_sdk.webhook": logging.CRITICAL,
    "urllib3": logging.WARNING,
    "alembic": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "websockets": logging.WARNING,
}
"""Libraries, and the level below which they are not heard."""

# Slashes also as JSON and forms write them, and a code also behind the "n" of a "\\n": tracebacks show such forms.
_SLASH = r"(?:\\*/|%2[Ff])"
_WHERE = rf"{_SLASH}(?:commands|actions|app|workflows|services|triggers){_SLASH}"
_SECRETS = (
    (re.compile(r"xox[a-z](?:\.xox[a-z])?-[\w.%+/=-]+|xapp-[\w.%+/=-]+"), "[token]"),
    (re.compile(rf"https?(?::|%3A){_SLASH}{{2}}[^\s'\"]*{_WHERE}[^\s'\"]+"), "[response_url]"),
    (re.compile(rf"{_WHERE}[TE]\w*{_SLASH}[^\s'\"]+"), "[response_url]"),
    (re.compile(rf"wss?(?::|%3A){_SLASH}{{2}}[^\s'\"]+"), "[socket URL]"),
    (re.compile(r"(postgres\w*(?:\+\w+)?)://(?:\S*@)?[^\s'\"]*"), r"\1://[…]"),
    (re.compile(r"(?<![\w.+%-])[\w.+%-]+?(?:@|%40)[\w-]+(?:\.[\w-]+)+"), "[e-mail address]"),
    (re.compile(r"[A-Za-z0-9]{16}-(?:[A-Z]{3}|(?i:del|com|dne|art|cmt))(?![A-Za-z0-9])"), "[action code]"),
)


def set_up(level: str, form: str) -> None:
    """Send the log of this process to standard error.

    Args:
        level: such as `INFO`.
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_not_chatty)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in CHATTY.items():
        logging.getLogger(name).setLevel(max(least, root.level))


def _not_chatty(record: logging.LogRecord) -> bool:
    # Bolt gives its loggers the root's level whenever an App is made, so theirs do not hold.
    return record.levelno >= CHATTY.get(record.name.partition(".")[0], logging.NOTSET)


def redact(text: str) -> str:
    """Return `text` without anything that looks like a secret or an address of a person."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = f"{_moment(record)} {record.levelname} {record.name}: {_said(record)}"
        return redact("\n".join(filter(None, (said, _trace(record)))))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_said(record)),
        }
        if trace := _trace(record):
            line["trace"] = redact(trace)
        return json.dumps(line, ensure_ascii=False)


def _said(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # logging itself would print the arguments as they are
        return f"{record.msg} (its arguments do not fit)"


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return "".join(traceback.format_exception(*record.exc_info)).rstrip()
