"""The threads of one process, as scans found them."""

from dataclasses import dataclass, field

from cachemon.model.threads import Thread, ThreadClass, classify, is_made_by_kvm
from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.scan_times import NEVER_SCANNED, ScanTimes, scan_times

_UNKNOWN: tuple[ScanTimes, Thread | None] = (NEVER_SCANNED, None)


@dataclass(slots=True)
class ThreadTable:
    """Threads, and when each is due to be read again.

    Attributes:
        threads: by TID.
        entries: the task directory at the last scan: inodes by TID.
        due: when the first of the threads is due.
    """

    threads: dict[int, tuple[ScanTimes, Thread]] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    due: float = 0.0

    def scan(self, files: ProcFiles, pid: int, most: int, now: float) -> bool:
        """Read the threads that are new or due; return whether any was read or has gone."""
        entries = files.threads(pid, most)
        if entries == self.entries and now < self.due:
            return False
        known, self.threads, self.entries, has_read = self.threads, {}, entries, False
        for tid, inode in entries.items():
            times, thread = known.get(tid, _UNKNOWN)
            if times.inode != inode or times.due <= now:
                first = times.first if times.inode == inode else now
                times, thread, has_read = scan_times(inode, first, now), _read(files, pid, tid), True
            if thread:
                self.threads[tid] = times, thread
        whole = len(self.threads) == len(entries)
        self.due = min((times.due for times, _ in self.threads.values()), default=now) if whole else now
        return has_read or len(self.threads) != len(known)


def _read(files: ProcFiles, pid: int, tid: int) -> Thread | None:
    stat = files.stat(f"{pid}/task/{tid}")
    if stat is None or stat.dead:
        return None
    # `-name process=` names the main thread, whose TID is the PID: it runs QEMU's main loop under any name.
    if tid == pid:
        return Thread(tid, stat.start_time, ThreadClass.EMULATOR, None)
    return Thread(tid, stat.start_time, *classify(stat.name), is_made_by_kvm(stat.name))
