"""Python's collector of garbage, where it is in the way.

It goes through all that there is, again and again as that grows, and a program that starts makes a hundred thousand
things and next to no garbage.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_alone() -> Iterator[None]:
    """Collect nothing in this block, and never anything that stands at its end, because that stands for good.

    To go through all of it takes tens of milliseconds each time, in which nobody is acknowledged.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
