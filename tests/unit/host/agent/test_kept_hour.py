import tracemalloc
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.host.agent.kept_hour import MOST_SERIES, POINTS, HourPoint, KeptHour
from cachemon.host.history_wire import HostHistory, SeriesKey

WALL = 1_790_000_000.0


def key(name: str, block: int = 0) -> SeriesKey:
    return SeriesKey(name, "", "", block)


def history(hour: KeptHour, now: float, seconds: float = 1e9, most_values: int = 100_000) -> HostHistory:
    return hour.prepare_history(lambda _: True, seconds, now, WALL + now, most_values)()


def series(found: HostHistory) -> dict[str, tuple[list[int | None], list[int | None]]]:
    return {it.key.domain: (list(it.occupancy), list(it.bandwidth)) for it in found.series}


def test_points_have_the_time_at_which_they_were_read() -> None:
    hour = KeptHour()
    hour.keep(5.0, [HourPoint(key("a"), 1, 2)])
    hour.keep(15.0, [HourPoint(key("a"), 3, None)])
    found = history(hour, now=20.0)
    assert found.times == (WALL + 5, WALL + 15)
    assert series(found) == {"a": ([1, 3], [2, None])}


def test_times_are_by_the_clock_of_now() -> None:
    hour = KeptHour()
    hour.keep(5.0, [])
    assert hour.prepare_history(lambda _: True, 60, 20.0, 1_000.0)().times == (985.0,)


def test_a_point_is_due_every_step_and_never_catches_up() -> None:
    hour = KeptHour(step_seconds=10)
    due = []
    for now in (0.0, 9.0, 10.5, 19.9, 20.0, 57.0, 58.0, 66.9, 67.0):
        if hour.is_due(now):
            hour.keep(now, [])
            due.append(now)
    assert due == [0.0, 10.5, 20.0, 57.0, 67.0]


def test_only_the_last_seconds_are_given() -> None:
    hour = KeptHour()
    for number in range(6):
        hour.keep(number * 10.0, [HourPoint(key("a"), number, None)])
    assert series(history(hour, now=51.0, seconds=25.0))["a"][0] == [3, 4, 5]


def test_an_answer_has_so_many_values_at_most_and_the_newest_point() -> None:
    hour = KeptHour()
    for number in range(100):
        hour.keep(number * 10.0, [HourPoint(key(name), number, number) for name in "ab"])
    found = history(hour, now=1000.0, most_values=100)
    assert sum(len(it.occupancy) + len(it.bandwidth) for it in found.series) <= 100
    assert found.series[0].occupancy[-1] == 99
    assert (found.seconds, len(found.times)) == (40.0, 25)


def test_series_beyond_the_limit_are_counted_and_get_room_when_others_have_gone() -> None:
    hour = KeptHour(points=3, most_series=2)
    hour.keep(0.0, [HourPoint(key(name), 1, 1) for name in "abc"])
    assert (set(series(history(hour, 1.0))), history(hour, 1.0).left_out) == ({"a", "b"}, 1)
    for number in range(1, 4):
        hour.keep(number * 10.0, [HourPoint(key("b"), 1, 1)])
    hour.keep(40.0, [HourPoint(key(name), 7, 7) for name in "bc"])
    found = history(hour, 41.0)
    assert series(found) == {"b": ([1, 1, 7], [1, 1, 7]), "c": ([None, None, 7], [None, None, 7])}
    assert (found.left_out, hour.rings) == (0, 2)


STEPS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2**53)), max_size=30)


@given(STEPS, st.integers(1, 7), st.integers(1, 4))
def test_the_rings_hold_what_a_list_of_everything_would(
    steps: Sequence[Mapping[str, int | None]], points: int, most: int
) -> None:
    hour = KeptHour(points=points, most_series=most)
    for number, values in enumerate(steps):
        hour.keep(number * 10.0, [HourPoint(key(name), values[name], None) for name in sorted(values)])
    found = history(hour, now=len(steps) * 10.0)
    last = steps[-points:]
    assert found.times == tuple(WALL + 10.0 * number for number in range(len(steps) - len(last), len(steps)))
    assert hour.rings <= most
    for name, (occupancy, bandwidth) in series(found).items():
        wanted = [values.get(name) for values in last]
        missed = [place for place, value in enumerate(occupancy) if value != wanted[place]]
        assert bandwidth == [None] * len(last)
        assert all(occupancy[place] is None for place in missed), "a value that was never kept"
        if most == 4:
            assert not missed


def test_an_hour_of_the_most_series_takes_12_megabytes_and_a_point_makes_nothing() -> None:
    keys = [key(f"vm{number}") for number in range(MOST_SERIES)]
    numbers = [float(number) for number in range(3)]
    tracemalloc.start()
    try:
        hour = KeptHour()
        hour.keep(0.0, [HourPoint(it, 1, 1) for it in keys])
        whole = tracemalloc.get_traced_memory()[0]
        assert whole < MOST_SERIES * POINTS * 2 * 8 * 1.1
        points = [HourPoint(it, 2, 2) for it in keys]
        before = tracemalloc.get_traced_memory()[0]
        for number in numbers[1:]:
            hour.keep(number * 10, points)
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


def test_a_history_is_of_the_moment_at_which_it_was_prepared() -> None:
    hour = KeptHour(points=2)
    hour.keep(0.0, [HourPoint(key("a"), 1, 1)])
    make = hour.prepare_history(lambda _: True, 60, 1.0, WALL)
    for number in range(1, 4):
        hour.keep(number * 10.0, [HourPoint(key("a"), 2, 2)])
    assert series(make()) == {"a": ([1], [1])}


@pytest.mark.parametrize("wanted", ["a", "b"])
def test_only_wanted_series_are_given(wanted: str) -> None:
    hour = KeptHour()
    hour.keep(0.0, [HourPoint(key(name), 1, 1) for name in "ab"])
    found = hour.prepare_history(lambda it: it.domain == wanted, 60, 1.0, WALL)()
    assert [it.key.domain for it in found.series] == [wanted]
