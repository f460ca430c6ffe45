"""Points in the program at which a test lets a process die, or stop, without the program knowing of tests.

`tests/guard/sitecustomize.py` lays these snares in a process that starts with `FOLDER` in its environment. A file in
that folder sets one of them: it is called after the point and a label, and it says which signal. Whichever process
comes to that point with that label first removes the file, and gets the signal there and then.
"""

import functools
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

FOLDER = "ACTCODE_TEST_SNARES"

REQUESTED = "requested is stored"
UNACKNOWLEDGED = "before the acknowledgement"
ACKNOWLEDGED = "after the acknowledgement"
SENDING = "sending is stored"
POSTED = "the POST has left"
ANSWERED = "the answer is there"
UNRECORDED = "before the outcome is stored"
RECORDED = "the outcome is stored"
UNTOLD = "before the reply"
TOLD = "after the reply"
UNSHOWN = "before the audit post"
SHOWN = "after the audit post"
POINTS = (
    REQUESTED, UNACKNOWLEDGED, ACKNOWLEDGED, SENDING, POSTED, ANSWERED,
    UNRECORDED, RECORDED, UNTOLD, TOLD, UNSHOWN, SHOWN,
)  # fmt: skip

_STORED = {"requested": REQUESTED, "sending": SENDING}


class Snare:
    """A signal that waits for the first process that comes to `point` with `label`.

    Attributes:
        pid: of that process; None: nobody was there yet.
    """

    def __init__(self, folder: Path, point: str, label: str, *, number: int = signal.SIGKILL) -> None:
        self._file = folder / f"{point}@{label}"
        self._caught = folder / f"caught {point}@{label}"
        fresh = folder / f"new {point}@{label}"
        fresh.write_text(str(int(number)))
        fresh.rename(self._file)

    @property
    def pid(self) -> int | None:
        """Which process it was."""
        return int(self._caught.read_text()) if self._caught.exists() else None


class _Here(threading.local):
    """What this thread is about: the events of its transaction, and the labels that it serves."""

    def __init__(self) -> None:
        self.appended: list[tuple[str, str]] | None = None
        self.admitted = ""
        self.posting = ""


_here = _Here()
_writing = threading.RLock()
"""Held during each write of this process: one that is paused between two writes must not hold the database's lock."""

Reach = Callable[[str, str], None]
"""Says that a process has come to a point, and with what."""


def lay(folder: Path) -> None:
    """Lay all snares in this process; those without a file do nothing."""

    def reach(point: str, text: str) -> None:
        _reach(folder, point, text)

    _in_the_store(reach)
    _at_the_doors(reach)
    _at_the_mpc(reach)
    _in_slack(reach)


def _in_the_store(reach: Reach) -> None:
    from bot import trail  # noqa: PLC0415 - only in a process that may die
    from bot.store.database import Database  # noqa: PLC0415

    @_around(trail, "append")
    def append(original: Callable[..., Any], tx: Any, new: Any) -> Any:
        if _here.appended is not None:
            _here.appended += [(str(one.event), str(one.label)) for one in new]
        return original(tx, new)

    @_around(Database, "write")
    def write(original: Callable[..., Any], self: Any, work: Callable[[Any], Any], **more: Any) -> Any:
        own: list[tuple[str, str]] = []

        def watched(tx: Any) -> Any:
            # Perhaps on another thread, which makes several writes at once, and perhaps not for the first time.
            own.clear()
            _here.appended = own
            try:
                found = work(tx)
            finally:
                _here.appended = None
            for event, label in own:
                if event not in _STORED:
                    reach(UNRECORDED, label)
            return found

        with _writing:
            found = original(self, watched, **more)
        for event, label in own:
            reach(_STORED.get(event, RECORDED), label)
            if event == "requested":
                _here.admitted += f" {label}"
        return found


def _at_the_doors(reach: Reach) -> None:
    from gunicorn.workers.gthread import ThreadWorker  # noqa: PLC0415
    from slack_bolt import App  # noqa: PLC0415
    from websockets.sync.connection import Connection  # noqa: PLC0415

    @_around(App, "dispatch")
    def dispatch(original: Callable[..., Any], *arguments: Any) -> Any:
        _here.admitted = ""
        found = original(*arguments)
        reach(UNACKNOWLEDGED, _here.admitted)
        return found

    def acknowledge(original: Callable[..., Any], *arguments: Any) -> Any:
        found = original(*arguments)
        reach(ACKNOWLEDGED, _here.admitted)
        _here.admitted = ""
        return found

    # What sends the acknowledgement, on the thread that made it: over HTTP, and in Socket Mode.
    _around(ThreadWorker, "handle_request")(acknowledge)
    _around(Connection, "send")(acknowledge)


def _at_the_mpc(reach: Reach) -> None:
    from bot.mpc import MPC  # noqa: PLC0415

    @_around(MPC, "retrieve")
    def retrieve(original: Callable[..., Any], self: Any, label: str, **more: Any) -> Any:
        _here.posting = label
        found = original(self, label, **more)
        _here.posting = ""
        reach(ANSWERED, label)
        return found

    @_around(http.client.HTTPConnection, "getresponse")
    def getresponse(original: Callable[..., Any], self: Any) -> Any:
        # The last byte of the request has left by now.
        reach(POSTED, _here.posting)
        return original(self)


def _in_slack(reach: Reach) -> None:
    from slack_sdk import WebClient  # noqa: PLC0415
    from slack_sdk.webhook import WebhookClient  # noqa: PLC0415

    @_around(WebhookClient, "send_dict")
    def send_dict(original: Callable[..., Any], self: Any, body: Any) -> Any:
        reach(UNTOLD, json.dumps(body))
        found = original(self, body)
        reach(TOLD, json.dumps(body))
        return found

    @_around(WebClient, "chat_postMessage")
    def chat_post_message(original: Callable[..., Any], self: Any, **message: Any) -> Any:
        text = json.dumps(message) if message["channel"] == os.environ["AUDIT_CHANNEL"] else ""
        reach(UNSHOWN, text)
        found = original(self, **message)
        reach(SHOWN, text)
        return found


def _reach(folder: Path, point: str, text: str) -> None:
    if not text:
        return
    for file in folder.glob(f"{point}@*"):
        label = file.name.partition("@")[2]
        caught = folder / f"caught {point}@{label}"
        if label in text:
            own = folder / f"{os.getpid()} {point}@{label}"
            try:
                file.rename(own)
            except FileNotFoundError:
                continue  # another process was first
            number = int(own.read_text())
            own.write_text(str(os.getpid()))
            own.rename(caught)
            between = number == signal.SIGSTOP and point != UNRECORDED
            with _writing if between else nullcontext():
                # To this thread: sent to the process, another one may take it, and this one goes on for a moment.
                signal.pthread_kill(threading.get_ident(), number)


def _around(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: what it decorates takes the place of `owner`'s `name`, and is handed that first."""

    def decorate(wrapper: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **more: Any) -> Any:
            return wrapper(original, *arguments, **more)

        setattr(owner, name, wrapped)
        return wrapped

    return decorate
