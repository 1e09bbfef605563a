"""What is monitored now: the result of one reconcile, shared by sampling and by status and metrics. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, Self, TypeVar

from cachemon.model.cells import RankedGroup
from cachemon.model.errors import MonitoringUnavailableError
from cachemon.model.foreign_mon_groups import ForeignMonGroup
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package, Telemetry
from cachemon.model.threads import Qemu


class GroupState(StrEnum):
    """`state` of a group in the API."""

    MONITORED = "Monitored"
    DEGRADED = "Degraded"
    WAITING = "Waiting"
    REFUSED = "Refused"


class Wanted(Protocol):
    """All that the engine asks of an object: a CacheMonitorGroup, or what is wanted of a domain of a plain host."""

    @property
    def uid(self) -> str:
        """Which object."""

    @property
    def namespace(self) -> str:
        """Whose it is: at equal priority these take turns when RMIDs are short."""

    @property
    def guest_name(self) -> str:
        """Of the guest, as in its QEMU's `-name guest=`. Objects of one guest share its cells."""

    @property
    def groups(self) -> tuple[MonitoringGroup, ...]:
        """What is wanted."""

    @property
    def priority(self) -> int:
        """Higher keeps RMIDs longer."""

    @property
    def created(self) -> str:
        """RFC 3339: the older keeps RMIDs longer."""

    @property
    def vcpu_count(self) -> int:
        """VCPUs that the guest has, 0 when that is not known."""

    def without_news(self) -> Self:
        """The same without what only reports use: two that are equal then want the same of the kernel."""


W = TypeVar("W", bound=Wanted)
W_co = TypeVar("W_co", bound=Wanted, covariant=True)


@dataclass(frozen=True, slots=True)
class Target(Generic[W_co]):
    """An object that this machine has a part in.

    Attributes:
        object: what is wanted, and by whom.
        owner_uids: owners of the guest's QEMUs here; see `cachemon.qemu.discovery.ProcessOwners`.
        reports: whether this machine reports on the object.
        refused: groups beyond what one VM may have (`model.group_limit`). The object here is without them.
    """

    object: W_co
    owner_uids: tuple[str, ...]
    reports: bool
    refused: tuple[MonitoringGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupLayout:
    """One monitoring group and its state.

    Attributes:
        group: what is wanted.
        state: how much of it is monitored.
        reason: None exactly when the state is Monitored.
        message: for people, empty when all is well.
        vcpus: vCPUs of the group that have a thread.
        threads: how many threads belong to the group.
        mon_groups: those whose sum is the group's figure; empty while it has no figure.
        held_in: mon_groups of other programs that hold threads of the group, if that is the reason.
        foreign: those of them whose own figures are shown.
    """

    group: MonitoringGroup
    state: GroupState
    reason: Reason | None
    message: str
    vcpus: tuple[int, ...]
    threads: int
    mon_groups: tuple[MonGroupName, ...]
    held_in: tuple[MonGroupName, ...] = ()
    foreign: tuple[ForeignMonGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetLayout(Generic[W_co]):
    """An object and the state of each of its groups.

    Attributes:
        target: the object, with its part here.
        groups: the state of each, in the object's order.
        qemus: the guest's processes here.
        has_all_vcpus: whether a QEMU here has a thread for every vCPU of the guest, or names none of its threads.
    """

    target: Target[W_co]
    groups: tuple[GroupLayout, ...]
    qemus: tuple[Qemu, ...]
    has_all_vcpus: bool

    @property
    def object(self) -> W_co:
        """What is wanted, and by whom."""
        return self.target.object

    @property
    def uid(self) -> str:
        """Of the object."""
        return self.object.uid

    @property
    def mon_groups(self) -> frozenset[MonGroupName]:
        """Every mon_group of this object, once."""
        return frozenset(mon_group for group in self.groups for mon_group in group.mon_groups)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the kernel offers now.

    Attributes:
        unavailable: why nothing can be monitored, or None.
        num_rmids: of the hardware.
        events: counters that there are.
        assign_mode: see resctrl.capabilities.Capabilities.
        blocks: cache blocks with a mon_data directory.
        own_mon_groups: how many mon_groups are ours. RMIDs in limbo are nobody's: of all RMIDs some may be neither
            ours nor others' nor to be had.
        other_rmids: RMIDs that control groups and others' mon_groups take.
        control_groups: names of the control groups besides the default one.
        telemetry: of CPU packages; see resctrl.capabilities.Capabilities.
        packages: CPU packages with telemetry.
        unread_resources: see resctrl.capabilities.Capabilities.
    """

    unavailable: MonitoringUnavailableError | None = None
    num_rmids: int = 0
    events: tuple[str, ...] = ()
    assign_mode: str | None = None
    blocks: tuple[CacheBlock, ...] = ()
    own_mon_groups: int = 0
    other_rmids: int = 0
    control_groups: tuple[str, ...] = ()
    telemetry: Telemetry | None = None
    packages: tuple[Package, ...] = ()
    unread_resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout(Generic[W_co]):
    """One snapshot.

    Attributes:
        node: what the kernel offers.
        targets: every object that this machine has a part in.
        incomplete: whether a thread that should be there is missing, so that the next scan comes soon.
    """

    node: NodeFacts = field(default_factory=NodeFacts)
    targets: tuple[TargetLayout[W_co], ...] = ()
    incomplete: bool = False

    @property
    def mon_groups(self) -> frozenset[MonGroupName]:
        """All mon_groups to read."""
        return frozenset(mon_group for target in self.targets for mon_group in target.mon_groups)

    def mon_groups_of_guests(self) -> dict[str, frozenset[MonGroupName]]:
        """Every mon_group of each guest, once, whatever objects want it."""
        found: defaultdict[str, set[MonGroupName]] = defaultdict(set)
        for target in self.targets:
            found[target.object.guest_name] |= target.mon_groups
        return {guest: frozenset(mon_groups) for guest, mon_groups in found.items()}


def ranked_groups_of(targets: Iterable[Target[Wanted]]) -> tuple[RankedGroup, ...]:
    """Every monitoring group of every target."""
    return tuple(
        RankedGroup(
            GroupKey(t.object.uid, group.name), group, t.object.priority, t.object.created, t.object.namespace
        )
        for t in targets
        for group in t.object.groups
    )


def unavailable_layout(targets: Iterable[Target[W]], err: MonitoringUnavailableError) -> Layout[W]:
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
                qemus=(),
                has_all_vcpus=True,
            )
            for target in targets
        ),
    )
