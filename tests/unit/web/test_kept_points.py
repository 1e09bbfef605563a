from math import isnan

from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.kept_points import KeptPoints
from cachemon.web.points import Column, Points, Track

VM = Track("node01", "a/vm1")
OCCUPANCY = Column(0, "occupancy")


def shown(points: Points, column: Column = OCCUPANCY) -> list[tuple[float, float | None]]:
    values = (None if isnan(value) else value for value in points.columns[column])
    return list(zip(points.times, values, strict=True))


def add(kept: KeptPoints, time: float, value: int | None, track: Track = VM) -> None:
    kept.add(track, time, {OCCUPANCY: value}, hold_seconds=180)


def test_a_point_is_kept_at_the_time_of_its_figure_once() -> None:
    kept = KeptPoints()
    for time, value in ((100, 5), (100, 5), (160, 6), (130, 9)):
        add(kept, time, value)
    assert shown(kept.of_vm("a/vm1")[VM]) == [(100, 5), (160, 6)]


def test_figures_that_are_not_renewed_in_time_leave_a_gap() -> None:
    kept = KeptPoints()
    add(kept, 100, 5)
    add(kept, 900, 6)
    assert shown(kept.of_vm("a/vm1")[VM]) == [(100, 5), (280, None), (900, 6)]


def test_a_figure_that_does_not_hold_is_a_gap() -> None:
    kept = KeptPoints()
    add(kept, 100, 5)
    kept.interrupt(VM, 130)
    kept.interrupt(VM, 140)
    add(kept, 160, None)
    assert shown(kept.of_vm("a/vm1")[VM]) == [(100, 5), (130, None), (160, None)]


def test_an_end_in_the_second_of_a_point_comes_after_it() -> None:
    kept = KeptPoints()
    add(kept, 100, 5)
    kept.interrupt(VM, 99)
    assert shown(kept.of_vm("a/vm1")[VM]) == [(100, 5), (100.001, None)]


def test_a_block_that_appears_later_has_a_gap_before() -> None:
    kept = KeptPoints()
    add(kept, 100, 5)
    kept.add(VM, 160, {OCCUPANCY: 6, Column(1, "occupancy"): 7}, hold_seconds=180)
    assert shown(kept.of_vm("a/vm1")[VM], Column(1, "occupancy")) == [(100, None), (160, 7)]


def test_a_node_has_its_own_track_and_the_sums_of_vms() -> None:
    kept = KeptPoints()
    for track in (VM, VM._replace(source="vm1"), Track("node01"), Track("node02", "a/vm1")):
        add(kept, 100, 5, track)
    assert set(kept.of_node("node01")) == {VM, Track("node01")}
    assert set(kept.of_vm("a/vm1")) == {VM, VM._replace(source="vm1"), Track("node02", "a/vm1")}


def test_tracks_without_news_for_hours_are_forgotten() -> None:
    kept = KeptPoints(longest_seconds=1000)
    add(kept, 100, 5)
    add(kept, 1101, 5, Track("node01", "a/vm2"))
    assert kept.of_vm("a/vm1") == {}
    assert kept.size == 2


def test_more_tracks_make_each_shorter() -> None:
    kept = KeptPoints(most_values=1000)
    for time in range(0, 400 * 60, 60):
        add(kept, time, 1)
    assert len(kept.of_vm("a/vm1")[VM].times) > 380
    for time in range(400 * 60, 800 * 60, 60):
        for number in range(1, 5):
            add(kept, time, 1, Track("node01", f"a/vm{number}"))
    assert [len(kept.of_vm(f"a/vm{number}")[Track("node01", f"a/vm{number}")].times) > 75 for number in range(1, 5)]
    assert kept.of_vm("a/vm1")[VM].times[-1] == 799 * 60


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.booleans()), max_size=300))
def test_memory_is_bounded_whatever_comes_and_goes(news: list[tuple[int, int, bool]]) -> None:
    kept = KeptPoints(most_values=200, longest_seconds=500)
    now = 0.0
    for wait, number, ends in news:
        now += wait
        track = Track(f"node{number % 2}", f"a/vm{number}")
        if ends:
            kept.interrupt(track, now)
        else:
            add(kept, now, number, track)
        tracks = {**kept.of_node("node0"), **kept.of_node("node1")}
        assert kept.size == sum(len(points.times) * (1 + len(points.columns)) for points in tracks.values()) <= 200
        assert all(list(points.times) == sorted(set(points.times)) for points in tracks.values())
