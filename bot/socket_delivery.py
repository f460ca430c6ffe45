"""Deliveries over Socket Mode: each is answered on a thread of its own, while Slack waits for the acknowledgement.

It knows how long that is, and that one which waited too long is not taken. It refuses to know what a delivery means,
and which connections there are.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bot.socket_link import Envelope, Link

THREADS = 16

log = logging.getLogger(__name__)


class Deliveries:
    """What is delivered, until it is answered.

    Args:
        answer: returns the acknowledgement of a delivery, JSON; None where there is to be none.
        say: sends it, knowing over which connection the delivery came and until when (`time.monotonic()`) Slack
            waits; returns whether it was sent.
        answered: called behind each acknowledgement, when it is out; what was asked for may begin then.
        ack_s: how long Slack waits for one, seconds.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Envelope], str | None],
        say: Callable[[str, Link, float], bool],
        answered: Callable[[], None],
        ack_s: float,
    ) -> None:
        self._answer = answer
        self._say = say
        self._answered = answered
        self._ack_s = ack_s
        self._counting = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="delivery")

    def take(self, link: Link, envelope: Envelope) -> None:
        """Answer what has come over a connection; does not wait."""
        with self._counting:
            link.under_way += 1
        self._threads.submit(self._serve, link, envelope, time.monotonic())

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown()

    def _serve(self, link: Link, envelope: Envelope, came_at: float) -> None:
        try:
            if time.monotonic() - came_at > self._ack_s:
                # Slack has told the person that it failed: they will ask again.
                log.warning("a delivery had to wait for more than %g s, and was not taken", self._ack_s)
                return
            said = self._answer(envelope)
            if said is not None and not self._say(said, link, came_at + self._ack_s):
                log.warning("an acknowledgement was not sent: the connection to Slack has broken off")
            self._answered()
        except Exception:
            # The edge towards Slack: it shows the person that the command failed, and the log has the reason once.
            log.exception("a delivery failed in an unforeseen way")
        finally:
            with self._counting:
                link.under_way -= 1
