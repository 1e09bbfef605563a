import errno
import os
import time
from collections.abc import Callable

import pytest

from lab.emulator import Emulator
from lab.wait import until
from resctrl_emulator.client import ControlError
from resctrl_emulator.faults import Fault, Faults
from tests.integration.emulator.fakes import refuses

FILE = "/mon_groups/a/mon_data/mon_L3_01/mbm_total_bytes"


def meet(faults: Faults, operation: str = "read", path: str = FILE) -> None:
    faults.meet(operation, lambda: path)


def test_a_fault_strikes_as_often_as_asked_and_after_the_calls_it_skips() -> None:
    faults = Faults()
    fault = Fault("read", FILE, errno.EIO, skip=1, times=2)
    faults.add(fault)
    meet(faults)
    for _ in range(2):
        with refuses(errno.EIO):
            meet(faults)
    meet(faults)
    assert fault.hits == 2


@pytest.mark.parametrize(
    ("operation", "path", "struck"),
    [
        ("read", FILE, True),
        ("*", "*", True),
        ("read", "*/mon_L3_01/*", True),
        ("read", "/mon_groups/?/*", True),
        ("write", FILE, False),
        ("read", "*/mon_L3_00/*", False),
        ("read", "/mon_groups/a", False),
    ],
)
def test_operation_and_path_choose_the_calls(operation: str, path: str, struck: bool) -> None:  # noqa: FBT001
    faults = Faults()
    faults.add(Fault(operation, path, errno.EBUSY))
    if struck:
        with refuses(errno.EBUSY):
            meet(faults)
    else:
        meet(faults)


def test_delays_add_up_and_come_before_the_error() -> None:
    slept: list[float] = []
    faults = Faults(slept.append)
    faults.add(Fault("read", "*", None, delay_seconds=0.25))
    faults.add(Fault("*", FILE, errno.EINTR, delay_seconds=0.5))
    with refuses(errno.EINTR):
        meet(faults)
    meet(faults, path="/tasks")
    assert slept == [0.75, 0.25]


def test_calls_are_counted_and_forgotten_with_the_faults() -> None:
    faults = Faults()
    faults.add(Fault("open", "*", errno.EMFILE))
    for _ in range(3):
        meet(faults)
    assert faults.calls == {"read": 3}
    faults.clear()
    meet(faults, "open")
    assert (faults.calls, faults.added()) == ({"open": 1}, [])


def test_system_calls_fail_as_asked_and_not_otherwise(emulator: Emulator) -> None:
    root, control = emulator.mountpoint, emulator.control
    group = root / "mon_groups/a"
    control.fail("mkdir", "/mon_groups/a", errno.ENOSPC)
    with refuses(errno.ENOSPC):
        group.mkdir()
    group.mkdir()
    counter = os.open(f"{root}{FILE}", os.O_RDONLY)
    control.fail("read", "*/mon_L3_01/*", errno.EIO, times=None)
    with refuses(errno.EIO):
        os.pread(counter, 64, 0)
    assert (group / "mon_data/mon_L3_00/mbm_total_bytes").read_text() == "0\n"
    for operation, number, call in (
        ("open", errno.EMFILE, (root / "cpus").read_text),
        ("write", errno.ENOENT, lambda: (group / "tasks").write_text("0\n")),
        ("rename", errno.ENOMEM, lambda: group.rename(root / "mon_groups/b")),
        ("rmdir", errno.EBUSY, group.rmdir),
        ("getattr", errno.EACCES, group.stat),
        ("readdir", errno.EIO, lambda: list(group.iterdir())),
    ):
        control.fail(operation, "*", number)
        with refuses(number):
            call()
    assert [(fault.operation, fault.errno, fault.hits) for fault in control.faults()][:2] == [
        ("mkdir", errno.ENOSPC, 1),
        ("read", errno.EIO, 1),
    ]
    control.heal()
    assert int(os.pread(counter, 64, 0)) >= 0
    assert control.calls() == {"read": 1}
    os.close(counter)


def test_reads_of_one_block_can_take_their_time(emulator: Emulator) -> None:
    mon_data = emulator.mountpoint / "mon_data"
    emulator.control.delay("read", "*/mon_L3_01/*", 300, times=1)

    def seconds(block: str) -> float:
        start = time.monotonic()
        (mon_data / block / "llc_occupancy").read_text()
        return time.monotonic() - start

    until("a quick read of another block", lambda: seconds("mon_L3_00") < 0.3)
    assert seconds("mon_L3_01") >= 0.3
    until("a quick read of the same", lambda: seconds("mon_L3_01") < 0.3)


def test_what_can_t_be_injected_is_refused(emulator: Emulator) -> None:
    for operation, number, message in (("chew", errno.EIO, "no operation chew"), ("read", 9999, "no errno 9999")):
        with pytest.raises(ControlError, match=message):
            emulator.control.fail(operation, "*", number)
    with pytest.raises(ControlError, match="give an errno, milliseconds, or both"):
        emulator.control.delay("read", "*", 0)


def test_features_are_options_of_the_command(mount: Callable[..., Emulator]) -> None:
    emulator = mount(
        rmids=16,
        more=["--mbm-counters=2", "--event-configs", "--packages=2", "--package-rmids=6", "--cpus=8"],
    )
    root, control = emulator.mountpoint, emulator.control
    (root / "mon_groups/a").mkdir()
    assert (root / "cpus_list").read_text() == "0-7\n"
    assert (root / "mon_groups/a/mon_data/mon_L3_00/mbm_total_bytes").read_text() == "Unassigned\n"
    control.set_value("/mon_groups/a", 1, "core_energy", 5 << 17)
    assert (root / "mon_groups/a/mon_data/mon_PERF_PKG_01/core_energy").read_text() == "2.500000\n"
    books = control.books()
    assert books.groups["/mon_groups/a"].packages[1]["core_energy"] == 5 << 17
    assert books.groups["/mon_groups/a"].blocks[0]["mbm_total_bytes"] == "Unassigned"
    assert books.rmids == 6
    with pytest.raises(ControlError, match="no package 7 online"):
        control.set_value("/", 7, "core_energy", 1)
