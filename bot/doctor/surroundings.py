"""Looks at what is around the process: its ports, the proxy, and who may read its secrets."""

import errno
import http.client
import json
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from bot.config import Settings
from bot.doctor.findings import Finding, fault, fine, warning

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


def examine(settings: Settings, environ: Mapping[str, str], folder: Path) -> Iterator[Finding]:
    """Look around."""
    if settings.slack_app_token is None:
        yield _port("PORT", "0.0.0.0", settings.port)  # noqa: S104 - where serve listens
    elif settings.metrics_port is not None:
        yield _port("METRICS_PORT", "127.0.0.1", settings.metrics_port)
    proxy = next((name for name in _PROXIES if environ.get(name)), None)
    if proxy is not None:
        yield warning(
            "proxy",
            f"{proxy} is set: Slack is reached through it, the MPC is not",
            "see the lines on Slack and the MPC; the MPC's host must be reachable without it",
        )
    yield from _secrets(folder / ".env")


def _secrets(file: Path) -> Iterator[Finding]:
    try:
        readable = file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077
    except OSError as failure:
        remedy = "let this user enter the folder where the bot is started, or start it in another one"
        yield fault(".env", f"it cannot be looked at, and was not read ({failure.strerror})", remedy)
        return
    if readable:
        yield warning(".env", "other users of this machine can read the tokens in it", "run: chmod 600 .env")


def _port(name: str, host: str, port: int) -> Finding:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            tried.bind((host, port))
        except OSError as refused:
            return judge_port(name, port, refused.errno, ours=refused.errno == errno.EADDRINUSE and _is_ours(port))
    return fine(name, f"{port} is free")


def judge_port(name: str, port: int, number: int | None, *, ours: bool) -> Finding:
    """Judge why a port could not be had; `ours`: the bot answers on it."""
    if ours:
        return fine(name, f"the bot is serving on {port}")
    if number == errno.EADDRINUSE:
        return fault(name, f"another program listens on {port}", f"stop it, or set {name} to a port that is free")
    if number == errno.EACCES:
        return fault(name, f"this user may not listen on {port}", f"set {name} to 1024 or more, behind a proxy")
    return fault(name, f"nobody can listen on {port} (error {number})", f"set {name} to another port")


def _is_ours(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/healthz")
            told = json.loads(connection.getresponse().read(10_000))
        except (OSError, http.client.HTTPException, ValueError):
            return False
    return isinstance(told, dict) and {"status", "version"} <= set(told)
