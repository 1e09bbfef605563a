"""What the kernel has of mon_groups and cache blocks, remembered between passes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cachemon.model.mon_groups import MonGroupName, Observed
from cachemon.model.readings import CacheBlock
from cachemon.model.threads import Thread
from cachemon.qemu.proc_files import ProcFiles
from cachemon.resctrl.membership import Memberships
from cachemon.resctrl.topology import read_cache_blocks
from cachemon.resctrl.tree_writer import ResctrlTree


class MonGroupObserver:
    """Reads the mon_groups when threads have changed, when something was written, and every `verify_seconds`.

    Args:
        tree: the resctrl file system.
        proc: the host's /proc.
        verify_seconds: how long a reading is believed.
        clock: monotonic seconds.

    Attributes:
        threads: all threads of the QEMUs that are looked after, at the last reading.
        read_at: when the mon_groups were read last.
    """

    def __init__(self, tree: ResctrlTree, proc: Path, verify_seconds: float, clock: Callable[[], float]) -> None:
        self._tree = tree
        self._proc_files = ProcFiles(proc)
        self._memberships = Memberships(proc, tree.calls)
        self._verify_seconds = verify_seconds
        self._clock = clock
        self._observed: Observed | None = None
        self.threads: frozenset[Thread] = frozenset()
        self.read_at = 0.0

    def forget(self) -> None:
        """Read the mon_groups again at the next pass. May be called from any thread."""
        self._observed = None

    def observe(self, threads: frozenset[Thread]) -> tuple[Observed, bool]:
        """The mon_groups with these threads, and whether they were read just now."""
        observed, now = self._observed, self._clock()
        if observed and threads == self.threads and now - self.read_at <= self._verify_seconds:
            return observed, False
        self._observed = observed = self._memberships.observe(self._tree, {thread.tid for thread in threads})
        self.threads, self.read_at = threads, now
        return observed, True

    def mon_group_of(self, tid: int) -> MonGroupName | None:
        """The mon_group that a thread is in; None if unknown."""
        return self._memberships.where_is(tid)

    def is_alive(self, thread: Thread) -> bool:
        """Whether the TID still is this thread."""
        stat = self._proc_files.stat(thread.tid)
        return stat is not None and stat.start_time == thread.start_time


class CacheBlocks:
    """The cache blocks of the machine. sysfs has directories for every CPU, so it is read only now and then.

    Args:
        tree: the resctrl file system.
        sysfs: the host's /sys.
        verify_seconds: how long sysfs is believed.
        clock: monotonic seconds.
    """

    def __init__(self, tree: ResctrlTree, sysfs: Path, verify_seconds: float, clock: Callable[[], float]) -> None:
        self._tree = tree
        self._sysfs = sysfs
        self._verify_seconds = verify_seconds
        self._clock = clock
        self._known: tuple[CacheBlock, ...] = ()
        self._read_again_at = 0.0

    def read(self) -> tuple[CacheBlock, ...]:
        """The cache blocks that have mon_data now."""
        ids, now = self._tree.block_ids(), self._clock()
        if tuple(block.id for block in self._known) != ids or now >= self._read_again_at:
            known = read_cache_blocks(self._sysfs, self._tree.calls)
            blocks = (known.get(id_, CacheBlock(3, id_, None, "")) for id_ in ids)
            self._known = tuple(replace(block, numa_nodes=self._tree.numa_nodes(block.id)) for block in blocks)
            self._read_again_at = now + self._verify_seconds
        return self._known
