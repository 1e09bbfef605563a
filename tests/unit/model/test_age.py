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
