"""The judge sees each promise that is broken: a check that cannot fail proves nothing."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.canonical import timestamp
from tests.exported import chained
from tests.storm.evidence import Answer, Asked, Evidence, Said, Stopped, Typed
from tests.storm.judge import CHECKS, judge, summary

BEGIN_MS = 1_700_000_000_000
ID = "00000000000{}"
ACK = Answer(error=None, status=200, shown="")
REFUSAL = Answer(error=None, status=200, shown=f"label4 (trksub): Refused. And so on. Request {ID.format(4)}.")


def happened(number: int, *events: str, label: str | None = None, at_ms: int | None = None) -> list[dict[str, Any]]:
    """Return the events of request `number`, which somebody asked for in channel C`number`, 100 ms apart."""
    begin = BEGIN_MS + number * 10_000 if at_ms is None else at_ms
    return [
        {
            "id": f"{number}{place}", "at": timestamp(begin + 100 * place), "request_id": ID.format(number),
            "source": "slash", "team_id": "T1", "channel_id": f"C{number}", "user_id": f"U{number}",
            "label": label or f"label{number}", "kinds": ["trksub"], "event": name,
        }
        for place, name in enumerate(events)
    ]  # fmt: skip


def asked(number: int, *statuses: int | None) -> list[Asked]:
    """Return the POSTs of request `number`, a second apart, from 110 ms after it was requested."""
    begin = number * 10 + 0.11
    return [
        Asked(at=begin + place, wall_ms=BEGIN_MS + (begin + place) * 1000, label=f"label{number}", status=status)
        for place, status in enumerate(statuses)
    ]


def told(number: int, word: str, user: str | None = None) -> Said:
    """Return the answer about request `number`."""
    text = f"label{number} (trksub): {word}. And so on. Request {ID.format(number)}."
    return Said(at=number, user=user or f"U{number}", text=text)


def posted(*numbers: int, at: float = 0) -> Said:
    """Return a post in the audit channel about some requests."""
    return Said(at=at, user=None, text="\n".join(f"✓ label · request {ID.format(one)}" for one in numbers) + " · #9 ab")


GOOD = Evidence(
    trail=chained(
        [
            *happened(1, "requested", "sending", "accepted"),
            *happened(2, "requested", "sending", "unknown"),
            *happened(3, "requested", "sending", "rejected"),
            *happened(4, "denied"),
        ]
    ),
    typed=[
        Typed(user=f"U{one}", channel=f"C{one}", labels=(f"label{one}",), answers=[ACK if one < 4 else REFUSAL])
        for one in range(1, 5)
    ],
    asked=[*asked(1, 200), *asked(2, None), *asked(3, 404)],
    told=[told(1, "Accepted"), told(2, "Not known"), told(3, "Rejected")],
    posted=[posted(1, 2), posted(3, 4, at=2)],
    logs={"one": "all is well"},
    secrets=["xoxb-1", "http://127.0.0.1/commands/secret"],
    stopped=[Stopped(name="one", code=0)],
)


def with_trail(*events: list[dict[str, Any]], **more: Any) -> Evidence:
    """Return the good evidence with another trail."""
    return replace(GOOD, trail=chained([one for some in events for one in some]), **more)


def one_request(*events: str, **more: Any) -> Evidence:
    """Return evidence of one request that is good but for what is said."""
    new = {
        "typed": GOOD.typed[:1], "asked": asked(1, 200), "told": [told(1, "Accepted")], "posted": [posted(1)], **more,
    }  # fmt: skip
    return with_trail(happened(1, *events), **new)


def broken_chain() -> list[dict[str, Any]]:
    """Return the good trail, an event removed."""
    return GOOD.trail[:3] + GOOD.trail[4:]


BROKEN: dict[str, tuple[Callable[[], Evidence], str]] = {
    "acknowledged and not recorded": (
        lambda: replace(GOOD, typed=[*GOOD.typed, Typed(user="U9", channel="C9", labels=("lost",), answers=[ACK])]),
        "lost was acknowledged",
    ),
    "two requests for one label of one command": (
        lambda: with_trail(
            happened(4, "denied"), [{**one, "channel_id": "C4"} for one in happened(5, "denied", label="label4")],
            typed=[GOOD.typed[3]], asked=[], told=[], posted=[posted(4, 5)],
        ),
        "label4 was asked for once",
    ),
    "a forgery was taken": (
        lambda: replace(GOOD, typed=[replace(GOOD.typed[0], labels=()), *GOOD.typed[1:]]),
        "nothing was to be sent",
    ),
    "no outcome": (lambda: one_request("requested", "sending", posted=[], told=[]), "has 0 outcomes"),
    "two outcomes": (lambda: one_request("requested", "sending", "accepted", "unknown"), "has 2 outcomes"),
    "an outcome, and sent afterwards": (
        lambda: one_request("requested", "sending", "accepted", "sending", asked=asked(1, 200)),
        "wrong order",
    ),
    "sent and never requested": (lambda: one_request("sending", "accepted"), "was never `requested`"),
    "two POSTs for one sending": (
        lambda: one_request("requested", "sending", "accepted", asked=asked(1, 503, 200)),
        "was sent 2 times, for 1",
    ),
    "a second POST after a reset": (
        lambda: one_request("requested", "sending", "sending", "accepted", asked=asked(1, None, 200)),
        "was sent again after it may have been processed (HTTP None)",
    ),
    "a second POST after a 500": (
        lambda: one_request("requested", "sending", "sending", "accepted", asked=asked(1, 500, 200)),
        "was sent again after it may have been processed (HTTP 500)",
    ),
    "a POST before its sending": (
        lambda: one_request(
            "requested", "sending", "sending", "accepted",
            asked=[replace(one, wall_ms=BEGIN_MS + 10_110) for one in asked(1, 503, 200)],
        ),
        "was sent before its `sending`",
    ),
    "a POST without any sending": (
        lambda: replace(GOOD, asked=[*GOOD.asked, replace(asked(1, 200)[0], label="other")]),
        "no request was being sent",
    ),
    "a POST after the end": (
        lambda: one_request(
            "requested", "sending", "unknown",
            asked=[replace(asked(1, 200)[0], wall_ms=BEGIN_MS + 20_000)], told=[told(1, "Not known")],
        ),
        "was sent after it had ended as unknown",
    ),
    "accepted, and the MPC said no": (
        lambda: one_request("requested", "sending", "accepted", asked=asked(1, 404)),
        "is accepted, and the MPC answered 404",
    ),
    "rejected, and the MPC said nothing": (
        lambda: one_request("requested", "sending", "rejected", asked=asked(1, None), told=[told(1, "Rejected")]),
        "is rejected, and the MPC answered None",
    ),
    "surely not sent, and the MPC took it": (
        lambda: one_request("requested", "sending", "unavailable", asked=asked(1, None), told=[told(1, "Not sent")]),
        "was surely not sent",
    ),
    "six requests in a second": (
        lambda: replace(
            GOOD, asked=[*GOOD.asked, *(Asked(at=50 + 0.19 * n, wall_ms=0, label=None, status=404) for n in range(6))]
        ),
        "the MPC got 6 requests within 0.950 s (± 0.000 s)",
    ),
    "six requests in a second, and a clock that is not that bad": (
        lambda: replace(
            GOOD,
            asked=[*GOOD.asked, *(Asked(at=50 + 0.19 * n, wall_ms=0, label=None, status=404) for n in range(6))],
            blurs=[(50.5, 0.01), (40.0, 1.0)],
        ),
        "± 0.030 s",
    ),
    "an asker was not told": (lambda: replace(GOOD, told=GOOD.told[1:]), "U1, was never told"),
    "an asker was told something else": (
        lambda: replace(GOOD, told=[told(1, "Not known"), *GOOD.told[1:]]),
        "its asker was told otherwise",
    ),
    "somebody else was told": (
        lambda: replace(GOOD, told=[*GOOD.told, told(1, "Accepted", user="U2")]),
        "of U1 was told to U2",
    ),
    "refused, and not told": (
        lambda: replace(GOOD, typed=[*GOOD.typed[:3], replace(GOOD.typed[3], answers=[ACK])]),
        f"request {ID.format(4)} of U4 was denied",
    ),
    "two answers": (
        lambda: replace(GOOD, typed=[replace(GOOD.typed[0], answers=[ACK, REFUSAL]), *GOOD.typed[1:]]),
        "was answered in two ways",
    ),
    "an outcome is not shown": (lambda: replace(GOOD, posted=GOOD.posted[:1]), f"does not show request {ID.format(3)}"),
    "shown in another order": (lambda: replace(GOOD, posted=GOOD.posted[::-1]), f"shows request {ID.format(1)}"),
    "shown twice on a quiet day": (
        lambda: replace(GOOD, posted=[*GOOD.posted, posted(4, at=3)], troubles=[-20.0, 4.0]),
        "2 times, around 0 crashes",
    ),
    "shown three times": (
        lambda: replace(GOOD, posted=[*GOOD.posted, posted(4, at=3), posted(4, at=4)], troubles=[3.5]),
        "3 times, around 1 crashes",
    ),
    "something is shown that never was": (
        lambda: replace(GOOD, posted=[*GOOD.posted, posted(9)]),
        "which has none",
    ),
    "an event is missing": (lambda: replace(GOOD, trail=broken_chain()), "does not follow #3"),
    "verify complains": (lambda: replace(GOOD, complaint="broken at 3"), "complains: broken at 3"),
    "a secret is logged": (lambda: replace(GOOD, logs={"one": "token xoxb-1"}), "the log of one has 1 secrets"),
    "a 500": (
        lambda: replace(GOOD, typed=[replace(GOOD.typed[0], answers=[ACK, Answer(error="x", status=503, shown="")])]),
        "answered HTTP 503",
    ),
    "a bad exit": (lambda: replace(GOOD, stopped=[Stopped(name="two", code=1)]), "to stop, and ended with 1"),
    "a kill": (lambda: replace(GOOD, stopped=[Stopped(name="two", code=-15)]), "to stop, and ended with -15"),
    "no exit": (lambda: replace(GOOD, stopped=[Stopped(name="two", code=None)]), "to stop, and did not"),
    "never done": (lambda: replace(GOOD, unfinished="one open"), "not everything was done in time: one open"),
}  # fmt: skip


def test_nothing_is_broken_where_the_promise_was_kept() -> None:
    """Accepted, unknown, rejected and denied requests, each told and shown, are fine."""
    assert judge(GOOD) == []
    assert summary(GOOD).startswith("4 commands in 4 deliveries (4 acknowledged), 3 requests at the MPC")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_seen(name: str) -> None:
    """What is broken has its sentence."""
    make, sentence = BROKEN[name]
    found = judge(make())
    assert found
    assert any(sentence in one for one in found), found


def test_every_check_can_fail() -> None:
    """Among the broken ones each check finds something."""
    assert [one.__name__ for one in CHECKS if not any(list(one(make())) for make, _ in BROKEN.values())] == []


def test_what_is_allowed_is_not_broken() -> None:
    """A post that comes twice around a crash, an attempt after a 503, a refusal of a command, and a lost answer."""
    assert judge(replace(GOOD, posted=[*GOOD.posted, posted(4, at=9)], troubles=[5.0])) == []
    asked_fast = [Asked(at=50 + 0.19 * n, wall_ms=0, label=None, status=404) for n in range(6)]
    assert judge(replace(GOOD, asked=[*GOOD.asked, *asked_fast], blurs=[(50.5, 0.02)])) == []
    again = one_request("requested", "sending", "sending", "accepted", asked=asked(1, 503, 200))
    later = [{**one, "at": timestamp(BEGIN_MS + 11_100 + 100 * n)} for n, one in enumerate(again.trail[2:])]
    assert judge(replace(again, trail=chained([*again.trail[:2], *later]))) == []
    refused = Answer(error=None, status=200, shown="Nothing was sent: the audit trail could not be written")
    lost = Answer(error="operation_timeout", status=None, shown="")
    for answer in (refused, lost):
        more = Typed(user="U9", channel="C9", labels=("x",), answers=[answer])
        assert judge(replace(GOOD, typed=[*GOOD.typed, more])) == []


def test_evidence_is_data() -> None:
    """A failed storm's evidence can be written down."""
    assert json.loads(json.dumps(dataclasses.asdict(GOOD)))["rate_per_s"] == 5


def test_a_process_that_has_just_been_started_may_be_killed_by_the_signal() -> None:
    """Nobody can listen to it while Python loads, and nothing has begun."""
    assert judge(replace(GOOD, stopped=[Stopped(name="two", code=-15, age_s=0.3)])) == []
