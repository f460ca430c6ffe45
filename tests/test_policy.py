"""Who may ask, how much, and how soon again: each rule at its edges."""

import pytest

from bot.policy import HOUR_MS, Denial, Policy, Rule

NOW = 1_800_000_000_000
LISTS = Policy(allowed_channels=frozenset({"C1", "C2"}), allowed_users=frozenset({"U1"}))


@pytest.mark.parametrize(
    ("policy", "channel_id", "user_id", "rule"),
    [
        (Policy(), "C9", "U9", None),
        (Policy(), None, None, None),
        (LISTS, "C1", "U1", None),
        (LISTS, "C2", "U1", None),
        (LISTS, "C9", "U1", Rule.CHANNEL),
        (LISTS, "C1", "U9", Rule.USER),
        (LISTS, "C9", "U9", Rule.CHANNEL),
        (LISTS, "c1", "U1", Rule.CHANNEL),
        (LISTS, "", "U1", Rule.CHANNEL),
        (LISTS, "C1", "", Rule.USER),
        (LISTS, None, None, None),
        (LISTS, None, "U9", Rule.CHANNEL),
        (LISTS, None, "U1", Rule.CHANNEL),
        (Policy(allowed_users=frozenset({"U1"})), None, "U1", None),
        (LISTS, "C9", None, Rule.CHANNEL),
        (Policy(allowed_channels=frozenset({"C1"})), "C1", "U9", None),
        (Policy(allowed_users=frozenset({"U1"})), "C9", "U1", None),
    ],
)
def test_lists_say_who_may_ask_and_where(
    policy: Policy, channel_id: str | None, user_id: str | None, rule: Rule | None
) -> None:
    """An empty list lets everybody in, a list only those on it; the terminal, which has no IDs, is let in.

    A user in no channel, as of a form that was opened from App Home, is in none that is on the list.
    """
    assert policy.who(channel_id=channel_id, user_id=user_id) == (None if rule is None else Denial(rule=rule))


@pytest.mark.parametrize(
    ("most", "labels", "refused"), [(25, 0, False), (25, 25, False), (25, 26, True), (1, 1, False), (1, 2, True)]
)
def test_a_command_holds_so_many_labels(most: int, labels: int, *, refused: bool) -> None:
    """As many labels as the limit are fine; one more is refused, and the denial names the limit."""
    expected = Denial(rule=Rule.TOO_MANY, limit=most) if refused else None
    assert Policy(max_labels=most).size(labels) == expected


@pytest.mark.parametrize(
    ("limit", "labels", "recent", "until"),
    [
        (3, 3, [], "fine"),
        (3, 2, [10], "fine"),
        (3, 0, [10, 20, 30], "fine"),
        (0, 1000, [10] * 1000, "fine"),
        (3, 1, [10, 20, 30], 10),
        (3, 2, [10, 20, 30], 20),
        (3, 3, [10, 20, 30], 30),
        (3, 2, [10, 20], 10),
        (3, 3, [10], 10),
        (3, 1, [10, 20, 30, 40, 50], 30),
        (3, 4, [], None),
        (3, 4, [10, 20, 30], None),
        (1, 1, [10], 10),
    ],
)
def test_a_user_has_so_many_labels_in_an_hour(limit: int, labels: int, recent: list[int], until: int | str) -> None:
    """A command fits as soon as enough of the last hour's requests are an hour old; one above the limit never does."""
    if until == "fine":
        expected = None
    else:
        expected = Denial(rule=Rule.HOURLY, until=until + HOUR_MS if isinstance(until, int) else None, limit=limit)
    assert Policy(user_hourly_limit=limit).hourly(labels=labels, recent=recent) == expected


@pytest.mark.parametrize("labels", range(1, 6))
@pytest.mark.parametrize("made", range(9))
def test_the_hourly_denial_ends_when_it_says(made: int, labels: int) -> None:
    """At the moment that a denial names the same command passes, and a millisecond earlier it does not."""
    policy = Policy(user_hourly_limit=5)
    recent = [NOW + 1000 * number for number in range(made)]
    denial = policy.hourly(labels=labels, recent=recent)
    assert (denial is None) is (made + labels <= 5)
    if denial is not None:
        assert denial.until is not None
        # `bot.trail.requested_since` is asked for what is younger than an hour.
        at_the_end = [at for at in recent if at > denial.until - HOUR_MS]
        just_before = [at for at in recent if at > denial.until - 1 - HOUR_MS]
        assert policy.hourly(labels=labels, recent=at_the_end) is None
        assert policy.hourly(labels=labels, recent=just_before) is not None


@pytest.mark.parametrize(
    ("cooldown_s", "age_ms", "refused"),
    [
        (300, 0, True),
        (300, 299_999, True),
        (300, 300_000, False),
        (300, 300_001, False),
        (300, -5_000, True),
        (1, 999, True),
        (1, 1_000, False),
        (0, 0, False),
    ],
)
def test_a_label_cools_down_for_so_long(cooldown_s: int, age_ms: int, *, refused: bool) -> None:
    """Until its time is over to the millisecond, a label is refused; 0 switches the rule off."""
    last = NOW - age_ms
    expected = Denial(rule=Rule.COOLDOWN, until=last + cooldown_s * 1000) if refused else None
    assert Policy(cooldown_s=cooldown_s).label(under_way=False, last=last, now=NOW) == expected


def test_a_label_that_was_never_asked_for_is_let_through() -> None:
    """Without an earlier request there is nothing to cool down from."""
    assert Policy().label(under_way=False, last=None, now=NOW) is None


@pytest.mark.parametrize("last", [None, NOW, NOW - 10_000_000])
def test_a_label_that_is_under_way_is_refused(last: int | None) -> None:
    """While a request for the label is under way, when that ends is not known; 0 switches this off, too."""
    assert Policy().label(under_way=True, last=last, now=NOW) == Denial(rule=Rule.UNDER_WAY)
    assert Policy(cooldown_s=0).label(under_way=True, last=last, now=NOW) is None


def test_the_rules_have_the_words_that_stand_in_the_trail() -> None:
    """The words are stored and exported, so they do not change."""
    assert [str(rule) for rule in Rule] == [
        "channel not allowed",
        "user not allowed",
        "too many labels in one command",
        "hourly limit of the user",
        "cool-down of the label",
        "the label is under way",
    ]
