"""A node with real threads, a mounted emulator and one QEMU in /proc; its agent runs one pass at a time."""

from collections.abc import Mapping
from pathlib import Path

from cachemon.agent.targets import BoundLayout, BoundTarget
from cachemon.engine.layout import GroupState
from cachemon.engine.sampler import Sampler
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.integration.resctrl.busy_threads import BusyThreads, StandInQemu
from tests.unit.agent.builders import make_object, make_reconciler, make_target
from tests.unit.model.worlds import pod_uid

POD = pod_uid(1)
PID = 4_000_001


class Node:
    """A node whose clock is moved by hand."""

    def __init__(self, tree: ResctrlTree, sysfs: Path, proc: Path, threads: BusyThreads) -> None:
        self.tree = tree
        self.sysfs = sysfs
        self.proc = proc
        self.threads = threads
        self.now = 1000.0
        self.qemu = StandInQemu(proc, PID, POD, "tenant-a_vm3")
        self.main = self.plug("qemu-system-x86")
        self.restart()
        self.sampler = Sampler(tree, 10)

    def restart(self) -> None:
        """Another agent takes over."""
        self.reconciler = make_reconciler(self.tree, self.proc, self.sysfs, lambda: self.now)

    def plug(self, name: str) -> int:
        tid = self.threads.start(name)
        self.qemu.add(tid)
        return tid

    def run(self, *targets: BoundTarget) -> BoundLayout:
        self.now += 40
        return self.reconciler.run(targets)

    def ours(self) -> set[frozenset[int]]:
        """The content of our mon_groups."""
        return {tids for name, tids in self.tree.observe().mon_groups.items() if name.is_ours}


def wanting(*groups: Mapping[str, object], name: str = "vm3", vcpus: int = 4, priority: int = 0) -> BoundTarget:
    placements = [{"nodeName": "node01", "podUID": POD, "role": "Active"}]
    spec = {"vmiName": "vm3", "groups": list(groups), "priority": priority}
    return make_target(make_object(name, spec=spec, status={"vcpuCount": vcpus, "placements": placements}))


def states(layout: BoundLayout) -> list[tuple[GroupState, str | None]]:
    return [(group.state, group.reason) for target in layout.targets for group in target.groups]


WELL = (GroupState.MONITORED, None)
LOW, ALL = {"name": "low", "vcpus": "0-1"}, {"name": "all", "vcpus": "all"}
