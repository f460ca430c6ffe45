"""`audit`, run as a person or a script runs it: exports that are checked elsewhere, trails that move, what comes."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import tombstone, trail
from bot.store import guard
from tests.conftest import BOTH, database_of_kind, events_of, opened
from tests.exported import chained, exported, lines
from tests.processes import ROOT, World, clean_environment, world

README = (ROOT / "README.md").read_text()
LINK = "a" * 64


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world whose database has its tables."""
    with opened(database_url), world(tmp_path, database_url) as made:
        yield made


def audit(folder: Path, *arguments: str, stdin: bytes = b"", **settings: str) -> tuple[int, str]:
    """Run `audit` where there is no setting at all; returns the exit code and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "bot", "audit", *arguments],
        cwd=folder, env=clean_environment(**settings), input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    return done.returncode, said


@BOTH
def test_an_export_is_checked_where_there_is_no_database(here: World, tmp_path: Path) -> None:
    """In either form, from a file or a pipe, without a setting, and no database is made for it."""
    here.run("retrieve", "--", "-A10cnQO", "00000DwbEz")
    head = here.run("audit", "verify").stdout.split()[-1]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for form in ("jsonl", "csv"):
        text = here.run("audit", "export", "--format", form, PYTHONIOENCODING="latin-1").stdout
        (elsewhere / "export").write_text(text)
        for code, said in (audit(elsewhere, "verify", "export"), audit(elsewhere, "verify", "-", stdin=text.encode())):
            assert said.startswith(f"The export is intact: 6 events, head {head}"), said
            assert "newest post in the audit channel" in said
            assert code == 0
    assert [one.name for one in elsewhere.iterdir()] == ["export"]


def test_a_database_that_does_not_answer_is_not_asked(tmp_path: Path) -> None:
    """A FILE is checked whatever DATABASE_URL says."""
    gone = "postgresql://nobody@127.0.0.1:1/none"
    assert audit(tmp_path, "verify", "-", stdin=lines(exported(3)), DATABASE_URL=gone)[0] == 0


def test_a_broken_export_is_named(tmp_path: Path) -> None:
    """Exit 1, with the event, its line, what was expected and what stands there."""
    events = exported(3)
    content = lines(events).replace(b'"elapsed_ms": 2', b'"elapsed_ms": 3')
    code, said = audit(tmp_path, "verify", "-", stdin=content)
    computed = trail.event_hash({**events[1], "elapsed_ms": 3})
    assert said.splitlines() == [
        f"The export is broken: event 2 (line 2): its content hashes to {computed}, and its hash is "
        f"{events[1]['hash']}. In order before that: 1 event."
    ]
    assert code == 1
    assert audit(tmp_path, "verify", "--partial", "-", stdin=content)[0] == 1
    code, said = audit(tmp_path, "verify", "-", stdin=lines(events)[:-300])
    assert (code, "line 3 is not JSON" in said) == (1, True)
    code, said = audit(tmp_path, "verify", "-", stdin=lines([events[0], events[2]]).replace(b"Za", b"za"))
    assert "event 1 (line 1): its content hashes to" in said
    code, said = audit(tmp_path, "verify", "-", stdin=lines([events[0], {**events[2], "label": "x"}]))
    assert "event 2 is missing; event 3 (line 2) stands in its place. And event 3 (line 2): its content" in said


def test_an_export_without_events_shows_nothing(tmp_path: Path) -> None:
    """An empty file is no proof of anything: exit 1."""
    for content in (b"", b"\n\n", ",".join(trail.KEYS).encode()):
        assert audit(tmp_path, "verify", "-", stdin=content) == (
            1, "The export is empty: there is nothing to check.\n",
        )  # fmt: skip


def test_a_part_of_the_trail_is_no_whole_export(here: World, tmp_path: Path) -> None:
    """What was filtered cannot be told from what was removed: exit 1, and 0 where `--partial` says that it is meant."""
    here.run("retrieve", "A10cnQO", "00000DwbEz")
    part = here.run("audit", "export", "--event", "accepted", "--event", "requested").stdout.encode()
    code, said = audit(tmp_path, "verify", "-", stdin=part)
    assert code == 1
    assert said.startswith("This is not a whole export: it has ")
    assert "Every one of the 4 events in it hashes to what it says" in said
    assert "check it with --partial; if not, events were removed" in said
    code, said = audit(tmp_path, "verify", "--partial", "-", stdin=part)
    assert (code, "--partial" in said) == (0, False)
    whole = here.run("audit", "export").stdout.encode().splitlines(keepends=True)
    assert audit(tmp_path, "verify", "--partial", "-", stdin=b"".join(whole))[0] == 0
    code, said = audit(tmp_path, "verify", "-", stdin=b"".join(whole[1:]))
    assert (code, "it has 1 gap; the first one: event 1 is missing" in said) == (1, True)
    broken = part.replace(b'"accepted"', b'"rejected"')
    code, said = audit(tmp_path, "verify", "--partial", "-", stdin=broken)
    assert (code, "The export is broken: event" in said) == (1, True)


def test_the_export_of_a_pruned_trail_is_whole(tmp_path: Path) -> None:
    """It says up to where events were removed."""
    contents = exported(3, first=4)
    contents[2] |= {"event": tombstone.PRUNED, "detail": tombstone.write(1, 3, 3, LINK)}
    code, said = audit(tmp_path, "verify", "-", stdin=lines(chained(contents, first=4, link=LINK)))
    assert code == 0
    assert said.startswith("The export is intact: 3 events (4 to 6; those up to 3 were removed by audit prune), head")


def test_a_file_that_cannot_be_read_is_a_wrong_usage(tmp_path: Path) -> None:
    """Exit 2, with the name of the file and the system's reason; so is `--partial` without a FILE."""
    for action in ("verify", "import"):
        assert audit(tmp_path, action, "none.jsonl") == (2, "FILE: none.jsonl: No such file or directory\n")
        assert audit(tmp_path, action, ".") == (2, "FILE: .: Is a directory\n")
    assert list(tmp_path.iterdir()) == []
    code, said = audit(tmp_path, "verify", "--partial")
    assert (code, said.startswith("--partial:")) == (2, True)


@pytest.mark.parametrize("kinds", [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_trail_moves_between_databases(
    request: pytest.FixtureRequest, tmp_path: Path, kinds: tuple[str, str]
) -> None:
    """Exported here, imported there: the same export, a trail that verifies, and no post is made again."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with (
        database_of_kind(kinds[0], request, tmp_path / "old") as old,
        database_of_kind(kinds[1], request, tmp_path / "new") as new,
        opened(old),
        opened(new),
        world(tmp_path, old) as here,
    ):
        here.run("retrieve", "A10cnQO", "00000DwbEz")
        posts = len(here.slack.posts)
        trail_ = here.run("audit", "export").stdout
        done = here.run("audit", "import", "-", stdin=trail_, DATABASE_URL=new)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("The trail is intact: 6 events, head ")
        assert here.run("audit", "export", DATABASE_URL=new).stdout == trail_
        again = here.run("audit", "import", "-", stdin=trail_, DATABASE_URL=new)
        assert again.returncode == 1
        assert again.stderr == (
            "The database has a trail already: its head is event 6. Only an empty one takes a trail in. "
            "Nothing was imported.\n"
        )
        done = here.run("retrieve", "A10cnQO", "another", "--json", DATABASE_URL=new)
        assert [one["outcome"] for one in json.loads(done.stdout)] == ["denied", "accepted"], "the cool-down came along"
        assert here.run("audit", "verify", DATABASE_URL=new).stdout.startswith("The trail is intact: 10 events")
        shown = "".join(one.shown for one in here.slack.posts[posts:])
        assert ("another" in shown, "00000DwbEz" in shown) == (True, False)


@BOTH
def test_what_is_no_whole_export_is_not_imported(here: World) -> None:
    """Exit 1 with a sentence, and the database takes the right one afterwards."""
    events = exported(3)
    for content in (lines(events[1:]), lines(events)[:-9], b"", lines(events).replace(b"C1", b"C2", 1)):
        done = here.run("audit", "import", "-", stdin=content.decode())
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The export is ")
        assert done.stderr.endswith("Nothing was imported.\n")
    assert here.run("audit", "export").stdout == ""
    (here.folder / "trail.jsonl").write_bytes(lines(events))
    assert here.run("audit", "import", "trail.jsonl").returncode == 0
    with opened(here.settings["DATABASE_URL"]) as database:
        assert events_of(database) == events


def test_requests_that_were_under_way_are_named(here: World) -> None:
    """Nobody goes on with them in the new database, so it says where they can be finished."""
    events = chained([{**one, "event": "requested"} for one in exported(2)])
    done = here.run("audit", "import", "-", stdin=lines(events).decode())
    assert done.returncode == 0
    assert done.stderr.startswith("2 requests have no outcome")


@BOTH
def test_following_shows_what_comes(here: World) -> None:
    """First the last events, then each new one that the filters let through, once; Ctrl-C is the way to end it."""
    here.run("retrieve", "A10cnQO")
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "audit", "list", "--follow", "--last", "1", "--event=accepted", "--event=denied"],
        cwd=here.folder, env=here.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    seen = [process.stdout.readline()]
    for label in ("A10cnQO", "00000DwbEz"):
        here.run("retrieve", label)
        seen.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    rest, complaint = process.communicate(timeout=30)
    assert [line.split("\t")[1:3] for line in seen] == [
        ["accepted", "A10cnQO"], ["denied", "A10cnQO"], ["accepted", "00000DwbEz"],
    ]  # fmt: skip
    assert (process.returncode, rest, complaint) == (0, "", "")


@pytest.mark.parametrize("width", [80, 160])
def test_a_terminal_shows_a_table(here: World, width: int) -> None:
    """With a header, labels as they were typed, and nothing cut off, however narrow the terminal is."""
    assert here.run("audit", "import", "-", stdin=lines(exported(2)).decode()).returncode == 0
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "audit", "list"],
        cwd=here.folder, env=here.environment(COLUMNS=str(width), TERM="xterm", TZ="UTC"), stdout=theirs,
    )  # fmt: skip
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # that is how a terminal says that nobody writes to it any more
        while read := os.read(ours, 65_536):
            output += read
    os.close(ours)
    assert process.wait(timeout=30) == 0
    header, *rows = re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).splitlines()
    assert header.split()[:4] == ["at", "event", "label", "user_id"]
    assert [row.split()[row.split().index("rejected") + 1] for row in rows if "rejected" in row] == ["-A10cnQO"] * 2
    assert "r2" in "".join(rows)
    assert max(len(line) for line in [header, *rows]) <= width
    assert (len(rows) == 2) == (width == 160)


@pytest.mark.parametrize("last", ["0", "-5", "100001", "9" * 20, "9" * 5000, "1.5", "many", "\u0663", ""])
def test_so_many_events_cannot_be_listed(here: World, last: str) -> None:
    """Exit 2, and the usage says how many can be."""
    done = here.run("audit", "list", f"--last={last}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --last: must be a whole number from 1 to 100000" in done.stderr
    assert "Traceback" not in done.stderr


def test_as_many_events_as_can_be_are_listed(here: World) -> None:
    """Whoever asks for more than there are gets all of them."""
    assert here.run("audit", "import", "-", stdin=lines(exported(3)).decode()).returncode == 0
    for last, count in (("1", 1), ("3", 3), ("100000", 3)):
        assert len(here.run("audit", "list", "--last", last).stdout.splitlines()) == count


@pytest.mark.parametrize("flag", ["--label", "--user", "--channel", "--event"])
def test_what_is_no_text_is_in_no_event(here: World, flag: str) -> None:
    """Bytes that are no UTF-8 are a wrong usage of the filter: exit 2, and one line that names the flag."""
    for action in ("list", "export"):
        code, said = audit(here.folder, action, flag, os.fsdecode(b"\xff"), DATABASE_URL=here.settings["DATABASE_URL"])
        assert (code, said.count("\n")) == (2, 1)
        assert said.startswith(f"{flag}: ")


FORGERIES = {
    "UPDATE head SET seq = 'abc'": "the head that is kept beside the trail is not a number and a hash, but 'abc' and '",
    "UPDATE events SET label = CAST(x'41ff' AS TEXT) WHERE seq = 2": "event 2 has a wrong label: expected text or null",
    "UPDATE events SET http_status = x'00' WHERE seq = 2": "event 2 has a wrong http_status: expected a whole number",
}


@pytest.mark.parametrize("statement", FORGERIES)
def test_nonsense_in_a_database_is_a_sentence(here: World, statement: str) -> None:
    """`verify` exits with 1 and names what is broken, and such a trail is not pruned either."""
    assert here.run("audit", "import", "-", stdin=lines(exported(3)).decode()).returncode == 0
    with (
        opened(here.settings["DATABASE_URL"]) as database,
        database.engine.begin() as connection,
        guard.lifted(connection),
    ):
        connection.exec_driver_sql(statement)
    done = here.run("audit", "verify")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"The trail is broken: {FORGERIES[statement]}")
    done = here.run("audit", "prune", "--before", "2025-01-01", "--yes")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"The trail is broken: {FORGERIES[statement]}")


def recipe(language: str) -> str:
    """Return the README's program in that language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def example(name: str) -> str:
    """Return a line of the README's example."""
    found = re.search(rf"<!-- {name} -->\n```json\n(.*?)\n```", README)
    assert found is not None
    return found[1]


STRANGERS = {
    "python": [sys.executable, "-I", "-S", "-c", recipe("python")],
    "js": ["node", "-e", recipe("js")],
}
"""Programs that know nothing of this one; `-I -S` leaves Python its standard library alone."""


def stranger(language: str, content: bytes) -> tuple[int, str]:
    """Let a recipe of the README check an export; returns the exit code and its output."""
    if shutil.which(STRANGERS[language][0]) is None:
        pytest.skip(f"{STRANGERS[language][0]} is not on this machine")
    done = subprocess.run(STRANGERS[language], input=content, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode().strip() or done.stderr.decode()


@pytest.mark.parametrize("language", STRANGERS)
def test_a_stranger_can_recompute_an_export_by_the_readme(here: World, language: str) -> None:
    """The README's recipe comes to the head that the program names, and finds an edit."""
    here.run("retrieve", "--", "-A10cnQO", "00000DwbEz")
    here.run("retrieve", "lost", "no!label")
    content = here.run("audit", "export").stdout.encode()
    head = here.run("audit", "verify").stdout.split()[-1].rstrip(".")
    assert stranger(language, content) == (0, head)
    events = [json.loads(line) for line in content.splitlines()]
    edited = next(one["seq"] for one in events if one["event"] == "accepted")
    code, said = stranger(language, content.replace(b'"accepted"', b'"rejected"', 1))
    assert (code, f"event {edited} is not as it was" in said) == (1, True)


@pytest.mark.parametrize("language", STRANGERS)
def test_a_stranger_agrees_on_every_character(language: str) -> None:
    """Letters beyond ASCII, controls, quotes and characters beyond the first 65,536 have one canonical form."""
    texts = ["Zażółć", "\u2028\u2029", "\x7f\x80", "\b\f\n\r\t\x01\x1f", '"\\/', "\U0001f52d", "\ufeff", "<&>'"]
    events = chained([{**one, "detail": text} for one, text in zip(exported(len(texts)), texts, strict=True)])
    assert stranger(language, lines(events)) == (0, events[-1]["hash"])


def test_the_readme_s_example_is_true(tmp_path: Path) -> None:
    """The event, its canonical JSON and its hash belong together, and the program agrees."""
    event = json.loads(example("example"))
    assert tuple(event) == trail.KEYS
    assert event["hash"] == trail.event_hash(event)
    assert f"`{event['hash']}`" in README
    canonical = json.loads(example("canonical"))
    assert canonical == {key: value for key, value in event.items() if key != "hash"}
    assert example("canonical") == json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    assert audit(tmp_path, "verify", "-", stdin=example("example").encode())[0] == 0
    assert stranger("python", example("example").encode()) == (0, event["hash"])


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not on this machine")
def test_the_readme_s_line_for_a_shell_gives_the_hash() -> None:
    """`jq` writes the canonical JSON of an event, too."""
    found = re.search(r"`(jq [^`]*sha256sum)`", README)
    assert found is not None
    done = subprocess.run(
        ["/bin/sh", "-c", found[1]], input=example("example"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split()[0] == json.loads(example("example"))["hash"]


def test_csv_can_be_read_without_this_program(here: World) -> None:
    """Without the apostrophes that keep a spreadsheet from executing a cell, it has what the JSON lines have."""
    here.run("retrieve", "--", "-A10cnQO", "00000DwbEz")
    rows = csv.DictReader(io.StringIO(here.run("audit", "export", "--format", "csv").stdout))
    plain = [{key: cell.removeprefix("'") for key, cell in row.items()} for row in rows]
    events = [json.loads(line) for line in here.run("audit", "export").stdout.splitlines()]
    assert [row["label"] for row in plain] == [event["label"] for event in events]
    assert [row["kinds"].split() for row in plain] == [event["kinds"] for event in events]


def test_a_long_verification_shows_how_far_it_is(here: World) -> None:
    """On a terminal there is a bar, on standard error and gone at the end; in a pipe there is none."""
    here.run("retrieve", "A10cnQO")
    terminal, end = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "bot", "audit", "verify"],
        cwd=here.folder, env=here.environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=end, timeout=60, check=True,
    )  # fmt: skip
    os.close(end)
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    assert "verifying" in shown
    assert "100%" in shown
    assert done.stdout.startswith(b"The trail is intact: 3 events")
    assert here.run("audit", "verify").stderr == ""


@pytest.mark.parametrize(
    "command", [["list"], ["export"], ["verify"], ["prune", "--before", "2020-01-01", "--yes"]], ids=lambda one: one[0]
)
def test_a_trail_that_is_not_there_is_no_empty_one(tmp_path: Path, command: list[str]) -> None:
    """In another folder, or where somebody deleted it: exit 2, a sentence with the place, and no file is made."""
    with world(tmp_path, "sqlite:///trail.db") as here:
        done = here.run("audit", *command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"there is no database at {tmp_path / 'trail.db'}" in done.stderr
    assert list(tmp_path.iterdir()) == []
