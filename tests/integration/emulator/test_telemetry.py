import errno

from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.telemetry import FRACTION_BITS, TELEMETRY_EVENTS, format_fixed_point
from tests.integration.emulator.fakes import Box, refuses


def busy_group(box: Box, name: str = "a") -> str:
    """A group whose thread used a second of the last CPU."""
    path = f"/mon_groups/{name}"
    box.mkdir(path)
    tid = box.threads.process()
    box.write(f"{path}/tasks", f"{tid}")
    box.threads.burn(tid, 1, cpu=3)
    box.run(0.1)
    return path


def test_packages_have_their_own_directories_events_and_rmids() -> None:
    box = Box(cpus=4, packages=2, rmids=8, package_rmids=3)
    assert box.names("/info/PERF_PKG_MON") == ["mon_features", "num_rmids"]
    assert box.read("/info/PERF_PKG_MON/num_rmids") == "3\n"
    assert box.read("/info/PERF_PKG_MON/mon_features").split() == list(TELEMETRY_EVENTS)
    assert box.read("/info/L3_MON/num_rmids") == "8\n"
    path = busy_group(box)
    package = f"{path}/mon_data/mon_PERF_PKG_01"
    assert box.names(package) == sorted(TELEMETRY_EVENTS)
    assert box.read(f"{package}/core_energy") == "4.000000\n"
    assert box.read(f"{package}/activity") == "0.750000\n"
    assert box.read(f"{package}/uops_retired") == "3900000000\n"
    assert box.read(f"{path}/mon_data/mon_PERF_PKG_00/core_energy") == "0.000000\n"
    busy_group(box, "b")
    with refuses(errno.ENOSPC):
        box.mkdir("/mon_groups/c")


def test_a_package_leaves_with_its_last_block_and_its_counts_are_not_reset_by_mkdir() -> None:
    box = Box(cpus=4, packages=2, rmids=2)
    path = busy_group(box)
    box.resctrl.set_block_online(1, online=False)
    assert box.names(f"{path}/mon_data") == ["mon_L3_00", "mon_PERF_PKG_00"]
    box.resctrl.set_block_online(1, online=True)
    assert box.names("/mon_data") == ["mon_L3_00", "mon_L3_01", "mon_PERF_PKG_00", "mon_PERF_PKG_01"]
    box.rmdir(path)
    box.run(30)
    box.mkdir(path)
    assert box.read(f"{path}/mon_data/mon_PERF_PKG_01/core_energy") == "4.000000\n"


@given(st.integers(0, (1 << 64) - 1))
def test_a_fixed_point_number_is_shown_to_the_nearest_millionth(value: int) -> None:
    whole, fraction = format_fixed_point("core_energy", value).split(".")
    assert len(fraction) == 6
    exact = value * 1_000_000
    assert abs((int(whole) * 1_000_000 + int(fraction)) * (1 << FRACTION_BITS) - exact) * 2 <= 1 << FRACTION_BITS
