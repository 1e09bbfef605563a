"""Sub-NUMA clusters (Intel SNC), from the mounted emulator to figures of groups."""

from collections.abc import Callable
from pathlib import Path

from cachemon.engine.figures import LOCAL_TRAFFIC, OCCUPANCY, TOTAL_TRAFFIC
from cachemon.model.groups import GroupKey
from cachemon.model.readings import BlockShare, Missing
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.one_node import ALL, LOW, WELL, Node, states, wanting

KEY = GroupKey("uid-of-vm3", "low")


def test_numa_nodes_are_read_beside_the_sum(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(blocks={0: 32 << 20, 5: 32 << 20}, rmids=64, more=["--snc-nodes=2", "--cpus=8"])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    for number in range(4):
        node.plug(f"CPU {number}/KVM")
    layout = node.run(wanting(LOW, ALL))
    assert states(layout) == [WELL] * 2
    assert [(block.id, block.numa_nodes) for block in layout.node.blocks] == [(0, (0, 1)), (5, (2, 3))]
    emulator.control.freeze()
    (cell,) = layout.targets[0].groups[0].mon_groups

    def write(number: int, event: str, value: int | str) -> None:
        emulator.control.set_value(f"/mon_groups/{cell.name}", number, event, value)

    for number in range(4):
        write(number, OCCUPANCY, 4096 * (number + 1))
        write(number, TOTAL_TRAFFIC, 10**6)
    node.sampler.sample(layout)
    for number in range(4):
        write(number, TOTAL_TRAFFIC, 10**6 + 64 * (number + 1))
    figures = node.sampler.sample(layout)
    shares = figures.shares[KEY]
    assert [share.share for share in shares] == [
        BlockShare(0, 0),
        BlockShare(0, 1),
        BlockShare(5, 2),
        BlockShare(5, 3),
    ]
    assert [share.occupancy for share in shares] == [4096, 8192, 12288, 16384]
    assert [share.traffic[TOTAL_TRAFFIC].total_bytes for share in shares] == [64, 128, 192, 256]
    assert [set(share.traffic) for share in shares] == [{TOTAL_TRAFFIC, LOCAL_TRAFFIC}] * 4
    assert [figure.occupancy for figure in figures.groups[KEY]] == [4096 + 8192, 12288 + 16384]
    write(1, OCCUPANCY, "Unavailable")
    later = node.sampler.sample(layout)
    assert [share.occupancy for share in later.shares[KEY]][:2] == [4096, Missing.UNAVAILABLE]
    assert later.groups[KEY][0].occupancy == 4096, "as the kernel sums"
    node.sampler.close()
