from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.interference.minutes import MINUTES
from cachemon.interference.typical import FEWEST_MINUTES, Measure, Typical, TypicalMinutes
from cachemon.interference.windows import VmWindow, Window
from tests.unit.interference.any_windows import windows as any_windows
from tests.unit.interference.scripted import CALM, DB, MIB, Behaviour, played

WINDOWS_OF_A_MINUTE = 6


def usual(windows: Iterable[Window], cpu_model: str = "Xeon") -> TypicalMinutes:
    minutes = TypicalMinutes(cpu_model)
    for window in windows:
        minutes.add(window)
    return minutes


def calm(minutes: int, *, has_work: bool = True, db: Behaviour = DB) -> Iterator[Window]:
    return played([({**CALM, "a/db": db}, WINDOWS_OF_A_MINUTE * minutes)], has_work=has_work, noise=0.002)


def of_db(windows: Iterable[Window]) -> Typical:
    return usual(windows).typical["a/db"]


def test_of_each_vm_the_medians_of_whole_minutes_are_known() -> None:
    found = of_db(calm(40, db=replace(DB, cost=1.3, busy=1.5, delay=0.04)))
    assert (found.measure, found.minutes, found.cpu_model) == (Measure.CYCLES, MINUTES, "Xeon")
    assert found.median == pytest.approx(1300, rel=0.01)
    assert found.spread < 5
    assert found.occupancy_bytes == pytest.approx(10 * MIB, rel=0.01)
    assert found.cpus == pytest.approx(1.5, rel=0.01)
    assert found.delay == pytest.approx(0.04, rel=0.01)


def test_the_end_of_the_last_minute_is_a_full_minute() -> None:
    windows = [*calm(20)]
    until = of_db(windows).until
    assert until % 60 == 0
    assert windows[-1].time - 60 <= until <= windows[-1].time


def test_where_nothing_measures_work_it_is_the_traffic_of_a_cpu_second() -> None:
    found = of_db(calm(20, has_work=False))
    assert found.measure is Measure.TRAFFIC
    assert found.median == pytest.approx(200e6, rel=0.01)


def test_cache_blocks_add_up_and_cpu_time_and_work_count_once() -> None:
    windows = [both for window in calm(20) for both in (window, replace(window, block=1))]
    once, twice = of_db(calm(20)), of_db(windows)
    assert twice.median == once.median
    assert twice.cpus == once.cpus
    assert twice.occupancy_bytes == pytest.approx(2 * once.occupancy_bytes)
    assert of_db(map(blind, windows)).median == pytest.approx(2 * of_db(map(blind, calm(20))).median)


def blind(window: Window) -> Window:
    return replace(window, vms=tuple(replace(vm, cycles=None) for vm in window.vms))


def test_with_fewer_than_ten_minutes_nothing_is_usual() -> None:
    assert usual(calm(FEWEST_MINUTES)).typical == {}
    assert usual(calm(FEWEST_MINUTES + 2)).typical.keys() == CALM.keys()


def counted_in(windows: Iterable[Window], *places: int) -> Iterator[Window]:
    """Work is counted in some windows of each six."""
    for place, window in enumerate(windows):
        yield window if place % WINDOWS_OF_A_MINUTE in places else blind(window)


def test_work_that_is_counted_once_a_minute_is_that_of_perf() -> None:
    found = of_db(counted_in(calm(30, db=replace(DB, cost=1.3)), 4))
    assert found.measure is Measure.INSTRUCTION_CYCLES
    assert found.median == pytest.approx(1300, rel=0.01)


def test_a_few_missing_counts_of_telemetry_leave_its_measure() -> None:
    found = of_db(changed_once(calm(30)))
    assert found.measure is Measure.CYCLES


def changed_once(windows: Iterable[Window]) -> Iterator[Window]:
    return (blind(window) if place == 100 else window for place, window in enumerate(windows))


def test_where_nobody_knows_what_was_counted_it_is_the_traffic() -> None:
    assert of_db(counted_in(calm(30), 0, 1, 2, 3)).measure is Measure.TRAFFIC


def changed(windows: Iterable[Window], number: int, *entry: VmWindow) -> Iterator[Window]:
    """One window, by its number, has other figures of one VM, or none."""
    for place, window in enumerate(windows):
        others = tuple(vm for vm in window.vms if vm.vm != "a/db")
        yield replace(window, vms=(*others, *entry)) if place == number else window


def test_a_minute_with_a_gap_does_not_count() -> None:
    found = usual(changed(calm(20), 40, VmWindow("a/db", None, None, None, None))).typical
    assert found["a/db"].minutes == found["b/web"].minutes - 1
    assert found["a/db"].cpus == pytest.approx(1.0, rel=0.01)


def test_a_vm_without_a_window_is_forgotten_since_it_may_have_been_restarted() -> None:
    found = usual(changed(calm(30), 60)).typical
    assert found["b/web"].minutes > 25
    assert found["a/db"].minutes < 20
    assert "a/db" not in usual(changed(calm(20), 90)).typical


def test_nothing_is_kept_of_a_vm_that_left() -> None:
    others = {name: it for name, it in CALM.items() if name != "a/db"}
    gone = usual(played([(CALM, 100), (others, 2 * WINDOWS_OF_A_MINUTE + 1)]))
    assert gone.typical.keys() == gone._vms.keys() == others.keys()


def test_a_lasting_change_is_in_the_spread() -> None:
    dear = replace(DB, cost=1.5)
    found = of_db(played([({"a/db": DB}, 100), ({"a/db": dear}, 90)], noise=0.002))
    assert found.spread > 400


def test_a_long_gap_leaves_no_old_minutes() -> None:
    windows = [*calm(20)]
    later = [replace(window, time=window.time + 7200) for window in calm(14)]
    assert of_db([*windows, *later]).minutes <= 14


@given(st.lists(any_windows(), max_size=12))
def test_any_windows_can_be_taken_in(windows: list[Window]) -> None:
    for vm in usual(windows).typical.values():
        assert FEWEST_MINUTES <= vm.minutes <= MINUTES


def test_it_keeps_half_an_hour_of_each_vm() -> None:
    minutes = usual(calm(200))
    assert {len(vm.minutes) for vm in minutes._vms.values()} == {MINUTES}
