"""What the MPC was found to have under a label, and how that is said.

Pure. It knows the few facts that are kept of a look-up, and their sentence; astrometry is not among them. It refuses
to know how an answer of the MPC's is read (`bot.wamo`).
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from bot.scrubbing import MAX_REASON
from bot.wording import Moment, Text

MOST_GROUPS = 3
_LEAST_OF_A_REASON = 40


class Known(StrEnum):
    """What the MPC knows of a label."""

    TAKEN_IN = "taken in"
    """A submission that the ingest stage accepted."""
    REFUSED = "refused"
    """A submission that it did not."""
    NO_SUBMISSION = "no submission"
    OBSERVED = "observed"
    """WAMO has observations."""
    NOTHING = "nothing"
    """WAMO has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Observations of one label that fared alike.

    Attributes:
        count: how many they are.
        fate: what became of them, in words.
    """

    count: int
    fate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the MPC has under a label.

    Attributes:
        known: which of the cases it is.
        kind: of the label that was looked up, as `bot.labels` names it.
        stations: the observatory codes under which it was looked for.
        since: of a submission that was accepted, when it entered the pipeline, milliseconds since 1970.
        reason: of a submission that was not, the MPC's, scrubbed.
        groups: of observations, the largest group first.
    """

    known: Known
    kind: str
    stations: tuple[str, ...] = ()
    since: int | None = None
    reason: str | None = None
    groups: tuple[Group, ...] = ()

    def to_json(self) -> str:
        """Return a form that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` was called on."""
        content = json.loads(text)
        return cls(
            **{
                **content,
                "known": Known(content["known"]),
                "stations": tuple(content["stations"]),
                "groups": tuple(Group(**one) for one in content["groups"]),
            }
        )


def sentence(finding: Finding) -> Text:
    """Return what was found as a sentence for people."""
    return (*_told(finding), ".")


def note(reason: str | None, finding: Finding | None) -> str | None:
    """Return the detail of an outcome: the MPC's reason, and what was found; at most 200 characters.

    What was found is short, and stays whole where a long reason leaves too little room.
    """
    if finding is None:
        return reason
    found = "".join(_plain(part) for part in _told(finding))
    if reason is None:
        return _cut(found, MAX_REASON)
    reason = _cut(reason, max(_LEAST_OF_A_REASON, MAX_REASON - len(found) - 2))
    return _cut(f"{reason}; {found[:1].lower()}{found[1:]}", MAX_REASON)


def _told(finding: Finding) -> Text:
    if finding.known is Known.TAKEN_IN and finding.since is not None:
        return ("The MPC has this submission: accepted by ingest, in the pipeline since ", Moment(finding.since))
    reason = f": {finding.reason.rstrip('.')}" if finding.reason else ", without a reason"
    at = f" at {' or '.join(finding.stations)}" if finding.stations else ""
    none = f"The MPC has no observations under this {_kind(finding)}{at}: check the spelling and the case"
    if finding.kind == "trkid":
        none = f"The MPC has no observations under this name{at}; but it was looked for among the trksubs only"
    sentences = {
        Known.TAKEN_IN: "The MPC has this submission: accepted by ingest, not in the pipeline yet",
        Known.REFUSED: f"The MPC has this submission, but it was rejected at ingest{reason}",
        Known.NO_SUBMISSION: "The MPC has no submission with this ID: check the spelling and the case",
        Known.OBSERVED: f"Under this {_kind(finding)} the MPC has {_observations(finding)}",
        Known.NOTHING: none,
    }
    return (sentences[finding.known],)


def _kind(finding: Finding) -> str:
    return {"submission_block_id": "submission block ID", "submission_id": "submission ID"}.get(
        finding.kind, finding.kind
    )


def _observations(finding: Finding) -> str:
    total = sum(one.count for one in finding.groups)
    counted = f"{total} observation{'s' if total != 1 else ''}"
    if len(finding.groups) <= 1:
        return ", ".join([counted, *(one.fate for one in finding.groups)])
    shown = [f"{one.count} {one.fate}" for one in finding.groups[:MOST_GROUPS]]
    others = sum(one.count for one in finding.groups[MOST_GROUPS:])
    return f"{counted}: {'; '.join([*shown, f'{others} others'] if others else shown)}"


def _plain(part: object) -> str:
    if isinstance(part, Moment):
        return datetime.fromtimestamp(part.at // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return str(part)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
