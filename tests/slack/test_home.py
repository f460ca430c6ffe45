"""App Home: what it shows to whom, when it is shown anew, and what becomes of a showing that fails."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.outcomes import Outcome
from bot.policy import Policy
from bot.sandbox import faults
from bot.sandbox.blocks import check_view
from bot.sandbox.render import shown_view
from bot.slack import home_view
from tests.slack.office import ANNA, Office, office
from tests.slack.test_messages import BLOCK_ID, event

AT = 1_767_240_000_000
USUAL = Policy()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    """Give an office that works."""
    with office(tmp_path) as made:
        yield made


def look(here: Office, user: str = ANNA, **more: Any) -> None:
    """Open App Home."""
    ack = here.deliver(here.slack.event({"type": "app_home_opened", "user": user, "tab": "home", **more}))
    assert (ack.error, ack.status) == (None, 200)
    assert ack.elapsed_s < 2


def home(here: Office, user: str = ANNA) -> str:
    """Return what a user's App Home shows."""
    with here.slack.watch.reading():
        return here.slack.homes[user].shown if user in here.slack.homes else ""


def built(
    rows: list[dict[str, Any]], under_way: tuple[str, ...] = (), *, policy: Policy = USUAL, user_id: str = ANNA
) -> str:
    """Return what a view shows that Slack would take."""
    view = home_view.build(rows, under_way, policy=policy, user_id=user_id, at=AT)
    check_view(view)
    return shown_view(view, {})


HOME = """\
Action codes
When a code got lost, the bot asks the Minor Planet Center (MPC) to mail it again, to whoever submitted the \
observations, never to Slack. Each request mails a person: ask once.
Type /actcode LABEL in any conversation, or:
[Open the form]
Your last requests
Now: B10cnQO is under way.
2026-01-01 04:00:00 UTC · A10cnQO · ✓ Accepted · request request00001
2026-01-01 04:00:00 UTC · lost · ✗ Rejected (no such label) · request request00001
2026-01-01 04:00:00 UTC · no label · ✗ Not a label (incomplete ID) · request request00001
As of 2026-01-01 04:00:00 UTC.
What you may ask for
Up to 25 labels at a time.
Up to 100 labels in an hour.
The same label again after 5 minutes, whoever asked for it: look for the mail first.
How to use a code
With the code from the mail, a submission is deleted or corrected at the MPC's action-code page.
Treat a code as a password: 16 characters, a dash and three capitals. Never paste one into Slack.
Codes exist only for new NEO and comet candidates and for NEO and NEOCP follow-up."""


def test_app_home_tells_what_came_of_ones_requests_and_what_one_may_do() -> None:
    """One's own last requests with their outcomes and IDs, the rules in words, and how a code is used."""
    rows = [
        event("accepted"),
        event("rejected", label="lost", detail="no such label"),
        event("invalid", label=None, kinds=None, detail="incomplete ID"),
    ]
    assert built(rows, ("B10cnQO",)) == HOME


@pytest.mark.parametrize(
    ("outcome", "word"),
    [*zip(Outcome, ["Accepted", "Rejected", "Not sent", "Not known", "Not a label", "Refused"], strict=True)],
)
def test_every_outcome_is_a_word(outcome: Outcome, word: str) -> None:
    """No outcome is told by a sign alone: a screen reader or a colour-blind reader has the word."""
    assert f" {word} · request request00001" in built([event(outcome)])


def test_who_has_asked_nothing_is_told_so() -> None:
    """An empty list is a sentence."""
    assert "Your last requests\nYou have not asked for a code here yet.\n" in built([])


@pytest.mark.parametrize(
    ("policy", "says", "button"),
    [
        (Policy(cooldown_s=0, user_hourly_limit=0, max_labels=1), "Up to 1 label at a time.\nHow to", True),
        (Policy(cooldown_s=90), "again after 90 seconds, ", True),
        (Policy(cooldown_s=3600), "again after 1 hour, ", True),
        (Policy(allowed_users=frozenset({ANNA})), "Type /actcode LABEL in any conversation", True),
        (Policy(allowed_users=frozenset({"U9"})), "You are not among those who may ask here. Ask whoever", False),
        (
            Policy(allowed_channels=frozenset({"C2", "C1"})),
            "in one of these channels, where the bot may be used:\n• #C1\n• #C2\nYour",
            False,
        ),
    ],
)
def test_the_rules_are_said_in_words(policy: Policy, says: str, button: bool) -> None:  # noqa: FBT001
    """What is off is not mentioned; whoever may not ask, or not from here, is told what to do in place of a button."""
    told = built([], policy=policy)
    assert says in told
    assert ("[Open the form]" in told) == button


def test_the_longest_home_is_within_slacks_limits() -> None:
    """Ten requests with the longest labels and reasons, and no more than ten."""
    rows = [event("rejected", label=BLOCK_ID, detail="&" * 200, request_id=f"r{number:011}") for number in range(10)]
    told = built(rows, tuple(f"L{number}" for number in range(4)))
    assert [f"r{number:011}" in told for number in range(10)] == [True] * 6 + [False] * 4
    many = Policy(allowed_channels=frozenset(f"C{number:010}" for number in range(300)))
    assert "#C0000000299" in built(rows, policy=many)


def test_app_home_is_shown_when_it_is_opened_and_after_each_outcome(here: Office) -> None:
    """It comes up soon after it was opened, and what comes of a request appears in it by itself."""
    look(here)
    here.slack.wait_for(lambda: "You have not asked for a code here yet." in home(here), timeout=5)
    here.deliver(here.slack.command("A10cnQO", user=ANNA))
    here.slack.wait_for(lambda: "A10cnQO · ✓ Accepted" in home(here))
    here.deliver(here.slack.command("no!label", user=ANNA))
    here.slack.wait_for(lambda: "no label · ✗ Not a label" in home(here))
    assert list(here.slack.homes) == [ANNA]


def test_app_home_is_ones_own(here: Office) -> None:
    """Nobody sees what somebody else asked for, and whoever never opened theirs has none."""
    look(here)
    here.deliver(here.slack.command("A10cnQO", user="U0BERT"))
    here.slack.wait_for(lambda: any(one.user == "U0BERT" for one in here.slack.ephemerals))
    look(here, "U0BERT")
    here.slack.wait_for(lambda: "A10cnQO · ✓ Accepted" in home(here, "U0BERT"))
    assert "A10cnQO" not in home(here)


def test_the_button_of_app_home_opens_the_form(here: Office) -> None:
    """What is asked for there is answered in a direct message, and shown in App Home."""
    look(here)
    here.slack.wait_for(lambda: home(here))
    view = here.press(view=here.slack.homes[ANNA])
    here.submit(view, "A10cnQO")
    here.slack.wait_for(lambda: here.slack.dms)
    here.slack.wait_for(lambda: "A10cnQO · ✓ Accepted" in home(here))


def test_many_outcomes_are_shown_together(here: Office) -> None:
    """A user's App Home is shown at most once every few seconds, and ends up complete."""
    look(here)
    here.slack.wait_for(lambda: home(here))
    labels = [f"L{number}" for number in range(8)]
    here.deliver(here.slack.command(" ".join(labels), user=ANNA))
    here.slack.wait_for(lambda: all(f"{one} · ✓ Accepted" in home(here) for one in labels), timeout=20)
    published = [one.at for one in here.slack.calls if one.method == "views.publish"]
    assert min(later - sooner for sooner, later in pairwise(published)) > 2.5
    assert len(published) <= 5


def test_opening_twice_is_harmless_and_the_messages_tab_is_none(here: Office) -> None:
    """An event that comes again changes nothing; the other tab of the bot is not App Home."""
    look(here, "U0BERT", tab="messages")
    opened = here.slack.event({"type": "app_home_opened", "user": ANNA, "tab": "home"})
    assert {here.deliver(opened).error for _ in range(3)} == {None}
    here.slack.wait_for(lambda: home(here))
    assert len([one for one in here.slack.calls if one.method == "views.publish"]) <= 2
    assert list(here.slack.homes) == [ANNA]


def test_a_showing_that_fails_is_made_again(here: Office) -> None:
    """A Slack that stumbles once does not leave an old App Home behind."""
    here.slack.fail("views.publish", faults.answer(500))
    look(here)
    here.slack.wait_for(lambda: home(here), timeout=20)


def test_without_a_database_the_event_is_acknowledged(tmp_path: Path) -> None:
    """Slack need not send it again; whoever opens App Home once the database answers gets it."""
    with office(tmp_path, works=False) as made:
        made.database.close()
        (tmp_path / "office.db").rename(tmp_path / "away.db")
        (tmp_path / "office.db").mkdir()
        ack = made.deliver(made.slack.event({"type": "app_home_opened", "user": ANNA, "tab": "home"}))
        assert (ack.error, ack.status) == (None, 200)
        (tmp_path / "office.db").rmdir()
        (tmp_path / "away.db").rename(tmp_path / "office.db")


@pytest.mark.parametrize("event_", [{}, {"tab": "home"}, {"tab": 7, "user": ANNA}])
def test_a_strange_event_is_acknowledged(here: Office, event_: dict[str, Any]) -> None:
    """Slack would send it again otherwise."""
    ack = here.deliver(here.slack.event({"type": "app_home_opened", **event_}))
    assert (ack.error, here.slack.homes) == (None, {})
