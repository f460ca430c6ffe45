"""Finds the labels that stand in prose, such as the mail with which the MPC acknowledges a submission.

It knows where such a mail names a submission and a tracklet. It refuses to guess: nearly every short word would pass
for a trksub, so a tracklet is taken only from where the text itself says that one stands there.

Sources: the MPC's acknowledgements ("The following submission ID has been assigned to these observations:", and the
observations in 80 columns, each with its obsID behind an arrow); "Format For Optical Astrometric Observations" (a
temporary designation in columns 6 to 12, the date in 16 to 32, the station in 78 to 80); the ADES description (a column
or an element `trkSub`, and `trkID`).
"""

import re
from collections.abc import Iterator
from itertools import islice, takewhile

from bot.labels import Label, kinds_of, parse_all

MOST_READ = 40_000
"""Characters of a text that are looked at: a mail has a few thousand, and a form opens within 3 s or never."""

_ID = re.compile(r"(?<!\w)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}_\w{8}(?:_\d\d)?(?!\w)", re.ASCII)
_MARK = re.compile(
    r"(?<![\w-])(?:"
    r"trk[ _-]?(?:subs?|ids?)[\"'`*]*(?:[ \t]*[:=>]|[ \t]|$)"
    r"|(?:tracklets?(?:[ \t](?:names?|ids?))?|temporary designations?|labels?)[\"'`*]*[ \t]*[:=]"
    r")",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)
_MOST_OF_LINE = 2_000
_BETWEEN = re.compile(r"[\s,;|<>/]+")
_AROUND = "\"'`*()[]{}.:!?\u2022\u00b7\u201c\u201d\u2018\u2019"
_NAME = re.compile(r"(?=.*\d)(?=.*[A-Za-z])|\d{5,}\Z", re.ASCII)
_JOINING = frozenset({"", "-", "and", "or", "&"})
_STATION = re.compile(r"[0-9A-Z][0-9][0-9]", re.ASCII)

_DATE = re.compile(r"(?<!\d)(?:1[89]|20)\d\d \d\d \d\d\.\d", re.ASCII)
_DATE_COLUMN, _DESIGNATION_COLUMN, _STATION_COLUMN = 15, 5, 77
_PACKED = re.compile(
    r"[IJK]\d\d[A-HJ-Y][0-9A-Za-z]\d[A-HJ-Z]|(?:PL|T1|T2|T3)S\d{4}|[IJK]\d\d[A-HJ-Y]\w\d[0a-z]", re.ASCII
)
_COLUMNS = {"trksub", "trkid"}


def harvest(text: str) -> tuple[Label, ...]:
    """Return the labels that a text names, each once, in the order in which they stand there.

    Submission IDs and submission block IDs are found anywhere; trksubs and trkids behind a word such as `trksub:`, in
    80-column observations, and in the columns of an ADES table.
    """
    text = text[:MOST_READ]
    found = sorted([*_ids(text), *_marked(text), *_observations(text), *_tables(text)], key=lambda one: one[0])
    unique: dict[str, Label] = {}
    for _, label in found:
        unique.setdefault(label.text, label)
    return tuple(unique.values())


def _ids(text: str) -> Iterator[tuple[int, Label]]:
    for one in _ID.finditer(text):
        if kinds := kinds_of(one.group()):
            yield one.start(), Label(one.group(), kinds)


def _marked(text: str) -> Iterator[tuple[int, Label]]:
    lines = text.splitlines(keepends=True)
    place = 0
    for number, line in enumerate(lines):
        for mark in _MARK.finditer(line):
            names = _names(line[mark.end() : mark.end() + _MOST_OF_LINE])
            if not line[mark.end() :].strip() and "|" not in line:
                # The list is in the lines below, and ends with the first one that is more than names.
                below = (_names(one[:_MOST_OF_LINE], whole=True) for one in islice(lines, number + 1, None))
                names = [name for names in takewhile(bool, below) for name in names]
            for label in parse_all(" ".join(names)).labels:
                yield place + mark.start(), label
        place += len(line)


def _names(line: str, *, whole: bool = False) -> list[str]:
    """Return the tracklets that a line begins with, and their stations; of a `whole` line, all its words or none.

    A tracklet has a digit and a letter, or many digits: other words may be words, and other numbers count something.
    """
    names: list[str] = []
    for raw in _BETWEEN.split(line):
        word = raw.strip(_AROUND)
        if word in _JOINING:
            continue
        is_station = bool(names) and _STATION.fullmatch(word)
        if not (is_station or (_NAME.match(word) and kinds_of(word))):
            return [] if whole else names
        # Alone it would be a station's code; behind a tracklet it is one.
        names.append(f'"{word}"' if _STATION.fullmatch(word) and not names else word)
    return names


def _observations(text: str) -> Iterator[tuple[int, Label]]:
    place = 0
    for line in text.splitlines(keepends=True):
        date = _DATE.search(line)
        if date and (label := _observed(line.rstrip(), date.start())) is not None:
            yield place, label
        place += len(line)


def _observed(line: str, date: int) -> Label | None:
    """Return the temporary designation of an 80-column line, which may have lost the blanks that it began with."""
    before = line[:date].rjust(_DATE_COLUMN)[-_DATE_COLUMN:]
    number, name, discovery = before[:_DESIGNATION_COLUMN], before[_DESIGNATION_COLUMN:-3].strip(), before[-3]
    # Where blanks were folded, the columns are no columns, and a name would be cut short.
    if number.strip() or discovery not in " *" or _PACKED.fullmatch(name) or not kinds_of(name):
        return None
    station = line[date + _STATION_COLUMN - _DATE_COLUMN :][:3]
    return Label(name, kinds_of(name), (station,) if _STATION.fullmatch(station) else ())


def _tables(text: str) -> Iterator[tuple[int, Label]]:
    place = 0
    columns: list[int] = []
    for line in text.splitlines(keepends=True):
        cells = [one.strip() for one in line.split("|")]
        if len(cells) > 1 and _COLUMNS.intersection(map(str.lower, cells)):
            columns = [number for number, name in enumerate(cells) if name.lower() in _COLUMNS]
        elif len(cells) > 1:
            for name in [cells[one] for one in columns if one < len(cells)]:
                if kinds := kinds_of(name):
                    yield place, Label(name, kinds)
        else:
            columns = []
        place += len(line)
