"""Installations that are broken in one way each: the doctor names the thing and what to do, and nothing else."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text, update

from bot import config, doctor, labels, trail, wiring
from bot.cli.doctor import exit_code
from bot.decisions import Delivery
from bot.doctor.findings import Finding, Grade
from bot.sandbox import faults
from bot.sandbox.loopback import LoopbackServer
from bot.sandbox.wire import Response
from bot.store import channels, presence, tables
from bot.store.database import Database
from bot.trail import Asker, Event
from tests.conftest import BOTH, opened
from tests.processes import AUDIT, World

Breaking = Callable[[World, ExitStack], dict[str, str] | None]


@dataclass(frozen=True)
class Broken:
    """One way to be broken.

    Attributes:
        by: breaks it, and returns settings that are other than they should be.
        thing: what the doctor names.
        said: a part of what it says.
        remedy: a part of what is to be done.
        code: the exit code of `check`; 0: it is only to be known.
    """

    by: Breaking
    thing: str
    said: str
    remedy: str
    code: int = 1


def settings(**values: str) -> Breaking:
    """Set something else."""
    return lambda _here, _open: values


def slack(break_it: Callable[[World], object], **values: str) -> Breaking:
    """Let something be otherwise in Slack."""

    def by(here: World, _open: ExitStack) -> dict[str, str]:
        break_it(here)
        return values

    return by


def channel(**how: bool) -> Breaking:
    """Let the audit channel be otherwise."""

    def by(here: World, _open: ExitStack) -> None:
        for name, value in how.items():
            setattr(here.slack.channels[AUDIT], name, value)

    return by


def answering(method: str, fault: faults.Fault) -> Breaking:
    """Let Slack answer a method otherwise."""
    return slack(lambda here: here.slack.always(method, fault))


def socket_mode(method: str | None = None, fault: faults.Fault | None = None, **values: str) -> Breaking:
    """Use Socket Mode, with a fault or other settings."""

    def by(here: World, _open: ExitStack) -> dict[str, str]:
        if method is not None and fault is not None:
            here.slack.always(method, fault)
        return {"SLACK_APP_TOKEN": here.slack.app_token, **values}

    return by


def mpc(fault: faults.Fault) -> Breaking:
    """Let the MPC answer otherwise."""
    return slack(lambda here: here.mpc.always(None, fault, endpoint="submission-status"))


def database(break_it: Callable[[Database], object]) -> Breaking:
    """Do something to the database that the program would not do."""

    def by(here: World, _open: ExitStack) -> None:
        with opened(here.settings["DATABASE_URL"]) as found:
            break_it(found)

    return by


def sql(*statements: str) -> Breaking:
    """Do something to the database past its guard."""

    def work(found: Database) -> None:
        with found.engine.begin() as connection:
            for one in statements:
                connection.execute(text(one))

    return database(work)


CUT_OFF = faults.answer(200, {"ok": True, "url": "wss://127.0.0.1:1/link/?ticket=x"})


def three_events(found: Database) -> None:
    """Let there be a trail."""
    new = [
        Event(event=trail.REQUESTED, request_id=trail.new_id(), asker=Asker(source="cli"), label="A10cnQO")
        for _ in range(3)
    ]
    found.write(lambda tx: trail.append(tx, new))


def forged(found: Database) -> None:
    """Let somebody have changed an event."""
    three_events(found)
    with found.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER events_no_update"))
        connection.execute(text("UPDATE events SET label = 'B20xx' WHERE seq = 2"))


def waiting(found: Database) -> None:
    """Let a request have been left by processes that are gone."""
    settings = config.load({"DATABASE_URL": str(found.engine.url)})
    parsed = labels.parse_all("A10cnQO")
    wiring.terminal(settings, found).retrieval.admit(Asker(source="slash"), parsed, Delivery())


def broken(found: Database) -> None:
    """Let the MPC have refused the bot."""
    found.write(lambda tx: tx.connection.execute(update(tables.pace).values(broken_at=1, broken_by="HTTP 403")))


def untold(found: Database) -> None:
    """Let Slack have refused a post for a reason that it shows nowhere else."""
    found.write(lambda tx: channels.follow(tx, AUDIT))
    found.write(lambda tx: tx.connection.execute(update(tables.channels).values(fault="restricted_action")))


def crowded(found: Database) -> None:
    """Let two processes be at work."""
    for owner in ("one", "two"):
        found.write(lambda tx, owner=owner: presence.beat(tx, owner))  # type: ignore[misc]


def locked(here: World, left_open: ExitStack) -> None:
    """Let another program hold the database."""
    connection = left_open.enter_context(closing(sqlite3.connect(here.folder / "trail.db")))
    connection.execute("BEGIN IMMEDIATE")


def not_a_database(here: World, _open: ExitStack) -> None:
    """Let the file be another one."""
    for path in here.folder.glob("trail.db*"):
        path.unlink()
    (here.folder / "trail.db").write_text("a letter\n" * 100)


def taken(name: str, **more: str) -> Breaking:
    """Let another program listen on a port."""

    def by(here: World, left_open: ExitStack) -> dict[str, str]:
        other = LoopbackServer(handle=lambda _, wire: wire.answer(Response(404)), name="another program")
        left_open.enter_context(other)
        both = {"SLACK_APP_TOKEN": here.slack.app_token} if more else {}
        return {name: str(other.port), **both}

    return by


def readable_secrets(here: World, _open: ExitStack) -> None:
    """Let `.env` be as most editors leave it."""
    (here.folder / ".env").write_text("")
    (here.folder / ".env").chmod(0o644)


def swapped(here: World, _open: ExitStack) -> dict[str, str]:
    """Let the tokens stand in each other's place."""
    return {"SLACK_BOT_TOKEN": here.slack.app_token}


def quoted(here: World, _open: ExitStack) -> dict[str, str]:
    """Let quotes be taken for a part, as Docker's env files do."""
    return {"SLACK_BOT_TOKEN": f'"{here.slack.bot_token}"'}


LINK = "https://obs.slack.com/archives/C0123ABCD"
PORTAL = "<!DOCTYPE html><title>Please log in</title>"

BROKEN = {
    "no token": Broken(settings(SLACK_BOT_TOKEN=""), "settings", "SLACK_BOT_TOKEN is not set", "set it", 2),
    "tokens swapped": Broken(swapped, "settings", "SLACK_BOT_TOKEN must be", "belongs in SLACK_APP_TOKEN", 2),
    "a bot token for an app token": Broken(
        settings(SLACK_APP_TOKEN="xoxb-1-a"), "settings", "SLACK_APP_TOKEN must be", "belongs in SLACK_BOT_TOKEN", 2
    ),
    "a user token": Broken(settings(SLACK_BOT_TOKEN="xoxp-1"), "settings", "must be a token", "is a user token", 2),
    "a token that expires": Broken(
        settings(SLACK_BOT_TOKEN="xoxe.xoxb-1-a"), "settings", "must be a token", "switch token rotation off", 2
    ),
    "quotes": Broken(quoted, "settings", "SLACK_BOT_TOKEN must be", "take the quotes away", 2),
    "a channel's name": Broken(settings(AUDIT_CHANNEL="#codes"), "settings", "AUDIT_CHANNEL must be", "copy the ID", 2),
    "a channel's link": Broken(
        settings(AUDIT_CHANNEL=LINK), "settings", "AUDIT_CHANNEL must be", "set AUDIT_CHANNEL=C0123ABCD", 2
    ),
    "a wrong number": Broken(settings(MAX_LABELS="many"), "settings", "MAX_LABELS must be", "set it", 2),
    "no way in": Broken(
        settings(SLACK_SIGNING_SECRET=""), "settings", "neither SLACK_APP_TOKEN nor", "set the first for Socket Mode", 2
    ),
    "the verification token": Broken(
        settings(SLACK_SIGNING_SECRET="aB3dE6gH9jK2mN5pQ8sT1vW4"), "settings", "Verification Token", "Signing Secret", 2
    ),
    "a token for a secret": Broken(
        settings(SLACK_SIGNING_SECRET="xoxb-1-a"), "settings", "SIGNING_SECRET is a token", "Basic Information", 2
    ),
    "no secret's shape": Broken(
        settings(SLACK_SIGNING_SECRET="hunter2"), "settings", "32 hexadecimal digits", "Signing Secret", 0
    ),
    "a dyno": Broken(settings(DYNO="web.1"), "settings", "DATABASE_URL is a SQLite file on a dyno", "PostgreSQL"),
    "too fast": Broken(settings(MPC_RATE_PER_S="20"), "settings", "MPC_RATE_PER_S is 20", "5 or less", 0),
    "no grace": Broken(settings(GRACE_S="1"), "settings", "GRACE_S (1) is shorter", "more than MPC_TIMEOUT_S", 0),
    "a wrong token": Broken(settings(SLACK_BOT_TOKEN="xoxb-no"), "token", "(invalid_auth)", "check SLACK_BOT_TOKEN"),
    "a revoked token": Broken(
        answering("auth.test", faults.api_error("token_revoked")), "token", "(token_revoked)", "install the app again"
    ),
    "another word": Broken(
        answering("auth.test", faults.api_error("org_login_required")), "token", "(org_login_required)", "check SLACK"
    ),
    "Slack is down": Broken(
        answering("auth.test", faults.api_error("service_unavailable", 503)), "token", "as it should", "try again later"
    ),
    "a portal": Broken(
        answering("auth.test", faults.answer(200, PORTAL)), "token", "is not Slack (HTTP 200)", "a proxy"),
    "a broken gateway": Broken(answering("auth.test", faults.answer(502, PORTAL)), "token", "(HTTP 502)", "try again"),
    "nobody is Slack": Broken(
        settings(SLACK_API_URL="http://127.0.0.1:1/api/"), "token", "127.0.0.1 refuses the connection", "firewall"
    ),
    "Slack hangs up": Broken(answering("auth.test", faults.close()), "token", "broke (RemoteDisconnected)", "network"),
    "no scope to post": Broken(
        slack(lambda here: here.slack.scopes.discard("chat:write")), "scopes",
        "missing: chat:write (for answers and posts)", "install it again",
    ),
    "a clock that refuses all": Broken(
        slack(lambda here: setattr(here.slack, "clock_offset_s", 600)), "clock", "s behind Slack's", "NTP"
    ),
    "a clock that drifts": Broken(
        slack(lambda here: setattr(here.slack, "clock_offset_s", -60)), "clock", "s ahead of Slack's", "NTP", 0
    ),
    "a wrong app token": Broken(
        socket_mode(SLACK_APP_TOKEN="xapp-wrong"), "app token", "a connection (invalid_auth)", "new app-level token"
    ),
    "an app token without its scope": Broken(
        socket_mode("apps.connections.open", faults.api_error("missing_scope")), "app token", "(missing_scope)",
        "the scope connections:write",
    ),
    "sockets are kept out": Broken(
        socket_mode("apps.connections.open", CUT_OFF),
        "app token", "it cannot be made: 127.0.0.1 refuses", "firewall",
    ),
    "no audit channel": Broken(settings(AUDIT_CHANNEL=""), "audit channel", "AUDIT_CHANNEL is not set", "to the ID"),
    "no such channel": Broken(
        settings(AUDIT_CHANNEL="C0NOWHERE"), "audit channel", "(channel_not_found)", "check AUDIT_CHANNEL"
    ),
    "an archived channel": Broken(channel(is_archived=True), "audit channel", "it is archived", "unarchive"),
    "not invited": Broken(
        channel(is_private=False, is_member=False), "audit channel", "the bot is not in it", "/invite @actcode"
    ),
    "a public channel": Broken(channel(is_private=False), "audit channel", "it is public", "make it private", 0),
    "a shared channel": Broken(channel(is_ext_shared=True), "audit channel", "another organization", "end the", 0),
    "a read-only channel": Broken(channel(is_read_only=True), "audit channel", "only some may post", "let the app", 0),
    "no folder": Broken(
        settings(DATABASE_URL="sqlite:////no/such/folder/trail.db"), "database", "a folder that is not there", "mkdir"
    ),
    "a folder that cannot be asked for": Broken(
        settings(DATABASE_URL=f"sqlite:////{'x' * 300}/trail.db"), "database", "(File name too long)", "name another"
    ),
    "another file": Broken(not_a_database, "database", "file is not a database", "a file of another kind"),
    "a locked database": Broken(locked, "database", "database is locked", "another program holds the database"),
    "an older database": Broken(
        sql("UPDATE alembic_version SET version_num = '0001'"), "database", "its schema is 0001", "db upgrade", 0
    ),
    "a newer database": Broken(
        sql("UPDATE alembic_version SET version_num = '9999'"), "database", "newer than this", "install that version", 2
    ),
    "a tail that was cut off": Broken(
        sql("UPDATE head SET seq = 9"), "trail", "ends with event 9, and it ends with 0", "audit verify"
    ),
    "no head": Broken(sql("DELETE FROM head"), "database", "the head of the trail is missing", "audit verify"),
    "a forged event": Broken(database(forged), "trail", "event 2 is not as it was", "keep a copy"),
    "another installation": Broken(database(crowded), "processes", "another one uses the same database", "a test", 0),
    "nobody at work": Broken(database(waiting), "processes", "0 at work on this database, 1 req", "bot serve", 0),
    "posts that were not taken": Broken(
        database(untold), "audit channel", "last post (restricted_action)", "let the app post", 0
    ),
    "a breaker that is open": Broken(
        database(broken), "breaker", "does not serve the bot (HTTP 403)", "goes on by itself", 0
    ),
    "no PostgreSQL": Broken(
        settings(DATABASE_URL="postgresql://ann:secret-word@127.0.0.1:1/none"), "database", "not answer", "server runs"
    ),
    "no port": Broken(
        settings(DATABASE_URL="postgresql://ann:secret-word@/none?port=x"), "database", "('x',)", "check DATABASE_URL"
    ),
    "no MPC": Broken(settings(MPC_API_URL="http://127.0.0.1:1/api"), "MPC", "no connection", "the DNS, the firewall"),
    "a blocked address": Broken(mpc(faults.answer(403)), "MPC", "HTTP 403", "ask its help desk"),
    "asked too often": Broken(mpc(faults.answer(429)), "MPC", "HTTP 429", "what else here asks the MPC"),
    "a failing MPC": Broken(mpc(faults.answer(500)), "MPC", "HTTP 500", "try again later"),
    "an MPC elsewhere": Broken(mpc(faults.redirect("http://127.0.0.1:1/")), "MPC", "HTTP 307", "sends elsewhere"),
    "a page for an MPC": Broken(mpc(faults.answer(200, PORTAL)), "MPC", "HTTP 200", "not the MPC's API"),
    "a port that is taken": Broken(taken("PORT"), "PORT", "another program listens on", "a port that is free"),
    "a metrics port that is taken": Broken(
        taken("METRICS_PORT", mode="socket"), "METRICS_PORT", "another program listens on", "a port that is free"
    ),
    "secrets for all to read": Broken(readable_secrets, ".env", "can read the tokens", "chmod 600", 0),
    "a proxy": Broken(settings(HTTPS_PROXY="http://127.0.0.1:1"), "proxy", "the MPC is not", "without it", 0),
}  # fmt: skip


def examined(here: World, **more: str) -> list[Finding]:
    """Let the doctor look, in this process."""
    return list(doctor.examine({**here.settings, **more}, here.folder))


def bad(findings: list[Finding]) -> list[Finding]:
    """Return what is not fine."""
    return [one for one in findings if one.grade is not Grade.FINE]


@BOTH
def test_nothing_is_wrong_with_what_is_well(here: World) -> None:
    """In either mode, on either database."""
    assert bad(examined(here)) == []
    assert bad(examined(here, SLACK_APP_TOKEN=here.slack.app_token)) == []
    assert here.mpc.posts() == []
    assert here.slack.opened == 0


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_with_what_to_do(here: World, case: str) -> None:
    """The one thing that is wrong, and no other; nothing secret is said, nobody is mailed, no command is taken."""
    broken = BROKEN[case]
    with ExitStack() as left_open:
        findings = examined(here, **(broken.by(here, left_open) or {}))
    (found,) = bad(findings)
    assert (found.thing, exit_code(findings)) == (broken.thing, broken.code), found
    assert found.grade is (Grade.FAULT if broken.code else Grade.WARNING)
    assert broken.said in found.said
    assert broken.remedy in str(found.remedy)
    told = "\n".join(map(str, findings))
    for secret in (here.slack.bot_token, here.slack.app_token, here.slack.signing_secret, "secret-word", "hunter2"):
        assert secret not in told
    assert here.mpc.posts() == []
    assert here.slack.opened == 0


@contextmanager
def altered(url: str, *statements: str) -> Iterator[None]:
    """Change a PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        for one in statements:
            connection.execute(one.encode())
    yield


POSTGRESQL = {
    "DROP TABLE processes": ("database", 'relation "processes" does not exist', "a table is missing", 1),
    "DROP TABLE alembic_version": ("database", "has no tables yet", "db upgrade", 2),
    "UPDATE alembic_version SET version_num = '0001'": ("database", "has an older schema", "--fix", 2),
}


@pytest.mark.parametrize("statement", POSTGRESQL)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_postgresql_that_is_set_up_wrongly_is_found(here: World, statement: str) -> None:
    """What cannot be written, and what has not been migrated."""
    thing, said, remedy, code = POSTGRESQL[statement]
    with altered(here.settings["DATABASE_URL"], statement):
        findings = examined(here)
    (found,) = bad(findings)
    assert (found.thing, exit_code(findings)) == (thing, code), found
    assert said in found.said
    assert remedy in str(found.remedy)


def test_a_postgresql_that_has_no_such_database_is_found(here: World, postgresql_url: str) -> None:
    """The server's own words, with what to do."""
    (found,) = bad(examined(here, DATABASE_URL=postgresql_url.replace("/postgres?", "/nowhere?")))
    assert 'database "nowhere" does not exist' in found.said
    assert "createdb" in str(found.remedy)


def test_several_faults_are_all_named(here: World) -> None:
    """One does not hide another."""
    here.slack.scopes.discard("groups:history")
    here.slack.channels[AUDIT].is_archived = True
    found = bad(examined(here, MPC_API_URL="http://127.0.0.1:1/api", DATABASE_URL="sqlite:////no/such/trail.db"))
    assert [one.thing for one in found] == ["scopes", "audit channel", "database", "MPC"]


def test_a_database_that_is_not_there_yet_is_not_made(here: World) -> None:
    """To look changes nothing."""
    before = sorted(path.name for path in here.folder.iterdir())
    assert bad(examined(here, DATABASE_URL=f"sqlite:///{here.folder}/new.db")) == []
    assert sorted(path.name for path in here.folder.iterdir()) == before


def test_a_folder_that_cannot_be_looked_into_is_a_fault(here: World) -> None:
    """Whether there is a `.env`, and who reads it, nobody can tell then; the rest is examined all the same."""
    (found,) = bad(list(doctor.examine(here.settings, here.folder / ("x" * 300))))
    assert (found.thing, "File name too long" in found.said) == (".env", True)
    assert "let this user enter" in str(found.remedy)


def test_what_nobody_foresaw_is_a_line_and_not_the_end(here: World) -> None:
    """A room in which something breaks says so, and those behind it are examined all the same."""
    here.slack.always("conversations.info", faults.answer(200, {"ok": True}))
    done = here.run("check")
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert re.fullmatch(r"FAULT Slack: .* \(AttributeError\) -> that is a defect of the bot: report it .*", line)
    for fine in ("ok    scopes: ", "ok    trail: ", "ok    MPC: "):
        assert fine in done.stdout


def mended(here: World) -> list[Finding]:
    """Let the doctor mend what it can."""
    return list(doctor.examine(here.settings, here.folder, mend=True))


def test_mending_joins_the_audit_channel(here: World) -> None:
    """A public one, where the app has the scope for it; otherwise somebody must invite the bot."""
    audit = here.slack.channels[AUDIT]
    audit.is_private = audit.is_member = False
    here.slack.scopes.discard("channels:join")
    (found,) = [one for one in mended(here) if one.grade is Grade.FAULT]
    assert "cannot join it (missing_scope)" in found.said
    assert "/invite @actcode" in str(found.remedy)
    here.slack.scopes.add("channels:join")
    assert any("has joined it just now" in one.said for one in mended(here))
    assert audit.is_member
    assert exit_code(examined(here)) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_mending_migrates(tmp_path: Path, here: World) -> None:
    """A database without tables has them afterwards, and a file that was not there is made."""
    with altered(here.settings["DATABASE_URL"], "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
        assert exit_code(examined(here)) == 2
        assert exit_code(mended(here)) == 0
        assert exit_code(examined(here)) == 0
    here.settings["DATABASE_URL"] = f"sqlite:///{tmp_path / 'new.db'}"
    assert any("brought to the current schema just now" in one.said for one in mended(here))
    assert (tmp_path / "new.db").exists()
