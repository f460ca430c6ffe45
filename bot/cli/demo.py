"""`demo`: the same app, unchanged, against a Slack and an MPC inside this process.

No account, no token, no network: everything is on loopback, and the trail is in a file that is thrown away.
"""

import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text as RichText

from bot import config, logs, socket_mode, wiring
from bot.cli import max_level
from bot.cli.terminal import console, printable
from bot.config import Settings
from bot.sandbox import faults
from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.mpc_answers import observation
from bot.sandbox.records import View
from bot.sandbox.slack import SandboxSlack
from bot.slack import views
from bot.store import outbox
from bot.store.database import Database

USER = "U0YOU"
LOOK_S = 0.02

INTRODUCTION = """\
The action-code bot, with a Slack and an MPC inside this process. Nothing leaves this machine, and nobody is mailed.
Type what an observer would type; Ctrl-D ends. For example:

  /actcode A10cnQO                     the MPC takes it
  /actcode 00000DwbEz 5T0D452 703      two tracklets; 703 is the station of the second
  /actcode check 5T0D452 703           what the MPC has under a label; nobody is mailed
  /actcode 2015 AC2                    a designation, which is no label
  /actcode lost                        the MPC has no such label
  /actcode blocked                     the MPC refuses to talk to the bot
  /actcode broken                      the MPC fails in the middle: was it processed?
  /actcode log                         what was asked so far
  /actcode help
  form A10cnQO 00000DwbEz              the form of the button and of the shortcut, with this typed into it
  home                                 the bot's App Home
"""


PUBLISHED = observation(
    "29149",
    "703",
    letter="P",
    said="has been identified as (29149) and published in MPS   145016",
    iau_desig="29149",
    ref="MPS   145016",
)


def run(environ: Mapping[str, str]) -> int:
    """Prompt for slash commands on a terminal, or read one a line from a pipe; returns 0 at the end."""
    with tempfile.TemporaryDirectory(prefix="actcode-demo-") as folder, SandboxMPC() as mpc, SandboxSlack() as slack:
        settings = _settings(environ, Path(folder), mpc, slack)
        logs.set_up(max_level(settings.log_level), settings.log_format)
        mpc.tracklets["5T0D452 703"] = [PUBLISHED] * 3
        mpc.always("lost", faults.answer(404, {"error": "no submission with this label"}))
        mpc.always("blocked", faults.answer(403, "Forbidden"))
        mpc.always("broken", faults.answer(500, "Internal Server Error"))
        with wiring.database_of(settings) as database:
            service = wiring.service(settings, database)
            service.worker.start()
            try:
                with socket_mode.connected(settings, service):
                    _talk(slack, database)
            finally:
                service.worker.stop(grace_s=settings.grace_s)
    return 0


def _settings(environ: Mapping[str, str], folder: Path, mpc: SandboxMPC, slack: SandboxSlack) -> Settings:
    """Return the settings of the environment, but for whom it connects to, and who may ask."""
    theirs = {name: value for name, value in environ.items() if name not in {"ALLOWED_CHANNELS", "ALLOWED_USERS"}}
    return config.load(
        {
            **theirs,
            "SLACK_API_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "AUDIT_CHANNEL": slack.audit.id,
            "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
            "MPC_API_URL": mpc.url,
        }
    )


def _talk(slack: SandboxSlack, database: Database) -> None:
    shown = _Shown(slack)
    print(INTRODUCTION)
    for line in _lines():
        command, _, text = line.strip().partition(" ")
        if not command:
            continue
        if command == "/actcode":
            slack.deliver_socket(slack.command(text.strip(), user=USER))
        elif command == "form":
            _form(slack, text, shown)
        elif command == "home":
            _home(slack, shown)
        else:
            print("Type a slash command that begins with /actcode, or form LABEL, or home.")
            continue
        shown.show()
        while not _settled(database):
            threading.Event().wait(LOOK_S)
            shown.show()
        shown.show()


def _form(slack: SandboxSlack, text: str, shown: "_Shown") -> None:
    """Use the global shortcut, type into the form that it opens, and submit it."""
    slack.deliver_socket(slack.shortcut(views.FORM, user=USER))
    slack.deliver_socket(slack.submission(slack.views[-1], {views.FIELD: {views.FIELD: {"value": text}}}))
    shown.view("form          ", slack.views[-1])


def _home(slack: SandboxSlack, shown: "_Shown") -> None:
    """Open App Home, and wait until it is shown."""
    since = slack.homes.get(USER)
    slack.deliver_socket(slack.event({"type": "app_home_opened", "user": USER, "tab": "home"}))
    slack.wait_for(lambda: slack.homes.get(USER) is not since)
    shown.view("App Home      ", slack.homes[USER])


def _lines() -> Iterator[str]:
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        if sys.stdin.isatty():
            import readline  # noqa: F401 - gives input() its history and its cursor keys

            while True:
                yield input("> ")
        for line in sys.stdin:
            print(f"> {printable(line.rstrip())}")
            yield line


def _settled(database: Database) -> bool:
    left = database.read(outbox.backlog)
    return not (left.open_requests or left.replies or left.behind)


class _Shown:
    """What of Slack was printed already."""

    def __init__(self, slack: SandboxSlack) -> None:
        self._slack = slack
        self._ephemerals = self._direct = self._posts = 0
        self._console = console()

    def show(self) -> None:
        """Print what is new, each line with who sees it."""
        for one in self._slack.ephemerals[self._ephemerals :]:
            self._ephemerals += 1
            self._print("only you see  ", one.shown, "bold cyan")
        for direct in self._slack.dms[self._direct :]:
            self._direct += 1
            self._print("direct message", direct.shown, "bold cyan")
        for post in self._slack.posts[self._posts :]:
            self._posts += 1
            self._print("#actcode-audit", post.shown, "bold yellow")

    def view(self, mark: str, view: View) -> None:
        """Print what a modal or App Home shows."""
        self._print(mark, view.shown, "bold magenta")

    def _print(self, mark: str, text: str, style: str) -> None:
        for line in map(printable, text.splitlines()):
            if self._console.is_terminal:
                grid = Table.grid(padding=(0, 1))
                grid.add_row(RichText(f"  {mark} │", style=style), line)
                self._console.print(grid)
            else:
                print(f"  {mark} │ {line}")
