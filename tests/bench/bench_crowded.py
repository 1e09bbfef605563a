"""An agent with 200 VMs and 400 groups: what it takes of its node, and what it writes."""

import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cachemon.model.threads import classify
from lab.cluster import Cluster
from resctrl_emulator.machine import CacheBlock, Machine, online_cpus, write_sysfs
from tests.bench.built import cluster_binaries
from tests.bench.loaded_agent import Load, Tree, make_objects, measured
from tests.bench.measure import Bench, Figure
from tests.bench.stand_in_vms import StandInVms
from tests.bench.trees import EVENTS, Size, mon_groups, plain_tree

LOAD = Load(vms=200, vcpus=16, groups=2, others=250, period_seconds=60, settle_seconds=240)
BLOCKS = {"_200": 8, "_200_24": 24}
"""Cache blocks, by the suffix of the figures."""
RMIDS = 512
_BLOCK_BYTES = 32 << 20
_OTHER_DESCRIPTORS = 100


def run(divisor: int) -> Iterator[Figure]:
    """One period with each number of cache blocks."""
    binaries = cluster_binaries()
    load = LOAD.divided(divisor)
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        guests = make_objects(cluster, load)
        with StandInVms(guests, load.others) as vms:
            pids = [vms.pids(guest)[0] for guest in guests]
            for suffix, blocks in BLOCKS.items():
                if not _has_descriptors(load, blocks):
                    continue
                folder = Path(place) / f"node{suffix}"
                folder.mkdir()
                with tree_of(pids, load, blocks, folder / "sys") as tree:
                    yield from measured(cluster, folder, tree, load, suffix)


def _has_descriptors(load: Load, blocks: int) -> bool:
    """Whether an agent may keep all files open here; nodes allow a million descriptors and more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = (load.vms * load.groups + 1) * blocks * len(EVENTS) + _OTHER_DESCRIPTORS
    if needed > most:
        print(f"bench agent: {blocks} cache blocks take {needed} descriptors, the limit is {most}", file=sys.stderr)
    return needed <= most


@contextmanager
def tree_of(pids: Sequence[int], load: Load, blocks: int, sysfs: Path) -> Iterator[Tree]:
    """Files in memory that look like resctrl to an agent that was restarted: each group has its mon_group.

    The emulator takes longer than a second to answer this number of reads.

    Args:
        pids: of the QEMUs.
        load: has the groups of each.
        blocks: number of cache blocks.
        sysfs: where to write the topology.
    """
    size = Size(len(pids) * load.groups, blocks)
    write_sysfs(sysfs, Machine(online_cpus(), [CacheBlock(block, _BLOCK_BYTES) for block in range(blocks)]))
    with plain_tree(size) as root:
        (root / "info/L3_MON/num_rmids").write_text(f"{RMIDS}\n")
        directories = iter(mon_groups(root, size))
        for tids in map(_vcpu_tids, pids):
            for vcpus in load.vcpus_of_groups:
                (next(directories) / "tasks").write_text("".join(f"{tids[vcpu]}\n" for vcpu in vcpus))
        yield Tree(root, sysfs)


def _vcpu_tids(pid: int) -> dict[int, int]:
    """The TIDs of a QEMU's vCPU threads, by vCPU."""
    tids: dict[int, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        _, vcpu = classify((task / "comm").read_text().rstrip("\n"))
        if vcpu is not None:
            tids[vcpu] = int(task.name)
    return tids


BENCH = Bench(
    "agent.crowded",
    "an agent with 200 VMs x 16 vCPUs, 400 groups, 512 RMIDs and 8 or 24 cache blocks, on plain files in memory, a "
    "sample a second, a scrape in 15 s: memory at its most; CPU time / time; the same of a bare loop in Python that "
    "only reads and writes as much; agent / bare loop; status writes, as the API server counts them / "
    "groups x periods",
    run,
)
