"""Python's collector of garbage: not while something begins, and never again what began."""

import gc

import pytest

from bot import garbage


def test_nothing_is_collected_while_something_begins() -> None:
    """Afterwards it is again, but what stands by then is not looked at any more."""
    before = gc.get_freeze_count()
    try:
        with garbage.left_alone():
            assert not gc.isenabled()
            kept = [[number] for number in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


def test_what_fails_to_begin_leaves_the_collector_at_work() -> None:
    """An error goes on as it is."""
    try:
        with pytest.raises(LookupError), garbage.left_alone():
            raise LookupError
        assert gc.isenabled()
    finally:
        gc.unfreeze()
