"""What the doctor makes of things that no test can bring about: full disks, old servers, far networks."""

import errno
import json
import socket
import ssl
from urllib.error import URLError

import pytest

from bot.doctor import manifest, network, slack, storage, surroundings
from bot.doctor.findings import Grade, fault, fine, warning
from bot.store.condition import Condition
from tests.processes import ROOT


def test_a_line_says_how_grave_what_and_what_to_do() -> None:
    """A column for the grade, the thing, what is so, and the remedy behind an arrow."""
    assert str(fine("token", "good")) == "ok    token: good"
    assert str(warning("clock", "late", "mend it")) == "!     clock: late -> mend it"
    assert str(fault("disk", "full", "make room")) == "FAULT disk: full -> make room"


@pytest.mark.parametrize(("free", "grade"), [(10, Grade.FAULT), (49, Grade.FAULT), (200, Grade.WARNING), (5000, None)])
def test_a_disk_that_fills_up_is_told_in_time(free: int, grade: Grade | None) -> None:
    """First as a warning, then as a fault."""
    found = storage.judge_disk(free * 1_000_000)
    assert (None if found is None else found.grade) == grade


GOOD: dict[str, dict[str, object]] = {
    "sqlite": {"version": "3.45.1", "journal_mode": "wal"},
    "postgresql": {"version": "16.2", "number": 160002, "fsync": "on"},
}


@pytest.mark.parametrize(
    ("dialect", "otherwise", "said"),
    [
        ("sqlite", {}, None),
        ("postgresql", {}, None),
        ("sqlite", {"version": "3.34.1"}, "SQLite 3.34.1 is too old"),
        ("sqlite", {"journal_mode": "delete"}, "not WAL: does the file lie on a network drive?"),
        ("postgresql", {"version": "11.9", "number": 110009}, "PostgreSQL 11.9 is too old"),
        ("postgresql", {"fsync": "off"}, "fsync is off"),
    ],
)
def test_a_database_that_is_old_or_forgets_is_a_fault(
    dialect: str, otherwise: dict[str, object], said: str | None
) -> None:
    """What is acknowledged must outlive a crash."""
    setup = {**GOOD[dialect], **otherwise}
    found = list(storage.judge_setup(Condition(dialect=dialect, setup=setup, at_work=0, broken_by=None, untold=())))
    assert [one.grade for one in found] == ([] if said is None else [Grade.FAULT])
    assert said is None or said in found[0].said


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("OperationalError: attempt to write a readonly database", "let this user write the file and its folder"),
        ("ReadOnlySqlTransaction: cannot execute UPDATE in a read-only transaction", "primary server"),
        ("OperationalError: database or disk is full", "make room"),
        ('OperationalError: FATAL:  password authentication failed for user "ann"', "(@ in a password is %40)"),
        ("OperationalError: FATAL:  sorry, too many clients already", "max_connections"),
        ("DatabaseError: database disk image is malformed", "restore the last backup"),
        ("OperationalError: something that nobody foresaw", "check DATABASE_URL"),
    ],
)
def test_a_databases_own_words_lead_to_a_remedy(why: str, remedy: str) -> None:
    """The commonest ones have their own; the rest one that fits most."""
    assert remedy in str(storage.unavailable(why).remedy)


UNTRUSTED = ssl.SSLCertVerificationError("certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (URLError(socket.gaierror(-2, "Name or service not known")), "the name slack.com is not found"),
        (URLError(UNTRUSTED), "the certificate of slack.com is not trusted: self-signed certificate"),
        (URLError(ssl.SSLError("WRONG_VERSION_NUMBER")), "slack.com does not speak TLS there"),
        (URLError(TimeoutError()), "slack.com does not answer in time"),
        (TimeoutError(), "slack.com does not answer in time"),
        (ConnectionResetError(), "the connection to slack.com broke (ConnectionResetError)"),
        (URLError("Tunnel connection failed"), "the connection to slack.com broke (URLError)"),
    ],
)
def test_a_network_that_fails_is_explained(failure: Exception, said: str) -> None:
    """DNS, TLS, certificates and time-outs have remedies of their own."""
    assert network.explain(failure, "slack.com")[0] == said


@pytest.mark.parametrize(
    ("number", "ours", "grade", "said"),
    [
        (errno.EADDRINUSE, True, Grade.FINE, "the bot is serving"),
        (errno.EADDRINUSE, False, Grade.FAULT, "another program listens"),
        (errno.EACCES, False, Grade.FAULT, "this user may not listen"),
        (errno.EADDRNOTAVAIL, False, Grade.FAULT, "nobody can listen"),
    ],
)
def test_a_port_that_cannot_be_had_is_explained(number: int, ours: bool, grade: Grade, said: str) -> None:  # noqa: FBT001
    """The bot itself on it is well."""
    found = surroundings.judge_port("PORT", 80, number, ours=ours)
    assert (found.grade, said in found.said) == (grade, True)


def test_what_slack_does_not_say_is_no_fault() -> None:
    """A proxy may take headers away."""
    assert slack.judge_scopes(None).grade is Grade.WARNING
    assert slack.judge_clock(None, 0).grade is Grade.WARNING
    assert slack.judge_clock("yesterday", 0).grade is Grade.WARNING
    assert slack.judge_clock(f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", 0).grade is Grade.WARNING


def test_a_manifest_that_lacks_something_is_a_fault() -> None:
    """An app that was made from it would not work."""
    text = (ROOT / "manifest.json").read_text()
    assert manifest.judge(text).grade is Grade.FINE
    found = json.loads(text)
    found["oauth_config"]["scopes"]["bot"].remove("chat:write")
    found["features"]["slash_commands"] = []
    del found["features"]["shortcuts"], found["settings"]["event_subscriptions"]
    found["settings"]["interactivity"]["is_enabled"] = False
    said = manifest.judge(json.dumps(found)).said
    assert said.startswith(
        "manifest.json lacks chat:write, /actcode, request_codes, request_codes_of_message, app_home"
    )
    assert "interactivity" in said
    for broken in ("{", "[]", "{}", '{"oauth_config": null}'):
        assert manifest.judge(broken).said == "manifest.json cannot be read"
