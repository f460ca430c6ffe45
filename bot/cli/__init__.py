"""The door for a terminal: the commands, their flags, and their exit codes.

It knows what was typed and what an error means to a shell. It refuses to decide what a request may do.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bot import __version__, config, garbage, logs
from bot.config import ConfigurationError, Settings
from bot.store.errors import CommitUnheard, DatabaseUnavailable, SchemaError

OK, FAILED, USAGE = 0, 1, 2
CUT_OFF = 141
"""As a shell says it of a program that SIGPIPE has ended."""

SERVE_HTTP = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")
SERVE_SOCKET = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 not so, 2 wrong usage or settings."""
    asked = parser().parse_args(arguments)
    if asked.command == "serve":
        # Whoever is told to stop while it starts has nothing to finish; the doors take over when there is.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(OK))
    code: int | None = None
    try:
        _begin_log(asked, os.environ)
        code = _run(asked, config.environment(Path.cwd(), os.environ))
        sys.stdout.flush()
    except (ConfigurationError, SchemaError, DatabaseUnavailable) as fault:
        print(_sentence(fault, asked.command), file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader, such as `head`, has had enough. What Python still holds must not complain at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if getattr(asked, "action", None) in {"list", "export"}:
            return OK
        # Where the code is the answer, nobody may take a lost one for a good one.
        return CUT_OFF if code is None else code
    except KeyboardInterrupt:
        return 130
    except Exception:
        logging.getLogger(__name__).exception("the command failed in an unforeseen way")
        print("The command failed; the log above has the reason.", file=sys.stderr)
        return FAILED
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose help is the same on every terminal, so that the README can show it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(
        prog="actcode", description="Asks the Minor Planet Center to mail action codes again, from Slack or from here."
    )
    top.add_argument("--version", action="version", version=f"actcode {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the Slack app")
    mode = serve.add_mutually_exclusive_group()
    mode.add_argument("--socket", action="store_true", help="Socket Mode (the default where SLACK_APP_TOKEN is set)")
    mode.add_argument("--http", action="store_true", help="HTTP on PORT")

    commands.add_parser("demo", help="try it here, with a Slack and an MPC inside the process")

    retrieve = commands.add_parser("retrieve", help="ask for codes from the terminal")
    retrieve.add_argument("labels", nargs="+", metavar="LABEL", help="(a label that begins with a dash: after --)")
    retrieve.add_argument("--json", action="store_true", help="print one JSON array, for scripts")

    _add_audit(commands)

    check = commands.add_parser("check", help="tell whether this installation would work, and what to do")
    check.add_argument("--fix", action="store_true", help="join the audit channel, migrate the database")

    database = commands.add_parser("db", help="look after the database: upgrade")
    steps = database.add_subparsers(dest="action", required=True, metavar="ACTION")
    steps.add_parser("upgrade", help="bring the database to the current schema")
    return top


def _add_audit(commands: Any) -> None:
    audit = commands.add_parser("audit", help="read the trail: list, export, verify; move it: import; cut it: prune")
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = actions.add_parser("list", help="show the last events")
    shown.add_argument("--last", type=_how_many, default=50, metavar="N", help="how many (50)")
    shown.add_argument("--follow", action="store_true", help="then show new ones as they come, until Ctrl-C")
    export = actions.add_parser("export", help="write events to standard output, oldest first")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    for one in (shown, export):
        one.add_argument("--since", metavar="WHEN", help="from then on (2026-01-31 or 2026-01-31T04:00:00Z)")
        one.add_argument("--until", metavar="WHEN", help="before that moment")
        one.add_argument("--channel", metavar="ID")
        one.add_argument("--user", metavar="ID")
        one.add_argument("--label")
        one.add_argument("--event", action="append", default=[], help="may be given more than once")
    verify = actions.add_parser("verify", help="check that the trail, or an export of it, is whole and unchanged")
    verify.add_argument("file", nargs="?", metavar="FILE", help="an export, - for standard input; no database is asked")
    verify.add_argument("--slack", action="store_true", help="hold the audit channel against the trail, too")
    verify.add_argument("--partial", action="store_true", help="FILE was exported with filters: gaps are no fault")
    move = actions.add_parser("import", help="take the trail of a whole export into an empty database")
    move.add_argument("file", metavar="FILE", help="an export, - for standard input")
    prune = actions.add_parser("prune", help="remove old events, and leave a tombstone that says so")
    prune.add_argument("--before", required=True, metavar="DATE", help="only events from before (2026-01-31)")
    prune.add_argument("--yes", action="store_true", help="do not ask")


def _how_many(text: str) -> int:
    most = 100_000  # they are held in memory
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}; audit export gives all events")
    return int(text)


def _run(asked: argparse.Namespace, environ: dict[str, str]) -> int:
    if asked.command == "demo":
        from bot.cli import demo

        return demo.run(environ)
    if asked.command == "check":
        from bot.cli import doctor

        return doctor.run(environ, mend=asked.fix)
    _begin_log(asked, environ)
    settings = config.load(environ, needs=_needs(asked, environ))
    if asked.command == "serve":
        logs.take_over(settings.log_level, settings.log_format)
        return _serve(settings, http=asked.http or not (asked.socket or settings.slack_app_token))
    logs.set_up(max_level(settings.log_level), settings.log_format)
    if asked.command == "retrieve":
        from bot.cli import retrieve

        return retrieve.run(settings, asked.labels, as_json=asked.json)
    if asked.command == "audit":
        from bot.cli import audit

        return audit.run(settings, asked)
    return _upgrade(settings)


def _begin_log(asked: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Let also what is wrong with the settings be JSON where a program reads the log of `serve`."""
    if asked.command == "serve" and logs.form_of(environ) == "json":
        logs.take_over("INFO", "json")


def _sentence(fault: Exception, command: str) -> str:
    if isinstance(fault, CommitUnheard):
        return (
            f"DATABASE_URL: the connection broke in the middle ({logs.redact(str(fault))}). Whether it was recorded "
            "is not known; see audit list before you do it again."
        )
    if isinstance(fault, DatabaseUnavailable):
        sent = " Nothing was sent." if command == "retrieve" else ""
        return f"DATABASE_URL: the database does not answer ({logs.redact(str(fault))}).{sent}"
    return str(fault)


def max_level(level: str) -> str:
    """Return the level for a command whose output is for people: its own words come first, then warnings."""
    return level if level == "DEBUG" else logging.getLevelName(max(logging.WARNING, logging.getLevelName(level)))


def _needs(asked: argparse.Namespace, environ: dict[str, str]) -> tuple[str, ...]:
    if asked.command != "serve":
        return ()
    socket = asked.socket or (not asked.http and environ.get("SLACK_APP_TOKEN", "").strip())
    return SERVE_SOCKET if socket else SERVE_HTTP


def _serve(settings: Settings, *, http: bool) -> int:
    if settings.audit_channel is None:
        logging.getLogger(__name__).warning(
            "AUDIT_CHANNEL is not set: the trail is kept in the database only, and no channel shows it"
        )
    with garbage.left_alone():
        from bot import wiring

        with wiring.database_of(settings):
            pass  # the sentence about a database that is not ready belongs here, before anything is started
        if http:
            from bot.server import Server

            serve: Callable[[], None] = Server(settings).run
        else:
            from bot import socket_mode

            serve = partial(socket_mode.serve, settings)
    serve()
    return OK


def _upgrade(settings: Settings) -> int:
    from bot.migrations.run import upgrade
    from bot.store.database import SCHEMA, Database

    database = Database(settings.database_url)
    try:
        done = upgrade(database)
    finally:
        database.close()
    print(f"The database {'is now' if done else 'was already'} at schema {SCHEMA}.")
    return OK
