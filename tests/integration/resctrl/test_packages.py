"""Telemetry of CPU packages, from the mounted emulator to figures of groups."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cachemon.model.groups import GroupKey
from cachemon.model.telemetry import CORE_ENERGY, ENERGY_EVENTS, PERF_EVENTS, UOPS_RETIRED
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from resctrl_emulator.telemetry import FRACTION_BITS
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.one_node import ALL, LOW, WELL, Node, states, wanting

NANO = 10**9


def test_energy_of_groups_agrees_with_the_books(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(
        blocks={0: 32 << 20, 1: 32 << 20}, rmids=64, more=["--packages=2", "--package-rmids=9", "--cpus=8"]
    )
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    for number in range(4):
        node.plug(f"CPU {number}/KVM")
    layout = node.run(wanting(LOW, ALL))
    assert states(layout) == [WELL] * 2
    assert layout.node.num_rmids == 9, "the kernel makes no more groups than packages have RMIDs"
    assert layout.node.telemetry is not None
    assert layout.node.telemetry.events == (*ENERGY_EVENTS, *PERF_EVENTS)
    cells = {g.group.name: g.mon_groups for g in layout.targets[0].groups}
    emulator.control.freeze()

    def set_energy(joules: float, uops: int) -> None:
        for cell in cells["all"]:
            path = f"/mon_groups/{cell.name}"
            emulator.control.set_value(path, 1, CORE_ENERGY, int(joules * (1 << FRACTION_BITS)))
            emulator.control.set_value(path, 1, UOPS_RETIRED, uops)

    set_energy(1000.5, 10**15)
    node.sampler.sample(layout)
    set_energy(1003.75, 10**15 + 77)
    figures = node.sampler.sample(layout)
    for name, mon_groups in cells.items():
        of_first, of_second = figures.packages[GroupKey("uid-of-vm3", name)]
        assert (of_first.missing, of_second.missing) == (None, None)
        assert of_first.counts[CORE_ENERGY].total == 0
        assert of_second.counts[CORE_ENERGY].total == len(mon_groups) * 3_250_000_000
        assert of_second.counts[UOPS_RETIRED].total == len(mon_groups) * 77 * NANO
    emulator.control.set_value(f"/mon_groups/{cells['low'][0].name}", 1, CORE_ENERGY, "Unavailable")
    of_first, of_second = node.sampler.sample(layout).packages[GroupKey("uid-of-vm3", "low")]
    assert (of_first.missing, of_second.missing) == (None, "Unavailable")
    node.sampler.close()


def test_a_package_that_goes_offline_leaves_the_layout(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(blocks={0: 32 << 20, 1: 32 << 20}, rmids=16, more=["--packages=2", "--cpus=8"])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    assert [package.id for package in node.run(target).node.packages] == [0, 1]
    emulator.control.set_block_online(1, online=False)
    layout = node.run(target)
    assert [package.id for package in layout.node.packages] == [0]
    (figure,) = node.sampler.sample(layout).packages[GroupKey("uid-of-vm3", "all")]
    assert figure.missing is None
    node.sampler.close()


@pytest.mark.parametrize("more", [["--snc-nodes=2"], []])
def test_without_telemetry_there_is_none(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads, more: list[str]
) -> None:
    emulator = mount(blocks={0: 32 << 20, 1: 32 << 20}, rmids=16, more=more)
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    node.plug("CPU 0/KVM")
    layout = node.run(wanting(ALL, vcpus=1))
    assert (layout.node.telemetry, layout.node.packages) == (None, ())
    assert not node.sampler.sample(layout).packages
    node.sampler.close()
