"""The URLs among the settings: which of them the bot can use.

It knows what an operator may write, and what the libraries behind it would stumble over, or take for something else. It
refuses to ask anybody.
"""

import re
from urllib.parse import SplitResult, urlsplit

_LOOPBACK = re.compile(r"localhost|::1|127(?:\.[0-9]{1,3}){3}")


def web(text: str) -> str:
    """Return the base of an API, without a slash at its end.

    Raises:
        ValueError: it is none; says what it must be, behind the name of the variable.
    """
    return _web(text).geturl().rstrip("/")


def database(text: str) -> str:
    """Return the URL of a database as SQLAlchemy takes it.

    Raises:
        ValueError: as for `web`.
    """
    if text.startswith("sqlite:///") and text != "sqlite:///" and ":memory:" not in text:
        return text
    # SQLAlchemy would stumble over a port that is none, and take what follows a password's own @ for the host.
    host = r"(?:\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]]*)(?::[0-9]{1,5})?"
    found = re.fullmatch(rf"postgres(?:ql)?(?:\+psycopg)?://(?=.)((?:[^:/@]*(?::[^@]*)?@)?{host}(?:/[^@]*)?)", text)
    if not found or re.search(r"\s", text):
        raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME (in a password, @ is %40)")
    return "postgresql+psycopg://" + found[1]


def _web(text: str) -> SplitResult:
    wanted = "must be a URL such as https://host/path"
    try:
        url = urlsplit(text)
        _ = url.port  # raises where the port is none
    except ValueError:
        raise ValueError(wanted) from None  # Python's own words repeat the place of the port: perhaps a password
    if url.scheme not in {"http", "https"} or not url.hostname or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(wanted)
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must be a plain URL, without a user, a query or a fragment")
    if url.scheme == "http" and not _LOOPBACK.fullmatch(url.hostname):
        raise ValueError("must begin with https:// (plain http is for a stand-in on this machine only)")
    return url
