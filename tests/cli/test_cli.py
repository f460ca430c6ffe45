"""The commands, run as a person or a script runs them: output, exit codes, and what is left behind."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.anchors import Anchor
from bot.sandbox import faults
from bot.sandbox.slack import SandboxSlack
from bot.store import channels
from bot.store.database import SCHEMA, Database
from tests.conftest import BOTH, events_of, opened
from tests.processes import AUDIT, Bot, World, world

KEYS = {"label", "kinds", "outcome", "detail", "request_id"}


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world with an empty database; PostgreSQL's has its tables."""
    if database_url.startswith("postgresql"):
        with opened(database_url):
            pass
    with world(tmp_path, database_url) as made:
        yield made


def events(here: World) -> list[dict[str, object]]:
    """Return the trail."""
    with opened(here.settings["DATABASE_URL"]) as database:
        return events_of(database)


@BOTH
def test_retrieve_asks_and_tells(here: World) -> None:
    """Two good labels: two requests, the words for people, exit 0, and the audit channel is told, too."""
    done = here.run("retrieve", "A10cnQO", "703", "00000DwbEz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Accepted (2)" in done.stdout
    assert "\x1b" not in done.stdout
    assert here.mpc.mails == ["A10cnQO", "00000DwbEz"]
    trail = events(here)
    assert [one["event"] for one in trail].count("accepted") == 2
    assert {(one["source"], one["user_id"]) for one in trail} == {("cli", None)}
    assert "A10cnQO" in "".join(one.shown for one in here.slack.posts)


def test_retrieve_needs_no_slack(here: World) -> None:
    """Without a token the trail is in the database alone, and nothing of Slack is asked."""
    done = here.run("retrieve", "A10cnQO", SLACK_BOT_TOKEN="")
    assert done.returncode == 0
    assert here.slack.calls == []


def test_json_is_one_array(here: World) -> None:
    """An entry a label with the keys of the contract, in the order of the labels, and the exit code of the worst."""
    here.mpc.always("lost", faults.answer(404, {"error": "no such submission"}))
    done = here.run("retrieve", "A10cnQO", "lost", "--json")
    array = json.loads(done.stdout)
    assert done.returncode == 1
    assert [set(one) for one in array] == [KEYS, KEYS]
    assert [(one["label"], one["kinds"], one["outcome"], one["detail"]) for one in array] == [
        ("A10cnQO", ["trksub"], "accepted", None),
        ("lost", ["trksub"], "rejected", "no such submission"),
    ]
    assert array[0]["request_id"] == events(here)[0]["request_id"]


def test_an_invalid_label_stops_the_command(here: World) -> None:
    """Exit 2, every fault named, the good ones repeated, nothing sent."""
    done = here.run("retrieve", "A10cnQO", "no!label")
    assert done.returncode == 2
    assert "actcode retrieve" in done.stdout
    assert "no!label" in done.stdout
    done = here.run("retrieve", "A10cnQO", "no!label", "nmVDPG760e2qQw97-DEL", "--json")
    assert done.returncode == 2
    assert [(one["label"], one["outcome"]) for one in json.loads(done.stdout)] == [
        ("A10cnQO", None), ("no!label", "invalid"), (None, "invalid"),
    ]  # fmt: skip
    assert here.mpc.requests == []
    assert {one["event"] for one in events(here)} == {"invalid"}


def test_a_label_that_cools_down_is_denied(here: World) -> None:
    """The second time within the cool-down nothing is sent, and the exit code is 1."""
    assert here.run("retrieve", "A10cnQO").returncode == 0
    done = here.run("retrieve", "A10cnQO", "--json")
    assert done.returncode == 1
    assert [(one["outcome"], one["detail"]) for one in json.loads(done.stdout)] == [
        ("denied", "cool-down of the label")
    ]
    beside = here.run("retrieve", "A10cnQO", "B20xx", "--json", USER_HOURLY_LIMIT="0")
    assert [one["detail"] for one in json.loads(beside.stdout)] == ["cool-down of the label", None]
    assert len(here.mpc.posts("A10cnQO")) == 1
    assert here.run("retrieve", "A10cnQO", COOLDOWN_S="0").returncode == 0


def test_too_many_labels_are_denied(here: World) -> None:
    """The rule is named, for each of them where a script reads it."""
    done = here.run("retrieve", "aaa", "bbb", MAX_LABELS="1")
    assert done.returncode == 1
    assert "more labels than one command may hold (1)" in done.stdout
    done = here.run("retrieve", "aaa", "bbb", "--json", MAX_LABELS="1")
    assert done.returncode == 1
    assert [(one["label"], one["outcome"], one["detail"]) for one in json.loads(done.stdout)] == [
        (label, "denied", "too many labels in one command") for label in ("aaa", "bbb")
    ]


def test_a_label_may_be_called_like_an_option(here: World) -> None:
    """Behind `--`, everything is a label; sub-commands are Slack's alone."""
    assert here.run("retrieve", "--json", "--", "--help", "-", "log").returncode == 0
    assert here.mpc.mails == ["--help", "-", "log"]


def test_ctrl_c_withdraws_what_was_not_sent(here: World) -> None:
    """What is under way finishes, the rest ends as not sent, and the person is told of both."""
    here.mpc.fail("first", faults.delay(1))
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "retrieve", "first", "second", "--json"],
        cwd=here.folder, env=here.environment(MPC_RATE_PER_S="0.2"), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    here.mpc.wait_for(lambda: here.mpc.posts("first"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert [(one["label"], one["outcome"]) for one in json.loads(output)] == [
        ("first", "accepted"),
        ("second", "unavailable"),
    ]
    assert process.returncode == 1
    assert here.mpc.mails == ["first"]


def interrupted(here: World, *labels: str, **more: str) -> list[tuple[str, str | None]]:
    """Press Ctrl-C as soon as the first label is at the MPC; returns what is said of each one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "retrieve", *labels, "--json"],
        cwd=here.folder, env=here.environment(**more), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    here.mpc.wait_for(lambda: here.mpc.posts(labels[0]))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    return [(one["label"], one["outcome"]) for one in json.loads(output)]


def test_ctrl_c_ends_what_is_queued_again_meanwhile(here: World) -> None:
    """The MPC was busy when the person gave up: nobody goes on with the request, and it has its outcome."""
    here.mpc.always("first", faults.answer(503, after_s=1.0))
    assert interrupted(here, "first") == [("first", "unavailable")]
    assert [one["event"] for one in events(here)] == ["requested", "sending", "unavailable"]


def test_ctrl_c_ends_what_had_no_time_to_finish(here: World) -> None:
    """It may have left: it is unknown, and cools down, so that nobody is mailed twice for it."""
    here.mpc.fail("first", faults.delay(5, taken=True))
    assert interrupted(here, "first", GRACE_S="1") == [("first", "unknown")]
    again = here.run("retrieve", "first", "--json")
    assert [one["outcome"] for one in json.loads(again.stdout)] == ["denied"]
    assert len(here.mpc.posts("first")) == 1


def test_ctrl_c_leaves_to_another_process_what_that_is_sending(here: World) -> None:
    """It is waited for, and has the outcome that the other process stores."""
    here.mpc.latency_s = 3.0
    with Bot(here, more={"MPC_RATE_PER_S": "1"}):
        labels = [f"x{number}" for number in range(8)]
        said = interrupted(here, *labels, MPC_RATE_PER_S="1")
        assert {outcome for _, outcome in said} <= {"accepted", "unavailable"}
        assert len(said) == len(labels)
    ended = [one["label"] for one in events(here) if one["event"] in {"accepted", "unavailable", "unknown"}]
    assert sorted(ended) == labels  # type: ignore[type-var]
    assert sorted(here.mpc.mails) == sorted(label for label, outcome in said if outcome == "accepted")


def test_a_database_that_is_gone_after_the_request_says_nothing_of_it(here: World) -> None:
    """What was recorded may have been sent: nobody is told that it was not."""
    here.mpc.fail("first", faults.delay(2, taken=True))
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "retrieve", "first", "--json"],
        cwd=here.folder, env=here.environment(GRACE_S="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    here.mpc.wait_for(lambda: here.mpc.posts("first"))
    for one in here.folder.glob("trail.db*"):
        one.rename(one.with_name("away-" + one.name))
    output, said = process.communicate(timeout=60)
    assert process.returncode == 1
    (entry,) = json.loads(output)
    assert (entry["label"], entry["outcome"]) == ("first", None)
    assert "may have been sent" in entry["detail"]
    assert "Nothing was sent" not in said


def test_a_verdict_is_not_lost_with_its_reader(here: World) -> None:
    """`verify | true` is no all-clear for a broken trail."""
    here.run("retrieve", "A10cnQO")
    with opened(here.settings["DATABASE_URL"]) as database, database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE head SET seq = 9")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "bot", "audit", "verify"]
    done = subprocess.run(command, cwd=here.folder, env=here.environment(), stdout=write, check=False, timeout=60)
    os.close(write)
    assert done.returncode in {1, 141}


@BOTH
def test_the_trail_can_be_listed_exported_and_verified(here: World) -> None:
    """The same events in each form; JSON lines and CSV have all the keys."""
    here.run("retrieve", "--", "-abc")
    listed = here.run("audit", "list").stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == ["requested", "sending", "accepted"]
    assert len(here.run("audit", "list", "--last", "1").stdout.splitlines()) == 1
    exported = [json.loads(line) for line in here.run("audit", "export").stdout.splitlines()]
    assert exported == events(here)
    text = here.run("audit", "export", "--format", "csv", "--event", "accepted", "--label=-abc").stdout
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["label"], row["kinds"], row["event"], row["seq"]) == ("'-abc", "trksub", "accepted", "3")
    assert here.run("audit", "export", "--since", "2100-01-01").stdout == ""
    assert here.run("audit", "export", "--user", "U1", "--channel", "C1", "--until", "2100-01-01").stdout == ""
    done = here.run("audit", "verify")
    assert (done.returncode, done.stdout.startswith("The trail is intact: 3 events")) == (0, True)


def test_a_forged_trail_is_named(here: World) -> None:
    """`verify` exits with 1 and says which row."""
    here.run("retrieve", "A10cnQO")
    with opened(here.settings["DATABASE_URL"]) as database, database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE head SET seq = 9")
    done = here.run("audit", "verify")
    assert done.returncode == 1
    assert "event 4 is missing" in done.stdout


@pytest.mark.parametrize("wrong", [["--event", "sent"], ["--since", "yesterday"], ["--until", "32"]])
def test_a_wrong_filter_is_a_wrong_usage(here: World, wrong: list[str]) -> None:
    """Exit 2, with a sentence that names the flag."""
    done = here.run("audit", "export", *wrong)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{wrong[0]}:")


def test_a_reader_that_has_had_enough_is_no_fault(here: World) -> None:
    """`export | head` ends in silence."""
    here.run("retrieve", "A10cnQO")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "bot", "audit", "export"],
        cwd=here.folder, env=here.environment(), stdout=write, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_wrong_settings_are_all_named_at_once(here: World) -> None:
    """Every command ends with 2 and a line a fault, and never with a traceback."""
    for command in (["serve"], ["retrieve", "A10cnQO"], ["audit", "verify"], ["check"], ["db", "upgrade"], ["demo"]):
        done = here.run(*command, MAX_LABELS="many", MPC_TIMEOUT_S="-1", GRACE_S="long")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr + done.stdout
        for name in ("MAX_LABELS", "MPC_TIMEOUT_S", "GRACE_S"):
            assert name in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["serve"], ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"]),
        (["serve", "--http"], ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"]),
        (["serve", "--socket"], ["SLACK_APP_TOKEN", "SLACK_BOT_TOKEN"]),
    ],
)
def test_missing_settings_are_named(here: World, arguments: list[str], missing: list[str]) -> None:
    """`serve` says what it needs for its mode."""
    done = here.run(*arguments, SLACK_BOT_TOKEN="", SLACK_SIGNING_SECRET="")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert all(name in done.stderr for name in missing)


def test_the_settings_may_stand_in_a_file(here: World) -> None:
    """`.env` of the folder where the bot is started counts, and the environment wins over it."""
    (here.folder / ".env").write_text("COOLDOWN_S=never\nMAX_LABELS=1\n")
    done = here.run("retrieve", "aaa", "bbb")
    assert (done.returncode, "COOLDOWN_S" in done.stderr) == (2, True)
    assert here.run("retrieve", "aaa", "bbb", COOLDOWN_S="1", MAX_LABELS="2").returncode == 0


def test_a_database_that_is_not_there_is_a_sentence(here: World) -> None:
    """Whatever the command, the variable is named and nothing was sent."""
    gone = "postgresql://nobody:secret-word@127.0.0.1:1/none"
    for url in (gone, f"sqlite:///{here.folder}/no/such/folder/trail.db"):
        for command in (["retrieve", "A10cnQO"], ["audit", "verify"], ["db", "upgrade"], ["serve", "--http"]):
            done = here.run(*command, DATABASE_URL=url)
            assert done.returncode == 2
            assert "DATABASE_URL" in done.stderr
            assert "Traceback" not in done.stderr
            assert "secret-word" not in done.stderr
    assert here.mpc.requests == []


def test_a_postgresql_without_tables_names_the_command(tmp_path: Path, postgresql_url: str) -> None:
    """Every command ends with 2 and says `db upgrade`; after that, it works."""
    with world(tmp_path, postgresql_url) as here:
        for command in (["retrieve", "A10cnQO"], ["audit", "list"], ["serve"], ["check"]):
            done = here.run(*command)
            assert done.returncode == 2
            assert "db upgrade" in done.stderr + done.stdout
        assert f"is now at schema {SCHEMA}" in here.run("db", "upgrade").stdout
        assert f"was already at schema {SCHEMA}" in here.run("db", "upgrade").stdout
        assert here.run("retrieve", "A10cnQO").returncode == 0


@BOTH
def test_a_database_that_is_newer_is_left_alone(here: World) -> None:
    """A program that was set back does not touch what it does not understand."""
    here.run("db", "upgrade")
    database = Database(here.settings["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for command in (["db", "upgrade"], ["retrieve", "A10cnQO"]):
        done = here.run(*command)
        assert done.returncode == 2
        assert "newer than this program" in done.stderr
    database.close()


@BOTH
def test_two_upgrades_at_once_make_one_schema(tmp_path: Path, database_url: str) -> None:
    """Two processes that start at the same moment do not stumble over each other."""
    with world(tmp_path, database_url) as here:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bot", "db", "upgrade"],
                cwd=here.folder, env=here.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(4)
        ]  # fmt: skip
        ends = [(process.communicate(timeout=60), process.returncode) for process in processes]
        assert {code for _, code in ends} == {0}, ends
        assert here.run("audit", "verify").returncode == 0


def test_the_doctor_finds_nothing_wrong(here: World) -> None:
    """A line for each thing, exit 0, and nobody is mailed; beside a bot that serves, too."""
    here.run("db", "upgrade")
    here.slack.channels[AUDIT].is_private = True
    with Bot(here, more={"WEB_WORKERS": "2"}) as bot:
        done = here.run("check", PORT=bot.url.rpartition(":")[2], WEB_WORKERS="2")
        assert bot.stop() == 0
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    things = ("settings", "PORT", "manifest", "token", "scopes", "clock", "audit channel", "database", "processes")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"ok    {thing}" for thing in (*things, "trail", "MPC")
    ]
    assert "the bot is serving on" in done.stdout
    assert "2 at work on this database" in done.stdout
    assert here.mpc.posts() == []


def test_the_doctor_names_what_is_broken(here: World) -> None:
    """Each fault has a line of its own and says what to do; a setting is 2, anything else 1."""
    cases: dict[str, tuple[int, dict[str, str]]] = {
        "SLACK_BOT_TOKEN is not set": (2, {"SLACK_BOT_TOKEN": ""}),
        "Slack does not take SLACK_BOT_TOKEN (invalid_auth)": (1, {"SLACK_BOT_TOKEN": "xoxb-wrong"}),
        "it does not answer as it should (no connection": (1, {"MPC_API_URL": "http://127.0.0.1:1/api"}),
    }
    for said, (code, settings) in cases.items():
        done = here.run("check", **settings)
        assert (done.returncode, done.stderr) == (code, ""), said
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
        assert said in line
        assert " -> " in line
    assert here.mpc.posts() == []


def test_the_doctor_mends_what_it_can(here: World) -> None:
    """With --fix it makes the tables and joins the audit channel; without, it changes neither."""
    here.slack.channels[AUDIT].is_member = False
    assert here.run("check").returncode == 1
    assert not here.slack.channels[AUDIT].is_member
    done = here.run("check", "--fix")
    assert done.returncode == 0, done.stdout
    assert "has joined it just now" in done.stdout
    assert "brought to the current schema just now" in done.stdout
    assert here.slack.channels[AUDIT].is_member


def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    """Piped commands are answered one by one, each line says who sees it, and the end is 0."""
    typed = "/actcode A10cnQO\nhello\n\n/actcode 2015 AC2\n/actcode lost\n/actcode log\n/other\n"
    with world(tmp_path, "sqlite:///unused.db") as here:
        done = here.run("demo", stdin=typed)
        assert (done.returncode, done.stderr) == (0, "")
        assert here.mpc.requests == []
    only_you = [line for line in done.stdout.splitlines() if "only you see" in line]
    channel = [line for line in done.stdout.splitlines() if "#actcode-audit" in line]
    assert any("A10cnQO" in line and "Accepted" in line for line in only_you)
    assert any("A10cnQO" in line and "accepted" in line for line in channel)
    assert any("rejected" in line for line in channel)
    assert any("designation" in line for line in only_you)
    assert not (tmp_path / "unused.db").exists()


def test_the_demo_shows_the_form_and_app_home(tmp_path: Path) -> None:
    """What is typed into the form is answered in a direct message; App Home has the same outcome."""
    with world(tmp_path, "sqlite:///unused.db") as here:
        done = here.run("demo", stdin="form 2015 AC2\nform A10cnQO\nhome\nform\n")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert any("form " in line and "2015 AC2: This looks like a designation" in line for line in lines)
    assert any("form " in line and "Your request was taken." in line for line in lines)
    assert any("direct message" in line and "A10cnQO (trksub): Accepted." in line for line in lines)
    assert any("App Home" in line and "A10cnQO · ✓ Accepted" in line for line in lines)
    assert any("There is no label here" in line for line in lines)


def test_the_channel_is_held_against_the_trail(here: World) -> None:
    """`verify --slack` reads the audit channel back: it fits, until a post is deleted or the tail is cut off."""
    here.run("retrieve", "A10cnQO")
    here.run("retrieve", "B20xx")
    done = here.run("audit", "verify", "--slack")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The audit channel fits the trail: 2 posts." in done.stdout
    del here.slack.posts[0]
    done = here.run("audit", "verify", "--slack")
    assert done.returncode == 1
    assert "The trail is intact: 6 events" in done.stdout
    assert "1 outcome (event 3) is in no post" in done.stdout
    here.slack.channels[AUDIT].is_member = False
    done = here.run("audit", "verify", "--slack")
    assert done.returncode == 1
    assert "could not be read (not_in_channel): invite the bot there" in done.stdout


def test_a_channel_that_contradicts_often_is_not_recited(here: World) -> None:
    """After a restore every later post contradicts the trail: the first ten are told, and how many more there are."""
    here.run("db", "upgrade")
    with SandboxSlack(post_rate_per_s=None) as slack:
        with opened(here.settings["DATABASE_URL"]) as database:
            database.write(lambda tx: channels.follow(tx, slack.audit.id))
        client = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])
        for number in range(12):
            anchor = Anchor(after=number, seq=number + 1, hash="f" * 64)
            client.chat_postMessage(channel=slack.audit.id, text="a post", metadata=anchor.metadata())
        its = {"SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.bot_token, "AUDIT_CHANNEL": slack.audit.id}
        done = here.run("audit", "verify", "--slack", **its)
    assert done.returncode == 1
    assert done.stdout.count("does not fit the trail") == 10
    assert "And 2 more like these." in done.stdout


def test_the_channel_can_be_read_only_where_it_is_set(here: World) -> None:
    """`verify --slack` names the settings that it lacks, and an export has no channel."""
    here.run("db", "upgrade")
    done = here.run("audit", "verify", "--slack", SLACK_BOT_TOKEN="", AUDIT_CHANNEL="")
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["SLACK_BOT_TOKEN", "AUDIT_CHANNEL"]
    assert here.run("audit", "verify", "export.jsonl", "--slack").returncode == 2


@pytest.mark.parametrize("mode", ["--http", "--socket"])
def test_whoever_is_told_to_stop_while_they_start_stops(here: World, mode: str) -> None:
    """SIGTERM ends `serve` with 0 also while the database has not answered yet: there is nothing to finish."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/actcode"
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve", mode],
            cwd=here.folder,
            env=here.environment(DATABASE_URL=url, SLACK_APP_TOKEN=here.slack.app_token),
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            process.terminate()
            _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
