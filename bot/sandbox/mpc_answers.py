"""What the MPC answers to the content of a request.

Sources: the MPC's "Action Codes API" documentation page (the patterns of the labels), and its pages on
submission-status and WAMO.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from bot.sandbox.wire import Request, Response

_TIME = r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}"
_LABEL = re.compile(rf"[-A-Za-z0-9_]{{1,12}}|{_TIME}_\w{{8}}(_\d{{2}})?", re.ASCII)
_SUBMISSION = re.compile(rf"{_TIME}_\w{{8}}", re.ASCII)
_TRACKLET = re.compile(rf"[-A-Za-z0-9_]{{1,12}} [0-9A-Z][0-9][0-9]|{_TIME}_\w{{8}}_\d{{2}}", re.ASCII)


def retrieve(content: object, on_file: Collection[str] | None) -> tuple[str | None, Response]:
    """Return the label whose action code is mailed, if any is, and the answer."""
    label = content.get("label") if isinstance(content, dict) else None
    if not isinstance(label, str):
        return None, error(400, "label is missing")
    if not _LABEL.fullmatch(label):
        return None, error(400, "label is not a trksub, trkid, submission ID or submission block ID")
    if on_file is not None and label not in on_file:
        return None, error(404, "no submission with this label")
    return label, Response.of_json(200, {})


def submission_status(content: object, submissions: Mapping[str, Any]) -> Response:
    """Return what is known of a submission."""
    submission_id = content.get("submission_id") if isinstance(content, dict) else None
    if not isinstance(submission_id, str) or not _SUBMISSION.fullmatch(submission_id):
        return error(400, "submission_id is missing or malformed")
    found = submissions.get(submission_id)
    return error(404, "no such submission") if found is None else Response.of_json(200, found)


def wamo(content: object, tracklets: Mapping[str, Any]) -> Response:
    """Return what is known of tracklets and submission blocks, and which of them are not on file.

    Each one that is malformed comes with a sentence, as the MPC's WAMO tutorial shows it.
    """
    if not isinstance(content, list):
        return error(400, "a list of identifiers is expected")
    good = [one for one in content if isinstance(one, str) and _TRACKLET.fullmatch(one)]
    found = [{one: tracklets[one]} for one in good if one in tracklets]
    why = 'Note that one or more of your lines including "{}" could not be parsed as an obsid, trksub, submission_id, '
    malformed = [[one, why.format(one) + "or submission_block_id."] for one in content if one not in good]
    not_found = [one for one in good if one not in tracklets]
    return Response.of_json(200, {"found": found, "malformed": malformed, "not_found": not_found})


def observation(trksub: str, station: str, *, said: str, letter: str, **more: str) -> dict[str, Any]:
    """Return one observation as WAMO gives it; the times, places and magnitudes are of nothing in the sky.

    Args:
        trksub: of its tracklet.
        station: the observatory code.
        said: what WAMO's sentence says after the 80-column line.
        letter: its `status`.
        more: other fields, such as `ref`, which is printed "MPS   145016".
    """
    obs80 = f"     {trksub:7}  C2005 10 10.39002 02 57 12.16 +09 01 47.3          16.5 Vro5016{station}"
    return {
        "iau_desig": None,
        "input_type": "trkSub",
        "obs80": obs80 if letter == "P" else None,
        "obsid": "JueAhg010000566w0100000Te",
        "obssubid": None,
        "ref": None,
        "status": letter,
        "status_decoded": f"{obs80} (JueAhg010000566w0100000Te) {said}.",
        "submission_block_id": "2005-10-10T11:25:48.001_0000566w_01",
        "submission_id": "2005-10-10T11:25:48.001_0000566w",
        **more,
    }


def error(status: int, why: str) -> Response:
    """Return an answer that says what is wrong."""
    return Response.of_json(status, {"error": why})


def content_of(request: Request) -> Any:
    """Return the JSON of a body, None where it is none."""
    try:
        return request.json()
    except ValueError:
        return None


def label_of(content: object) -> str | None:
    """Return the label or submission ID that is asked for, or the first word of a WAMO list."""
    if isinstance(content, dict):
        label = content.get("label", content.get("submission_id"))
        return label if isinstance(label, str) else None
    if isinstance(content, list) and content and isinstance(content[0], str):
        return content[0].partition(" ")[0]
    return None
