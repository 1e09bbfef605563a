import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.clocks import clock_problem, format_span, read_at
from cachemon.model.times import parse_time, read_time


def obj(*entries: object) -> dict[str, object]:
    return {"metadata": {"name": "a", "managedFields": list(entries)}}


def entry(time: object, manager: str = "cachemon-agent", subresource: str = "status") -> dict[str, object]:
    return {"manager": manager, "subresource": subresource, "time": time, "operation": "Apply"}


def test_the_agents_last_write_is_the_latest_entry_of_its_status() -> None:
    written = read_at(
        obj(
            entry("2026-11-22T08:00:00Z"),
            entry("2026-11-22T08:00:05Z"),
            entry("2026-11-22T09:00:00Z", manager="cachemon-operator"),
            entry("2026-11-22T09:00:00Z", subresource=""),
        )
    )
    assert written == parse_time("2026-11-22T08:00:05Z")


@pytest.mark.parametrize(("age", "counted"), [(9, 9), (0, 0), (-5, 0), (True, 0), ("9", 0), (None, 0)])
def test_figures_that_were_old_when_they_were_written_are_older_than_the_write(age: object, counted: int) -> None:
    read = read_at(obj(entry("2026-11-22T08:00:05Z")) | {"status": {"figuresAgeSeconds": age}})
    assert read == parse_time("2026-11-22T08:00:05Z") - counted


@pytest.mark.parametrize("odd", [{}, {"metadata": None}, {"metadata": {}}, obj(), obj(None, 1, entry("x"))])
def test_an_object_that_does_not_say_says_nothing(odd: dict[str, object]) -> None:
    assert read_at(odd) is None


@pytest.mark.parametrize(("ahead", "problem_part"), [
    (0.0, None), (5.0, None), (-5.0, None),
    (6.0, "is 6 s ahead of the"), (-119.0, "is 119 s behind the"), (600.0, "is 10 min ahead of the"),
    (-7200.0, "is 2 h behind the"), (252e9, "days ahead of the"), (None, "is not a time"),
])  # fmt: skip
def test_a_clock_is_named_when_it_is_more_than_a_little_off(ahead: float | None, problem_part: str | None) -> None:
    problem = clock_problem("node01", ahead)
    assert (problem is None) == (problem_part is None)
    assert problem_part is None or (problem and problem_part in problem and "`node01`" in problem)


@given(st.floats(0, 1e12))
def test_every_span_has_a_unit(seconds: float) -> None:
    number, unit = format_span(seconds).split()
    assert unit in {"s", "min", "h", "days"}
    assert int(number) >= 0


@given(st.text() | st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]) | st.integers())
def test_no_time_that_somebody_else_wrote_raises(text: object) -> None:
    assert read_time(text) is None or isinstance(text, str)
