from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.points import GAP, Column, Points, Track, blocks_of, series_of, times_of

OCCUPANCY, BANDWIDTH = Column(0, "occupancy"), Column(0, "bandwidth")
VM = Track("node01", "a/vm1")


def track(*values: tuple[float, float]) -> Points:
    return Points([time for time, _ in values], {OCCUPANCY: [value for _, value in values]})


def occupancy(points: Points, times: list[float]) -> list[int | None]:
    (series,) = series_of({VM: points}, times)
    return list(series["occupancy"])


def test_the_times_are_those_of_all_tracks() -> None:
    assert times_of([track((1, 1), (3, 1)), track((2, 1), (3, 1))], since=2) == [2, 3]


def test_a_figure_holds_until_the_next_one() -> None:
    assert occupancy(track((1, 10), (3, 30)), [0, 1, 2, 3, 4]) == [None, 10, 10, 30, 30]


def test_nothing_holds_in_a_gap() -> None:
    assert occupancy(track((1, 10), (2, GAP), (4, 40)), [1, 2, 3, 4]) == [10, None, None, 40]


def test_a_gap_between_two_times_is_shown() -> None:
    assert occupancy(track((1, 10), (2, GAP), (3, 30), (9, 90)), [1, 5, 9]) == [10, None, 90]


def test_a_figure_from_before_the_first_time_holds() -> None:
    assert occupancy(track((1, 10), (2, GAP), (3, 30)), [4, 5]) == [30, 30]


def test_what_has_no_such_figure_has_gaps_only() -> None:
    (series,) = series_of({VM: track((1, 10))}, [1])
    assert series["bandwidth"] == [None]


def test_groups_have_series_of_their_own() -> None:
    points = Points([1], {Column(0, "occupancy", "vcpus_0"): [5], Column(1, "bandwidth", "vcpus_1"): [6]})
    found = series_of({VM._replace(source="vm1"): points}, [1])
    assert [(it["group"], it["block"], it["occupancy"], it["bandwidth"]) for it in found] == [
        ("vm1/vcpus_0", 0, [5], [None]),
        ("vm1/vcpus_1", 1, [None], [6]),
    ]


def test_a_node_has_its_blocks() -> None:
    points = Points([1], {OCCUPANCY: [5], Column(1, "occupancy"): [GAP]})
    assert blocks_of(points, {0: 64}, [1]) == [
        {"id": 0, "capacity": 64, "occupancy": [5]},
        {"id": 1, "capacity": None, "occupancy": [None]},
    ]
    assert series_of({Track("node01"): points}, [1]) == []


TIMES = st.lists(st.integers(0, 5000), unique=True).map(sorted)


@given(st.lists(TIMES, max_size=4), st.integers(1, 50))
def test_of_many_times_some_stay_the_last_one_among_them(tracks: list[list[int]], most: int) -> None:
    points = [track(*((time, 1) for time in times)) for times in tracks]
    everything = sorted({time for times in tracks for time in times})
    found = times_of(points, 0, most)
    assert len(found) <= most
    assert found == sorted(set(found))
    assert set(found) <= set(everything)
    assert found[-1:] == everything[-1:]
    if len(everything) <= most:
        assert found == everything


VALUES = st.lists(st.tuples(st.integers(1, 9), st.just(GAP) | st.integers(0, 99)), min_size=1, max_size=40)


@given(VALUES, st.integers(1, 12))
def test_no_line_is_drawn_over_a_gap(steps: list[tuple[int, float]], most: int) -> None:
    time, values = 0.0, []
    for wait, value in steps:
        time += wait
        values.append((time, value))
    points = track(*values)
    times = times_of([points], 0, most)
    shown = occupancy(points, times)
    for place in range(1, len(times)):
        between = [value for time, value in values if times[place - 1] < time <= times[place]]
        if any(value != value for value in between):  # noqa: PLR0124  NaN
            assert shown[place] is None
        elif shown[place - 1] is not None:
            assert shown[place] == between[-1] if between else shown[place - 1]
