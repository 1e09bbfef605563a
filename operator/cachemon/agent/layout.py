"""What is monitored now: the outcome of one reconcile, shared with sampling and publishing. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from cachemon.model.api import ROLE_MIGRATION_TARGET, CacheMonitorGroup, ObjectName
from cachemon.model.cells import Wish
from cachemon.model.errors import MonitoringUnavailableError
from cachemon.model.groups import WHOLE_VMI, GroupKey, MonitoringGroup, shortfall
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.plan import Plan
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Qemu, ThreadClass

__all__ = [
    "Carried",
    "GroupLayout",
    "GroupState",
    "Layout",
    "NodeFacts",
    "RmidCount",
    "Target",
    "TargetLayout",
    "judge",
    "wishes_of",
]


class GroupState(StrEnum):
    """`state` of a group in the API."""

    MONITORED = "Monitored"
    DEGRADED = "Degraded"
    WAITING = "Waiting"


@dataclass(frozen=True, slots=True)
class Target:
    """An object that this node has a part in.

    Attributes:
        object: the CacheMonitorGroup.
        pod_uids: the pods of its VMI that are placed on this node.
        reports: whether this node is the one that writes its status.
    """

    object: CacheMonitorGroup
    pod_uids: tuple[str, ...]
    reports: bool


@dataclass(frozen=True, slots=True)
class GroupLayout:
    """One monitoring group as it stands.

    Attributes:
        group: the wish.
        state: how much of it holds.
        reason: None exactly when the state is Monitored.
        message: for people, empty when all is well.
        vcpus: vCPUs of the group that have a thread.
        threads: how many threads belong to the group.
        cells: mon_groups whose sum is the group's figure; empty while there is none to give.
    """

    group: MonitoringGroup
    state: GroupState
    reason: Reason | None
    message: str
    vcpus: tuple[int, ...]
    threads: int
    cells: tuple[MonGroupName, ...]


@dataclass(frozen=True, slots=True)
class TargetLayout:
    """An object and how each of its groups stands.

    Attributes:
        target: the object.
        groups: how each stands, in the object's order.
        has_all_vcpus: whether a QEMU here has a thread for every vCPU of the VMI, or names none of its threads.
    """

    target: Target
    groups: tuple[GroupLayout, ...]
    has_all_vcpus: bool = True

    @property
    def uid(self) -> str:
        """Of the object."""
        return self.target.object.uid

    @property
    def is_handing_over(self) -> bool:
        """Whether the guest has left by a live migration that the API does not tell yet.

        Seen on KubeVirt v1.9: the source's QEMU is gone up to a second before the VMI names the target. As it ends
        its threads go one by one, while the process can still be found.
        """
        migrating = any(placement.role == ROLE_MIGRATION_TARGET for placement in self.target.object.placements)
        return migrating and not self.has_all_vcpus

    @property
    def cells(self) -> frozenset[MonGroupName]:
        """Every mon_group that counts for this object, once."""
        return frozenset(cell for group in self.groups for cell in group.cells)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the kernel offers now.

    Attributes:
        unavailable: why nothing can be monitored, or None.
        num_rmids: of the hardware.
        events: counters that there are.
        assign_mode: see resctrl.tree.Capabilities.
        blocks: cache blocks with a mon_data directory.
        own_mon_groups: how many mon_groups are ours. RMIDs in limbo are nobody's: of all RMIDs some may be neither
            ours nor others' nor to be had.
        other_rmids: RMIDs that control groups and others' mon_groups take.
        control_groups: names of the control groups besides the default one.
    """

    unavailable: MonitoringUnavailableError | None = None
    num_rmids: int = 0
    events: tuple[str, ...] = ()
    assign_mode: str | None = None
    blocks: tuple[CacheBlock, ...] = ()
    own_mon_groups: int = 0
    other_rmids: int = 0
    control_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """One snapshot.

    Attributes:
        node: what the kernel offers.
        targets: every object that this node has a part in.
        incomplete: whether some thread that should be there is not: look again soon.
    """

    node: NodeFacts = field(default_factory=NodeFacts)
    targets: tuple[TargetLayout, ...] = ()
    incomplete: bool = False

    @property
    def mon_groups(self) -> frozenset[MonGroupName]:
        """All mon_groups to read."""
        return frozenset(cell for target in self.targets for cell in target.cells)

    def cells_of_vmis(self) -> dict[ObjectName, frozenset[MonGroupName]]:
        """By VMI every mon_group that counts for it, once, whatever objects want it."""
        found: dict[ObjectName, frozenset[MonGroupName]] = {}
        for target in self.targets:
            vmi = target.target.object.vmi
            found[vmi] = found.get(vmi, frozenset()) | target.cells
        return found


def wishes_of(targets: Iterable[Target]) -> tuple[Wish, ...]:
    """Every monitoring group of every target."""
    return tuple(
        Wish(GroupKey(t.object.uid, group.name), group, t.object.priority, t.object.created, t.object.name.namespace)
        for t in targets
        for group in t.object.groups
    )


class RmidCount(NamedTuple):
    """Whose the node's RMIDs are, and the most that we may take (None: as many as there are)."""

    total: int
    ours: int
    others: int
    budget: int | None

    def __str__(self) -> str:
        allowed = "" if self.budget is None else f", and the agent may take {self.budget} (--rmid-budget)"
        return f"of the node's {self.total} RMIDs {self.ours} are cachemon's and {self.others} are others'{allowed}"


@dataclass(frozen=True, slots=True)
class Carried:
    """A plan and what came of it.

    Attributes:
        plan: what was to be done.
        cells: see `cells_by_group`.
        failures: mon_groups that something went wrong with, and what.
        without_rmid: mon_groups that could not be made for want of RMIDs.
        rmids: whose they are.
        uncounted: groups whose traffic has no counter, and what is to be said of it.
    """

    plan: Plan
    cells: Mapping[GroupKey, tuple[MonGroupName, ...]]
    failures: Mapping[MonGroupName, str]
    without_rmid: frozenset[MonGroupName]
    rmids: RmidCount
    uncounted: Mapping[GroupKey, str] = field(default_factory=dict)


def judge(target: Target, qemus: Sequence[Qemu], carried: Carried) -> TargetLayout:
    """How each group of an object stands after a plan was carried out.

    Args:
        target: the object.
        qemus: its processes on this node.
        carried: the plan for all objects of the node, and what came of it.
    """
    return TargetLayout(
        target,
        tuple(_judge_group(target, group, qemus, carried) for group in target.object.groups),
        has_all_vcpus=any(_has_all_vcpus(qemu, target.object.vcpu_count) for qemu in qemus),
    )


def _has_all_vcpus(qemu: Qemu, vcpu_count: int) -> bool:
    gap = shortfall(WHOLE_VMI, qemu, vcpu_count)
    return gap is None or gap.reason == Reason.THREADS_NOT_IDENTIFIABLE


def _judge_group(target: Target, group: MonitoringGroup, qemus: Sequence[Qemu], carried: Carried) -> GroupLayout:
    key = GroupKey(target.object.uid, group.name)
    threads = [thread for qemu in qemus for thread in qemu.threads if group.wants(thread)]
    vcpus = tuple(sorted({t.vcpu for t in threads if t.thread_class is ThreadClass.VCPU and t.vcpu is not None}))

    def stands(
        state: GroupState, reason: Reason | None, message: str, cells: tuple[MonGroupName, ...] = ()
    ) -> GroupLayout:
        return GroupLayout(group, state, reason, message, vcpus, len(threads), cells)

    if not qemus:
        return stands(GroupState.WAITING, Reason.QEMU_NOT_FOUND, _no_qemu(target))
    if len(qemus) > MOST_QEMUS:
        return stands(
            GroupState.WAITING,
            Reason.TOO_MANY_QEMUS,
            f"more than {MOST_QEMUS} processes in its pods call themselves QEMU of guest "
            f"{target.object.guest_name}; it can't be told which one runs it: look into the pod",
        )
    gaps = [gap for qemu in qemus if (gap := shortfall(group, qemu, target.object.vcpu_count))]
    if waiting := next((gap for gap in gaps if gap.waiting), None):
        return stands(GroupState.WAITING, waiting.reason, waiting.message)
    if foreign := carried.plan.foreign.get(key):
        return stands(
            GroupState.DEGRADED,
            Reason.THREADS_IN_FOREIGN_GROUP,
            f"another program holds threads of this group in mon_group {foreign.name}; they are left there",
        )
    cells = carried.cells.get(key, ())
    if lack := _lack_of_rmids(key, cells, carried):
        return stands(GroupState.WAITING, Reason.OUT_OF_RMIDS, lack)
    if problem := next((carried.failures[cell] for cell in cells if cell in carried.failures), None):
        return stands(GroupState.DEGRADED, Reason.RESCTRL_REFUSED, problem)
    if gaps:
        return stands(GroupState.DEGRADED, gaps[0].reason, gaps[0].message, cells)
    if uncounted := carried.uncounted.get(key):
        return stands(GroupState.DEGRADED, Reason.NO_BANDWIDTH_COUNTER, uncounted, cells)
    return stands(GroupState.MONITORED, None, "", cells)


def _lack_of_rmids(key: GroupKey, cells: Sequence[MonGroupName], carried: Carried) -> str:
    """What a group waits for, in numbers; empty when it has its RMIDs."""
    if shortage := carried.plan.waiting.get(key):
        place = "" if shortage.control_group is None else f" in control group {shortage.control_group or 'default'}"
        return (
            f"needs {shortage.needs} {'RMID' if shortage.needs == 1 else 'RMIDs'}{place}, "
            f"{max(0, shortage.free)} {'is' if shortage.free == 1 else 'are'} free; {carried.rmids}; "
            "lower the number of groups or raise `priority`; at equal priority namespaces take turns"
        )
    refused = carried.without_rmid.intersection(cells)
    if refused:
        return (
            f"the kernel has no free RMID now for {len(refused)} of its {len(cells)} mon_groups; {carried.rmids}, "
            "freed ones come back when their cache lines have gone; it is tried again"
        )
    return ""


def _no_qemu(target: Target) -> str:
    pods = ", ".join(target.pod_uids) or "no pod"
    return f"no QEMU of guest {target.object.guest_name} on this node (looked for in: {pods})"


def cells_by_group(plan: Plan) -> Mapping[GroupKey, tuple[MonGroupName, ...]]:
    """The mon_groups whose sum is a group's figure, for every group that was admitted."""
    found: defaultdict[GroupKey, list[MonGroupName]] = defaultdict(list)
    for part, where in plan.placed.items():
        for key in part.cell.members:
            found[key].append(where)
    return {key: tuple(cells) for key, cells in found.items()}


def unavailable_layout(targets: Iterable[Target], err: MonitoringUnavailableError) -> Layout:
    """Every group waits, with the reason why nothing can be monitored here."""
    return Layout(
        node=NodeFacts(unavailable=err),
        targets=tuple(
            TargetLayout(
                target,
                tuple(
                    GroupLayout(group, GroupState.WAITING, err.reason, str(err), (), 0, ())
                    for group in target.object.groups
                ),
            )
            for target in targets
        ),
    )
