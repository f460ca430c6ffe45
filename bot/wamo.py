"""What two other pages of the MPC answer, which mail nobody: submission-status, and WAMO ("Where Are My Observations").

Pure. It knows which labels can be looked up, how they are asked for, and what an answer means. It refuses to know how
it came, and to keep more of it than a `Finding`: an answer of WAMO's holds astrometry.

Sources: the MPC's "Submission Status API" and "WAMO API" documentation pages and the tutorials beside them (the forms;
`malformed` is a list of pairs, an identifier and a reason), its WAMO help page (the sentences of `status_decoded`),
and its page "Observation Status Codes" (the letters of `status`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.findings import Finding, Group, Known
from bot.labels import Label
from bot.scrubbing import scrub

MOST_REASON = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_STATION_NEEDED = frozenset({"submission_id", "submission_block_id"})
# An 80-column line has no room in either, so that no astrometry comes in this way.
_DESIGNATION = re.compile(r"[\w/() -]{1,24}", re.ASCII)
_REFERENCE = re.compile(r"[\w./() -]{1,24}", re.ASCII)
_QUEUE = re.compile(r"in the '([\w/ -]{1,24})' processing queue", re.ASCII)

_SENTENCES = (
    ("pending", "p"),
    ("published", "P"),
    ("isolated tracklet file", "I"),
    ("on the neocp", "on the NEOCP/PCCP"),
    ("on the pccp", "on the NEOCP/PCCP"),
    ("not a minor planet", "not a minor planet"),
    ("artificial", "suspected to be artificial"),
    ("near-duplicate", "M"),
    ("unidentified isolated", "U"),
    ("deleted", "D"),
    ("rejected", "R"),
    ("not been processed", "X"),
)
"""What tells WAMO's sentences apart, in the order in which it is looked for: the letter of a status, or its words."""

_FATES = {
    "I": "in the Isolated Tracklet File",
    "X": "not processed yet",
    "D": "deleted",
    "R": "rejected",
    "M": "flagged as near-duplicate",
    "U": "unidentified and isolated",
}


def identifiers(label: Label) -> tuple[str, ...]:
    """Return what a label is looked up by; empty where it cannot be: WAMO knows a tracklet with its station only."""
    if _NO_STATION_NEEDED.intersection(label.kinds):
        return (label.text,)
    return tuple(f"{label.text} {station}" for station in label.stations)


def is_submission(kinds: Sequence[str]) -> bool:
    """Say whether submission-status is asked, which takes one ID; WAMO takes a list."""
    return "submission_id" in kinds


def read_submission(status: int, body: bytes) -> Finding | None:
    """Return what submission-status says of a submission; None where its answer is not as documented."""
    if status == 404:
        return Finding(known=Known.NO_SUBMISSION, kind="submission_id")
    content = _json(status, body)
    if not isinstance(content, dict) or not isinstance(content.get("accepted"), bool):
        return None
    if not content["accepted"]:
        return Finding(known=Known.REFUSED, kind="submission_id", reason=_reason(content.get("fault_events")))
    since = content.get("pipeline_entry_time")
    if since is None:
        return Finding(known=Known.TAKEN_IN, kind="submission_id")
    if (at := _milliseconds(since)) is None:
        return None
    return Finding(known=Known.TAKEN_IN, kind="submission_id", since=at)


def read_wamo(status: int, body: bytes, labels: Iterable[Label]) -> dict[str, Finding]:
    """Return, by the text of a label, what WAMO has of it; none where its answer is not as documented."""
    content = _json(status, body)
    if not isinstance(content, dict):
        return {}
    found, malformed = content.get("found"), content.get("malformed", [])
    if (
        not isinstance(found, list)
        or not isinstance(malformed, list)
        or not all(isinstance(one, dict) for one in found)
    ):
        return {}
    observations = {identifier: its for one in found for identifier, its in one.items()}
    refused = {one[0] if isinstance(one, list) and one else one for one in malformed if _names(one)}
    findings = {}
    for label in labels:
        asked = identifiers(label)
        if (
            asked
            and refused.isdisjoint(asked)
            and (finding := _finding(label, [observations.get(one) for one in asked]))
        ):
            findings[label.text] = finding
    return findings


def _names(malformed: object) -> bool:
    return isinstance(malformed, str) or (isinstance(malformed, list) and isinstance(next(iter(malformed), None), str))


def _finding(label: Label, found: Sequence[object]) -> Finding | None:
    fates: Counter[str] = Counter()
    for observations in found:
        if observations is None:
            continue
        if not isinstance(observations, list) or not all(isinstance(one, dict) for one in observations):
            return None
        fates.update(_fate(one) for one in observations)
    return Finding(
        known=Known.OBSERVED if fates else Known.NOTHING,
        kind=label.kinds[0],
        stations=() if _NO_STATION_NEEDED.intersection(label.kinds) else label.stations,
        groups=tuple(Group(count=count, fate=fate) for fate, count in fates.most_common()),
    )


def _fate(observation: dict[str, Any]) -> str:
    """Return what became of one observation: by its sentence, which says more, else by its letter."""
    told, letter = (
        one if isinstance(one, str) else "" for one in (observation.get("status_decoded"), observation.get("status"))
    )
    if queue := _QUEUE.search(told):
        return f"in the processing queue {queue[1]}"
    status = next((code for words, code in _SENTENCES if words in told.lower()), letter)
    if status in {"P", "p"}:
        what = _fitting(_DESIGNATION, observation.get("iau_desig"))
        name = f" as ({what})" if what.isdigit() else f" as {what}" if what else ""
        where = _fitting(_REFERENCE, observation.get("ref"))
        if status == "p":
            return f"identified{name}, publication pending"
        return f"published{name}{f' in {where}' if where else ''}"
    if status in _FATES:
        return _FATES[status]
    return status if status in dict(_SENTENCES).values() else "with a status that the bot does not know"


def _fitting(pattern: re.Pattern[str], value: object) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text if pattern.fullmatch(text) and scrub(text) == text else ""


def _reason(events: object) -> str | None:
    """Return the first message of `fault_events`; the others say that ingest failed, too."""
    for one in events if isinstance(events, list) else []:
        if isinstance(one, dict) and isinstance(message := one.get("message"), str) and (kept := scrub(message)):
            return kept if len(kept) <= MOST_REASON else kept[: MOST_REASON - 1].rstrip() + "…"
    return None


def _milliseconds(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at = (moment - _EPOCH) // timedelta(milliseconds=1)
    # Python cannot put what lies outside into a sentence, and neither a submission nor a bot has been there.
    return at if 0 <= at < 4_102_444_800_000 else None


def _json(status: int, body: bytes) -> object:
    if status != 200:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
