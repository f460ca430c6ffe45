"""The settings: every variable of the contract, all faults at once, and no secret in sight."""

import inspect
import re
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import config
from bot.config import ConfigurationError, Settings

SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-1-2-verysecret",
    "SLACK_SIGNING_SECRET": "0123456789abcdefverysecret",
    "SLACK_APP_TOKEN": "xapp-1-A1-2-verysecret",
    "DATABASE_URL": "postgresql://ann:verysecret@db.example.org:5432/actcode",
}


def faults_of(environ: dict[str, str], *, needs: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with an environment; nothing where it is right."""
    try:
        config.load(environ, needs=needs)
    except ConfigurationError as fault:
        return fault.faults
    return []


def test_the_defaults_are_those_of_the_contract() -> None:
    """With nothing set, every setting has the value that the contract's table names."""
    assert config.load({}) == Settings(
        slack_bot_token=None,
        slack_signing_secret=None,
        slack_app_token=None,
        slack_api_url="https://slack.com/api/",
        audit_channel=None,
        database_url="sqlite:///actcode.db",
        mpc_api_url="https://data.minorplanetcenter.net/api",
        mpc_timeout_s=15,
        mpc_rate_per_s=5,
        cooldown_s=300,
        max_labels=25,
        user_hourly_limit=100,
        station_codes=(),
        grace_s=20,
        metrics_port=None,
        allowed_channels=frozenset(),
        allowed_users=frozenset(),
        port=3000,
        web_workers=1,
        log_level="INFO",
        log_format="text",
    )


def test_every_variable_is_a_setting() -> None:
    """The variables are the settings in capitals, and those of the contract, no more and no fewer."""
    assert {name.lower() for name in config.READERS} == set(Settings.__dataclass_fields__)
    assert len(config.READERS) == 21


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-1-2-abc", "xoxb-1-2-abc"),
        ("SLACK_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5", "8f742231b10e8888abcd99yyyzzz85a5"),
        ("SLACK_APP_TOKEN", "xapp-1-A1-2-abc", "xapp-1-A1-2-abc"),
        ("SLACK_API_URL", "https://slack-gov.com/api/", "https://slack-gov.com/api/"),
        ("SLACK_API_URL", "https://slack-gov.com/api", "https://slack-gov.com/api/"),
        ("SLACK_API_URL", "http://127.0.0.1:8001/api/", "http://127.0.0.1:8001/api/"),
        ("AUDIT_CHANNEL", "C0123456789", "C0123456789"),
        ("AUDIT_CHANNEL", "G0123456789", "G0123456789"),
        ("DATABASE_URL", "sqlite:///trail.db", "sqlite:///trail.db"),
        ("DATABASE_URL", "sqlite:////var/lib/actcode/trail.db", "sqlite:////var/lib/actcode/trail.db"),
        ("DATABASE_URL", "sqlite:///a b/100%.db", "sqlite:///a b/100%.db"),
        ("DATABASE_URL", "postgres://ann:pw@host:5432/db", "postgresql+psycopg://ann:pw@host:5432/db"),
        ("DATABASE_URL", "postgresql://ann:pw@host/db", "postgresql+psycopg://ann:pw@host/db"),
        ("DATABASE_URL", "postgresql+psycopg://host/db", "postgresql+psycopg://host/db"),
        ("DATABASE_URL", "postgres://ann:p%40w@[::1]:5432/db", "postgresql+psycopg://ann:p%40w@[::1]:5432/db"),
        ("DATABASE_URL", "postgres://ann:p/w#:?@host/db", "postgresql+psycopg://ann:p/w#:?@host/db"),
        ("DATABASE_URL", "postgresql:///db", "postgresql+psycopg:///db"),
        (
            "DATABASE_URL",
            "postgresql://ann:@/db?host=/run/postgresql&sslmode=require",
            "postgresql+psycopg://ann:@/db?host=/run/postgresql&sslmode=require",
        ),
        (
            "DATABASE_URL",
            "postgresql://ann:autocommit=1?@host/db?options=-csearch_path%3Dbot&connect_timeout=9",
            "postgresql+psycopg://ann:autocommit=1?@host/db?options=-csearch_path%3Dbot&connect_timeout=9",
        ),
        ("MPC_API_URL", "https://mpc.example.org/api/", "https://mpc.example.org/api"),
        ("MPC_API_URL", "http://localhost:8000/api", "http://localhost:8000/api"),
        ("MPC_API_URL", "http://LOCALHOST:8000", "http://LOCALHOST:8000"),
        ("MPC_API_URL", "http://[::1]:8000", "http://[::1]:8000"),
        ("MPC_API_URL", "http://127.1.2.3:8000", "http://127.1.2.3:8000"),
        ("MPC_API_URL", "https://mpc_1.Example-2.org.:8443/api", "https://mpc_1.Example-2.org.:8443/api"),
        ("MPC_API_URL", "https://[2001:db8::1]/api", "https://[2001:db8::1]/api"),
        ("MPC_TIMEOUT_S", "2.5", 2.5),
        ("MPC_TIMEOUT_S", "300", 300.0),
        ("MPC_RATE_PER_S", "4.5", 4.5),
        ("MPC_RATE_PER_S", "0.01", 0.01),
        ("COOLDOWN_S", "0", 0),
        ("COOLDOWN_S", "86400", 86_400),
        ("MAX_LABELS", "1", 1),
        ("MAX_LABELS", "1000", 1000),
        ("USER_HOURLY_LIMIT", "0", 0),
        ("USER_HOURLY_LIMIT", "7", 7),
        ("STATION_CODES", "703,F51", ("703", "F51")),
        ("STATION_CODES", " 703, F51  703,", ("703", "F51")),
        ("GRACE_S", "0", 0.0),
        ("GRACE_S", "1.5", 1.5),
        ("METRICS_PORT", "9100", 9100),
        ("ALLOWED_CHANNELS", "C0123456789", frozenset({"C0123456789"})),
        ("ALLOWED_CHANNELS", "C01, G02 ,D03,C01", frozenset({"C01", "G02", "D03"})),
        ("ALLOWED_USERS", "U01,W02", frozenset({"U01", "W02"})),
        ("PORT", "65535", 65_535),
        ("WEB_WORKERS", "4", 4),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_LEVEL", "Warning", "WARNING"),
        ("LOG_FORMAT", "JSON", "json"),
    ],
)
def test_good_values_are_read(name: str, text: str, value: object) -> None:
    """Each variable takes what an operator would write, with blanks around it, too."""
    assert getattr(config.load({name: text}), name.lower()) == value
    assert getattr(config.load({name: f"  {text}\n"}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("SLACK_BOT_TOKEN", "xoxp-1-2-abc", "begins with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxb-", "begins with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxb-1 2", "begins with xoxb-"),
        ("SLACK_APP_TOKEN", "xoxb-1-2-abc", "begins with xapp-"),
        ("SLACK_SIGNING_SECRET", "two words", "Signing Secret"),
        ("SLACK_SIGNING_SECRET", "\u201csecret\u201d", "Signing Secret"),
        ("SLACK_API_URL", "slack.com/api", "https://host/path"),
        ("SLACK_API_URL", "http://slack.com/api/", "https://"),
        ("AUDIT_CHANNEL", "#action-codes", "C0123456789"),
        ("AUDIT_CHANNEL", "U0123456789", "C0123456789"),
        ("DATABASE_URL", "sqlite://", "sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///", "sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///:memory:", "sqlite:///FILE"),
        ("DATABASE_URL", "sqlite:///?", "without ?"),
        ("DATABASE_URL", "sqlite:///?x=1", "without ?"),
        ("DATABASE_URL", "sqlite:///?mode=memory&uri=true", "without ?"),
        ("DATABASE_URL", "sqlite:///a.db?timeout=abc", "such as sqlite:///actcode.db"),
        ("DATABASE_URL", "sqlite:///a.db?foo=bar", "such as sqlite:///actcode.db"),
        ("DATABASE_URL", "sqlite:///file:b.db?uri=true", "without file:"),
        ("DATABASE_URL", "sqlite:///file:b.db", "without file:"),
        ("DATABASE_URL", "sqlite:///a\0b.db", "a file and nothing else"),
        ("DATABASE_URL", "sqlite:///a%00b.db", "a file and nothing else"),
        ("DATABASE_URL", "mysql://ann:pw@host/db", "postgresql://"),
        ("DATABASE_URL", "actcode.db", "sqlite:///FILE"),
        ("DATABASE_URL", "postgres://", "postgresql://"),
        ("DATABASE_URL", "postgres://ann:pw@host:port/db", "postgresql://"),
        ("DATABASE_URL", "postgres://ann:p@ss@host/db", "%40"),
        ("DATABASE_URL", "postgres://ann:pw@ho st/db", "postgresql://"),
        ("DATABASE_URL", "postgres://host/db?user=a%00b", "postgresql://"),
        ("DATABASE_URL", "postgres://ann:pw@host/a\0b", "postgresql://"),
        ("DATABASE_URL", "postgres://host/db?prepare_threshold=0", "must not set prepare_threshold: "),
        ("DATABASE_URL", "postgres://host/db?sslmode=require&plugin=x", "take it out of the URL"),
        ("DATABASE_URL", "postgres://ann:p?w@host/db?%61utocommit=1", "must not set autocommit: "),
        ("DATABASE_URL", "postgres://host/db?context=x&cls=x&context=y", "must not set cls and context: "),
        ("MPC_API_URL", "http://data.minorplanetcenter.net/api", "must begin with https://"),
        ("MPC_API_URL", "http://localhost.example.org/", "must begin with https://"),
        ("MPC_API_URL", "http://127.0.0.1.example.org/", "must begin with https://"),
        ("MPC_API_URL", "ftp://host/", "https://host/path"),
        ("MPC_API_URL", "https://", "https://host/path"),
        ("MPC_API_URL", "https://ho st/", "https://host/path"),
        ("MPC_API_URL", "https://host:port/", "https://host/path"),
        ("MPC_API_URL", "https://host:65536/", "https://host/path"),
        ("MPC_API_URL", "https://[::1/", "https://host/path"),
        ("MPC_API_URL", "https://.example.com/api", "https://host/path"),
        ("MPC_API_URL", "https://*.example.com/api", "https://host/path"),
        ("MPC_API_URL", "https://mpc..example.com/api", "https://host/path"),
        ("MPC_API_URL", f"https://{'x' * 64}.example.com/api", "https://host/path"),
        ("MPC_API_URL", "https://a|b/api", "https://host/path"),
        ("MPC_API_URL", "https://[example.com]/api", "https://host/path"),
        ("SLACK_API_URL", "https://.slack.com/api/", "https://host/path"),
        ("MPC_API_URL", "https://ann@host/api", "without a user"),
        ("MPC_API_URL", "https://host/api?a=b", "a query"),
        ("MPC_API_URL", "https://host/api#b", "a fragment"),
        ("MPC_TIMEOUT_S", "0", "from 0.1 to 300"),
        ("MPC_TIMEOUT_S", "fifteen", "a number of seconds"),
        ("MPC_TIMEOUT_S", "nan", "a number of seconds"),
        ("MPC_TIMEOUT_S", "1e2", "a number of seconds"),
        ("MPC_RATE_PER_S", "0", "from 0.01 to 1000"),
        ("MPC_RATE_PER_S", "-5", "requests a second"),
        ("MPC_RATE_PER_S", "inf", "requests a second"),
        ("COOLDOWN_S", "-1", "a whole number of seconds"),
        ("COOLDOWN_S", "5.5", "a whole number of seconds"),
        ("COOLDOWN_S", "5 min", "a whole number of seconds"),
        ("COOLDOWN_S", "\u0665", "a whole number of seconds"),
        ("MAX_LABELS", "0", "from 1 to 1000"),
        ("MAX_LABELS", "1001", "from 1 to 1000"),
        ("USER_HOURLY_LIMIT", "many", "a whole number"),
        ("USER_HOURLY_LIMIT", "9999999999", "a whole number"),
        ("STATION_CODES", "7003", "703,F51"),
        ("STATION_CODES", "f51", "703,F51"),
        ("STATION_CODES", ",", "703,F51"),
        ("GRACE_S", "601", "from 0 to 600"),
        ("METRICS_PORT", "0", "from 1 to 65535"),
        ("METRICS_PORT", "65536", "from 1 to 65535"),
        ("ALLOWED_CHANNELS", "#neo", "names do not count"),
        ("ALLOWED_CHANNELS", "C01,neo", "names do not count"),
        ("ALLOWED_CHANNELS", ",", "names do not count"),
        ("ALLOWED_USERS", "@ann", "names do not count"),
        ("ALLOWED_USERS", "C01", "U0123456789"),
        ("PORT", "http", "from 1 to 65535"),
        ("WEB_WORKERS", "0", "from 1 to 64"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("LOG_FORMAT", "xml", "text, json"),
    ],
)
def test_bad_values_are_explained(name: str, text: str, says: str) -> None:
    """Each bad value is one sentence, on one line, that names the variable and says what is wanted."""
    (fault,) = faults_of({name: text})
    assert fault.startswith(f"{name} must ")
    assert says in fault
    assert fault.endswith(".")
    assert fault.isprintable()


def test_what_is_an_option_of_the_driver_is_not_taken_from_the_url() -> None:
    """All that psycopg takes beside the parameters of a connection; one of them would end every transaction at once."""
    taken = inspect.signature(psycopg.Connection.connect).parameters.values()
    names = {one.name for one in taken if one.kind is not one.VAR_KEYWORD}
    assert "autocommit" in names
    for name in names:
        (fault,) = faults_of({"DATABASE_URL": f"postgresql://host/db?{name}=x"})
        assert f"must not set {name}" in fault


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.text("a0.-_*:[]%|\\/;~$&'()+,=\"<>^`{}", max_size=12), st.sampled_from(["", ":443", ":000443", "/api"]))
def test_a_url_that_passes_can_be_asked(host: str, rest: str) -> None:
    """Whatever is not refused here, requests would ask: nothing is found out only when a label is on its way."""
    try:
        url = config.load({"MPC_API_URL": f"https://{host}{rest}"}).mpc_api_url
    except ConfigurationError:
        return
    asked = requests.Request("POST", f"{url}/action-codes/retrieve").prepare().url
    assert str(urlsplit(asked).hostname).encode("idna")


def test_an_allow_list_that_names_nobody_does_not_let_everybody_in() -> None:
    """A list of nothing but commas is a fault: read as "no list", it would open what was meant to be closed."""
    for name in ("ALLOWED_CHANNELS", "ALLOWED_USERS"):
        assert faults_of({name: " , ,"})


def test_all_faults_come_at_once() -> None:
    """Every wrong and every missing variable has its own line in the one error."""
    wrong = {name: "\u2620" for name in config.READERS if name not in {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}}
    faults = faults_of(wrong, needs=("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"))
    assert [fault.split()[0] for fault in faults] == list(config.READERS)
    with pytest.raises(ConfigurationError) as raised:
        config.load(wrong)
    assert len(str(raised.value).splitlines()) == len(wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SLACK_BOT_TOKEN", "token: verysecret"),
        ("SLACK_APP_TOKEN", "xoxb-verysecret"),
        ("SLACK_SIGNING_SECRET", "very secret, verysecret"),
        ("DATABASE_URL", "mysql://ann:verysecret@host/db"),
        ("DATABASE_URL", "postgres://ann:verysecret@host:verysecret/db"),
        ("DATABASE_URL", "postgres://ann:pass@verysecret@host/db"),
        ("MPC_API_URL", "https://ann:verysecret@host/"),
        ("MPC_API_URL", "https://ann:verysecret"),
        ("SLACK_API_URL", "https://host/?token=verysecret"),
    ],
)
def test_a_fault_does_not_repeat_a_secret(name: str, text: str) -> None:
    """What is wrong is said without what was typed: it may be a password in the wrong place."""
    (fault,) = faults_of({name: text})
    assert "verysecret" not in fault


def test_secrets_are_not_in_the_repr() -> None:
    """Settings can be printed: the tokens, the signing secret and the database's password do not show."""
    settings = config.load(SECRETS)
    assert settings.slack_bot_token == SECRETS["SLACK_BOT_TOKEN"]
    assert settings.database_url.endswith("verysecret@db.example.org:5432/actcode")
    assert "verysecret" not in repr(settings)
    assert "verysecret" not in f"{settings}"
    assert "mpc_api_url=" in repr(settings)


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_variable_counts_as_unset(empty: str) -> None:
    """A variable that is there but empty has its default, and is missing where a command needs it."""
    assert config.load(dict.fromkeys(config.READERS, empty)) == Settings()
    assert faults_of({"SLACK_BOT_TOKEN": empty}, needs=("SLACK_BOT_TOKEN",))


@pytest.mark.parametrize("name", ["SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN"])
def test_a_needed_variable_that_is_missing_is_a_fault_that_says_where_to_get_it(name: str) -> None:
    """The sentence names the variable and the place in Slack's pages where its value is."""
    (fault,) = faults_of({}, needs=(name,))
    assert re.match(rf"{name} is not set\. It is .* page\.", fault)
    assert faults_of({name: SECRETS[name]}, needs=(name,)) == []
    assert faults_of({}) == []


def test_variables_of_others_do_not_matter() -> None:
    """What else stands in the environment is left alone."""
    assert config.load({"PATH": "/bin", "PORTS": "x", "slack_bot_token": "x"}) == Settings()


def test_the_dotenv_file_of_the_directory_is_read(tmp_path: Path) -> None:
    """`.env` is taken from where the operator stands: with comments, quotes, `export`, and a byte order mark."""
    lines = "# ours\nexport PORT=8080\nAUDIT_CHANNEL='C0123456789'\nMPC_API_URL=\"https://host/api\"  # a stand-in\n"
    (tmp_path / ".env").write_text(f"\ufeff{lines}GRACE_S\nLOG_LEVEL=\n", encoding="utf-8")
    settings = config.load(config.environment(tmp_path, {}))
    assert settings == Settings(port=8080, audit_channel="C0123456789", mpc_api_url="https://host/api")
    (tmp_path / "inner").mkdir()
    assert config.environment(tmp_path / "inner", {}) == {}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """What both name has the environment's value, even an empty one; the rest is the file's."""
    (tmp_path / ".env").write_text("PORT=8080\nMAX_LABELS=5\nAUDIT_CHANNEL=C0123456789\n")
    environ = {"PORT": "9090", "AUDIT_CHANNEL": ""}
    assert config.load(config.environment(tmp_path, environ)) == Settings(port=9090, max_labels=5)
    assert environ == {"PORT": "9090", "AUDIT_CHANNEL": ""}


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    """A `.env` in another encoding, such as an editor's UTF-16, ends in a sentence and not in a traceback."""
    (tmp_path / ".env").write_bytes("SLACK_BOT_TOKEN=xoxb-verysecret\n".encode("utf-16"))
    with pytest.raises(ConfigurationError, match=r"^\.env cannot be read .* UTF-8") as raised:
        config.environment(tmp_path, {})
    assert "verysecret" not in str(raised.value)
