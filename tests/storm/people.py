"""The people of a storm: what they type, where, and how often Slack brings it."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from random import Random
from typing import Any

from bot.sandbox.slack import SandboxSlack
from tests.storm.evidence import Answer, Typed
from tests.storm.servers import Server

USERS = tuple(f"U0P{number:02}" for number in range(15))
OUTSIDER = "U0OUTSIDER"
CROWD = 12


class People:
    """Who types.

    Args:
        slack: into which.
        servers: returns those that run now.
        chance: decides.

    Attributes:
        typed: everything that was typed.
        urls: the response_urls that came with it.
    """

    def __init__(self, *, slack: SandboxSlack, servers: Callable[[], Sequence[Server]], chance: Random) -> None:
        self.typed: list[Typed] = []
        self.urls: list[str] = []
        self._slack = slack
        self._servers = servers
        self._chance = chance
        self._numbers = count(1)
        self._known = ["seen-00"]
        self._hands = ThreadPoolExecutor(max_workers=32, thread_name_prefix="hand")
        self._futures: list[Future[None]] = []
        self._habits: Sequence[tuple[int, Callable[[], None]]] = (
            (40, self._one),
            (8, self._many),
            (1, self._as_many_as_possible),
            (4, self._crowd),
            (15, self._twice),
            (6, self._no_label),
            (6, self._hostile),
            (4, self._outsider),
            (5, self._known_one),
            (4, self._look),
        )

    def act(self, until: threading.Event, *, pause_s: float) -> None:
        """Type, until it is enough."""
        weights = [weight for weight, _ in self._habits]
        while not until.wait(self._chance.expovariate(1 / pause_s)):
            self._chance.choices(self._habits, weights)[0][1]()

    def rest(self) -> None:
        """Wait for the last answers."""
        self._hands.shutdown()
        for future in self._futures:
            future.result()

    def _one(self) -> None:
        self._type([self._label()])

    def _many(self) -> None:
        self._type([self._label() for _ in range(self._chance.randint(2, 6))])

    def _as_many_as_possible(self) -> None:
        self._type([self._label() for _ in range(25)])

    def _crowd(self) -> None:
        label = self._label()
        for user in USERS[:CROWD]:
            self._type([label], user=user)

    def _twice(self) -> None:
        """Let the same delivery come to several processes at once, and again later."""
        self._type([self._label() for _ in range(self._chance.randint(1, 3))], times=self._chance.randint(2, 4))

    def _no_label(self) -> None:
        text = self._chance.choice(
            [f"{self._label()} no!label", "nmVDPG760e2qQw97-DEL", "2015 AC2", "\u202e\u0000", "x" * 5000, "<@U1> é"]
        )
        self._type([], text=text)

    def _hostile(self) -> None:
        """Send what Slack would not: unsigned, wrongly signed, or no form at all."""
        delivery, typed = self._delivery([], text=self._label())
        http = [one for one in self._servers() if one.mode == "--http"]
        if not http:
            return
        server = self._chance.choice(http)
        how: dict[str, Any] = self._chance.choice(
            [
                {"sign": False},
                {"secret": "0" * 32},
                {"timestamp": "12"},
                {"timestamp": "x"},
                {"headers": {"X-Slack-Signature": "v0=\u00e9".encode().decode("latin-1")}},
                {"body": b"\xff\xfe\x00payload"},
                {"body": b"payload=" + b"[" * 20_000},
                {"body": json.dumps({"type": ["x"]}).encode(), "headers": {"Content-Type": "application/json"}},
                {"body": b"command=%2Factcode&text=&user_id=" + b"%ED%A0%80" * 9},
                {"body": b""},
            ]
        )
        self._futures.append(self._hands.submit(self._deliver, typed, delivery, server, 0.0, how))

    def _outsider(self) -> None:
        self._type([self._label()], user=OUTSIDER)

    def _known_one(self) -> None:
        self._type([self._chance.choice(self._known[-40:])])

    def _look(self) -> None:
        self._type([], text=self._chance.choice(["log", "log 5 mine", "help", ""]))

    def _label(self) -> str:
        number = next(self._numbers)
        label = self._chance.choice(
            [
                f"s{number:06}", f"s{number:06}", f"storm{number:07}", f"-{number:05}_",
                f"2024-05-02T21:03:35.001_{number:08}", f"2024-05-02T21:03:35.001_{number:08}_01",
            ]
        )  # fmt: skip
        self._known.append(label)
        return label

    def _type(self, labels: list[str], *, text: str | None = None, user: str | None = None, times: int = 1) -> None:
        delivery, typed = self._delivery(labels, text=text, user=user)
        for number in range(times):
            wait_s = 0.0 if number < 2 else self._chance.uniform(0.5, 12)
            server = self._chance.choice(self._servers())
            self._futures.append(self._hands.submit(self._deliver, typed, delivery, server, wait_s, {}))

    def _delivery(self, labels: list[str], *, text: str | None = None, user: str | None = None) -> tuple[Any, Typed]:
        user = user or self._chance.choice(USERS)
        # A conversation for each command: a label may be asked for again, and the trail must show which is which.
        channel = f"C0S{next(self._numbers):06}"
        if self._chance.random() < 0.5:
            self._slack.add_channel(channel, name=channel.lower(), is_member=self._chance.random() < 0.7)
        delivery = self._slack.command(text if text is not None else " ".join(labels), user=user, channel=channel)
        if self._chance.random() < 0.1:
            self._slack.expire(delivery)
        self.urls.append(str(delivery.response_url))
        typed = Typed(user=user, channel=channel, labels=tuple(labels))
        self.typed.append(typed)
        return delivery, typed

    def _deliver(self, typed: Typed, delivery: Any, server: Server, wait_s: float, how: dict[str, Any]) -> None:
        threading.Event().wait(wait_s)
        got = server.deliver(delivery, **how)
        typed.answers.append(Answer(error=got.error, status=got.status, shown=got.shown))
