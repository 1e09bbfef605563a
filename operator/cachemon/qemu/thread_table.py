"""The threads of one process, as scans saw them."""

from dataclasses import dataclass, field

from cachemon.model.threads import Thread, classify
from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.scan_times import UNSEEN, Sighting, sighting

__all__ = ["ThreadTable"]

_NOT_KNOWN: tuple[Sighting, Thread | None] = (UNSEEN, None)


@dataclass(slots=True)
class ThreadTable:
    """Threads, and when each has to be looked at again.

    Attributes:
        threads: by TID.
        entries: of the task directory at the last scan, with their inodes.
        due: when the first of the threads has to be looked at again.
    """

    threads: dict[int, tuple[Sighting, Thread]] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    due: float = 0.0

    def scan(self, files: ProcFiles, pid: int, most: int, now: float) -> bool:
        """Look at what may have changed. Answers whether anything was looked at or is gone."""
        entries = files.threads(pid, most)
        if entries == self.entries and now < self.due:
            return False
        known, self.threads, self.entries, looked = self.threads, {}, entries, False
        for tid, inode in entries.items():
            seen, thread = known.get(tid, _NOT_KNOWN)
            if seen.inode != inode or seen.due <= now:
                first = seen.first if seen.inode == inode else now
                seen, thread, looked = sighting(inode, first, now), _read(files, pid, tid), True
            if thread:
                self.threads[tid] = seen, thread
        whole = len(self.threads) == len(entries)
        self.due = min((seen.due for seen, _ in self.threads.values()), default=now) if whole else now
        return looked or len(self.threads) != len(known)


def _read(files: ProcFiles, pid: int, tid: int) -> Thread | None:
    stat = files.stat(f"{pid}/task/{tid}")
    if stat is None or stat.dead:
        return None
    thread_class, vcpu = classify(stat.name)
    return Thread(tid, stat.start_time, thread_class, vcpu)
