"""What a test of the engine stands on, whether the tree is a real kernel's or the emulator's."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from cachemon.model.cells import RankedGroup, split
from cachemon.model.groups import GroupKey, parse_group
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.plan import Plan, make_plan
from cachemon.model.threads import Qemu, Thread, classify
from cachemon.resctrl.apply import Applied, apply_plan
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.wait import until
from tests.integration.resctrl.busy_threads import PROC, BusyThreads, is_alive, put_thread


@dataclass(frozen=True, slots=True)
class Machine:
    """A mounted resctrl with no groups in it.

    Attributes:
        root: the mount point.
        sysfs: the topology that belongs to it.
        threads: starts threads of this process.
        moving: whether counters move with what threads do.
        take_block_offline: what CPU hotplug does when the last CPU of a cache block goes.
        bring_blocks_back: all CPUs are online again.
        home_of: the group that a thread is in, as the kernel shows it in the thread's proc file.
    """

    root: Path
    sysfs: Path
    threads: BusyThreads
    moving: bool
    take_block_offline: Callable[[int], None]
    bring_blocks_back: Callable[[], None]
    home_of: Callable[[int], MonGroupName]

    @property
    def tree(self) -> ResctrlTree:
        """The tree, as the agent uses it."""
        return ResctrlTree(self.root)

    def make(self, control_group: str, name: str = "") -> MonGroupName:
        """A group made as other programs do, not by the engine."""
        where = MonGroupName(control_group, name)
        self.tree.directory(where).mkdir()
        return where

    def put(self, where: MonGroupName, tid: int) -> None:
        """Move a thread into any group, as other programs do."""
        put_thread(self.tree, where, tid)

    def end(self, tid: int) -> None:
        """End a thread, and wait until the kernel has buried it: Python's join returns before."""
        self.threads.end(tid)
        until(f"thread {tid} to be gone", lambda: PROC.stat(tid) is None)

    def own_groups(self) -> dict[MonGroupName, frozenset[int]]:
        """Mon_groups of ours and the TIDs in them."""
        return {where: tids for where, tids in self.tree.observe().mon_groups.items() if where.is_ours}


@dataclass(slots=True)
class Vm:
    """Threads of this process that are named as QEMU names its own."""

    machine: Machine
    vcpus: int
    pod_uid: str = "0e0bbf0d-4b3f-4ac8-9a5c-3d7c0f5e1c11"
    tids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [*(f"CPU {number}/TCG" for number in range(self.vcpus)), "IO iothread1"]
        self.tids = [self.machine.threads.start(name) for name in names]

    def plug(self) -> int:
        """One more vCPU; its TID."""
        self.vcpus += 1
        self.tids.append(self.machine.threads.start(f"CPU {self.vcpus - 1}/TCG"))
        return self.tids[-1]

    @property
    def qemu(self) -> Qemu:
        """As a scan sees it: names and start times are read from /proc."""
        return Qemu(os.getpid(), 1, self.pod_uid, "tenant_vm", tuple(map(_scanned, self.tids)), identifiable=True)


def _scanned(tid: int) -> Thread:
    stat = PROC.stat(tid)
    assert stat, f"thread {tid} has gone"
    thread_class, vcpu = classify(stat.name)
    return Thread(tid, stat.start_time, thread_class, vcpu)


def plan_for(machine: Machine, vm: Vm, *lists: str) -> Plan:
    """The plan for a VM's groups of vCPUs, earlier ones first when RMIDs are short; nothing is remembered."""
    wanted = [parse_group({"vcpus": text}) for text in lists]
    groups = [
        RankedGroup(GroupKey("object", group.name), group, priority=-position, created="", namespace="")
        for position, group in enumerate(wanted)
    ]
    qemu = vm.qemu
    return make_plan(split(qemu, groups), groups, machine.tree.observe(), known_threads=qemu.threads)


def carry_out(machine: Machine, vm: Vm, *lists: str) -> Applied:
    """Make the tree what the groups want, as an agent does that has just started."""
    return apply_plan(machine.tree, plan_for(machine, vm, *lists), is_alive)


Check = Callable[[Machine], None]


def checks_of(*modules: ModuleType) -> dict[str, Check]:
    """The tests of modules, in order."""
    return {name: value for module in modules for name, value in vars(module).items() if name.startswith("test_")}


@contextmanager
def raised(kind: type[Exception], pattern: str) -> Iterator[None]:
    """The block must raise this, with a message in which the pattern is found; there is no pytest in the guest."""
    message = None
    try:
        yield
    except kind as error:
        message = str(error)
    assert message is not None, f"{kind.__name__} was not raised"
    assert re.search(pattern, message), f"{message} has no {pattern}"


def home_by_tasks_files(tree: ResctrlTree, tid: int) -> MonGroupName:
    """Where a thread is, for trees that have no /proc/TID/cpu_resctrl_groups."""
    observed = tree.observe()
    for where, tids in observed.mon_groups.items():
        if tid in tids:
            return where
    return next((MonGroupName(group, "") for group, tids in observed.control_groups.items() if tid in tids), _DEFAULT)


def home_by_proc(tid: int) -> MonGroupName:
    """What the kernel says of the thread: lines `res:/` or `res:gold`, and `mon:` with or without a name.

    proc_resctrl_show() in fs/resctrl/rdtgroup.c, Linux 7.3.
    """
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{tid}/cpu_resctrl_groups").read_text().splitlines())
    return MonGroupName(lines["res"].strip("/"), lines["mon"])


_DEFAULT = MonGroupName(ROOT, "")
