"""Python's collector of garbage, where it is in the way.

It goes through all that there is again and again as that grows, and a program that starts makes a hundred thousand
things and next to no garbage.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_alone() -> Iterator[None]:
    """Collect nothing in this block, which makes what is there to stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_all() -> None:
    """Never look again at what stands now, because it stands until the end.

    To go through all of it takes tens of milliseconds each time, in which nobody is acknowledged.
    """
    gc.freeze()
