"""What the bot says in Slack: to whom, in which words, within which limits, and with nothing live in it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot import trail
from bot.decisions import Admission, Item
from bot.labels import Fault, Label, Parsed, parse_all, paste_again
from bot.outcomes import Outcome
from bot.policy import Denial, Rule
from bot.slack import messages, trail_messages
from bot.slack.richtext import Message
from bot.store.outbox import Announcement, Ended
from bot.store.standing import COUNTED
from tests.slack.test_richtext import LIVE, assert_within_limits, elements

LATER = 1_800_000_000_000
BLOCK_ID = "2024-05-02T21:03:35.001_0000FzZw_01"
SITUATIONS: list[tuple[str, dict[str, Any]]] = [
    ("accepted", {"http_status": 200}),
    ("accepted", {"http_status": 204}),
    ("rejected", {"http_status": 404, "detail": "no such label."}),
    ("rejected", {"http_status": 422}),
    ("rejected", {"http_status": 200, "detail": "error"}),
    ("unavailable", {"detail": "no connection: TLS"}),
    ("unavailable", {"detail": "not sent: the process was paused"}),
    ("unavailable", {"detail": "withdrawn before it was sent"}),
    ("unavailable", {}),
    ("unavailable", {"http_status": 302}),
    ("unavailable", {"http_status": 401}),
    ("unavailable", {"http_status": 403, "detail": "Forbidden"}),
    ("unavailable", {"http_status": 408}),
    ("unavailable", {"http_status": 429}),
    ("unavailable", {"http_status": 429, "until": LATER}),
    ("unavailable", {"http_status": 503, "detail": "maintenance"}),
    ("unknown", {"http_status": 500}),
    ("unknown", {"http_status": 502, "detail": "Bad Gateway"}),
    ("unknown", {"http_status": 200, "detail": "the answer is not JSON"}),
    ("unknown", {"detail": "the process ended during the request"}),
    ("unknown", {}),
    *(("denied", {"rule": rule}) for rule in Rule),
    *(("denied", {"rule": rule, "until": LATER}) for rule in (Rule.HOURLY, Rule.COOLDOWN)),
]
NOTHING_SENT = ("Nothing was sent", "No second request was sent", "No mail goes out")


def ended(outcome: str, number: int = 1, **other: Any) -> Ended:
    """Return a request with its outcome."""
    return Ended(
        **{
            "request_id": f"request{number:05}",
            "label": "A10cnQO",
            "kinds": ("trksub",),
            "stations": (),
            "outcome": outcome,
            "rule": None,
            "http_status": None,
            "detail": None,
            "until": None,
            **other,
        }
    )


def item(label: str, number: int = 1, denial: Denial | None = None, stations: tuple[str, ...] = ()) -> Item:
    """Return a label of a command."""
    kinds = ("trksub",)
    return Item(request_id=f"request{number:05}", label=label, kinds=kinds, stations=stations, denial=denial)


def event(outcome: str, **other: Any) -> dict[str, Any]:
    """Return an event as the trail exports it."""
    return dict.fromkeys(trail.KEYS) | {
        "seq": 7,
        "at": "2026-01-01T04:00:00.000Z",
        "request_id": "request00001",
        "source": "slash",
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "U1",
        "label": "A10cnQO",
        "kinds": ["trksub"],
        "event": outcome,
        "http_status": 200,
        "elapsed_ms": 412,
        "hash": "0123456789abcdef" * 4,
        **other,
    }


def waiting(*, ahead: int = 0, pause_s: float = 0) -> Announcement:
    """Return a command that takes long."""
    return Announcement(response_url="https://example.org", labels=1, open_count=1, ahead=ahead, pause_s=pause_s)


def shown(said: Message | None) -> str:
    """Return a message as plain text; its fallback is the same, with three characters escaped."""
    assert said is not None
    assert_within_limits(said)
    return said.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize(("outcome", "other"), SITUATIONS)
def test_every_outcome_says_what_was_sent_and_what_to_do(outcome: str, other: dict[str, Any]) -> None:
    """The answer names the label, its kind and its request, whether anything was sent, and the next step."""
    told = shown(messages.outcomes([ended(outcome, **other)]))
    first, advice = told.split("\n")
    assert first.startswith("A10cnQO (trksub): ")
    assert first.endswith(" Request request00001.")
    assert advice.endswith((".", "UTC."))
    sent = {
        "accepted": "The MPC took the request",
        "unknown": "may or may not have gone out",
    }
    assert any(one in told for one in ([sent[outcome]] if outcome in sent else NOTHING_SENT))
    if other.get("until"):
        assert "again after 2027-01-15 08:00:00 UTC" in advice
    if outcome != "denied" and other.get("http_status") not in {None, 200, 204}:
        assert f"HTTP {other['http_status']}" in first


@pytest.mark.parametrize(
    ("outcome", "other", "says"),
    [
        ("accepted", {}, ["by e-mail to the original submitter, who may be someone else", "submit_action_code"]),
        ("rejected", {"http_status": 404, "detail": "gone."}, ["\u201cgone\u201d.", "spelling and the case"]),
        ("rejected", {"http_status": 404}, ["without a reason", "NEO and comet candidates"]),
        ("unavailable", {"http_status": 403}, ["may have blocked the bot's address", "help desk"]),
        ("unavailable", {"http_status": 429}, ["asked too often", "Try again in a few minutes."]),
        ("unavailable", {"http_status": 301}, ["Try again in a few minutes.", "tell whoever runs the bot"]),
        ("unavailable", {"detail": "no connection: TLS"}, ["did not reach the MPC (no connection: TLS)"]),
        ("unknown", {}, ["(no answer)", "Look for the mail", "before you ask again"]),
        ("unknown", {"http_status": 502, "detail": "Bad Gateway"}, ["(HTTP 502: Bad Gateway)"]),
        ("denied", {"rule": Rule.COOLDOWN, "until": LATER}, ["a short while ago", "Look for the mail first"]),
        ("denied", {"rule": Rule.COOLDOWN}, ["Look for the mail first."]),
        ("denied", {"rule": Rule.UNDER_WAY}, ["at this moment", "Whoever asked is told", "cool-down"]),
    ],
)
def test_the_words_are_those_of_the_contract(outcome: str, other: dict[str, Any], says: list[str]) -> None:
    """What the contract wants a user to be told about an outcome is there."""
    told = shown(messages.outcomes([ended(outcome, **other)]))
    assert [one for one in says if one not in told] == []


def test_a_label_that_may_be_two_kinds_and_has_stations_shows_both() -> None:
    """Both kinds of an eight-character label are reported, and the stations that were taken off."""
    both = ended("accepted", label="A10cnQOx", kinds=("trksub", "trkid"), stations=("703", "F51"))
    assert shown(messages.outcomes([both])).startswith("A10cnQOx (trksub or trkid, station 703 and F51): Accepted.")
    block = ended("accepted", label=BLOCK_ID, kinds=("submission_block_id",))
    assert shown(messages.outcomes([block])).startswith(f"{BLOCK_ID} (submission block ID): Accepted.")


MIXED = """\
6 labels: 2 accepted, 2 rejected, 1 not known, 1 refused.
Accepted (2). The MPC took the request. It does not say whether the label is on file: if it is, the action code goes \
by e-mail to the original submitter, who may be someone else.
With the code, a submission is deleted or corrected at the MPC's action-code page \
(https://www.minorplanetcenter.net/submit_action_code). If no mail comes, check the spelling and the case of the \
label; many good labels have no code.
\u2022 A10cnQO (trksub) \u00b7 request request00001
\u2022 00000DwbEz (trkid, station 703) \u00b7 request request00003
lost (trksub): Rejected. The MPC rejected it (HTTP 404): \u201cno such label\u201d. Request request00002.
gone (trksub): Rejected. The MPC rejected it (HTTP 410) without a reason. Request request00004.
No mail goes out. Check the spelling and the case of the label. Codes exist only for new NEO and comet candidates and \
for NEO and NEOCP follow-up.
x2 (trksub): Not known. The MPC may or may not have taken it (HTTP 500): the mail may or may not have gone out. \
Request request00006.
Look for the mail, or ask the original submitter for it, before you ask again: each request that the MPC takes mails \
a person.
x1 (trksub): Refused. This label was asked for a short while ago, and the mail may be on its way. Nothing was sent \
again. Request request00005.
Look for the mail first; you can ask again after 2027-01-15 08:00:00 UTC."""


def test_many_labels_are_one_message_that_is_read_at_a_glance() -> None:
    """A summary comes first, equal outcomes stand together, and the same advice is given once."""
    said = messages.outcomes(
        [
            ended("accepted", 1),
            ended("rejected", 2, label="lost", http_status=404, detail="no such label"),
            ended("accepted", 3, label="00000DwbEz", kinds=("trkid",), stations=("703",)),
            ended("rejected", 4, label="gone", http_status=410),
            ended("denied", 5, label="x1", rule=Rule.COOLDOWN, until=LATER),
            ended("unknown", 6, label="x2", http_status=500),
        ]
    )
    assert shown(said) == MIXED


@pytest.mark.parametrize("longest", [False, True])
def test_twenty_five_labels_are_one_message_with_every_outcome(*, longest: bool) -> None:
    """Even where each of the 25 has a long reason of its own, nothing of them is left out."""
    said = messages.outcomes(
        [
            ended("rejected", number, label=BLOCK_ID, kinds=("submission_block_id",), stations=("703", "F51"),
                  http_status=404, detail=f"{number} " + "x" * 197)
            if longest
            else ended("accepted", number)
            for number in range(25)
        ]
    )  # fmt: skip
    told = shown(said)
    assert [f"request{number:05}" in told for number in range(25)] == [True] * 25
    assert told.startswith("25 labels: 25 ")
    assert "more line" not in told


@pytest.mark.parametrize("outcomes", [("accepted",), ("accepted", "unknown", "rejected", "denied")])
def test_a_thousand_labels_stay_within_the_limits(outcomes: tuple[str, ...]) -> None:
    """What does not fit into one message is counted, and the summary and the advice of what is shown stay."""
    many = [
        ended(outcomes[number % len(outcomes)], number, rule=Rule.COOLDOWN, http_status=404, label=f"L{number}")
        for number in range(1000)
    ]
    told = shown(messages.outcomes(many)).split("\n")
    assert told[0].startswith("1000 labels: ")
    assert told[-1].startswith("\u2026 and ")
    assert told[-1].endswith(" more lines.")
    assert told[2].endswith("no code.")


FAULTS = """\
Nothing was sent: not everything in this command is a label.
2015 AC2: This looks like a designation. The MPC finds action codes by the trksub, the trkid or the submission ID \
that the observations were submitted under. Words that really are trksubs: put quotes around each of them.
This looks like an action code. Treat it as a password: it was not kept and goes no further from here. Use it at \
https://www.minorplanetcenter.net/submit_action_code, and give the trksub or an ID here instead.
!channel: This names a person or a group. Give a label: a trksub, a trkid or a submission ID.
These are fine, to be pasted again: /actcode A10cnQO 703, "help\""""


def test_faults_are_named_and_the_good_ones_come_back() -> None:
    """One wrong word stops the command; the answer names each, but for secrets, and gives the rest to be pasted."""
    parsed = parse_all("A10cnQO 703, 2015 AC2 nmVDPG760e2qQw97-DEL <!channel>, help")
    assert shown(messages.faults(parsed)) == FAULTS


def test_what_can_be_pasted_again_is_what_was_good() -> None:
    """The text behind /actcode, given back to the parser, holds the same labels with their stations."""
    labels = parse_all("A10cnQO 703; 703, log, 00000DwbEz F51 a/b").labels
    last = elements(messages.faults(Parsed(labels, (Fault("a/b", "x", "y"),))))[-1]
    assert parse_all(last["text"].removeprefix("/actcode ")) == Parsed(labels, ())
    lines = messages.fault_lines(Parsed(labels, ()), command="actcode retrieve")
    assert str(lines[-1]).count("actcode retrieve ") == 1


def test_five_hundred_faults_stay_within_the_limits() -> None:
    """Pasted prose does not flood anybody: the first faults, how many more lines there are, and the good ones."""
    typed = " ".join(f"w\u00f6rd{number}" for number in range(500))
    said = messages.faults(parse_all(f"A10cnQO {typed}"))
    told = shown(said).split("\n")
    assert told[0].startswith("Nothing was sent: ")
    assert told[1].startswith("w\u00f6rd0: ")
    assert told[-2] == f"\u2026 and {500 - (len(told) - 3)} more lines."
    assert told[-1] == "These are fine, to be pasted again: /actcode A10cnQO"


def test_a_thousand_good_labels_beside_a_fault_stay_within_the_limits() -> None:
    """They come back in portions that one command takes, and none of those is cut in the middle."""
    labels = tuple(Label(f"L{number:06}", ("trksub",)) for number in range(1000))
    said = messages.faults(Parsed(labels, (Fault("a/b", "character", "It is wrong."),)))
    told = shown(said).split("\n")
    assert told[1] == "a/b: It is wrong."
    for number, line in enumerate(told[2:-1]):
        portion = labels[25 * number : 25 * number + 25]
        assert line == f"These are fine, to be pasted again: /actcode {paste_again(portion)}"
    assert len(told) > 10


@pytest.mark.parametrize("length", [100, 10_000])
def test_a_long_or_strange_fault_is_shown_as_text(length: int) -> None:
    """Whatever was typed in the place of a label comes back verbatim, to its asker alone, and cut where it is long."""
    said = messages.faults(Parsed((), (Fault((LIVE * length)[:length], "character", LIVE),)))
    assert_nothing_is_live(said)
    assert LIVE in [one["text"] for one in elements(said)]


def assert_nothing_is_live(said: Message | None) -> None:
    """Hold a message to text, dates and links of ours, verbatim in the blocks and escaped in the fallback."""
    assert said is not None
    assert_within_limits(said)
    assert "<" not in said.text
    assert ">" not in said.text
    for one in elements(said):
        assert set(one) <= {"type", "text", "style", "url", "timestamp", "format", "fallback"}
        assert one["type"] != "link" or one["url"].startswith(
            ("https://www.minorplanetcenter.net/", "https://slack.com/app_redirect?")
        )
    kinds = [part for part in json.dumps(said.blocks).split('"') if part in {"user", "usergroup", "broadcast", "emoji"}]
    assert kinds == []


@pytest.mark.parametrize(("outcome", "other"), SITUATIONS)
def test_no_reason_and_no_label_is_live(outcome: str, other: dict[str, Any]) -> None:
    """Mentions, mark-up and emoji in whatever comes from a user or the MPC are shown as they are."""
    hostile = {**other, "label": LIVE, "detail": LIVE, "stations": (LIVE,), "request_id": LIVE}
    said = messages.outcomes([ended(outcome, **hostile)])
    assert_nothing_is_live(said)
    assert {"type": "text", "text": LIVE, "style": {"code": True}} in elements(said)
    for post in (
        trail_messages.audit_post([event(outcome, label=LIVE, detail=LIVE, request_id=LIVE)], 7, LIVE),
        trail_messages.log([event(outcome, label=LIVE, detail=LIVE)], [LIVE], mine=False),
    ):
        assert_nothing_is_live(post)
        assert sum(LIVE in one.get("text", "") for one in elements(post)) >= 2


DENIALS = [
    (Denial(rule=Rule.CHANNEL), "Refused. This channel is not among those where /actcode may be used. Nothing was "
     "sent. Use a channel that is, or ask whoever runs the bot."),
    (Denial(rule=Rule.USER), "Refused. You are not among those who may use /actcode here. Nothing was sent. Ask "
     "whoever runs the bot."),
    (Denial(rule=Rule.TOO_MANY, limit=25), "Refused. That is more labels than one command may hold (25). Nothing was "
     "sent. Split it into several commands."),
    (Denial(rule=Rule.HOURLY, limit=100, until=LATER), "Refused. That would be more labels than one person may ask "
     "for in an hour (100). Nothing was sent. You can ask again after 2027-01-15 08:00:00 UTC."),
    (Denial(rule=Rule.HOURLY, limit=100), "Refused. That would be more labels than one person may ask for in an hour "
     "(100). Nothing was sent. Ask for fewer at once."),
]  # fmt: skip


@pytest.mark.parametrize(("denial", "sentence"), DENIALS)
def test_a_refused_command_says_which_rule_and_when_it_ends(denial: Denial, sentence: str) -> None:
    """The rule, that nothing was sent, what to do, and the request of each label that was recorded."""
    refused = Admission(denial=denial, items=(item("A10cnQO", 1, denial), item("B1", 2, denial, ("703",))))
    assert shown(messages.acknowledgement(refused)) == (
        f"{sentence}\n\u2022 A10cnQO (trksub) \u00b7 request request00001"
        "\n\u2022 B1 (trksub, station 703) \u00b7 request request00002"
    )
    assert shown(messages.acknowledgement(Admission(denial=denial))) == sentence


COOL = Denial(rule=Rule.COOLDOWN, until=LATER)
REFUSED_ONE = """\
B1 (trksub): Refused. This label was asked for a short while ago, and the mail may be on its way. Nothing was sent \
again. Request request00002.
Look for the mail first; you can ask again after 2027-01-15 08:00:00 UTC."""


@pytest.mark.parametrize(
    ("admission", "told"),
    [
        (Admission(items=(item("B1", 2, COOL),)), REFUSED_ONE),
        (
            Admission(command_id="c", items=(item("A1"), item("B1", 2, COOL))),
            f"{REFUSED_ONE}\nThe other labels are on their way to the MPC.",
        ),
        (
            Admission(command_id="c", items=(item("A1", stations=("703",)), item("B1", 2, COOL)), ahead=4, wait_s=7.2),
            f"{REFUSED_ONE}\nA1: 703 is taken for its station.\n"
            "Position 5 in the queue, about 7 s. The answer will come here.",
        ),
        (
            Admission(command_id="c", items=(item("A1"),), ahead=13, wait_s=3.2),
            "Position 14 in the queue, about 3 s. The answer will come here.",
        ),
        (
            Admission(command_id="c", items=(item("A1"),), ahead=13, wait_s=1200),
            "Position 14 in the queue, about 20 min. The answer will come here.",
        ),
        (
            Admission(command_id="c", items=(item("A1"),), ahead=COUNTED, wait_s=205),
            "Behind 1,000 requests or more, at least 3 min. The answer will come here.",
        ),
    ],
)
def test_the_acknowledgement_says_what_is_known_at_once(admission: Admission, told: str) -> None:
    """Denials and a queue are told in the acknowledgement itself."""
    assert shown(messages.acknowledgement(admission)) == told


def test_an_answer_that_is_near_needs_no_word_before_it() -> None:
    """Where nothing was refused and nobody waits, the acknowledgement is silent."""
    assert messages.acknowledgement(Admission(command_id="c", items=(item("A1", stations=("703",)),))) is None


def test_twenty_five_refused_labels_are_one_message() -> None:
    """Each of them is there with its request, and the rule and the advice are said once."""
    admission = Admission(items=tuple(item(f"L{number}", number, COOL) for number in range(25)))
    told = shown(messages.acknowledgement(admission))
    assert told.startswith("25 labels: 25 refused.\nRefused (25). ")
    assert told.count("request request") == 25
    assert told.count("Look for the mail first") == 1


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (waiting(), "The MPC takes its time. The answer will come here; do not ask again meanwhile."),
        (waiting(ahead=13), "Position 14 in the queue: the answer will come here."),
        (
            waiting(ahead=13, pause_s=59.6),
            "The MPC asked the bot to wait, about 60 s more. Your request is kept: the answer comes here.",
        ),
    ],
)
def test_a_slow_answer_is_announced(command: Announcement, told: str) -> None:
    """The one word before a slow answer says why it is slow and that it will come."""
    assert shown(messages.announcement(command)) == told


USAGE = """\
/actcode LABEL [LABEL \u2026] asks the Minor Planet Center to mail a submission's action code again.
The code goes by e-mail to whoever submitted it, never to Slack. Each request mails a person: ask once.
A label is a trksub (A10cnQO), a trkid (00000DwbEz), a submission ID (2024-05-02T21:03:35.001_0000FzZw) or a \
submission block ID (2024-05-02T21:03:35.001_0000FzZw_01)."""


def test_the_usage_shows_what_can_be_typed() -> None:
    """Every kind of label is there with an example that the parser takes, and so are the sub-commands."""
    told = shown(messages.USAGE)
    assert told.startswith(USAGE)
    assert "/actcode check LABEL [LABEL …]" in told
    assert "/actcode log [N] [mine]" in told
    assert "/actcode help" in told
    for one in elements(messages.USAGE):
        if one.get("style") == {"code": True}:
            assert not parse_all(one["text"].removeprefix("/actcode ")).faults


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (messages.not_recorded, ["Nothing was sent: ", "audit trail could not be written", "Try again in a minute"]),
        (messages.failed, ["is not known", "/actcode log mine before you ask again", "whoever runs the bot"]),
    ],
)
def test_a_failure_of_the_bot_is_said_plainly(make: Callable[[], Message], says: list[str]) -> None:
    """Where the bot itself fails, the asker hears whether anything was sent, and what to do."""
    told = shown(make())
    assert [one for one in says if one not in told] == []
    assert_nothing_is_live(make())


AUDIT = """\
\u2713 accepted A10cnQO (trksub) by U1 in C1 \u00b7 0.4 s \u00b7 HTTP 200 \u00b7 request request00001
\u2717 invalid by U1 in C1 \u00b7 incomplete ID \u00b7 request request00002
\u2717 denied A10cnQO (trksub) by U1 in C1 \u00b7 cool-down of the label \u00b7 request request00003
? unknown A10cnQO (trksub) from the terminal \u00b7 1.5 s \u00b7 HTTP 500 \u00b7 Server Error \
\u00b7 request request00004 \u00b7 #9 0123456789ab"""
NONE = {"http_status": None, "elapsed_ms": None}
EVENTS = [
    event("accepted"),
    event("invalid", **NONE, label=None, kinds=[], detail="incomplete ID", request_id="request00002"),
    event("denied", **NONE, detail="cool-down of the label", request_id="request00003"),
    event("unknown", seq=9, source="cli", team_id=None, channel_id=None, user_id=None, http_status=500,
          elapsed_ms=1460, detail="Server Error", request_id="request00004"),
]  # fmt: skip


def test_the_audit_channel_gets_a_line_an_outcome() -> None:
    """Who, where, which label, what came of it, how long it took, which request; and the trail's head at the end."""
    assert shown(trail_messages.audit_post(EVENTS, EVENTS[-1]["seq"], EVENTS[-1]["hash"])) == AUDIT


def test_an_audit_line_notifies_nobody() -> None:
    """People and channels are links to follow: a mention would ring somebody at each outcome."""
    said = trail_messages.audit_post(EVENTS, EVENTS[-1]["seq"], EVENTS[-1]["hash"])
    assert_nothing_is_live(said)
    assert "@" not in said.text
    links = [one for one in elements(said) if one["type"] == "link"]
    assert links[:2] == [
        {"type": "link", "url": "https://slack.com/app_redirect?channel=U1&team=T1", "text": "U1"},
        {"type": "link", "url": "https://slack.com/app_redirect?channel=C1&team=T1", "text": "C1"},
    ]
    assert said.payload()["parse"] == "none"
    assert said.payload()["link_names"] is False


@pytest.mark.parametrize("outcome", Outcome)
def test_a_folded_audit_post_holds_a_whole_backlog_of_the_longest_lines(outcome: Outcome) -> None:
    """Twenty-five outcomes with the longest labels and reasons, all to be escaped, fit into one post."""
    longest = event(outcome, label=BLOCK_ID, kinds=["submission_block_id"], detail="&" * 200)
    said = trail_messages.audit_post([longest] * 25, 25, "f" * 64)
    assert shown(said).count(BLOCK_ID) == 25
    assert "more line" not in said.text


LOG = """\
The last of this channel's requests, newest first
now \u00b7 B1 \u00b7 \u2026 under way \u00b7 - \u00b7 -
2026-01-01 04:00:00 UTC \u00b7 A10cnQO \u00b7 \u2713 accepted \u00b7 U1 \u00b7 request00001
2026-01-01 04:00:00 UTC \u00b7 lost \u00b7 \u2717 rejected: no such label \u00b7 U2 \u00b7 request00001
2026-01-01 04:00:00 UTC \u00b7 no label \u00b7 \u2717 invalid: incomplete ID \u00b7 U1 \u00b7 request00001"""


def test_the_log_shows_the_last_requests() -> None:
    """What is under way comes first, then the outcomes, newest first, each with its moment, asker and request."""
    rows = [
        event("accepted"),
        event("rejected", label="lost", detail="no such label", user_id="U2"),
        event("invalid", label=None, kinds=[], detail="incomplete ID"),
    ]
    assert shown(trail_messages.log(rows, ["B1"], mine=False)) == LOG
    assert shown(trail_messages.log(rows[:1], [], mine=True)) == (
        "The last of your requests, newest first\n"
        "2026-01-01 04:00:00 UTC \u00b7 A10cnQO \u00b7 \u2713 accepted \u00b7 C1 \u00b7 request00001"
    )


def test_an_empty_log_says_so() -> None:
    """Nothing to show is a sentence, not an empty message."""
    assert shown(trail_messages.log([], [], mine=True)) == "There are no requests in your log yet."
    assert shown(trail_messages.log([], [], mine=False)) == "There are no requests in this channel's log yet."


def test_the_longest_log_is_one_message() -> None:
    """Fifty requests with the longest labels and reasons are all there; a long reason is shortened."""
    rows = [event("rejected", label=BLOCK_ID, detail="x" * 200, request_id=f"r{number:011}") for number in range(50)]
    told = shown(trail_messages.log(rows, [], mine=False))
    assert [f"r{number:011}" in told for number in range(50)] == [True] * 50
    assert "x" * 60 + "\u2026" in told
