"""The threads of one QEMU process, and the class of each.

The process is proved by other facts (`cachemon.qemu.evidence`). Within it, the name of a thread is the only public
sign of its purpose. QEMU names its threads with `debug-threads=on`, which libvirt always passes:

| name | class | source |
|---|---|---|
| `CPU n/KVM` | vCPU n | QEMU accel/kvm/kvm-accel-ops.c |
| `CPU n/TCG` | vCPU n | QEMU accel/tcg/tcg-accel-ops-mttcg.c |
| `CPU n/MSHV` | vCPU n | KubeVirt pkg/hypervisor/mshv/realtime.go, v1.8 |
| `ALL CPUs/TCG` | all vCPUs in one thread | QEMU accel/tcg/tcg-accel-ops-rr.c |
| `IO <id>` | IOThread | QEMU iothread.c; libvirt's ids are `iothread1` and so on |
| `IO mon_iothread` | Emulator: it serves QMP | QEMU monitor/monitor.c, monitor_iothread_init |
| `IO VFIO user` | Emulator: it receives for vfio-user devices | QEMU hw/vfio-user/proxy.c |
| `vhost-<pid>` | Vhost; before Linux 6.4 a kernel thread outside of QEMU | kernel/vhost_task.c |
| `kvm-nx-lpage-re` | Emulator, made by KVM | Linux arch/x86/kvm/mmu/mmu.c, kvm_mmu_start_lpage_recovery |
| any other, and the main thread under any name | Emulator | |

A new thread is in the groups of the thread that made it. Newer kernels let the vCPU that runs first make KVM's thread
inside of QEMU. It was seen on Linux 7.3, in the mon_group that libvirt had put vCPU 0 into before the domain ran.

The kernel cuts a name at 15 characters. A user's IOThread with an id that begins with `mon_iothread` looks like the
one of QMP, and counts as Emulator.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from cachemon.model.reasons import Reason
from cachemon.model.vcpus import MAX_VCPU_ID

MOST_QEMUS = 4
"""Processes that one VMI may have on a node. KubeVirt has one, or two while a VMI moves; each takes RMIDs."""

_VCPU = re.compile(r"CPU (0|[1-9][0-9]{0,4})/(?:KVM|TCG|MSHV)")
_ALL_VCPUS = "ALL CPUs/TCG"
_IO_THREAD = re.compile(r"IO .+")
_IO_THREADS_OF_QEMU = frozenset({"IO mon_iothread", "IO VFIO user"})
_MADE_BY_KVM = "kvm-nx-lpage-re"
_VHOST = re.compile(r"vhost-[0-9]+")
_LONGEST_NAME = 64  # bytes; the kernel cuts names of user threads at 15 and of kernel threads at 63


class ThreadClass(StrEnum):
    """The purpose of a thread of QEMU; the values are the words of `spec.groups[].threads`."""

    VCPU = "VCPU"
    IO_THREAD = "IOThread"
    EMULATOR = "Emulator"
    VHOST = "Vhost"


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread of a QEMU process.

    Attributes:
        tid: thread id in the PID namespace of the /proc it was read from.
        start_time: clock ticks since boot (/proc/PID/task/TID/stat, field 22). With `tid` it identifies a thread
            from a later one of the same number.
        thread_class: its purpose.
        vcpu: number of the vCPU that the thread runs. None for other classes, and for the one thread that
            runs every vCPU (`stands_for_all_vcpus`).
        is_made_by_kvm: whether KVM made it for a vCPU. It may be in that vCPU's groups, though nobody put it there.
    """

    tid: int
    start_time: int
    thread_class: ThreadClass
    vcpu: int | None
    is_made_by_kvm: bool = False

    @property
    def stands_for_all_vcpus(self) -> bool:
        """Whether this thread runs all vCPUs in turn (TCG with thread=single)."""
        return self.thread_class is ThreadClass.VCPU and self.vcpu is None


@dataclass(frozen=True, slots=True)
class Qemu:
    """One QEMU process and its threads as a scan saw them.

    Attributes:
        pid: process id in the PID namespace of the /proc it was read from.
        start_time: clock ticks since boot; with `pid` it names the process.
        owner_uid: UID of the pod that the process runs in, or UUID of the libvirt domain that it runs; lower case
            with dashes.
        guest_name: from `-name guest=`; None where there is none. KubeVirt: `<namespace>_<vmi>`.
        threads: in order of `tid`. A QEMU that is still starting may lack some vCPUs.
        identifiable: False when the QEMU does not name its threads (no `debug-threads=on`): it has vCPUs, but
            nothing shows which threads these are.
    """

    pid: int
    start_time: int
    owner_uid: str
    guest_name: str | None
    threads: tuple[Thread, ...]
    identifiable: bool


class Obstacle(NamedTuple):
    """What stands in the way: of finding an owner's QEMU, or of monitoring its threads."""

    reason: Reason
    message: str


def classify(name: str) -> tuple[ThreadClass, int | None]:
    """Return the class of a thread of this name, and the number of its vCPU.

    The table in this module's docstring lists the names. All others are EMULATOR: `worker`, `vnc_worker`,
    `SPICE Worker`, `kvm-nx-lpage-re`, `iou-wrk-<tid>`, and `call_rcu`, which carries the process's name in one VM and
    its own in the next. Names are untrusted, a process can write its own.

    >>> classify("CPU 3/KVM")
    (<ThreadClass.VCPU: 'VCPU'>, 3)
    """
    if len(name) > _LONGEST_NAME:
        return ThreadClass.EMULATOR, None
    if (vcpu := _VCPU.fullmatch(name)) and int(vcpu[1]) <= MAX_VCPU_ID:
        return ThreadClass.VCPU, int(vcpu[1])
    if name == _ALL_VCPUS:
        return ThreadClass.VCPU, None
    if _IO_THREAD.fullmatch(name) and name not in _IO_THREADS_OF_QEMU:
        return ThreadClass.IO_THREAD, None
    if _VHOST.fullmatch(name):
        return ThreadClass.VHOST, None
    return ThreadClass.EMULATOR, None


def is_made_by_kvm(name: str) -> bool:
    """Whether KVM gives its own thread this name."""
    return name == _MADE_BY_KVM


def distinguish(threads: Iterable[Thread]) -> tuple[Thread, ...]:
    """Return the threads in order of TID, each vCPU once.

    A new thread carries the name of the one that made it until it sets its own (kernel/fork.c copy_process). Of
    threads with the name of one vCPU the oldest is the vCPU, and the others count as EMULATOR.
    """
    seen: set[int | None] = set()
    found: list[Thread] = []
    for thread in sorted(threads, key=lambda thread: (thread.start_time, thread.tid)):
        known = thread.thread_class is ThreadClass.VCPU and thread.vcpu in seen
        found.append(replace(thread, thread_class=ThreadClass.EMULATOR, vcpu=None) if known else thread)
        if thread.thread_class is ThreadClass.VCPU:
            seen.add(thread.vcpu)
    return tuple(sorted(found, key=lambda thread: thread.tid))


def each_once(qemus: Iterable[Qemu]) -> Collection[Qemu]:
    """Every process once, however many objects want something of it."""
    return {qemu.pid: qemu for qemu in qemus}.values()


def vcpus_of(threads: Iterable[Thread]) -> tuple[int, ...]:
    """The vCPUs that these threads run, ascending."""
    return tuple(sorted({t.vcpu for t in threads if t.thread_class is ThreadClass.VCPU and t.vcpu is not None}))
