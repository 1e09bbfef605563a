"""What vCPUs of the lab's guests do in the emulator's model: need the cache, flood it, or hardly use it.

The guests themselves rest. The profiles give their threads CPU time, of which a `lab.proc_view` shows as much to an
agent as the emulator counts. All run on one cache block, wherever the machine runs QEMU's threads.
"""

from lab.emulator import Emulator
from lab.vms.vm import VirtualMachine
from resctrl_emulator.client import ThreadBooks
from resctrl_emulator.thread_profile import ThreadProfile

MIB = 1024 * 1024
BLOCK = 0
VICTIM = ThreadProfile(
    hot_set_bytes=12 * MIB,
    accesses_per_second=10_000_000,
    streaming_share=0.02,
    sensitivity=1.0,
    cpu_share=0.4,
    block=BLOCK,
)
"""Most of its hot set fits a cache of 32 MiB; without the cache it works at little more than half its speed."""
QUIET = ThreadProfile(
    hot_set_bytes=MIB, accesses_per_second=1_000_000, streaming_share=0.1, cpu_share=0.3, block=BLOCK
)
"""It neither needs nor takes much: what an aggressor does before its job begins."""
AGGRESSOR = ThreadProfile(
    hot_set_bytes=MIB, accesses_per_second=30_000_000, streaming_share=0.95, cpu_share=0.5, block=BLOCK
)
"""It reads 0.9 GB a second that it never needs again."""


def let_work(machine: VirtualMachine, emulator: Emulator, profile: ThreadProfile) -> None:
    """Give a profile to each vCPU of a guest.

    After a live migration, call it again for the target's threads.

    Args:
        machine: the guest's QEMU.
        emulator: of the node that it runs on.
        profile: what each vCPU does from now on.
    """
    for tid in machine.vcpu_tids.values():
        emulator.control.set_thread_profile(tid, profile)


def work_done(machine: VirtualMachine, emulator: Emulator) -> ThreadBooks:
    """What the vCPUs of a guest did together, by the emulator's books."""
    threads = emulator.control.books().threads
    done = [threads[tid] for tid in machine.vcpu_tids.values()]
    return ThreadBooks(
        sum(each.cpu_ns for each in done),
        sum(each.work_ns for each in done),
        sum(each.missed_bytes for each in done),
    )
