"""Values for tests of the model: QEMUs, groups, and a kernel that carries out actions in memory."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

from cachemon.model.cells import Cell, RankedGroup, split
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.mon_groups import ROOT, Holders, MonGroupName, Observed
from cachemon.model.plan import Action, Create, Move, Plan, Release, Remove, make_plan
from cachemon.model.threads import Qemu, Thread, ThreadClass
from cachemon.model.vcpus import VcpuSet

T = TypeVar("T")

TIDS_OF_A_QEMU = 100


def pod_uid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def make_qemu(number: int, vcpus: Iterable[int], classes: Iterable[ThreadClass] = ()) -> Qemu:
    """A QEMU whose PID is 100 times its number; its main thread, one thread a vCPU, one of each class."""
    pid = number * TIDS_OF_A_QEMU
    kinds: list[tuple[ThreadClass, int | None]] = [(ThreadClass.EMULATOR, None)]
    kinds += [(ThreadClass.VCPU, vcpu) for vcpu in vcpus]
    kinds += [(kind, None) for kind in classes]
    threads = tuple(Thread(pid + rank, 1000 + rank, kind, vcpu) for rank, (kind, vcpu) in enumerate(kinds))
    return Qemu(pid, 1000, pod_uid(number), f"ns_vm{number}", threads, identifiable=True)


def make_ranked_group(
    uid: str, name: str, vcpus: Iterable[int] | None, *, threads: Iterable[ThreadClass] = (), priority: int = 0,
    created: str = "2026-01-01T00:00:00Z", namespace: str = "ns",
) -> RankedGroup:  # fmt: skip
    group = MonitoringGroup(
        name, None if vcpus is None else VcpuSet.of(vcpus), all_vcpus=False, threads=frozenset(threads)
    )
    return RankedGroup(GroupKey(uid, name), group, priority, created, namespace)


@dataclass(frozen=True)
class World:
    """QEMUs and what is wanted of each, by its PID."""

    qemus: tuple[Qemu, ...]
    ranked_groups_of: Mapping[int, tuple[RankedGroup, ...]]

    @property
    def groups(self) -> tuple[RankedGroup, ...]:
        return tuple(group for groups in self.ranked_groups_of.values() for group in groups)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for qemu in self.qemus for cell in split(qemu, self.ranked_groups_of[qemu.pid]))

    @property
    def threads(self) -> frozenset[Thread]:
        return frozenset(thread for qemu in self.qemus for thread in qemu.threads)

    @property
    def tids(self) -> frozenset[int]:
        return frozenset(thread.tid for thread in self.threads)

    def plan(
        self, kernel: "SimulatedKernel", *, held_for: Holders | None = None, budget: int | None = None,
        rooms: Mapping[str, int] | None = None,
    ) -> Plan:  # fmt: skip
        return make_plan(
            self.cells,
            self.groups,
            kernel.observed(),
            known_threads=self.threads,
            held_for=held_for or {},
            budget=budget,
            rooms=rooms or {},
        )


def holders(plan: Plan) -> Holders:
    """What the agent remembers of a plan."""
    return {where: part.cell.members for part, where in plan.placed.items()}


@dataclass
class SimulatedKernel:
    """Groups and threads, as resctrl moves them. What it would refuse it leaves undone."""

    num_rmids: int = 1000
    mon_groups: dict[MonGroupName, set[int]] = field(default_factory=dict)
    homes: dict[int, str] = field(default_factory=dict)  # TID -> control group, ROOT when absent
    control_groups: set[str] = field(default_factory=set)
    rooms: Mapping[str, int] = field(default_factory=dict)  # control group -> mon_groups it takes
    most: int = 0  # mon_groups of ours there ever were at once

    def observed(self) -> Observed:
        return Observed(
            {name: frozenset(tids) for name, tids in self.mon_groups.items()},
            {
                name: frozenset(tid for tid, home in self.homes.items() if home == name)
                for name in self.control_groups
            },
            self.num_rmids,
        )

    def copy(self) -> "SimulatedKernel":
        mon_groups = {name: set(tids) for name, tids in self.mon_groups.items()}
        return SimulatedKernel(self.num_rmids, mon_groups, dict(self.homes), set(self.control_groups), self.rooms)

    def apply(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Create(where):
                    if self.has_room(where.control_group):
                        self.mon_groups.setdefault(where, set())
                    self.most = max(self.most, sum(name.is_ours for name in self.mon_groups))
                case Move(where, threads):
                    for thread in threads:
                        self.move(where, thread.tid)
                case Release(control_group, threads):
                    for thread in threads:
                        self.leave(thread.tid)
                        self.homes[thread.tid] = control_group
                case Remove(where):
                    self.mon_groups.pop(where, None)

    def has_room(self, control_group: str) -> bool:
        own = sum(name.control_group == control_group and name.is_ours for name in self.mon_groups)
        taken = 1 + len(self.control_groups) + len(self.mon_groups)
        return taken < self.num_rmids and own < self.rooms.get(control_group, self.num_rmids)

    def move(self, where: MonGroupName, tid: int) -> None:
        if where in self.mon_groups and self.homes.get(tid, ROOT) == where.control_group:
            self.leave(tid)
            self.mon_groups[where].add(tid)

    def leave(self, tid: int) -> None:
        for tids in self.mon_groups.values():
            tids.discard(tid)

    def group_of(self, tid: int) -> MonGroupName | None:
        return next((name for name, tids in self.mon_groups.items() if tid in tids), None)


GROUPS = st.tuples(
    st.integers(0, 1),  # which object
    st.sampled_from(["a", "b", "c", "d"]),
    st.one_of(st.none(), st.integers(0, 255)),  # vCPUs as bits
    st.integers(0, 7),  # thread classes as bits
)
QEMUS = st.tuples(st.integers(0, 6), st.integers(0, 3), st.lists(GROUPS, max_size=4, unique_by=lambda g: g[:2]))


@st.composite
def worlds(draw: st.DrawFn, *, most_qemus: int = 3) -> World:
    """Up to three QEMUs with up to four overlapping groups each, of two objects."""
    qemus, ranked_groups_of = [], {}
    drawn = draw(st.lists(QEMUS, min_size=1, max_size=most_qemus))
    for number, (vcpus, classes, groups) in enumerate(drawn, 1):
        qemu = make_qemu(number, range(vcpus), _chosen([ThreadClass.IO_THREAD, ThreadClass.VHOST], classes))
        qemus.append(qemu)
        ranked_groups_of[qemu.pid] = tuple(
            make_ranked_group(
                f"object{number}{obj}",
                name,
                None if ids is None else _chosen(range(8), ids),
                threads=_chosen([ThreadClass.EMULATOR, ThreadClass.IO_THREAD, ThreadClass.VHOST], threads),
                priority=(number * 7 + obj) % 3,
                created=f"2026-01-0{1 + obj}T00:00:00Z",
                namespace=f"ns{number % 2}",
            )
            for obj, name, ids, threads in groups
        )
    return World(tuple(qemus), ranked_groups_of)


def _chosen(items: Sequence[T], bits: int) -> list[T]:
    return [item for rank, item in enumerate(items) if bits >> rank & 1]


@st.composite
def kernels(draw: st.DrawFn, world: World) -> SimulatedKernel:
    """A kernel in any state: control groups, others' mon_groups, and ours as an agent before left them.

    From one seed: hypothesis needs a tenth of a second for that many draws.
    """
    chance = random.Random(draw(st.integers(0, 2**32 - 1)))
    kernel = SimulatedKernel(control_groups={name for name in ("gold", "silver") if chance.random() < 0.4})
    control_groups = [ROOT, *sorted(kernel.control_groups)]
    names = [
        "cachemon-x-0",
        "cachemon-x-1",
        f"cachemon-{pod_uid(1)}-0",
        f"cachemon-{pod_uid(1)}-1",
        "theirs",
        "pqos-1",
    ]
    for control_group in control_groups:
        for name in chance.sample(names, chance.randrange(len(names))):
            kernel.mon_groups[MonGroupName(control_group, name)] = set()
    alone = chance.random() < 0.5
    for tid in sorted(world.tids | {7, 8, 9}):
        kernel.homes[tid] = chance.choice(control_groups)
        possible = [name for name in kernel.mon_groups if name.control_group == kernel.homes[tid]]
        if alone:
            possible = [name for name in possible if name.is_ours]
        if possible and chance.random() < 0.6:
            kernel.mon_groups[chance.choice(possible)].add(tid)
    return kernel


@st.composite
def worlds_and_kernels(draw: st.DrawFn) -> tuple[World, SimulatedKernel]:
    world = draw(worlds())
    return world, draw(kernels(world))
