"""App Home: what somebody sees who opens the bot in Slack's side bar, kept up to date while they look.

It knows when it is shown. It refuses to know what is shown (`bot.slack.home_view`), and to keep anybody waiting for it:
the event is noted and acknowledged, and a background thread does the rest.

Sources: Slack's `app_home_opened` event and `views.publish`.
"""

import logging
from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

from bot import trail
from bot.policy import Policy
from bot.slack import faults, home_view
from bot.store import homes, outbox
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.homes import Home
from bot.store.patience import ANSWER_S, BACKGROUND_S

log = logging.getLogger(__name__)


class AppHome:
    """Shows App Homes.

    Args:
        database: what they are about, and which are due.
        client: of the Web API.
        policy: what one may do.
        owner: this process, as the others know it.

    Attributes:
        wake: called when one is due; to be set to what wakes whoever calls `step`.
    """

    def __init__(self, *, database: Database, client: WebClient, policy: Policy, owner: str) -> None:
        self._database = database
        self._client = client
        self._policy = policy
        self._owner = owner
        self.wake: Callable[[], None] = lambda: None

    def register(self, app: App) -> None:
        """Let `app` call this when somebody opens theirs."""
        app.event("app_home_opened")(self.handle)

    def handle(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """Note that an App Home was opened; Bolt acknowledges events by itself."""
        team_id, user_id = body.get("team_id"), event.get("user")
        if event.get("tab") != "home" or not (isinstance(team_id, str) and isinstance(user_id, str)):
            return
        try:
            self._database.write(lambda tx: homes.opened(tx, team_id, user_id), within_s=ANSWER_S)
        except DatabaseUnavailable as fault:
            log.warning("an App Home was opened, and is not shown: the database does not answer (%s)", fault)
            return
        self.wake()

    def step(self) -> float | None:
        """Show one; 0: there may be more, None: nothing is due."""
        if not self._database.read(homes.any_waiting):
            return None
        home = self._database.write(lambda tx: homes.claim(tx, self._owner))
        if home is None:
            return None
        view = self._view(home)
        try:
            self._client.views_publish(user_id=home.user_id, view=view)
        except faults.CALL as fault:
            log.warning("an App Home was not shown (%s)", faults.describe(fault))
            wait_ms = faults.wait_of(fault)
            self._database.write(lambda tx: homes.not_shown(tx, home, self._owner, wait_ms=wait_ms))
        else:
            self._database.write(lambda tx: homes.shown(tx, home, self._owner))
        return 0

    def _view(self, home: Home) -> home_view.View:
        narrow = trail.Filter(team_id=home.team_id, user_id=home.user_id, events=trail.OUTCOMES)
        with self._database.reading(within_s=BACKGROUND_S) as connection:
            rows = list(trail.read(connection, narrow, newest=home_view.MOST_REQUESTS))
            under_way = outbox.under_way(
                connection, channel_id=None, user_id=home.user_id, count=home_view.MOST_REQUESTS
            )
        return home_view.build(rows[::-1], under_way, policy=self._policy, user_id=home.user_id, at=home.at)
