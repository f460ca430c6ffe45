"""What may be wrong with a database, in sentences without secrets.

DatabaseError
├── DatabaseUnavailable   locked, full, read-only, gone: what was asked for did not happen
│   ├── CommitUnheard     … or it did: whether the commit was stored is not known
│   └── HeadMissing       somebody removed the row that says where the trail ends
└── SchemaError           it answers, but its tables are not this program's
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc


class DatabaseError(Exception):
    """Something is wrong with the database; the sentence says what, without secrets."""


class DatabaseUnavailable(DatabaseError):  # noqa: N818 - it names a state that the user is told of
    """The database could not do it now; nothing of the transaction has happened."""


class CommitUnheard(DatabaseUnavailable):
    """The commit was asked for, and its answer was lost: the transaction may have happened, or may not."""


class HeadMissing(DatabaseUnavailable):
    """The row that says where the trail ends is gone: nothing can be appended, and nothing shows a cut-off tail."""

    def __init__(self) -> None:
        super().__init__("the head of the trail is missing; python -m bot audit verify says more")


class SchemaError(DatabaseError):
    """The tables are missing, or older or newer than this program."""


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into one error; their texts hold statements and URLs."""
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.DBAPIError, exc.TimeoutError, exc.PendingRollbackError) as fault:
        raise DatabaseUnavailable(first_line(fault)) from fault


def first_line(fault: Exception) -> str:
    """Return what the driver has said, shortly."""
    cause = getattr(fault, "orig", None) or fault
    return f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')[:200]}"
