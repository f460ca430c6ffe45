"""Waiting for what happens."""

import threading

import pytest

from bot.sandbox.mpc import SandboxMPC
from bot.sandbox.slack import SandboxSlack
from bot.sandbox.watch import NotSeenError, Watch


def test_who_waits_is_woken_by_the_change() -> None:
    """What the predicate returned is returned, as soon as another thread has made it true."""
    watch = Watch()
    seen: list[str] = []
    waiting = threading.Event()

    def predicate() -> list[str]:
        waiting.set()
        return seen

    def change() -> None:
        waiting.wait()
        with watch.changing():
            seen.append("mail")

    thread = threading.Thread(target=change)
    thread.start()
    assert watch.wait_for(predicate, 10, str) == ["mail"]
    thread.join()


def test_what_does_not_happen_is_told_with_what_did() -> None:
    """The error says how long was waited, and gives an account."""
    with pytest.raises(NotSeenError, match=r"not within 0\.01 s(.|\n)*a mail for A10cnQO"):
        Watch().wait_for(lambda: False, 0.01, lambda: "a mail for A10cnQO")


def test_looking_whether_it_happens_does_not_raise() -> None:
    """`seen` returns None instead."""
    assert Watch().seen(lambda: 0, 0.01) is None
    assert Watch().seen(lambda: 7, 0.01) == 7


def test_one_watch_can_be_shared() -> None:
    """A change of the MPC wakes who waits with the Slack."""
    watch = Watch()
    with SandboxMPC(watch=watch) as mpc, SandboxSlack(watch=watch) as slack:
        waiting = threading.Event()

        def blocked() -> bool:
            waiting.set()
            return bool(mpc.mails)

        def change() -> None:
            waiting.wait()
            with watch.changing():
                mpc.mails.append("A10cnQO")

        thread = threading.Thread(target=change)
        thread.start()
        assert slack.wait_for(blocked)
        thread.join()
