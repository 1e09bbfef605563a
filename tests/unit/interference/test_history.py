import math
from collections.abc import Sequence

import pytest

from cachemon.interference.history import HELD_WINDOWS, History
from cachemon.interference.windows import VmWindow, Window

Work = tuple[float, float] | None
GAP = "gap"


def series_of(work: Sequence[Work | str], cpu_seconds: float = 10.0) -> tuple[list[float], list[float]]:
    """Cost and misses of a VM with this work in windows of 10 s; each moves 1000 bytes."""
    history = History(10.0, 10_000.0)
    history.add(Window(0.0, 0, 1e6, None, ()))
    for number, counted in enumerate(work, 1):
        cycles, uops = counted if isinstance(counted, tuple) else (None, None)
        traffic = None if counted == GAP else 1000.0
        vm = VmWindow("a/b", 1e5, traffic, cpu_seconds, 0.0, cycles, uops)
        history.add(Window(10.0 * number, 0, 1e6, None, (vm,)))
    series = history.series["a/b"]
    return [*series.cost], [*series.misses]


def known(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def test_work_that_is_counted_once_a_minute_stands_for_the_minute() -> None:
    minute: list[Work | str] = [None] * HELD_WINDOWS
    cost, misses = series_of([(20.0, 10.0), *minute, (60.0, 20.0), *minute])
    assert cost == [2.0] * 6 + [3.0] * 6
    assert misses == [100.0] * 6 + [50.0] * 6


def test_it_stands_no_longer_than_that() -> None:
    cost, misses = series_of([(20.0, 10.0), *[None] * (HELD_WINDOWS + 2), (30.0, 10.0)])
    assert known(cost) == [2.0] * (1 + HELD_WINDOWS) + [None, None, 3.0]
    assert known(misses) == [100.0] * (1 + HELD_WINDOWS) + [None, None, 100.0]


def test_a_gap_of_a_source_that_counts_all_the_time_stays_one() -> None:
    cost, _ = series_of([(20.0, 10.0), (20.0, 10.0), None, None, (20.0, 10.0), (30.0, 10.0), None])
    assert known(cost) == [2.0, 2.0, None, None, 2.0, 3.0, None]


def test_a_vm_whose_window_is_a_gap_is_not_what_it_was_before() -> None:
    cost, _ = series_of([(20.0, 10.0), None, GAP, None, (20.0, 10.0)])
    assert known(cost) == [2.0, 2.0, None, None, 2.0]


@pytest.mark.parametrize("work", [[None] * 8, [GAP, None, None]])
def test_without_a_source_of_work_there_is_nothing_to_hold(work: list[Work | str]) -> None:
    cost, misses = series_of(work)
    assert set(known(cost)) == set(known(misses)) == {None}


def test_a_vm_that_does_not_run_has_no_cost() -> None:
    cost, _ = series_of([(20.0, 10.0), None], cpu_seconds=0.0)
    assert known(cost) == [2.0, None]
