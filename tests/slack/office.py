"""The bot inside the process of the test: served over real HTTP to a Slack on loopback, with the MPC's stand-in."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from bot import config, wiring
from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.records import Acknowledgement, Delivery, View
from bot.sandbox.slack import SandboxSlack
from bot.store.database import Database
from bot.web import Site
from tests.conftest import opened

ANNA = "U0ANNA"
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Office:
    """A Slack, an MPC, and the bot between them."""

    slack: SandboxSlack
    mpc: SandboxMPC
    database: Database
    service: wiring.Service
    url: str = ""

    def deliver(self, delivery: Delivery) -> Acknowledgement:
        """Deliver to the bot."""
        return self.slack.deliver_http(self.url, delivery)

    def press(self, **where: Any) -> View:
        """Press the button of the usage; returns the form."""
        ack = self.deliver(self.slack.click({"action_id": "open_form"}, user=ANNA, **where))
        assert (ack.error, ack.payload) == (None, {})
        return self.slack.views[-1]

    def submit(self, view: View, text: str) -> Acknowledgement:
        """Type into the form, and submit it."""
        return self.deliver(self.slack.submission(view, {"labels": {"labels": {"type": "x", "value": text}}}))

    def told(self) -> list[str]:
        """Return the messages that Anna got, in whatever way."""
        said = [one.shown for one in self.slack.ephemerals if one.user == ANNA]
        return said + [one.shown for one in self.slack.dms if one.user == ANNA]


@contextmanager
def office(folder: Path, *, works: bool = True, **more: str) -> Iterator[Office]:
    """Give an office; where it does not work, what is admitted stays open."""
    url = f"sqlite:///{folder / 'office.db'}"
    with opened(url) as database, SandboxMPC() as mpc, SandboxSlack() as slack:
        # What the app was not given by its manifest is refused.
        slack.scopes = set(json.loads((ROOT / "manifest.json").read_text())["oauth_config"]["scopes"]["bot"])
        settings = config.load(
            {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "AUDIT_CHANNEL": slack.audit.id,
                "DATABASE_URL": url,
                "MPC_API_URL": mpc.url,
                **more,
            }
        )
        service = wiring.service(settings, database)
        site = Site(
            app=service.app,
            database=database,
            signing_secret=slack.signing_secret,
            numbers=service.numbers,
            answered=service.worker.wake,
        )
        with _served(site) as port:
            if works:
                service.worker.start()
            try:
                here = f"http://127.0.0.1:{port}/slack/events"
                yield Office(slack=slack, mpc=mpc, database=database, service=service, url=here)
            finally:
                service.worker.stop(grace_s=5)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep no log of accesses."""


@contextmanager
def _served(site: Site) -> Iterator[int]:
    with make_server("127.0.0.1", 0, site, _Server, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
