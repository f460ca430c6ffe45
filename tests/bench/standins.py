"""The stand-ins of `bot.sandbox` in a process of their own: what they cost is neither the load's nor the program's.

It knows what a benchmark asks of a Slack and of an MPC. It refuses to know who is measured.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from typing import Any, cast

from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.records import Delivery
from bot.sandbox.slack import SandboxSlack
from tests.bench.events import label

USERS = tuple(f"U0BENCH{number:03}" for number in range(400))
"""So many that a flood is not one user's, whose requests wait for each other."""

Command = tuple[str, bytes]
"""The `trigger_id` of a delivery, and its form."""


class StandIns:
    """A Slack and an MPC.

    Args:
        latency_s: how long each answer of the MPC takes, seconds.
    """

    def __init__(self, latency_s: float = 0.0) -> None:
        # It counts what arrives, and answers it: whoever sends too fast shows in the counts.
        self._mpc = SandboxMPC(rate_per_s=None, latency_s=latency_s).start()
        self._slack = SandboxSlack().start()
        self._made = 0

    def settings(self) -> dict[str, str]:
        """Return the settings of an app between them; `SIGNED` is what its commands are signed with."""
        return {
            "SLACK_API_URL": self._slack.api_url,
            "SLACK_BOT_TOKEN": self._slack.bot_token,
            "SLACK_SIGNING_SECRET": self._slack.signing_secret,
            "AUDIT_CHANNEL": self._slack.audit.id,
            "MPC_API_URL": self._mpc.url,
        }

    def app_token(self) -> str:
        """Return what `SLACK_APP_TOKEN` is to be."""
        return self._slack.app_token

    def commands(self, count: int) -> list[Command]:
        """Make so many commands, each of another label."""
        made = []
        for _ in range(count):
            one = self._command()
            made.append((str(one.trigger_id), one.encoded()[1]))
        return made

    def connected(self) -> bool:
        """Tell whether somebody has opened a Socket Mode connection."""
        return bool(self._slack.connections)

    def deliver(self, count: int, rate_per_s: float | None) -> list[float]:
        """Deliver commands over Socket Mode, evenly or (None) all at once; returns the seconds to each acknowledgement.

        Raises:
            RuntimeError: one was not acknowledged within 3 s.
        """
        from tests.bench.envelopes import deliver  # noqa: PLC0415 - only Socket Mode needs it

        return deliver(self._slack, [self._command() for _ in range(count)], rate_per_s)

    def told(self) -> dict[str, float]:
        """Return when each asker had the outcomes of their command, `time.monotonic()`, by `trigger_id`."""
        with self._slack.watch.reading():
            return {str(one.trigger_id): one.at for one in self._slack.ephemerals if one.via == "response_url"}

    def asked(self) -> dict[str, float]:
        """Return when the MPC was asked for each label, `time.monotonic()`."""
        return {str(one.label): one.at for one in self._mpc.posts()}

    def arrivals(self) -> list[float]:
        """Return when each request arrived at the MPC, look-ups too, `time.monotonic()`."""
        return [one.at for one in list(self._mpc.requests)]

    def close(self) -> None:
        """Stop both."""
        self._slack.close()
        self._mpc.close()

    def _command(self) -> Delivery:
        self._made += 1
        return self._slack.command(label(self._made), user=random.choice(USERS))  # noqa: S311 - any user


class _Manager(BaseManager):
    pass


_Manager.register("StandIns", StandIns)


@contextmanager
def standins(latency_s: float = 0.0) -> Iterator[StandIns]:
    """Give stand-ins that run in another process."""
    with _Manager(ctx=get_context("spawn")) as manager:
        made = cast("Any", manager).StandIns(latency_s)
        try:
            yield made
        finally:
            made.close()
