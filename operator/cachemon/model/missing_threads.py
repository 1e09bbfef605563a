"""Which threads that a group wants are missing in a QEMU. Pure.

The threads of a QEMU are counted once; after that a group asks by its ranges. A VM may have thousands of vCPUs and
many groups.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cachemon.model.groups import MonitoringGroup
from cachemon.model.reasons import Reason
from cachemon.model.threads import Qemu, ThreadClass, vcpus_of
from cachemon.model.vcpus import VcpuSet


@dataclass(frozen=True, slots=True)
class QemuThreads:
    """The threads of one QEMU, counted.

    Attributes:
        identifiable: see Qemu.
        vcpus: those that have a thread of their own, ascending. A vCPU has one (`threads.distinguish`).
        for_all_vcpus: threads that run every vCPU in turn.
        others: threads by class; used only for classes other than vCPUs.
    """

    identifiable: bool
    vcpus: tuple[int, ...]
    for_all_vcpus: int
    others: Mapping[ThreadClass, int]

    @classmethod
    def of(cls, qemu: Qemu) -> Self:
        """Count the threads that a scan saw."""
        classes = Counter(thread.thread_class for thread in qemu.threads)
        for_all = sum(thread.stands_for_all_vcpus for thread in qemu.threads)
        return cls(qemu.identifiable, vcpus_of(qemu.threads), for_all, classes)

    def vcpus_of(self, group: MonitoringGroup) -> tuple[int, ...]:
        """The vCPUs of a group that have a thread, ascending."""
        if group.all_vcpus:
            return self.vcpus
        return () if group.vcpus is None else group.vcpus.among(self.vcpus)

    def count_of(self, group: MonitoringGroup) -> int:
        """How many threads belong to a group."""
        others = sum(self.others.get(each, 0) for each in group.threads)
        return len(self.vcpus_of(group)) + (self.for_all_vcpus if group.all_vcpus else 0) + others

    def has_vcpus_below(self, count: int) -> bool:
        """Whether every vCPU with a number below has a thread."""
        return bisect_left(self.vcpus, count) >= count


@dataclass(frozen=True, slots=True)
class GroupShortfall:
    """Why a group has less than it wants: a reason for the API and a message for people."""

    waiting: bool
    reason: Reason
    message: str


def shortfall(group: MonitoringGroup, threads: QemuThreads, vcpu_count: int) -> GroupShortfall | None:
    """Why a group has fewer threads now than it wants; None when it has all.

    Args:
        group: the group.
        threads: the threads there are.
        vcpu_count: vCPUs that the VMI has by its status, 0 when that is not known.
    """
    if not threads.identifiable:
        return GroupShortfall(
            waiting=True,
            reason=Reason.THREADS_NOT_IDENTIFIABLE,
            message="QEMU names no threads; it must run with -name debug-threads=on, as libvirt starts it",
        )
    if threads.for_all_vcpus and group.vcpus is not None:
        return GroupShortfall(
            waiting=False,
            reason=Reason.VCPUS_SHARE_ONE_THREAD,
            message="all vCPUs of this VM run in one thread (TCG with thread=single); use `vcpus: all`",
        )
    lacking = _lack_of_vcpus(group, threads, vcpu_count)
    if lacking is None and not threads.count_of(group):
        wanted_threads = ", ".join(sorted(group.threads)) or "vCPU"
        return GroupShortfall(
            waiting=True,
            reason=Reason.NO_SUCH_THREAD,
            message=f"QEMU has no {wanted_threads} thread now",
        )
    return lacking


def _lack_of_vcpus(group: MonitoringGroup, threads: QemuThreads, vcpu_count: int) -> GroupShortfall | None:
    if group.all_vcpus:
        if threads.for_all_vcpus or threads.has_vcpus_below(vcpu_count):
            return None
        wanted = VcpuSet.below(vcpu_count)
    else:
        wanted = group.vcpus or VcpuSet()
        if len(threads.vcpus_of(group)) == len(wanted):
            return None
    present = VcpuSet.of(threads.vcpus)
    absent = wanted - present
    if starting := absent & VcpuSet.below(vcpu_count):
        return GroupShortfall(
            waiting=True,
            reason=Reason.VCPU_THREAD_MISSING,
            message=f"vCPU {starting.named()} has no thread yet; QEMU is starting or plugging it",
        )
    if absent:
        return GroupShortfall(
            waiting=False,
            reason=Reason.VCPUS_NOT_IN_VM,
            message=f"the VM has no vCPU {absent.named()}; it has {present.named() or 'none'}",
        )
    return None
