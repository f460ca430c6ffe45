"""Bolt's `App`, so set up that an acknowledgement waits for nothing but the listener itself."""

from collections.abc import Iterable
from typing import Any, Protocol

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult


class Surface(Protocol):
    """A place in Slack where somebody may do something: it names its listeners."""

    def register(self, app: App) -> None:
        """Let `app` call its listeners."""


def build_app(*, token: str, surfaces: Iterable[Surface]) -> App:
    """Return the app, with the listeners of all its surfaces.

    `process_before_response` runs a listener on the thread that serves the request: by default Bolt has five threads
    for all of them, and a command that waits for one is answered 404 after 3 s and executed all the same.
    Signatures are checked by `bot.web`, which gives Bolt a form that is parsed already: Bolt loses every command in
    which the word "payload" stands, and logs whole bodies. Socket Mode needs no signature.
    """

    def authorize(enterprise_id: str | None, team_id: str | None, **_: Any) -> AuthorizeResult:
        # Bolt's own asks auth.test before the first acknowledgement: a slow Slack would cost that command its 3 s.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    app = App(
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        attaching_function_token_enabled=False,
    )
    for one in surfaces:
        one.register(app)
    return app
