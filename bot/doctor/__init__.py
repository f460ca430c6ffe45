"""The doctor: tells whether an installation would work, and what to do about each thing that is wrong.

It looks; without being asked to mend, it changes nothing, and it never makes the MPC send mail. A room a subject: each
asks, and hands what it was told to functions that only judge.

What it cannot see, and does not guess: whether another installation uses the same app-level token. Slack tells that
only to a connection that is open, and to such a connection it delivers commands, which would then be lost. The
processes at work on the same database are seen.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bot import config
from bot.config import ConfigurationError
from bot.doctor import manifest, mpc, settings, slack, storage, surroundings
from bot.doctor.findings import Finding, fault


def examine(environ: Mapping[str, str], folder: Path, *, mend: bool = False) -> Iterator[Finding]:
    """Examine everything, one thing after the other.

    Args:
        environ: the variables, as `bot.config.environment` gives them.
        folder: where the bot is started.
        mend: join the audit channel and migrate the database, where that is what is missing.
    """
    try:
        found = config.load(environ, needs=("SLACK_BOT_TOKEN",))
    except ConfigurationError as wrong:
        yield from (settings.explain(one, environ) for one in wrong.faults)
        return
    rooms = {
        "settings": settings.judge(found, environ),
        "surroundings": surroundings.examine(found, environ, folder),
        "manifest": manifest.examine(),
        "Slack": slack.examine(found, mend=mend),
        "database": storage.examine(found, mend=mend),
        "MPC": mpc.examine(found),
    }
    for thing, findings in rooms.items():
        yield from _whatever_happens(thing, findings)


def _whatever_happens(thing: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except Exception as unforeseen:  # noqa: BLE001 - of a room; the others may know why, and nobody reads a log here
        said = f"the rest of it could not be examined ({type(unforeseen).__name__})"
        yield fault(thing, said, "that is a defect of the bot: report it with this line; the other lines count")
