"""What is monitored now: the outcome of one reconcile, shared with sampling and publishing. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from cachemon.model.api import ROLE_MIGRATION_TARGET, CacheMonitorGroup, ObjectName
from cachemon.model.cells import Wish
from cachemon.model.errors import MonitoringUnavailableError
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason

__all__ = [
    "GroupLayout",
    "GroupState",
    "Layout",
    "NodeFacts",
    "Target",
    "TargetLayout",
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
    has_all_vcpus: bool

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
                has_all_vcpus=True,
            )
            for target in targets
        ),
    )
