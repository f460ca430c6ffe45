"""The rules that Slack's blocks are checked with: one thing at a time, and a word about where it is wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
Check = Callable[[Object, str], None]
"""Checks an object; told where it stands."""
Table = Mapping[str, tuple[Check, str]]
"""By its `type`, how an object is checked, and which fields it may have."""


class RefusedError(Exception):
    """Slack does not take this; the message is Slack's word for it, and `why` is for whoever reads the test."""

    def __init__(self, error: str, why: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.why = why


def bad(where: str, why: str) -> RefusedError:
    """Return the refusal of what stands at `where`."""
    return RefusedError("invalid_blocks", f"{where}: {why}")


def check_object(value: object, where: str) -> Object:
    """Refuse what is no object; returns it."""
    if not isinstance(value, dict):
        raise bad(where, "no object")
    return value


def of_type(part: Object, table: Table, where: str) -> tuple[Check, set[str]]:
    """Return how an object is checked, by its `type`, and which fields it may have."""
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in table:
        raise bad(where, f"unknown type {kind!r}")
    check, fields = table[kind]
    return check, {"type", *fields.split()}


def check_keys(part: Object, known: set[str], where: str) -> None:
    """Refuse fields that Slack does not know."""
    if unknown := set(part) - known:
        raise bad(where, f"unknown: {', '.join(sorted(unknown))}")


def check_string(value: object, where: str, *, most: int | None = None, least: int = 1) -> None:
    """Refuse what is no string of this length."""
    if not isinstance(value, str):
        raise bad(where, "no string")
    if len(value) < least:
        raise bad(where, "empty")
    if most is not None and len(value) > most:
        raise bad(where, f"longer than {most}")


def check_list(value: object, where: str, *, most: int | None = None, least: int = 1) -> Sequence[Any]:
    """Refuse what is no list of this length; returns it."""
    if not isinstance(value, list):
        raise bad(where, "no list")
    if len(value) < least or (most is not None and len(value) > most):
        raise bad(where, f"{len(value)} elements")
    return value


def check_one_of(value: object, known: str, where: str) -> None:
    """Refuse what is none of the `known` words."""
    if not isinstance(value, str) or value not in known.split():
        raise bad(where, f"none of {known}")


def check_integer(value: object, where: str) -> None:
    """Refuse what is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(where, "no whole number")


def check_text(value: object, where: str, *, most: int = 3000, only: str = "") -> None:
    """Refuse what is no text object (Slack's "Text object"), or not of the `only` type."""
    part = check_object(value, where)
    check_one_of(part.get("type"), only or "plain_text mrkdwn", f"{where}.type")
    check_keys(part, {"type", "text", "emoji" if part["type"] == "plain_text" else "verbatim"}, where)
    check_string(part.get("text"), f"{where}.text", most=most)


def check_elements(value: object, table: Table, where: str, *, most: int | None = None, least: int = 1) -> None:
    """Refuse a list unless each of it is as the table of its kinds says."""
    for number, one in enumerate(check_list(value, where, most=most, least=least)):
        check_element(one, table, f"{where}[{number}]")


def check_element(value: object, table: Table, where: str) -> None:
    """Refuse an object unless it is as the table of its kinds says."""
    part = check_object(value, where)
    check, fields = of_type(part, table, where)
    check_keys(part, fields, where)
    check(part, where)
