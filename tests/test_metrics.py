"""The numbers and the lines of JSON of a whole installation, in both modes, as a monitoring system meets them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot import config, trail, wiring
from bot.metrics import Metrics
from bot.sandbox import faults
from bot.store.database import Database
from bot.store.errors import DatabaseUnavailable
from bot.store.writing import Transaction
from bot.trail import Asker, Event
from tests.processes import AUDIT, OBSERVERS, ROOT, Bot, World, clean_environment, until, world

README = (ROOT / "README.md").read_text()


def numbers(text: str) -> dict[str, float]:
    """Return every series of Prometheus' text with its value."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def at_least(bot: Bot, wanted: dict[str, float]) -> None:
    """Wait until the numbers are these."""

    def found() -> dict[str, float]:
        told = numbers(bot.get("/metrics").text)
        return {name: told.get(name, -1.0) for name in wanted}

    until(lambda: found() == wanted, what=lambda: f"{found()}\n{bot.log}")


COUNTED = {
    'actcode_commands_total{answer="asked",surface="slash"}': 2.0,
    'actcode_commands_total{answer="usage",surface="slash"}': 1.0,
    'actcode_commands_total{answer="log",surface="slash"}': 1.0,
    'actcode_commands_total{answer="invalid",surface="slash"}': 1.0,
    'actcode_commands_total{answer="refused",surface="slash"}': 1.0,
    'actcode_outcomes_total{outcome="accepted"}': 1.0,
    'actcode_outcomes_total{outcome="unknown"}': 1.0,
    'actcode_outcomes_total{outcome="rejected"}': 0.0,
    'actcode_outcomes_total{outcome="invalid"}': 1.0,
    'actcode_outcomes_total{outcome="denied"}': 1.0,
    'actcode_mpc_seconds_count{outcome="accepted"}': 1.0,
    'actcode_mpc_seconds_count{outcome="unknown"}': 1.0,
    "actcode_acknowledgement_seconds_count": 6.0,
    'actcode_acknowledgement_seconds_bucket{le="3.0"}': 6.0,
    'actcode_slack_errors_total{error="HTTP 404",method="response_url"}': 1.0,
    'actcode_slack_errors_total{error="not_in_channel",method="chat.postEphemeral"}': 1.0,
    "actcode_open_requests": 0.0,
    "actcode_replies_due": 0.0,
    "actcode_breaker_open": 0.0,
    "actcode_database_up": 1.0,
    "actcode_database_unavailable_total": 0.0,
}


def work(here: World, bot: Bot) -> None:
    """Let everything happen that is counted, once or twice."""
    here.mpc.always("broken", faults.answer(500))
    here.slack.fail("response_url", faults.answer(404))
    for text in ("A10cnQO", "broken", "help", "log", "no!label", "A10cnQO"):
        assert bot.command(text).error is None
    at_least(bot, COUNTED)


def lines_of(bot: Bot) -> list[dict[str, object]]:
    """Return what a bot wrote to standard error, every line of it parsed."""
    return [json.loads(line) for line in bot.log.splitlines()]


def test_every_worker_tells_what_all_have_counted(tmp_path: Path, database_url: str) -> None:
    """Whichever is asked; what a worker counted that is gone stays, and nothing is left behind at the end."""
    with world(tmp_path, database_url, WEB_WORKERS="3", LOG_FORMAT="json", TMPDIR=str(tmp_path)) as here:
        with Bot(here) as bot:
            work(here, bot)
            for _ in range(12):
                told = numbers(bot.get("/metrics").text)
                assert {name: told[name] for name in COUNTED} == COUNTED
            (counting,) = tmp_path.glob("actcode-metrics-*")
            pids = {int(path.stem.rpartition("_")[2]) for path in counting.glob("counter_*.db")}
            assert len(pids) == 3
            killed, ended, _ = sorted(pids)
            os.kill(killed, signal.SIGKILL)
            os.kill(ended, signal.SIGTERM)
            # Each is replaced, and whoever takes its place counts in files of its own.
            until(lambda: len(list(counting.glob("counter_*.db"))) == 5, what=lambda: bot.log)
            at_least(bot, COUNTED)
            assert bot.stop() == 0
        assert list(tmp_path.glob("actcode-metrics-*")) == []
        lines = lines_of(bot)
    assert {int(str(line["process"])) for line in lines} >= pids - {killed}
    assert "gunicorn.error" in {line["logger"] for line in lines}
    assert "Shutting down: Master" in {line["message"] for line in lines}
    about = {line["request_id"]: line["message"] for line in lines if "request_id" in line}
    assert len(about) == 2
    assert all(f"request {request_id} for " in str(message) for request_id, message in about.items())


def test_socket_mode_tells_the_same(tmp_path: Path, database_url: str) -> None:
    """On METRICS_PORT, for its one process; its log is JSON from the first line to the last, too."""
    with world(tmp_path, database_url, LOG_FORMAT="json", AUDIT_CHANNEL=OBSERVERS) as here:
        with Bot(here, "--socket") as bot:
            work(here, bot)
            at_least(
                bot,
                {
                    'actcode_slack_errors_total{error="not_in_channel",method="chat.postMessage"}': 1.0,
                    "actcode_socket_mode_up": 1.0,
                },
            )
            assert bot.stop() == 0
        assert {"connected to Slack; /actcode is served"} <= {line["message"] for line in lines_of(bot)}


def test_what_keeps_it_from_starting_is_json_too(tmp_path: Path, database_url: str) -> None:
    """A wrong setting, a missing one, a database that is not there, a port that is taken: a line each, and no text."""
    with world(tmp_path, database_url, LOG_FORMAT="json") as here, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for settings, name in (
            ({"MAX_LABELS": "many"}, "MAX_LABELS"),
            ({"SLACK_BOT_TOKEN": ""}, "SLACK_BOT_TOKEN"),
            ({"DATABASE_URL": "postgresql://ann:secret-word@127.0.0.1:1/none"}, "DATABASE_URL"),
            ({"SLACK_APP_TOKEN": here.slack.app_token, "METRICS_PORT": port}, "METRICS_PORT"),
        ):
            done = here.run("serve", **settings)
            assert done.returncode == 2
            (line,) = [json.loads(line) for line in done.stderr.splitlines()]
            assert name in line["message"]
            assert line["level"] == "ERROR"
            assert "secret-word" not in done.stderr
        (tmp_path / ".env").write_text("LOG_FORMAT=json\nMAX_LABELS=many\n")
        environment = {name: value for name, value in here.environment().items() if name != "LOG_FORMAT"}
        done = subprocess.run(
            [sys.executable, "-m", "bot", "serve"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert [json.loads(line)["logger"] for line in done.stderr.splitlines()] == ["stderr"]


def test_the_alerts_of_the_readme_stand_on_numbers_that_there_are(sqlite: Database) -> None:
    """Every metric that an alert names is in the output of /metrics, with the labels that it is asked for."""
    shown = re.search(r"<!-- alerts -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    settings = config.load({"SLACK_BOT_TOKEN": "xoxb-1", "AUDIT_CHANNEL": AUDIT})
    told = numbers(wiring.service(settings, sqlite).numbers(socket_mode=True).decode())
    named = re.findall(r"(actcode_\w+)(?:\{([^}]*)\})?", shown[1])
    assert len(named) >= 8
    for name, labels in named:
        assert [one for one in told if one.partition("{")[0] == name and labels in one], (name, labels)


def test_only_serving_loads_the_client_of_prometheus() -> None:
    """Every other command starts without it."""
    load = "import sys, bot.wiring, bot.cli.audit, bot.cli.doctor, bot.cli.retrieve"
    done = subprocess.run(
        [sys.executable, "-c", f"{load}; print('prometheus_client' in sys.modules)"],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_words_that_nobody_foresaw_make_no_series(sqlite: Database) -> None:
    """However many errors Slack invents, they are one series."""
    metrics = Metrics()
    for number in range(100):
        metrics.slack_failed(f"chat.{number}", f"error_{number}")
        metrics.slack_failed("chat.postMessage", f"error_{number}")
    told = numbers(metrics.text(sqlite).decode())
    errors = {name: value for name, value in told.items() if name.startswith("actcode_slack_errors")}
    assert errors == {
        'actcode_slack_errors_total{error="other",method="chat.postMessage"}': 100.0,
        'actcode_slack_errors_total{error="other",method="other"}': 100.0,
    }


def test_what_is_rolled_back_is_not_counted(database: Database) -> None:
    """An outcome counts when it is committed, and a database that fails counts, too."""
    metrics = Metrics()
    database.observer = metrics
    asker = Asker(source="cli")
    event = Event(event="accepted", request_id="0123456789ab", asker=asker, label="A10cnQO", kinds=("trksub",))

    def fail(tx: Transaction) -> None:
        trail.append(tx, [event])
        raise DatabaseUnavailable("the disk is full")

    with pytest.raises(DatabaseUnavailable):
        database.write(fail)
    told = numbers(metrics.text(database).decode())
    assert (told['actcode_outcomes_total{outcome="accepted"}'], told["actcode_database_unavailable_total"]) == (0, 1)
    database.write(lambda tx: trail.append(tx, [event]))
    assert numbers(metrics.text(database).decode())['actcode_outcomes_total{outcome="accepted"}'] == 1
