"""The yardstick: a bare Bolt app, as Bolt's documentation starts it, that only acknowledges.

It keeps no trail, asks no MPC and answers nobody. Behind gunicorn it is `tests.bench.bare:api`; run as a program, it
serves Socket Mode.

Sources: Bolt's "Getting started", and the docstring of `slack_bolt.adapter.wsgi.SlackRequestHandler`.
"""

import os

from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient

app = App(
    client=WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"]),
    signing_secret=os.environ["SLACK_SIGNING_SECRET"],
)
api = SlackRequestHandler(app)


@app.command("/actcode")
def acknowledge(ack: Ack) -> None:
    """Acknowledge."""
    ack()


if __name__ == "__main__":
    SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()  # type: ignore[no-untyped-call]
