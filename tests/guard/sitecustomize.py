"""Keeps every process of the tests on this machine: a connection to anywhere else is refused.

The tests of the bot must never be able to reach the real Slack, and above all not the real MPC: each accepted request
mails a person. `conftest.py` installs this in the tests' own process, and puts this folder on the PYTHONPATH of the
processes that they start, where Python loads a module of this name by itself. So it is also where a process gets the
snares of `tests/dying.py`, if a test asks for them.
"""

import os
import sys
from pathlib import Path
from typing import Any

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104 - as what a server binds to


class LeftTheMachineError(Exception):
    """A test tried to reach a host that is not this one."""


def stay_at_home(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to connect to, or to look up, anything but loopback (an audit hook, PEP 578)."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host is not None and not str(host).startswith(LOOPBACK):
        raise LeftTheMachineError(f"{event} to {host}")


sys.addaudithook(stay_at_home)

if _folder := os.environ.get("ACTCODE_TEST_SNARES"):
    from tests import dying

    dying.lay(Path(_folder))
