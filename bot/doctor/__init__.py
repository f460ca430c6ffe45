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
from bot.doctor.findings import Finding


def examine(environ: Mapping[str, str], folder: Path, *, mend: bool = False) -> Iterator[Finding]:
    """Examine everything, one thing after the other.

    Args:
        environ: the variables, as `bot.config.environment` gives them.
        folder: where the bot is started.
        mend: join the audit channel and migrate the database, where that is what is missing.
    """
    try:
        found = config.load(environ, needs=("SLACK_BOT_TOKEN",))
    except ConfigurationError as fault:
        yield from (settings.explain(one, environ) for one in fault.faults)
        return
    yield from settings.judge(found, environ)
    yield from surroundings.examine(found, environ, folder)
    yield from manifest.examine()
    yield from slack.examine(found, mend=mend)
    yield from storage.examine(found, mend=mend)
    yield from mpc.examine(found)
