"""The modals and the App Homes of the sandbox's Slack.

Sources: Slack's pages on views.open and views.publish, and "Modals" (what the answer to a submission does to the view).
"""

import time
from dataclasses import replace
from typing import Any

from bot.sandbox.blocks import check_view
from bot.sandbox.records import Object, View, new_id
from bot.sandbox.rules import RefusedError
from bot.sandbox.workspace import Workspace


class Surfaces(Workspace):
    """A workspace with modals and App Homes."""

    def open_view(self, trigger_id: object, view: Any) -> View:
        """Open a modal.

        Raises:
            RefusedError: invalid_trigger_id, expired_trigger_id, exchanged_trigger_id, or what `check_view` says.
        """
        with self.watch.changing():
            user = self.grants.user_of(str(trigger_id))
            check_view(view)
            if view["type"] != "modal":
                raise RefusedError("invalid_arguments", "view.type is not modal")
            self.grants.use_trigger(str(trigger_id))
            opened = self._view(user, view, str(trigger_id))
            self.views.append(opened)
            return opened

    def answer_view(self, view_id: str, response: Object) -> None:
        """Do with an open modal what the answer to its submission says: show another view, errors, or nothing more."""
        with self.watch.changing():
            for number, one in enumerate(self.views):
                if one.id != view_id:
                    continue
                if response.get("response_action") in {"update", "push"}:
                    self.views[number] = replace(one, view=response["view"], errors={})
                else:
                    is_open = response.get("response_action") == "errors"
                    self.views[number] = replace(one, is_open=is_open, errors=response.get("errors") or {})

    def publish_view(self, user: object, view: Any) -> View:
        """Publish an App Home.

        Raises:
            RefusedError: user_not_found, or what `check_view` says.
        """
        if (
            not isinstance(user, str)
            or user[:1] not in {"U", "W"}
            or (self.users is not None and user not in self.users)
        ):
            raise RefusedError("user_not_found")
        check_view(view)
        if view["type"] != "home":
            raise RefusedError("invalid_arguments", "view.type is not home")
        with self.watch.changing():
            self.homes[str(user)] = published = self._view(str(user), view, None)
            return published

    def _view(self, user: str, view: Any, trigger_id: str | None) -> View:
        return View(id=new_id("V"), user=user, view=view, trigger_id=trigger_id, at=time.monotonic())
