"""Holds manifest.json against what the program uses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bot
from bot.doctor.findings import Finding, fault, fine
from bot.slack import views

SCOPES = ("commands", "chat:write", "channels:read", "groups:read", "channels:history", "groups:history")
"""Of the bot token; the same stand in manifest.json, which a test holds to this."""
COMMANDS = ("/actcode",)
SHORTCUTS = (views.FORM, views.MESSAGE_SHORTCUT)
EVENTS = ("app_home_opened",)

_FILE = Path(bot.__file__).parent.parent / "manifest.json"


def examine() -> Iterator[Finding]:
    """Read the manifest beside the program; a program that was installed as a package has none."""
    if _FILE.is_file():
        yield judge(_FILE.read_text(encoding="utf-8"))


def judge(text: str) -> Finding:
    """Judge the text of a manifest."""
    remedy = "take manifest.json of this version, and update the app with it (its page App Manifest)"
    try:
        found: dict[str, Any] = json.loads(text)
        features, asked = found["features"], found["settings"]
        there = {
            *found["oauth_config"]["scopes"]["bot"],
            *(one["command"] for one in features["slash_commands"]),
            *(one["callback_id"] for one in features.get("shortcuts", ())),
            *asked.get("event_subscriptions", {}).get("bot_events", ()),
            *(name for name in ("interactivity",) if asked.get(name, {}).get("is_enabled")),
            *(name for name in ("home_tab",) if features.get("app_home", {}).get(f"{name}_enabled")),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return fault("manifest", "manifest.json cannot be read", remedy)
    needed = (*SCOPES, *COMMANDS, *SHORTCUTS, *EVENTS, "interactivity", "home_tab")
    missing = [one for one in needed if one not in there]
    if missing:
        return fault("manifest", f"manifest.json lacks {', '.join(missing)}, which this version needs", remedy)
    return fine("manifest", "manifest.json has what this version uses")
