"""Asks the WSGI callable of this process as Slack does, and as others do."""

import io
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from bot import config, wiring
from bot.store.database import Database
from bot.web import Site

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Client:
    """Asks the callable, and can sign wrongly on purpose.

    Attributes:
        begun: for each time that the site let what was asked for begin, whether its answer was out.
    """

    database: Database
    site: Site = field(init=False)
    begun: list[bool] = field(default_factory=list)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    _is_out: bool = False

    def ask(self, method: str, path: str, body: bytes = b"", **environ: str) -> bytes:
        """Make any request."""

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.headers = int(status[:3]), dict(headers)

        asked: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": FORM,
            "wsgi.input": io.BytesIO(body),
            **environ,
        }
        answer: Any = self.site(asked, start)
        with closing(answer) if hasattr(answer, "close") else nullcontext():
            self._is_out = False
            content = b"".join(answer)
            self._is_out = True
        return content

    def begin(self) -> None:
        """Note that what was asked for may begin."""
        self.begun.append(self._is_out)

    def deliver(self, body: bytes | str, *, age_s: int = 0, secret: str = SECRET, **environ: str) -> str:
        """Make a delivery as Slack does, signed by slack_sdk itself; returns the body of the answer."""
        raw = body if isinstance(body, bytes) else body.encode()
        timestamp = str(int(time.time()) - age_s)
        signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=raw)
        signed = {"HTTP_X_SLACK_REQUEST_TIMESTAMP": timestamp, "HTTP_X_SLACK_SIGNATURE": str(signature)}
        return self.ask("POST", "/slack/events", raw, **{**signed, **environ}).decode()

    def command(self, text: str, **fields: str) -> str:
        """Type `/actcode text`."""
        form = {
            "team_id": "T1", "channel_id": "C1", "user_id": "U1", "command": "/actcode", "text": text,
            "trigger_id": text, "response_url": "http://127.0.0.1:9/commands/T1/1/secret",
        }  # fmt: skip
        return self.deliver(urlencode({**form, **fields}))


def client_of(database: Database, **settings: str) -> Client:
    """Return a client of a site whose background does not run, so that what is admitted stays open."""
    service = wiring.service(
        config.load({"SLACK_BOT_TOKEN": "xoxb-1", "DATABASE_URL": str(database.engine.url), **settings}), database
    )
    client = Client(database)
    client.site = Site(
        app=service.app,
        database=database,
        signing_secret=SECRET,
        numbers=service.numbers,
        answered=client.begin,
    )
    return client
