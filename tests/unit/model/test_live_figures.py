from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.live_figures import (
    LIVE_ANNOTATION,
    LONGEST_LIVE_SECONDS,
    LiveRequest,
    live_value,
    read_live_request,
)
from cachemon.model.times import format_time

NOW = 1_790_000_000.0


def annotated(value: object) -> dict[str, Any]:
    return {"metadata": {"name": "vm1", "annotations": {LIVE_ANNOTATION: value}}}


@pytest.mark.parametrize("seconds", [1, 60, 899, 900])
def test_a_time_within_15_minutes_asks_for_fresh_figures_until_then(seconds: int) -> None:
    assert read_live_request(format_time(NOW + seconds), NOW) == LiveRequest(NOW + seconds)


def test_a_time_that_a_clock_a_little_ahead_gave_counts_as_15_minutes() -> None:
    assert read_live_request(format_time(NOW + 950), NOW) == LiveRequest(NOW + LONGEST_LIVE_SECONDS)


@pytest.mark.parametrize("seconds", [0, -1, -3600, -1e9])
def test_a_time_in_the_past_asks_for_nothing_and_is_no_problem(seconds: float) -> None:
    assert read_live_request(format_time(NOW + seconds), NOW) == LiveRequest()


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("2099-01-01T00:00:00Z", "`2099-01-01T00:00:00Z` has no effect: it lies 26399 days ahead, and 15 min are"),
        ("true", "`true` has no effect: it must be a time such as 2026-09-21T14:28:20Z"),
        ("2026-09-21T14:20:00", "must be a time"),
        ("\x1b[2J\n", "`?[2J?` has no effect"),
        ("\ud800", "`?` has no effect"),
        ("x" * 100_000, "of more than 64 characters has no effect"),
    ],
)
def test_a_value_that_is_no_such_time_has_no_effect_and_a_message(value: str, part: str) -> None:
    found = read_live_request(live_value(annotated(value)), NOW)
    assert found.until is None
    assert part in found.problem
    assert found.problem.startswith("the annotation cachemon.dev/live-until ")


@pytest.mark.parametrize(
    "obj",
    [
        {"metadata": {}},
        {"metadata": {"annotations": None}},
        {"metadata": {"annotations": []}},
        {"metadata": {"annotations": {"other": "2026-09-21T14:20:00Z"}}},
        annotated(None),
        annotated(5),
        annotated(""),
    ],
)
def test_an_object_without_it_asks_for_nothing(obj: dict[str, Any]) -> None:
    assert read_live_request(live_value(obj), NOW) == LiveRequest()


@given(st.text(max_size=80) | st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"), st.floats(0, 4e9))
def test_whatever_it_says_it_asks_for_15_minutes_at_the_most(value: str, now: float) -> None:
    found = read_live_request(live_value(annotated(value)), now)
    assert found.until is None or now < found.until <= now + LONGEST_LIVE_SECONDS
    assert len(found.problem) < 300
    assert found.problem.isprintable()
    assert not (found.problem and found.until)
