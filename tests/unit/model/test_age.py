import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.age import Age, age_of, format_age
from cachemon.model.times import format_time

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119.9, "119s"), (120, "2m"), (7200, "2h"), (3600 * 47, "47h"), (86400 * 3, "3d")],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "period", "label"),
    [
        (12, 60, "12s"),
        (182, 60, "3m"),
        (183, 60, "3m(old)"),
        (6, 1, "6s(old)"),
        (-4, 60, "0s"),
        (-300, 60, "5m(ahead)"),
    ],
)
def test_what_is_old_or_of_a_time_to_come_is_marked(seconds: float, period: float, label: str) -> None:
    assert Age(seconds, period).label == label


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T08:00:00", "9999-99-99T00:00:00Z"])
def test_what_is_no_time_has_no_age(text: str) -> None:
    assert age_of(text, 60, NOW) is None


def test_the_end_of_time_is_far_ahead_and_named_as_a_clock() -> None:
    age = age_of("9999-12-31T23:59:59Z", 60, NOW)
    assert age is not None
    assert age.is_ahead
    assert "the clock of the node, or of this machine, is wrong" in age.problem


@given(st.integers(-(10**9), 10**9), st.integers(1, 3600))
def test_every_age_is_fresh_or_stale_or_ahead_and_its_words_have_no_blank(seconds: int, period: int) -> None:
    age = age_of(format_time(NOW - seconds), period, NOW)
    assert age is not None
    assert age.seconds == seconds
    assert age.is_stale == (seconds > 3 * period + 2)
    assert not (age.is_stale and age.is_ahead)
    assert " " not in age.label
    assert ("(" in age.label) == bool(age.problem) == (age.is_stale or age.is_ahead)


@pytest.mark.parametrize(
    ("seconds", "text"), [(7199, "119m"), (3600 * 48 - 1, "47h"), (3600 * 48, "2d"), (86400 * 3 - 1, "2d")]
)
def test_the_unit_changes_where_kubectl_changes_it(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


def test_clocks_that_differ_by_less_than_ntp_keeps_are_not_ahead() -> None:
    assert [Age(seconds, 60).is_ahead for seconds in (-4.9, -5, -5.1)] == [False, False, True]


def test_figures_are_behind_when_others_were_renewed_a_period_and_two_seconds_later() -> None:
    assert [Age(seconds, 60).is_behind(100) for seconds in (100, 162, 162.1)] == [False, False, True]


def test_the_servers_clock_counts_where_it_says_when_it_took_the_figures() -> None:
    by_a_wrong_clock = format_time(NOW - 5000)
    assert age_of(by_a_wrong_clock, 60, NOW, taken=NOW - 7) == Age(7, 60)
    assert age_of(by_a_wrong_clock, 60, NOW, taken=NOW + 1) == Age(0, 60)
