"""The house is as its picture says: imports, settings, usage, scopes, revisions and pins agree with each other."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from bot import config
from bot.cli import parser
from bot.doctor import manifest as used
from bot.store.database import SCHEMA

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

FLOORS = [
    {"addresses", "bot", "canonical", "characters", "garbage", "outcomes", "remedies", "tombstone"},
    {"mistakes", "policy", "exchange", "scrubbing"},
    {"phrases"},
    {"labels"},
    {"answers", "wording", "config", "logs", "harvest"},
    {"findings", "asking"},
    {"wamo"},
    {"mpc"},
    {"store", "loop", "trail", "migrations", "exports"},
    {"decisions", "verification", "anchors", "pruning", "importing"},
    {"admission"},
    {"departures", "lookups"},
    {"retrieval"},
    {"worker", "health", "metrics"},
    {"slack"},
    {"wiring"},
    {"socket_link", "socket_ticket", "socket_trouble"},
    {"socket_delivery"},
    {"socket_line"},
    {"web", "socket_mode", "doctor"},
    {"server"},
    {"cli"},
    {"__main__"},
]
"""Rooms, lowest first: each may import what is below it, and its own floor."""

OUTSIDE = {
    "slack_bolt": {"slack", "web", "socket_mode", "wiring"},
    "slack_sdk": {"slack", "web", "socket_ticket", "wiring", "cli", "doctor", "sandbox"},
    "requests": {"asking", "exchange"},
    "urllib3": {"asking", "exchange"},
    "sqlalchemy": {"store", "loop", "trail", "verification", "anchors", "pruning", "importing", "migrations"},
    "alembic": {"migrations"},
    "gunicorn": {"server"},
    "rich": {"cli"},
    "websockets": {"sandbox", "socket_link"},
    "prometheus_client": {"metrics"},
    "dotenv": {"config"},
}
"""Libraries, and the only rooms that know them."""


def room(module: str) -> str:
    """Return the room of `bot.room.more`."""
    return module.split(".")[1] if "." in module else "bot"


def imports() -> list[tuple[str, str]]:
    """Return every import of the program: from which module, of which."""
    found = []
    for path in sorted((ROOT / "bot").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found += [(module, one.name) for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "bot":
                found += [(module, f"bot.{one.name}" if one.name != "__version__" else "bot") for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.append((module, node.module))
    return found


def test_imports_go_one_way() -> None:
    """No room imports one above it, and every room has its floor."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    wrong = [
        f"{module} imports {target}"
        for module, target in imports()
        if target.split(".")[0] == "bot" and "sandbox" not in {room(module), room(target)}
        if floor[room(module)] < floor[room(target)]
    ]
    assert wrong == []


def test_the_sandbox_stands_alone() -> None:
    """It imports nothing of the bot, and nothing but the demo imports it."""
    mixed = {
        (module, target)
        for module, target in imports()
        if target.split(".")[0] == "bot" and (room(module) == "sandbox") != (room(target) == "sandbox")
    }
    assert {module for module, _ in mixed} <= {"bot.cli.demo"}


def test_libraries_stay_in_their_rooms() -> None:
    """SQL is in the store, HTTP in `mpc`, Slack in `slack` and the doors, and so on."""
    wrong = [
        f"{module} imports {target}"
        for module, target in imports()
        if room(module) not in OUTSIDE.get(target.split(".")[0], {room(module)})
    ]
    assert wrong == []


def test_files_can_be_read_in_one_sitting() -> None:
    """No file of the program has much more than 250 lines."""
    long = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "bot").rglob("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 260} == {}


def test_the_settings_are_documented() -> None:
    """The program, `.env.example` and the README's table have the same variables with the same defaults."""
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE))
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(config.READERS) == set(table) == set(example)
    assert example == table
    assert config.load(example) == config.Settings()


def test_the_readme_shows_the_usage_that_the_program_prints() -> None:
    """What stands between the fences is the parser's own output."""
    shown = re.search(r"<!-- usage -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == parser().format_help()


def test_the_manifest_asks_for_the_scopes_that_are_used() -> None:
    """The doctor looks for the scopes of manifest.json; the commands are the ones that are served."""
    manifest = json.loads((ROOT / "manifest.json").read_text())
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == used.SCOPES
    assert [one["command"] for one in manifest["features"]["slash_commands"]] == list(used.COMMANDS)


LIMITS = {
    ("display_information", "name"): 35,
    ("display_information", "description"): 140,
    ("display_information", "long_description"): 4000,
    ("features", "bot_user", "display_name"): 80,
}


@pytest.mark.parametrize("path", LIMITS)
def test_the_manifest_keeps_to_slacks_limits(path: tuple[str, ...]) -> None:
    """Its texts are as long as Slack's schema of a manifest allows; a long description has at least 175 characters."""
    found = json.loads((ROOT / "manifest.json").read_text())
    for key in path:
        found = found[key]
    assert (175 if path[-1] == "long_description" else 1) <= len(found) <= LIMITS[path]


def test_the_program_works_with_the_newest_revision() -> None:
    """The revision that is asked of a database is the last one that the migrations make."""
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "bot" / "migrations"))
    assert ScriptDirectory.from_config(alembic).get_heads() == [SCHEMA]


def test_pins_have_hashes_and_name_no_index() -> None:
    """Whoever installs uses the index of their own machine, and gets what was tested."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith((" ", "#"))]
        assert pins
        assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+ \\", line) for line in pins)
        assert sum("--hash=sha256:" in line for line in lines) >= len(pins)
        assert not any("://" in line or line.startswith("-") for line in lines)


def test_tests_neither_patch_nor_sleep() -> None:
    """Tests use real parts, and wait for what they wait for."""
    banned = re.compile(r"\b(?:mock\.|MagicMock|monkeypatch\.setattr|patch\(|time\.sleep\()")
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if banned.search(path.read_text())]
    assert found == [Path(__file__).name]


def loaded_by(program: str) -> set[str]:
    """Return which modules a program has loaded."""
    shown = f"{program}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_a_start_loads_only_what_a_command_needs() -> None:
    """Each library takes a share of the time in which nobody is acknowledged; the first request is soon enough."""
    start = "import bot.cli, bot.server, bot.slack.actcode, bot.slack.app, bot.slack.form, bot.slack.home, bot.wiring"
    loaded = loaded_by(start)
    assert {"sqlalchemy", "slack_bolt", "gunicorn"} <= loaded
    assert loaded & {"alembic", "psycopg", "requests", "rich", "websockets"} == set()
    assert {"requests", "bot.asking"} <= loaded_by("from bot import mpc\nmpc.get_ready()")
    assert loaded_by("import bot.cli") & {"sqlalchemy", "slack_sdk", "requests"} == set()
