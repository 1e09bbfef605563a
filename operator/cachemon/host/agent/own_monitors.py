"""Match libvirt's own monitors with its mon_groups, which are read and never changed.

libvirt makes a mon_group when a domain starts. Its name is `<machine>-<monitor>`, with libvirt's name for the machine
(`qemu-1-vm1-vcpus_0-2`). libvirt puts each vCPU's thread into one and never checks again, so the name proves nothing:
a mon_group is a monitor's when its threads are exactly the monitor's vCPUs. The thread that KVM makes for a vCPU
may be there too: libvirt counts it as well. A monitor of all vCPUs of an allocation has no mon_group: libvirt reads
the control group.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from cachemon.engine.layout import GroupLayout, GroupState, Layout, TargetLayout
from cachemon.host.agent.watched_domains import DomainLayout, DomainTargetLayout
from cachemon.libvirt.domain_xml import OwnMonitor
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.reasons import Reason
from cachemon.model.threads import vcpus_of

Tids = Callable[[MonGroupName], AbstractSet[int] | None]  # the threads in a group; None after it has gone

_MACHINE = "qemu-"
_LONGEST_LIST = 8


def layout_of_monitors(layout: DomainLayout, groups: Sequence[MonGroupName], tids: Tids) -> DomainLayout:
    """The layout of libvirt's own monitors, what there is to read for them, by the layout of our groups.

    `groups` are all control groups and mon_groups; `tids` is called only for those that may be libvirt's.
    """
    theirs = [group for group in groups if not group.is_ours and group != MonGroupName(ROOT, "")]
    return Layout(
        node=replace(layout.node, control_groups=()),
        targets=tuple(_of_domain(it, theirs, tids) for it in layout.targets if it.object.own_monitors),
    )


def _of_domain(layout: DomainTargetLayout, theirs: Sequence[MonGroupName], tids: Tids) -> DomainTargetLayout:
    number = layout.object.number
    likely = [group for group in theirs if f"-{number}-" in (group.name or group.control_group)]
    held: dict[MonGroupName, AbstractSet[int]] = {}
    for group in likely:
        found = tids(group) if (group.name or group.control_group).startswith(_MACHINE) else None
        if found is not None:
            held[group] = found
    return TargetLayout(
        target=layout.target,
        groups=tuple(_of_monitor(own, layout, held) for own in layout.object.own_monitors),
        qemus=layout.qemus,
        has_all_vcpus=layout.has_all_vcpus,
    )


def _of_monitor(
    own: OwnMonitor, layout: DomainTargetLayout, held: dict[MonGroupName, AbstractSet[int]]
) -> GroupLayout:
    threads = {thread.tid: thread for qemu in layout.qemus for thread in qemu.threads if own.group.wants(thread)}
    vcpus = vcpus_of(threads.values())

    def stands(state: GroupState, reason: Reason | None, message: str, *mon_groups: MonGroupName) -> GroupLayout:
        return GroupLayout(own.group, state, reason, message, vcpus, len(threads), mon_groups)

    if not layout.qemus:
        return stands(GroupState.WAITING, Reason.QEMU_NOT_FOUND, "the domain's QEMU was not found")
    if not threads:
        return stands(GroupState.WAITING, Reason.NO_SUCH_THREAD, "none of its vCPUs is plugged in now")
    kind = "mon_group" if own.has_mon_group else "control group"
    likely = {group: found for group, found in held.items() if bool(group.name) == own.has_mon_group}
    of_kvm = {thread.tid for qemu in layout.qemus for thread in qemu.threads if thread.is_made_by_kvm}
    exact = sorted(group for group, found in likely.items() if found - of_kvm == threads.keys())
    if exact:
        return stands(GroupState.MONITORED, None, "", exact[0])
    called = [group for group in likely if (group.name or group.control_group).endswith(f"-{own.group.name}")]
    if not called:
        return stands(
            GroupState.WAITING,
            Reason.LIBVIRT_GROUP_MISSING,
            f"libvirt has no {kind} for it: it was removed, or resctrl was mounted after the domain's start; restart "
            "the domain, and libvirt makes it again",
        )
    odd = sorted((likely[called[0]] - of_kvm) ^ threads.keys())[:_LONGEST_LIST]
    return stands(
        GroupState.DEGRADED,
        Reason.LIBVIRT_GROUP_DIFFERS,
        f"libvirt's {kind} {called[0].name or called[0].control_group} does not hold exactly the threads of the "
        f"vCPUs (not in both: {', '.join(map(str, odd))}), so its numbers are not the monitor's; restart the "
        "domain, and libvirt makes it again",
    )
