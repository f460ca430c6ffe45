"""Bolt's `App`, so set up that an acknowledgement waits for nothing but the listener itself."""

import logging
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult

log = logging.getLogger(__name__)


class Surface(Protocol):
    """A place in Slack where somebody may do something: it names its listeners."""

    def register(self, app: App) -> None:
        """Let `app` call its listeners."""


class TimedApp(App):
    """Bolt's app, with a stop-watch: both doors come through `dispatch`, and nothing is waited for behind it.

    Args:
        acknowledged: called with how long each acknowledgement took, seconds.
        settings: `App`'s own.
    """

    def __init__(self, *, acknowledged: Callable[[float], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._acknowledged = acknowledged

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """Answer one delivery, as `App.dispatch` does."""
        started = time.perf_counter()
        response = super().dispatch(req)
        self._acknowledged(time.perf_counter() - started)
        return response


def build_app(*, token: str, surfaces: Iterable[Surface], acknowledged: Callable[[float], None]) -> App:
    """Return the app, with the listeners of all its surfaces.

    `process_before_response` runs a listener on the thread that serves the request: by default Bolt has five threads
    for all of them, and a command that waits for one is answered 404 after 3 s and executed all the same.
    Signatures are checked by `bot.web`, which gives Bolt a form that is parsed already: Bolt loses every command in
    which the word "payload" stands, and logs whole bodies. Socket Mode needs no signature.
    """

    def authorize(enterprise_id: str | None, team_id: str | None, **_: Any) -> AuthorizeResult:
        # Bolt's own asks auth.test before the first acknowledgement: a slow Slack would cost that command its 3 s.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    app = TimedApp(
        acknowledged=acknowledged,
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        attaching_function_token_enabled=False,
    )
    app.error(_failed)
    for one in surfaces:
        one.register(app)
    return app


def _failed(error: Exception) -> BoltResponse:
    """Answer a request that made Bolt or a listener fail."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(frame.f_globals["__name__"].startswith("bot.") for frame in frames):
        log.error("a listener failed in an unforeseen way", exc_info=error)
    else:
        # It stumbles over fields of another type than Slack sends. Its own line would show the whole body.
        code = frames[-1].f_code
        log.warning("a body that is none of Slack's: %s in %s", type(error).__name__, code.co_qualname)
    return BoltResponse(status=500)
