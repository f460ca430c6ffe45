"""The URLs among the settings: which of them the bot can use.

It knows what an operator may write, and what the libraries behind it would stumble over, or take for something else. It
refuses to ask anybody.

Sources: SQLAlchemy's "Database URLs", psycopg's `Connection.connect`, and RFC 1123, 2.1 (the names of hosts).
"""

import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_LOOPBACK = re.compile(r"localhost|::1|127(?:\.[0-9]{1,3}){3}")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")

# Any other option goes to PostgreSQL's own library, which names what it does not know. These go no further than psycopg
# or SQLAlchemy: one takes their text for a function, and with `autocommit` nothing would be a transaction any more.
_OF_THE_DRIVER = frozenset(
    {"autocommit", "cls", "conninfo", "context", "cursor_factory", "plugin", "prepare_threshold", "row_factory"}
)
_SQLITE = "sqlite:///"


def web(text: str) -> str:
    """Return the base of an API, without a slash at its end.

    Raises:
        ValueError: it is none; says what it must be, behind the name of the variable.
    """
    return _web(text).geturl().rstrip("/")


def file_of(url: str) -> Path | None:
    """Return the file that the URL of a SQLite names, as SQLAlchemy reads it; None where it is another database's."""
    if not url.startswith(_SQLITE):
        return None
    # Not resolved: the driver goes to ../ without asking what is a link.
    return Path(os.path.abspath(unquote(url.removeprefix(_SQLITE))))  # noqa: PTH100


def database(text: str) -> str:
    """Return the URL of a database as SQLAlchemy takes it.

    Raises:
        ValueError: as for `web`.
    """
    if text.startswith(_SQLITE) and text != _SQLITE and ":memory:" not in text:
        return _sqlite(text)
    # SQLAlchemy would stumble over a port that is none, and take what follows a password's own @ for the host.
    host = r"(?:\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]]*)(?::[0-9]{1,5})?"
    found = re.fullmatch(rf"postgres(?:ql)?(?:\+psycopg)?://(?=.)((?:[^:/@]*(?::[^@]*)?@)?{host}(?:/[^@]*)?)", text)
    # PostgreSQL's own library would end at the null character, and go without all that follows: the host, too.
    if not found or re.search(r"[\s\0]|%00", text):
        raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME (in a password, @ is %40)")
    options = parse_qsl(found[1].rpartition("@")[2].partition("?")[2])
    ours = sorted({name for name, _ in options} & _OF_THE_DRIVER)
    if ours:
        raise ValueError(
            f"must not set {' and '.join(ours)}: PostgreSQL knows no such parameter, and of the driver's own options "
            "the bot makes its own choice; take it out of the URL"
        )
    return "postgresql+psycopg://" + found[1]


def _sqlite(text: str) -> str:
    file = text.removeprefix(_SQLITE)
    # SQLite's own form of a URL names files in other ways, some of which are gone with the process.
    if file.startswith("file:") or "?" in file or "\0" in unquote(file):
        raise ValueError(
            "must name a file and nothing else, such as sqlite:///actcode.db or sqlite:////var/lib/actcode/actcode.db: "
            "without file: before its name, and without ? and what follows it"
        )
    return text


def _web(text: str) -> SplitResult:
    wanted = "must be a URL such as https://host/path"
    try:
        url = urlsplit(text)
        _ = url.port  # raises where the port is none
        host = _host(url)
    except ValueError:
        raise ValueError(wanted) from None  # Python's own words repeat the place of the port: perhaps a password
    if url.scheme not in {"http", "https"} or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(wanted)
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must be a plain URL, without a user, a query or a fragment")
    if url.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ValueError("must begin with https:// (plain http is for a stand-in on this machine only)")
    return url


def _host(url: SplitResult) -> str:
    host = url.hostname or ""
    number = re.fullmatch(r"\[([^\[\]]+)\](?::[0-9]*)?", url.netloc.rpartition("@")[2])
    if number:
        ipaddress.IPv6Address(number[1])
    elif not _HOST.fullmatch(host):
        raise ValueError  # requests would not ask it, or would find out only when it looks for its address
    return host
