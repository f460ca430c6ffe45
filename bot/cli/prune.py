"""`audit prune`: removes old events, after asking; what may go is decided in `bot.pruning`."""

import argparse
import sys

from bot import canonical, pruning, trail, wiring
from bot.config import ConfigurationError, Settings
from bot.pruning import BrokenTrail, Plan, TooRecent
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable

MOST_TRIES = 5
"""How often a step is tried whose turn does not come: others may append much."""


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Do what was asked; returns 0, also where there is nothing to remove, and 1 where nothing could be or was."""
    try:
        before = trail.milliseconds(asked.before)
        said = canonical.timestamp(before)
    except (ValueError, OverflowError):  # the latter: it is none in UTC, where year 1 has begun later
        raise ConfigurationError([f"--before: {asked.before!r} is no date; write 2026-01-31"]) from None
    if not asked.yes and not sys.stdin.isatty():
        raise ConfigurationError(["--yes: there is no terminal to ask at; give --yes to remove without a question"])
    with wiring.trail_of(settings) as database:
        try:
            plan = pruning.plan(
                database, before=before, cooldown_s=settings.cooldown_s, audit_channel=settings.audit_channel
            )
            return _carry_out(database, plan, said, yes=asked.yes)
        except TooRecent as fault:
            latest = canonical.timestamp(fault.args[0])
            raise ConfigurationError([f"--before: what is younger than {latest} is still needed"]) from None
        except BrokenTrail as fault:
            print(f"The trail is broken: {fault}. Nothing more is removed, so that it can be looked into.")
            return 1


def _carry_out(database: Database, plan: Plan, before: str, *, yes: bool) -> int:
    if plan.kept_for is not None:
        print(f"Not everything before {before} can go: {plan.kept_for}.")
    if not plan.steps:
        print(f"Nothing to remove before {before}.")
        return 0
    span = f"seq {plan.steps[0].first:,} to {plan.steps[-1].last:,}"
    if not yes and not _agreed(
        f"Remove {plan.count:,} events before {before} ({span})? This cannot be undone; export first "
        f"(audit export --until {before} > old.jsonl). Type yes: "
    ):
        print("Nothing was removed.")
        return 1
    for step in plan.steps:
        seq = _remove(database, step)
        print(f"Removed {step.count:,} events (seq {step.first:,} to {step.last:,}); event {seq:,} says so.")
    return 0


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() == "yes"
    except EOFError:
        print()
        return False


def _remove(database: Database, step: pruning.Step) -> int:
    for left in reversed(range(MOST_TRIES)):
        try:
            return database.write(lambda tx: pruning.remove(tx, step), within_s=None)
        except DatabaseUnavailable:
            if not left:
                raise
    raise AssertionError
