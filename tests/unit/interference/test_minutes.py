from collections.abc import Iterable

import pytest

from cachemon.interference.history import MOST_VMS
from cachemon.interference.minutes import MINUTES, Minutes, MinuteSeries
from cachemon.interference.windows import VmWindow, Window

MIB = 1 << 20


def window(time: float, *vms: tuple[str, float | None, float | None]) -> Window:
    entries = tuple(VmWindow(name, held, moved, 1.0, 0.0) for name, held, moved in vms)
    return Window(time, 0, 32 * MIB, None, entries)


def minutes(windows: Iterable[Window]) -> Minutes:
    found = Minutes()
    for each in windows:
        found.add(each)
    return found


def test_a_minute_has_the_last_occupancy_and_the_mean_traffic() -> None:
    found = minutes(window(600 + 10 * n, ("a/db", n * MIB, 20 * MIB)) for n in range(1, 14))
    series = found.series("a/db")
    assert series.occupancy_mebibytes[-2:] == (5, 11)
    assert series.traffic_mebibytes_per_second[-2:] == (2, 2)
    assert found.until == 720
    assert len(series.occupancy_mebibytes) == MINUTES
    assert series.occupancy_mebibytes[:-2] == (None,) * (MINUTES - 2)


def test_the_length_of_the_first_window_is_unknown_so_its_traffic_does_not_count() -> None:
    found = minutes([window(600, ("a", MIB, 10**12)), window(610, ("a", MIB, 30 * MIB)), window(660, ("a", MIB, 1))])
    assert found.series("a").traffic_mebibytes_per_second[-1] == 3


def test_a_minute_with_a_gap_has_no_traffic() -> None:
    gap = window(620, ("a", None, None))
    found = minutes([window(610, ("a", MIB, 1)), gap, window(630, ("a", MIB, 1)), window(660, ("a", MIB, 1))])
    assert found.series("a") == MinuteSeries((None,) * 29 + (1,), (None,) * 30)


def test_a_vm_that_is_not_on_the_block_holds_and_moves_nothing() -> None:
    found = minutes([window(610, ("a", MIB, 1)), window(660), window(720), window(780)])
    assert found.series("a").occupancy_mebibytes[-3:] == (1, 0, 0)
    assert found.series("a").traffic_mebibytes_per_second[-1] == 0


def test_minutes_without_windows_have_no_values() -> None:
    found = minutes([window(610, ("a", MIB, 1)), window(620, ("a", MIB, 1)), window(905, ("a", MIB, 1))])
    assert found.series("a").occupancy_mebibytes[-5:] == (1, None, None, None, None)


def test_half_an_hour_is_kept_of_each_vm_and_nothing_of_those_that_left_before() -> None:
    found = minutes(window(60 * n, ("a", MIB, 1), *((("b", MIB, 1),) if n < 3 else ())) for n in range(200))
    assert found.series("a").occupancy_mebibytes == (1,) * MINUTES
    assert found._vms.keys() == {"a"}
    assert len(found._vms["a"].occupancy) == MINUTES


def test_vms_that_come_and_go_take_no_more_room_than_those_that_stay() -> None:
    found = minutes(
        window(600 + 10 * n, *((f"a/{n // 3}-{number}", MIB, MIB) for number in range(100))) for n in range(90)
    )
    assert len(found._vms) == MOST_VMS
    assert found.series("a/27-0").traffic_mebibytes_per_second[-1] is not None, "new ones have minutes"


@pytest.mark.parametrize("name", ["a", "b"])
def test_before_the_first_minute_is_over_there_is_no_value(name: str) -> None:
    found = minutes([window(610, ("a", MIB, 1))])
    assert found.series(name) == MinuteSeries((None,) * MINUTES, (None,) * MINUTES)
