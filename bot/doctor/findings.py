"""What a doctor finds: how grave it is, what is so, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How grave something is; the value begins its line."""

    FINE = "ok"
    WARNING = "!"
    """It works, and somebody should know of it."""
    FAULT = "FAULT"
    """It does not work, or it loses or shows what it must not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes:
        thing: such as `audit channel`.
        said: what is so; nothing secret.
        remedy: what to do; None where all is well.
        setting: it is a setting, or a step of the installation, that is wrong.
    """

    thing: str
    said: str
    grade: Grade = Grade.FINE
    remedy: str | None = None
    setting: bool = False

    def __str__(self) -> str:
        remedy = "" if self.remedy is None else f" -> {self.remedy}"
        return f"{self.grade:<5} {self.thing}: {self.said}{remedy}"


def fine(thing: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(thing, said)


def warning(thing: str, said: str, remedy: str) -> Finding:
    """Return that something works, and should be known."""
    return Finding(thing, said, Grade.WARNING, remedy)


def fault(thing: str, said: str, remedy: str, *, setting: bool = False) -> Finding:
    """Return that something is broken."""
    return Finding(thing, said, Grade.FAULT, remedy, setting)
