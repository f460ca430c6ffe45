"""The log: lines for an operator, on standard error, as text or as JSON, and without a secret in them.

As JSON, every line is an object with the keys `time` (RFC 3339, UTC, milliseconds), `level`, `logger`, `message`,
`process` and, where there is one, `request_id` and `exception` (a traceback, one string). `take_over` brings into that
form what never was a line of a log: warnings of Python's, errors that ended a thread, and whatever is printed to
standard error.

No code of ours logs a secret. The filter here is for what libraries and tracebacks may say; Bolt, slack_sdk and
urllib3 are held to warnings or errors, because below that they print tokens, whole bodies and response_urls.
"""

import io
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

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
    "psycopg": logging.ERROR,  # it warns of what it cannot tidy up on a broken connection, which is raised anyway
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

# What ends a line for some readers, and is not escaped in JSON (the others of that kind are).
_LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


@contextmanager
def about(request_id: str) -> Iterator[None]:
    """Let every line that this thread logs meanwhile, whoever's it is, tell the request that it is about."""
    before = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(before)


def form_of(environ: Mapping[str, str]) -> str:
    """Return the form that `LOG_FORMAT` asks for, also where other settings are wrong."""
    return "json" if environ.get("LOG_FORMAT", "").strip().lower() == "json" else "text"


def set_up(level: str, form: str) -> None:
    """Send the log of this process to standard error.

    Args:
        level: such as `INFO`.
        form: `text` or `json`.
    """
    handler = _Handler(_stderr())
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_not_chatty)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in CHATTY.items():
        logging.getLogger(name).setLevel(max(least, root.level))


def take_over(level: str, form: str) -> None:
    """Do what `set_up` does, and let nothing come to standard error but lines of the log, until the process ends.

    In the form `text` that is so, too, but for what others print: that passes as it is.
    """
    set_up(level, form)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, fault, trace: _lost(
        "the process ends by an error that nobody caught", (kind, fault, trace)
    )
    sys.unraisablehook = lambda one: _lost(
        one.err_msg or "an error could not be passed on", (one.exc_type, one.exc_value, one.exc_traceback)
    )
    threading.excepthook = lambda one: _lost(
        "a thread ended by an error that nobody caught", (one.exc_type, one.exc_value, one.exc_traceback)
    )
    sys.stderr = _Printed(_stderr()) if form == "json" else _stderr()


def _stderr() -> TextIO:
    return sys.stderr.under if isinstance(sys.stderr, _Printed) else sys.stderr


def _lost(what: str, fault: Any) -> None:
    if fault[0] is not None and not issubclass(fault[0], SystemExit):
        logging.getLogger("python").critical("%s", what, exc_info=fault)


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Lose a line that cannot be written: logging would print its arguments as they are."""


class _Printed(io.TextIOBase):
    """What is printed to standard error, each line of it as a line of the log.

    Attributes:
        under: the standard error that was there before.
    """

    def __init__(self, under: TextIO) -> None:
        self.under = under
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """Log every line that is complete."""
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in filter(str.strip, lines):
            logging.getLogger("stderr").error("%s", line)
        return len(text)

    def flush(self) -> None:
        """Write what was logged."""
        self.under.flush()

    def fileno(self) -> int:
        """Return where it all goes."""
        return self.under.fileno()


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
            "time": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_said(record)),
            "process": record.process,
        }
        if request_id := _request_id.get():
            line["request_id"] = request_id
        if trace := _trace(record):
            line["exception"] = redact(trace)
        return json.dumps(line, ensure_ascii=False).translate(_LINE_ENDS)


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
