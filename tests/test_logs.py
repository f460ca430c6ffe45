"""The log: readable by people and by programs, and without a secret in it."""

import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr

import pytest
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult

from bot import logs

SECRETS = {
    "bot token": ("xoxb-123456789012-abcDEF", "[token]"),
    "user token": ("xoxp-123456789012-abcDEF", "[token]"),
    "rotating token": ("xoxe.xoxb-1-MiAbC.d_e", "[token]"),
    "app token": ("xapp-1-A012-345-abcdef", "[token]"),
    "response_url": ("https://hooks.slack.com/commands/T1/1/abc", "[response_url]"),
    "response_url of a stand-in": ("http://127.0.0.1:1234/commands/T/1/abc", "[response_url]"),
    "response_url of a form": ("https://hooks.slack.com/actions/T1/1/abc", "[response_url]"),
    "response_url in JSON": (r"https:\/\/hooks.slack.com\/commands\/T1\/1\/abc", "[response_url]"),
    "response_url in a form": ("https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1%2F1%2Fabc", "[response_url]"),
    "response_url without its host": ("/commands/T1/1/abc", "[response_url]"),
    "incoming webhook": ("https://hooks.slack.com/services/T1/B1/abc", "[response_url]"),
    "socket": ("wss://wss-primary.slack.com/link/?ticket=abc&app_id=1", "[socket URL]"),
    "socket of a stand-in": ("ws://127.0.0.1:1234/link/?ticket=abc", "[socket URL]"),
    "database": ("postgresql://ann:abc@db.example.org:5432/actcode", "postgresql://[\u2026]"),
    "database of a host": ("postgres://ann:abc@10.0.0.1/actcode", "postgres://[\u2026]"),
    "database with its driver": ("postgresql+psycopg://ann:a'b@c@db/actcode", "postgresql+psycopg://[\u2026]"),
    "e-mail address": ("joe.doe+mpc@obs.example.org", "[e-mail address]"),
    "e-mail address in a form": ("joe%40obs.example.org", "[e-mail address]"),
    "action code": ("nmVDPG760e2qQw97-DEL", "[action code]"),
    "action code in small letters": ("nmvdpg760e2qqw97-del", "[action code]"),
}
AROUND = ["{}", "a {} b", "text='{}'", '{{"text": "{}"}}', "({})", "url={}", "<{}>", "first\n{}\nlast"]
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@contextmanager
def logged(level: str, form: str) -> Iterator[Callable[[], str]]:
    """Set the log up as a process does; gives what was written to standard error, and puts all back at the end."""
    root = logging.getLogger()
    names = [logging.getLogger(name) for name in logs.CHATTY]
    handlers, levels = list(root.handlers), [(one, one.level) for one in (root, *names)]
    written = io.StringIO()
    try:
        with redirect_stderr(written):
            logs.set_up(level, form)
            yield written.getvalue
    finally:
        root.handlers[:] = handlers
        for one, before in levels:
            one.setLevel(before)


def fail(text: str) -> None:
    """Raise an error about a text, from another one about the same text."""
    try:
        int(text)
    except ValueError as fault:
        wrapped = RuntimeError(f"failed: {text!r}")
        wrapped.add_note(f"while at {text}")
        raise wrapped from fault


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_logged(secret: str, level: str, form: str) -> None:
    """Whatever a line says, at any level and in either form, what is secret or private in it is replaced."""
    text, instead = SECRETS[secret]
    number = logging.getLevelName(level)
    with logged("DEBUG", form) as written:
        log = logging.getLogger("bot.test")
        for around in AROUND:
            log.log(number, around.format(text))
            log.log(number, "as an argument: %s; as Python writes it: %r", around.format(text), around.format(text))
        log.log(number, "in a structure: %s", {"key": [text, text.encode()]})
        told = written()
    assert text not in told
    assert "abc" not in told.lower()
    assert "nmvd" not in told.lower()
    assert told.count(instead) >= 3 * len(AROUND)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_a_traceback(secret: str, form: str) -> None:
    """Errors with their causes and notes are logged whole, but for what is secret in them."""
    text, instead = SECRETS[secret]
    with logged("INFO", form) as written:
        try:
            fail(text)
        except RuntimeError:
            logging.getLogger("bot.test").exception("it failed")
        told = written()
    assert text not in told
    assert "Traceback (most recent call last)" in told
    assert "The above exception was the direct cause" in told
    assert told.count(instead) >= 3


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_behind_an_escaped_line_end_is_found(form: str) -> None:
    """In Python's own spelling a line's end is a letter, which must not pass for a part of the code."""
    with logged("INFO", form) as written:
        logging.getLogger("bot.test").info("%r", "\nnmVDPG760e2qQw97-DEL\nxoxb-1-abc\njoe@example.org\n")
        told = written()
    assert "nmVDPG" not in told
    assert "xoxb" not in told
    assert "joe" not in told


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_no_secret_is_left_as_it_is(form: str) -> None:
    """Labels, IDs, addresses of the MPC, paths and ordinary words are what an operator needs to read."""
    said = (
        "request 0123456789ab for 2024-05-02T21:03:35.001_0000FzZw_01: unknown (HTTP 500); /app/bot/web.py, "
        "https://data.minorplanetcenter.net/api/action-codes/retrieve, sqlite:///actcode.db, AUDIT_CHANNEL C0123456789"
    )
    with logged("INFO", form) as written:
        logging.getLogger("bot.test").info(said)
        assert said in written()


def test_a_line_of_json_can_be_parsed() -> None:
    """Each event is one line of JSON with its time in UTC, whatever characters it holds."""
    with logged("INFO", "json") as written:
        log = logging.getLogger("bot.test")
        log.info('quotes " and \\, \n a second line, \x00\x1b\x85, \u2028, Zażółć, \ud800')
        log.warning("the label %s", "A10cnQO")
        try:
            fail("x")
        except RuntimeError:
            log.exception("it failed")
        lines = [json.loads(line) for line in written().splitlines()]
    keys = {"time", "level", "logger", "message", "process"}
    assert [set(line) for line in lines] == [keys, keys, {*keys, "exception"}]
    assert lines[0]["message"] == 'quotes " and \\, \n a second line, \x00\x1b\x85, \u2028, Zażółć, \ud800'
    assert lines[1] | {"time": ""} == {
        "time": "",
        "level": "WARNING",
        "logger": "bot.test",
        "message": "the label A10cnQO",
        "process": os.getpid(),
    }
    assert lines[2]["exception"].startswith("Traceback")
    assert all(line["time"].endswith("Z") and len(line["time"]) == len("2026-01-01T00:00:00.000Z") for line in lines)


def test_a_line_of_text_says_when_how_grave_and_where() -> None:
    """Text has the time, the level, the logger and the message, and nothing else."""
    with logged("INFO", "text") as written:
        logging.getLogger("bot.test").warning("the label %s", "A10cnQO")
        _, _, rest = written().partition(" ")
    assert rest == "WARNING bot.test: the label A10cnQO\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_arguments_that_do_not_fit_are_not_printed(form: str) -> None:
    """A library's own mistake in logging costs its arguments; logging would print them as they are."""
    with logged("INFO", form) as written:
        logging.getLogger("bot.test").info("%d of %s", *["xoxb-1-abc"])
        told = written()
    assert "%d of %s (its arguments do not fit)" in told
    assert "xoxb" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_holds(level: str) -> None:
    """What is below the level is not logged, what is on it or above is."""
    with logged(level, "text") as written:
        for one in LEVELS:
            logging.getLogger("bot.test").log(logging.getLevelName(one), "at %s", one)
        told = written()
    assert [line.rpartition(" ")[2] for line in told.splitlines()] == LEVELS[LEVELS.index(level) :]


@pytest.mark.parametrize(
    ("name", "heard"), [("slack_bolt", LEVELS[3:]), ("slack_sdk", LEVELS[2:]), ("urllib3", LEVELS[2:])]
)
def test_chatty_libraries_are_held_to_what_matters(name: str, heard: list[str]) -> None:
    """At DEBUG, ours are heard in full, theirs from warnings or errors on: below, they print tokens and bodies."""
    with logged("DEBUG", "text") as written:
        for logger in (logging.getLogger(name), logging.getLogger(f"{name}.some.part")):
            for level in LEVELS:
                logger.log(logging.getLevelName(level), "at %s", level)
        told = written()
    assert [line.rpartition(" ")[2] for line in told.splitlines()] == heard * 2
    with logged("ERROR", "text") as written:
        logging.getLogger(name).warning("not so grave")
        assert written() == ""


def test_an_app_of_bolts_does_not_lift_that() -> None:
    """Bolt gives its loggers the root's level when an App is made; its lines at DEBUG, bodies and all, stay away."""

    def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None)

    with logged("DEBUG", "text") as written:
        app = App(authorize=authorize, request_verification_enabled=False)
        assert app.logger.isEnabledFor(logging.DEBUG)
        app.logger.debug("Responding with status: 200 body: the whole of it")
        app.logger.info("a signature mismatch, and the whole body")
        app.logger.error("something to know")
        told = written()
    assert "body" not in told
    assert "something to know" in told


def test_setting_up_twice_does_not_log_twice() -> None:
    """A process that sets its log up again, as after a fork, has one handler."""
    with logged("INFO", "text") as written:
        logs.set_up("INFO", "text")
        logging.getLogger("bot.test").info("once")
        assert written().count("once") == 1


def test_a_line_tells_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs while a request is under way, ours or a library, on the thread of that request and no other."""
    with logged("INFO", "json") as written:
        with logs.about("0123456789ab"):
            logging.getLogger("urllib3.connectionpool").warning("a retry")
            other = threading.Thread(target=logging.getLogger("bot.test").info, args=("of another",))
            other.start()
            other.join()
        logging.getLogger("bot.test").info("afterwards")
        lines = [json.loads(line) for line in written().splitlines()]
    assert [line.get("request_id") for line in lines] == ["0123456789ab", None, None]
    assert capsys.readouterr().err == ""


@contextmanager
def taken_over(form: str) -> Iterator[Callable[[], str]]:
    """Take the process over as `serve` does, and put all back at the end."""
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    with logged("INFO", form) as written, warnings.catch_warnings():
        warnings.simplefilter("always")
        try:
            logs.take_over("INFO", form)
            yield written
        finally:
            sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
            logging.captureWarnings(capture=False)


def test_whatever_comes_to_standard_error_is_a_line_of_json() -> None:
    """Prints of libraries, warnings, errors that end a thread or that cannot be raised: one line each, no secret."""

    class Broken:
        def __del__(self) -> None:
            fail("xoxb-1-abc")

    with taken_over("json") as written:
        print("first of two\nsecond: xoxb-1-abc", file=sys.stderr)  # noqa: T201
        print("in", "parts", file=sys.stderr)  # noqa: T201
        warnings.warn("joe@example.org", UserWarning, stacklevel=1)
        thread = threading.Thread(target=fail, args=("xoxb-1-abc",))
        thread.start()
        thread.join()
        broken = [Broken()]
        broken.clear()
        try:
            fail("xoxb-1-abc")
        except RuntimeError as fault:
            sys.excepthook(type(fault), fault, fault.__traceback__)
        told = written()
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["logger"] for line in lines] == ["stderr"] * 3 + ["py.warnings"] + ["python"] * 3
    assert [line["message"] for line in lines[:3]] == ["first of two", "second: [token]", "in parts"]
    assert all("failed: '[token]'" in line["exception"] for line in lines[4:])
    assert "abc" not in told
    assert "joe" not in told


def test_text_stays_text() -> None:
    """Without JSON, what others print passes as it is; errors that nobody caught are lines of the log there, too."""
    with taken_over("text") as written:
        print("a line of another", file=sys.stderr)  # noqa: T201
        thread = threading.Thread(target=fail, args=("xoxb-1-abc",))
        thread.start()
        thread.join()
        told = written()
    assert told.startswith("a line of another\n")
    assert "CRITICAL python: a thread ended by an error that nobody caught\nTraceback" in told
    assert "xoxb" not in told
