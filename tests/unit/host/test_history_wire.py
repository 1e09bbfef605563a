import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.history_wire import HostHistory, HostSeries, SeriesKey, parse_history, render_history
from cachemon.model.errors import InvalidInputError
from tests.unit.host.strategies import JSON

NUMBERS = st.none() | st.integers(0, 2**53)
KEYS = st.builds(SeriesKey, st.text(), st.text(), st.text(), st.integers(0, 99))


@st.composite
def histories(draw: st.DrawFn) -> HostHistory:
    times = draw(st.lists(st.floats(0, 2e9), max_size=4).map(tuple))
    points = st.lists(NUMBERS, min_size=len(times), max_size=len(times))
    series = draw(st.lists(st.builds(HostSeries, KEYS, points, points), max_size=3).map(tuple))
    return HostHistory(draw(st.floats(1, 99)), times, series, draw(st.integers(0, 9)))


@given(histories())
def test_a_history_arrives_as_it_was_sent(history: HostHistory) -> None:
    assert parse_history(json.loads(json.dumps(render_history(history)))) == history


@given(JSON | st.fixed_dictionaries({"times": JSON, "series": JSON, "seconds": JSON, "leftOut": JSON}))
def test_what_is_no_history_is_refused(answer: Any) -> None:
    with suppress(InvalidInputError):
        assert isinstance(parse_history(answer), HostHistory)


def test_points_without_a_time_are_refused() -> None:
    series = {"domain": "", "kept": "", "group": "", "block": 0, "occupancy": [1, 2], "bandwidth": [1]}
    with pytest.raises(InvalidInputError, match="a series of 2 and 1 points at 1 times"):
        parse_history({"seconds": 1, "times": [1.0], "leftOut": 0, "series": [series]})
