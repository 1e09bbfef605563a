from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.conditions import Condition, parse_conditions, render_condition
from cachemon.model.times import format_time, parse_time
from cachemon.model.units import format_bytes, format_rate

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


@given(st.integers(0, 4_000_000_000))
def test_a_time_is_read_back_to_the_second(seconds: int) -> None:
    assert parse_time(format_time(seconds)) == seconds


def test_times_are_written_in_utc_without_a_fraction() -> None:
    assert format_time(NOON + 0.9) == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize("text", ["2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.000Z"])
def test_every_way_to_write_a_time_is_read(text: str) -> None:
    assert parse_time(text) == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T12:00:00", "2026-11-22"])
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must name its offset|Invalid isoformat"):
        parse_time(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (900, "900"),
        (1024, "1.0Ki"),
        (3_355_443, "3.2Mi"),
        (53_796_864, "51Mi"),
        (64 << 20, "64Mi"),
        (5 << 40, "5.0Ti"),
    ],
)
def test_bytes_are_short_and_binary(value: int, text: str) -> None:
    assert format_bytes(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (1_200_000_000, "1200M"),
        (12_000_000_000, "12G"),
        (900_000_000, "900M"),
    ],
)
def test_rates_are_short_and_decimal(value: int, text: str) -> None:
    assert format_rate(value) == text


@given(st.integers(0, 2**64 - 1))
def test_columns_stay_narrow(value: int) -> None:
    assert len(format_bytes(value)) <= 10
    assert len(format_rate(value)) <= 10


BEFORE = {
    "type": "Monitored",
    "status": "True",
    "reason": "Monitored",
    "message": "2 groups monitored",
    "lastTransitionTime": "2026-11-22T08:00:00Z",
}


@pytest.mark.parametrize(("status", "since"), [("True", "2026-11-22T08:00:00Z"), ("False", "2026-11-22T12:00:00Z")])
def test_the_transition_time_changes_with_the_status_only(status: str, since: str) -> None:
    condition = Condition("Monitored", status, "Other", "another message")  # type: ignore[arg-type]
    rendered = render_condition(condition, before=[BEFORE], generation=3, now="2026-11-22T12:00:00Z")
    assert rendered["lastTransitionTime"] == since
    assert rendered["observedGeneration"] == 3
    assert (rendered["reason"], rendered["message"]) == ("Other", "another message")


def test_a_condition_of_another_type_does_not_lend_its_time() -> None:
    condition = Condition("Ready", "True", "Monitored", "")
    rendered = render_condition(condition, before=[BEFORE], generation=None, now="2026-11-22T12:00:00Z")
    assert rendered["lastTransitionTime"] == "2026-11-22T12:00:00Z"
    assert "observedGeneration" not in rendered


def test_conditions_are_read_by_type() -> None:
    conditions = parse_conditions([BEFORE, BEFORE | {"type": "Ready", "status": "False"}])
    assert conditions["Monitored"].is_true
    assert not conditions["Ready"].is_true
