"""The manifest: complete for everything that the bot listens to, and within what Slack takes.

Source: Slack's JSON schema of an app manifest, and its "App manifest reference".
"""

import json
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import bot.slack
from bot.slack.app import Surface

MANIFEST: dict[str, Any] = json.loads((Path(__file__).parent.parent.parent / "manifest.json").read_text())
FEATURES, SETTINGS = MANIFEST["features"], MANIFEST["settings"]


class Listening:
    """Takes the place of Bolt's app, and keeps what is registered: `(kind, name)`."""

    def __init__(self) -> None:
        self.to: set[tuple[str, str]] = set()

    def __getattr__(self, kind: str) -> Callable[[str], Callable[[object], None]]:
        """Register a listener of one kind."""

        def register(name: str) -> Callable[[object], None]:
            self.to.add((kind, name))
            return lambda _: None

        return register


@pytest.fixture(scope="module")
def listened_to() -> set[tuple[str, str]]:
    """Give everything that a surface of the program listens to."""
    app = Listening()
    for module in pkgutil.iter_modules(bot.slack.__path__, "bot.slack."):
        made_there = [one for one in vars(import_module(module.name)).values() if isinstance(one, type)]
        for one in made_there:
            if one.__module__ == module.name and "register" in vars(one) and one is not Surface:
                vars(one)["register"](object.__new__(one), app)
    return app.to


def names(listened_to: set[tuple[str, str]], kind: str) -> set[str]:
    """Return the names of one kind."""
    return {name for its_kind, name in listened_to if its_kind == kind}


def test_every_listener_is_in_the_manifest(listened_to: set[tuple[str, str]]) -> None:
    """What the manifest does not name, Slack does not deliver; what nobody listens to would fail in people's faces."""
    shortcuts = {(one["type"], one["callback_id"]) for one in FEATURES["shortcuts"]}
    assert names(listened_to, "command") == {one["command"] for one in FEATURES["slash_commands"]}
    assert names(listened_to, "global_shortcut") == {name for kind, name in shortcuts if kind == "global"}
    assert names(listened_to, "message_shortcut") == {name for kind, name in shortcuts if kind == "message"}
    assert names(listened_to, "event") == set(SETTINGS["event_subscriptions"]["bot_events"])
    interactive = {"action", "view", "global_shortcut", "message_shortcut"}
    assert SETTINGS["interactivity"]["is_enabled"] == any(names(listened_to, one) for one in interactive)
    assert {kind for kind, _ in listened_to} <= interactive | {"command", "event"}
    assert FEATURES["app_home"]["home_tab_enabled"] == ("app_home_opened" in names(listened_to, "event"))


def test_its_addresses_are_one_placeholder() -> None:
    """For HTTP, one host is to be replaced, and one word; in Socket Mode, Slack asks for no address."""
    urls = [one["url"] for one in FEATURES["slash_commands"]]
    urls += [SETTINGS["interactivity"]["request_url"], SETTINGS["event_subscriptions"]["request_url"]]
    assert {(urlsplit(one).hostname, urlsplit(one).path) for one in urls} == {("actcode.example.org", "/slack/events")}
    assert SETTINGS["socket_mode_enabled"] is True


KNOWN = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands"},
    "settings": {
        "event_subscriptions", "interactivity", "org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled",
    },
    "interactivity": {"is_enabled", "request_url"},
    "event_subscriptions": {"request_url", "bot_events"},
    "app_home": {"home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"},
}  # fmt: skip


def test_it_has_only_fields_that_slack_knows() -> None:
    """Slack refuses a manifest with any other."""
    parts = {"": MANIFEST, "features": FEATURES, "settings": SETTINGS, "app_home": FEATURES["app_home"]}
    parts |= {name: SETTINGS[name] for name in ("interactivity", "event_subscriptions")}
    assert {name: set(part) - KNOWN[name] for name, part in parts.items()} == {name: set() for name in KNOWN}
    for one in FEATURES["slash_commands"]:
        assert set(one) <= {"command", "url", "description", "usage_hint", "should_escape"}
    for one in FEATURES["shortcuts"]:
        assert set(one) == {"name", "type", "callback_id", "description"}


def test_its_texts_are_as_long_as_slack_allows() -> None:
    """Of shortcuts and commands; those that describe the app are held to theirs beside the other pages of the house."""
    for one in FEATURES["shortcuts"]:
        assert 1 <= len(one["name"]) <= 24
        assert 1 <= len(one["description"]) <= 150
        assert 1 <= len(one["callback_id"]) <= 255
    for one in FEATURES["slash_commands"]:
        assert 2 <= len(one["command"]) <= 32
        assert 1 <= len(one["description"]) <= 2000
        assert 1 <= len(one["usage_hint"]) <= 1000
