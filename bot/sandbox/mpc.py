"""An MPC on loopback: takes labels as the real one does, and mails nobody.

Sources: the MPC's "Action Codes API" documentation page and tutorial (the endpoint, the patterns of the labels, an
answer that is "intentionally vacuous"), its pages on submission-status and WAMO (look-ups), and its FAQ (five
requests a second on /api/, then 429, then perhaps a blocked address). What an unknown label is answered is not
documented; the tutorial says only that it "will indicate a problem".
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from bot.sandbox.faults import Exchange, Fault
from bot.sandbox.loopback import HOST, LoopbackServer
from bot.sandbox.mpc_answers import content_of, error, label_of, retrieve, submission_status, wamo
from bot.sandbox.script import Script
from bot.sandbox.watch import Watch
from bot.sandbox.wire import Request, Response, Wire

T = TypeVar("T")

_PATHS = {
    "/api/action-codes/retrieve": ("POST", "retrieve"),
    "/api/submission-status": ("GET", "submission-status"),
    "/api/wamo": ("GET", "wamo"),
}


@dataclass(slots=True, kw_only=True)
class MPCRequest:
    """One request, as it arrived.

    Attributes:
        at: when its head had been read, `time.monotonic()`.
        wall: the same, `time.time()`.
        endpoint: "retrieve", "submission-status" or "wamo"; "" for any other path.
        label: the label or submission ID asked for, if the body holds one; of a WAMO list, the first word.
        headers: by their names in small letters.
        status: what was answered; None while nothing whole was.
    """

    at: float
    wall: float
    method: str
    path: str
    endpoint: str
    label: str | None
    body: bytes
    headers: dict[str, str]
    status: int | None = None


class SandboxMPC:
    """The MPC's API at `url`, from `start` to `close`.

    Args:
        on_file: the labels for which a mail would go out; None: every well-formed one.
        rate_per_s: more requests than this in any second are answered 429; None: any number is fine.
        retry_after_s: the `Retry-After` of those; the MPC promises none.
        latency_s: how long each normal answer takes.
        watch: the lock to share with another sandbox.

    Attributes:
        requests: every request, in order of arrival.
        mails: the labels for which a mail would have gone out, in order.
        submissions: by submission ID, what submission-status answers.
        tracklets: by "trksub stn" or submission block ID, what WAMO found.
    """

    def __init__(
        self,
        *,
        on_file: set[str] | None = None,
        rate_per_s: int | None = 5,
        retry_after_s: int | None = None,
        latency_s: float = 0.0,
        watch: Watch | None = None,
    ) -> None:
        self.on_file = on_file
        self.rate_per_s = rate_per_s
        self.retry_after_s = retry_after_s
        self.latency_s = latency_s
        self.requests: list[MPCRequest] = []
        self.mails: list[str] = []
        self.submissions: dict[str, dict[str, Any]] = {}
        self.tracklets: dict[str, list[dict[str, Any]]] = {}
        self._watch = watch or Watch()
        self._script = Script()
        self._recent: list[float] = []
        self._blocked = False
        self._server = LoopbackServer(handle=self._handle, name="sandbox MPC")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Listen on a free port."""
        self._server.start()
        return self

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        self._server.close()

    @property
    def url(self) -> str:
        """What `MPC_API_URL` is to be."""
        return f"http://{HOST}:{self._server.port}/api"

    def posts(self, label: str | None = None) -> list[MPCRequest]:
        """Return the requests for action codes, of one label or of all."""
        with self._watch.reading():
            return [
                one for one in self.requests if one.endpoint == "retrieve" and one.method == "POST"
                and (label is None or one.label == label)
            ]  # fmt: skip

    def fail(self, label: str | None, *faults: Fault, endpoint: str = "retrieve") -> None:
        """Let the next requests for `label` (None: for any) meet these faults, in turn, one each.

        A request to which both apply meets the one for its label. `endpoint` is as in `MPCRequest`.
        """
        self._script.fail((endpoint, label), *faults)

    def always(self, label: str | None, fault: Fault, *, endpoint: str = "retrieve") -> None:
        """Let every request for `label` (None: for any) meet this fault, after those of `fail`."""
        self._script.always((endpoint, label), fault)

    def clear(self) -> None:
        """Let everything be normal again: no faults, no block, and connections are taken."""
        self._script.clear()
        self.unblock()
        self.accept()

    def block(self) -> None:
        """Answer 403 to everything, as after too many requests, until the help desk lifts it (FAQ)."""
        self._blocked = True

    def unblock(self) -> None:
        """Lift the block."""
        self._blocked = False

    def refuse(self) -> None:
        """Refuse connections; the port is kept."""
        self._server.refuse()

    def accept(self) -> None:
        """Take connections again."""
        self._server.accept()

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10.0) -> T:
        """Return what `predicate` returns as soon as that is true; it is asked whenever something has happened.

        Raises:
            bot.sandbox.watch.NotSeenError: it was not within `timeout` seconds; the message tells what happened.
        """
        return self._watch.wait_for(predicate, timeout, self.account)

    def account(self) -> str:
        """Return what has happened, for a person to read."""
        with self._watch.reading():
            return "\n".join(
                [f"MPC: {len(self.requests)} requests, mails for {self.mails}"]
                + [f"  {one.at:.3f} {one.method} {one.path} {one.label!r} -> {one.status}" for one in self.requests]
            )

    def _handle(self, request: Request, wire: Wire) -> None:
        method, endpoint = _PATHS.get(request.path, ("", ""))
        content = content_of(request)
        entry = MPCRequest(
            at=request.at,
            wall=request.wall,
            method=request.method,
            path=request.path,
            endpoint=endpoint,
            label=label_of(content),
            body=request.body,
            headers=dict(request.headers),
        )
        with self._watch.changing():
            # Threads come here in another order than their requests, now and then.
            insort(self.requests, entry, key=lambda one: one.at)
            refusal = self._refusal(entry.at)

        def note(status: int) -> None:
            with self._watch.changing():
                entry.status = status

        def take() -> Response:
            if refusal is not None:
                return refusal
            if not method:
                return error(404, "there is no such page")
            if request.method != method:
                return Response.of_json(405, {"error": f"use {method}"}, {"Allow": method})
            if content is None or request.media_type != "application/json":
                return error(400, "the body is not JSON")
            with self._watch.changing():
                if endpoint == "retrieve":
                    response = self._retrieve(content)
                elif endpoint == "wamo":
                    response = wamo(content, self.tracklets)
                else:
                    response = submission_status(content, self.submissions)
            if self.latency_s > 0:
                wire.wait(self.latency_s)
            return response

        Exchange(wire, take, note).perform(self._script.take((endpoint, entry.label), (endpoint, None)))

    def _refusal(self, at: float) -> Response | None:
        """Return the answer to a request that is one too many, or from a blocked address."""
        self._recent = [one for one in self._recent if one > at - 1.0]
        self._recent.append(at)
        if self._blocked:
            return error(403, "your address is blocked; write to the help desk")
        if self.rate_per_s is not None and len(self._recent) > self.rate_per_s:
            # What is refused counts as well: whoever goes on at the same speed stays refused.
            headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
            return Response.of_json(429, {"error": f"more than {self.rate_per_s} requests a second"}, headers)
        return None

    def _retrieve(self, content: object) -> Response:
        label, response = retrieve(content, self.on_file)
        if label is not None:
            self.mails.append(label)
        return response


__all__ = ["MPCRequest", "SandboxMPC"]
