"""What SQLAlchemy and the drivers raise, in the words of `bot.store.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from bot.store.errors import DatabaseUnavailable


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
