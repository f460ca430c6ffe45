"""The judge: holds what was seen from outside against the promise, line by line.

Pure. Each check yields a sentence for whatever is broken, which names the requests. It knows nothing of how the bot
works inside: the words and numbers here are the README's.
"""

import re
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.storm.evidence import Answer, Asked, Evidence, Typed

WORDS = {"accepted": "Accepted", "rejected": "Rejected", "unavailable": "Not sent", "unknown": "Not known"}
OUTCOMES = {*WORDS, "invalid", "denied"}
AGAIN = {408, 429, 503}
"""After these the MPC may be asked again for the same request; a refused connection it never sees."""
NOT_PROCESSED = AGAIN | {401, 403} | set(range(300, 400))
NOT_TAKEN = ("Nothing was sent: ", "Something went wrong in the bot.")
"""How an answer begins that says that the command was not taken."""
LATE_MS = 1_000
LOADING_S = 2.0
CLOCK_MS = 50
BLUR_S = 0.2
HOPS = 3
"""What arrives is noted by the last of three threads: one accepts, one is started, one reads."""
LOST_NOTE_S = 15.0
"""How long after a crash a post may come again: as long as it takes the others to take over, and to post."""

Event = dict[str, Any]


def judge(evidence: Evidence) -> list[str]:
    """Return what is broken, a sentence each; nothing, where the promise was kept."""
    return [sentence for check in CHECKS for sentence in check(evidence)]


def what_was_taken_is_recorded(seen: Evidence) -> Iterator[str]:
    """Each label of an acknowledged command has one `requested`, or was denied once; others have one at most."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in seen.trail:
        if one["event"] in {"requested", "denied"} and one["channel_id"]:
            found[one["channel_id"], one["label"]].append(one["request_id"])
    for typed in seen.typed:
        recorded = {label: ids for (channel, label), ids in found.items() if channel == typed.channel}
        taken = _taken(typed)
        what = f"by {typed.user} in {typed.channel}"
        for label in typed.labels:
            ids = recorded.pop(label, [])
            if len(ids) > 1:
                yield f"{label} was asked for once {what}, and the trail has {len(ids)} requests: {', '.join(ids)}"
            elif taken and not ids:
                yield f"{label} was acknowledged, asked for {what}, and the trail has no request for it"
        for label, ids in recorded.items():
            yield f"nothing was to be sent of what was typed {what}, and the trail has {', '.join(ids)} for {label}"


def the_same_delivery_gets_the_same_answer(seen: Evidence) -> Iterator[str]:
    """However often and wherever it comes."""
    for typed in seen.typed:
        if len({one.shown for one in _taken(typed)}) > 1:
            yield f"what {typed.user} typed once in {typed.channel} was answered in two ways"


def each_request_has_one_outcome(seen: Evidence) -> Iterator[str]:
    """`requested`, any number of `sending`, and one outcome, in this order."""
    for request_id, events in _requests(seen).items():
        names = [one["event"] for one in events]
        if "requested" not in names:
            if len(names) > 1 or names[0] not in {"invalid", "denied"}:
                yield f"request {request_id} was never `requested`, and has {', '.join(names)}"
            continue
        ends = [name for name in names if name in OUTCOMES]
        if len(ends) != 1:
            yield f"request {request_id} has {len(ends)} outcomes: {', '.join(names)}"
        elif names[0] != "requested" or names[-1] != ends[0] or names.count("requested") != 1:
            yield f"request {request_id} has its events in a wrong order: {', '.join(names)}"


def the_mpc_gets_it_once(seen: Evidence) -> Iterator[str]:
    """No POST without its own `sending` before it, none after one that may have been processed, none after the end."""
    requests, claims = _requests(seen), _claims(seen)
    for one in claims.pop("", []):
        yield f"the MPC was asked for {one.label} at {one.wall_ms:.0f}, and no request was being sent"
    for request_id, posts in claims.items():
        events = requests[request_id]
        sendings = [_ms(one) for one in events if one["event"] == "sending"]
        if len(posts) > len(sendings):
            yield f"request {request_id} was sent {len(posts)} times, for {len(sendings)} `sending`"
        for number, post in enumerate(posts):
            if sum(at <= post.wall_ms + CLOCK_MS for at in sendings) <= number < len(sendings):
                yield f"request {request_id} was sent before its `sending` was recorded"
        for before in posts[:-1]:
            if before.status not in AGAIN:
                yield f"request {request_id} was sent again after it may have been processed (HTTP {before.status})"
        end = next((one for one in events if one["event"] in OUTCOMES), None)
        if end is not None and posts[-1].wall_ms > _ms(end) + LATE_MS:
            yield f"request {request_id} was sent after it had ended as {end['event']}"


def the_outcome_is_what_happened(seen: Evidence) -> Iterator[str]:
    """What is said to be accepted or rejected was answered so, and what surely was not sent had no effect."""
    claims = _claims(seen)
    for request_id, events in _requests(seen).items():
        statuses = [one.status for one in claims.get(request_id, [])]
        last = statuses[-1] if statuses else None
        match events[-1]["event"]:
            case "accepted" if last is None or not 200 <= last < 300:
                yield f"request {request_id} is accepted, and the MPC answered {last}"
            case "rejected" if last is None or not (200 <= last < 300 or 400 <= last < 500):
                yield f"request {request_id} is rejected, and the MPC answered {last}"
            case "unavailable" if not set(statuses) <= NOT_PROCESSED:
                yield f"request {request_id} was surely not sent, it says, and the MPC answered {statuses}"


def the_pace_is_kept(seen: Evidence) -> Iterator[str]:
    """In no second the MPC gets more than it allows, as far as can be seen."""
    most = int(seen.rate_per_s)
    at = sorted(one.at for one in seen.asked)
    for first, last in zip(at, at[most:], strict=False):
        if last - first >= 1:
            continue
        blur_s = HOPS * max(
            (late_s for when, late_s in seen.blurs if first - BLUR_S <= when <= last + BLUR_S), default=0.0
        )
        if last - first < 1 - blur_s:
            yield f"the MPC got {most + 1} requests within {last - first:.3f} s (± {blur_s:.3f} s), at {first:.3f}"


def every_asker_is_told(seen: Evidence) -> Iterator[str]:
    """Who asked hears of each outcome, in its own word, and nobody else does."""
    heard: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
    for one in seen.told:
        for request_id in _ids(one.text):
            heard[request_id].append((one.user, one.text))
    for request_id, events in _requests(seen).items():
        user, outcome = events[0]["user_id"], events[-1]["event"]
        if others := {str(who) for who, _ in heard[request_id] if who != user}:
            yield f"request {request_id} of {user} was told to {', '.join(sorted(others))}"
        if events[0]["event"] != "requested" or events[0]["source"] == "cli" or outcome not in WORDS:
            continue
        own = [text for who, text in heard[request_id] if who == user]
        if not own:
            yield f"the asker of request {request_id}, {user}, was never told that it is {outcome}"
        elif not any(WORDS[outcome].lower() in text.lower() for text in own):
            yield f"request {request_id} is {outcome}, and its asker was told otherwise: {own[0]}"


def who_is_refused_is_told(seen: Evidence) -> Iterator[str]:
    """A denial that was acknowledged stands in the acknowledgement."""
    typed_in = {typed.channel: typed for typed in seen.typed}
    for one in seen.trail:
        typed = typed_in.get(one["channel_id"])
        if one["event"] != "denied" or one["label"] is None or typed is None or not _taken(typed):
            continue
        if not any(one["request_id"] in _ids(answer.shown) for answer in typed.answers):
            yield f"request {one['request_id']} of {typed.user} was denied, and the acknowledgement does not say so"


def the_audit_channel_shows_it(seen: Evidence) -> Iterator[str]:
    """Each outcome once, in the trail's order, and once more only around a crash, for each of them."""
    order = {one["request_id"]: one["seq"] for one in seen.trail if one["event"] in OUTCOMES}
    shown: dict[str, list[float]] = defaultdict(list)
    last = 0
    for post in seen.posted:
        for request_id in _ids(post.text):
            if request_id not in order:
                yield f"the audit channel shows an outcome of request {request_id}, which has none"
            elif request_id not in shown:
                if order[request_id] < last:
                    yield f"the audit channel shows request {request_id} (#{order[request_id]}) after #{last}"
                last = max(last, order[request_id])
            shown[request_id].append(post.at)
    for request_id, seq in order.items():
        at = shown[request_id]
        if not at:
            yield f"the audit channel does not show request {request_id} (#{seq})"
        elif len(at) - 1 > (crashes := sum(at[0] - LOST_NOTE_S <= one <= at[-1] for one in seen.troubles)):
            yield f"the audit channel shows request {request_id} {len(at)} times, around {crashes} crashes"


def the_chain_holds(seen: Evidence) -> Iterator[str]:
    """`audit verify` passes, and no number is missing."""
    if seen.complaint:
        yield f"`audit verify` complains: {seen.complaint}"
    before, link = 0, "0" * 64
    for one in seen.trail:
        if one["seq"] != before + 1 or one["prev_hash"] != link:
            yield f"event #{one['seq']} (request {one['request_id']}) does not follow #{before}"
        before, link = one["seq"], one["hash"]


def no_log_has_a_secret(seen: Evidence) -> Iterator[str]:
    """Neither tokens nor response_urls stand in what a process says."""
    for name, log in seen.logs.items():
        if count := sum(secret in log for secret in seen.secrets):
            yield f"the log of {name} has {count} secrets"


def slack_sees_no_failure(seen: Evidence) -> Iterator[str]:
    """No delivery is answered with a 5xx."""
    for typed in seen.typed:
        for answer in typed.answers:
            if answer.status is not None and answer.status >= 500:
                yield f"what {typed.user} typed in {typed.channel} was answered HTTP {answer.status}"


def who_is_told_to_stop_stops(seen: Evidence) -> Iterator[str]:
    """SIGTERM ends a process with 0; before Python itself has started, it kills it."""
    for one in seen.stopped:
        if one.code != 0 and not (one.code == -signal.SIGTERM and one.age_s < LOADING_S):
            yield f"{one.name} was told to stop, and {'did not' if one.code is None else f'ended with {one.code}'}"


def everything_is_done(seen: Evidence) -> Iterator[str]:
    """When it is calm, the work comes to its end."""
    if seen.unfinished:
        yield f"not everything was done in time: {seen.unfinished}"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    what_was_taken_is_recorded,
    the_same_delivery_gets_the_same_answer,
    each_request_has_one_outcome,
    the_mpc_gets_it_once,
    the_outcome_is_what_happened,
    the_pace_is_kept,
    every_asker_is_told,
    who_is_refused_is_told,
    the_audit_channel_shows_it,
    the_chain_holds,
    no_log_has_a_secret,
    slack_sees_no_failure,
    who_is_told_to_stop_stops,
    everything_is_done,
)


def summary(seen: Evidence) -> str:
    """Return in a line what there was to judge: a storm in which nothing happened proves nothing."""
    events = Counter(one["event"] for one in seen.trail)
    answers = [one for typed in seen.typed for one in typed.answers]
    return (
        f"{len(seen.typed)} commands in {len(answers)} deliveries ({sum(one.error is None for one in answers)} "
        f"acknowledged), {len(seen.asked)} requests at the MPC, {len(seen.told)} answers, {len(seen.posted)} audit "
        f"posts; events: {', '.join(f'{count} {name}' for name, count in sorted(events.items()))}"
    )


def _taken(typed: Typed) -> list[Answer]:
    """Return the acknowledgements that say that a command was taken."""
    return [
        one
        for one in typed.answers
        if one.error is None and one.status == 200 and not any(words in one.shown for words in NOT_TAKEN)
    ]


def _requests(seen: Evidence) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for one in seen.trail:
        found[one["request_id"]].append(one)
    return found


def _claims(seen: Evidence) -> dict[str, list[Asked]]:
    """Return whose POST each is: of the request for its label that had begun last; "" where none had."""
    begun: dict[str, list[tuple[float, str]]] = defaultdict(list)
    known = set()
    for one in seen.trail:
        if one["event"] == "sending" and one["request_id"] not in known:
            known.add(one["request_id"])
            begun[one["label"]].append((_ms(one), one["request_id"]))
    claims: dict[str, list[Asked]] = defaultdict(list)
    for post in seen.asked:
        if post.label is not None:
            own = [its_id for at, its_id in begun[post.label] if at <= post.wall_ms + CLOCK_MS]
            claims[own[-1] if own else ""].append(post)
    return dict(claims)


def _ms(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).astimezone(UTC).timestamp() * 1000


def _ids(text: str) -> list[str]:
    return re.findall(r"\b[Rr]equest ([0-9a-z]{12})\b", text)
