"""Reads the threads of the machine from /proc.

Files that are read often stay open. A pread takes a few microseconds, and it answers ESRCH once the thread has ended,
even if another thread has its TID.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resctrl_emulator.pid_namespaces import PidNamespaces

NS_PER_SECOND = 1_000_000_000
# Fields of /proc/PID/stat after the command name (man 5 proc numbers them from 3).
UTIME, STIME, START_TIME, PROCESSOR = 14 - 3, 15 - 3, 22 - 3, 39 - 3
READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Identity:
    """A thread that once lived: TID and start time name it for ever.

    Attributes:
        tid: its id.
        tgid: id of its process.
        start_ticks: when it started, in clock ticks since boot (/proc/TID/stat, field 22).
    """

    tid: int
    tgid: int
    start_ticks: int


class Threads(Protocol):
    """What the emulator needs to know of threads. One that has ended is None or empty, never an error."""

    def identify(self, tid: int) -> Identity | None:
        """The thread that has this TID now."""

    def uids(self, thread: Identity) -> frozenset[int]:
        """Its real and its saved user id."""

    def cpu_ns(self, thread: Identity) -> int | None:
        """CPU time that it has used, in nanoseconds."""

    def last_cpu(self, thread: Identity) -> int:
        """The CPU that it ran on last."""

    def children(self, thread: Identity) -> frozenset[int]:
        """PIDs of the processes that this very thread forked and that still are its children."""

    def threads_of(self, tgid: int) -> frozenset[int]:
        """TIDs of a process."""

    def processes(self) -> list[int]:
        """PIDs of all processes."""

    def seen_from(self, viewer: int, tids: list[int]) -> list[int]:
        """TIDs in the PID namespace of the thread `viewer`, without those that it does not have."""

    def from_namespace_of(self, viewer: int, tid: int) -> int | None:
        """Our TID of a thread that has a TID in the PID namespace of `viewer`; None if there is none."""

    def forget(self, thread: Identity) -> None:
        """Close the files of a thread that is no longer needed."""


class ProcThreads:
    """`Threads` from a proc file system.

    CPU time is that of schedstat (nanoseconds), else utime and stime of stat (clock ticks). Children need
    CONFIG_PROC_CHILDREN; without it forked processes are not seen.

    Args:
        proc: where it is mounted.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._namespaces = PidNamespaces(proc)
        self._open: dict[Identity, dict[str, int]] = {}
        self._has_schedstat = (proc / "self" / "schedstat").exists()
        self._tick_ns = NS_PER_SECOND // os.sysconf("SC_CLK_TCK")

    def identify(self, tid: int) -> Identity | None:
        """See `Threads`."""
        try:
            status = (self._proc / str(tid) / "status").read_text()
            stat = _stat_fields((self._proc / str(tid) / "task" / str(tid) / "stat").read_bytes())
        except (OSError, ValueError):
            return None
        return Identity(tid, int(_status_line(status, "Tgid")[0]), int(stat[START_TIME]))

    def uids(self, thread: Identity) -> frozenset[int]:
        """See `Threads`."""
        try:
            status = (self._proc / str(thread.tid) / "status").read_text()
        except OSError:
            return frozenset()
        real, _effective, saved, _file_system = _status_line(status, "Uid")
        return frozenset({int(real), int(saved)})

    def cpu_ns(self, thread: Identity) -> int | None:
        """See `Threads`."""
        if self._has_schedstat:
            text = self._pread(thread, "schedstat")
            return None if text is None else int(text.split(maxsplit=1)[0])
        stat = self._pread(thread, "stat")
        if stat is None:
            return None
        fields = _stat_fields(stat)
        return (int(fields[UTIME]) + int(fields[STIME])) * self._tick_ns

    def last_cpu(self, thread: Identity) -> int:
        """See `Threads`."""
        stat = self._pread(thread, "stat")
        return 0 if stat is None else int(_stat_fields(stat)[PROCESSOR])

    def children(self, thread: Identity) -> frozenset[int]:
        """See `Threads`."""
        return frozenset(map(int, (self._pread(thread, "children") or b"").split()))

    def threads_of(self, tgid: int) -> frozenset[int]:
        """See `Threads`."""
        try:
            # On every tick of every process, and Path.iterdir makes an object of each name.
            return frozenset(map(int, os.listdir(f"{self._proc}/{tgid}/task")))  # noqa: PTH208
        except OSError:
            return frozenset()

    def processes(self) -> list[int]:
        """See `Threads`."""
        return [int(entry.name) for entry in self._proc.iterdir() if entry.name.isdigit()]

    def seen_from(self, viewer: int, tids: list[int]) -> list[int]:
        """See `Threads`."""
        return tids if self._namespaces.same(viewer) else self._namespaces.seen_from(viewer, tids)

    def from_namespace_of(self, viewer: int, tid: int) -> int | None:
        """See `Threads`."""
        return tid if self._namespaces.same(viewer) else self._namespaces.from_namespace_of(viewer, tid)

    def forget(self, thread: Identity) -> None:
        """See `Threads`."""
        for descriptor in self._open.pop(thread, {}).values():
            os.close(descriptor)

    def _pread(self, thread: Identity, name: str) -> bytes | None:
        try:
            descriptor = self._open[thread][name]
        except KeyError:
            opened = self._descriptor(thread, name)
            if opened is None:
                return None
            descriptor = opened
        with contextlib.suppress(OSError):
            return os.pread(descriptor, READ_BYTES, 0)
        return None

    def _descriptor(self, thread: Identity, name: str) -> int | None:
        try:
            descriptor = os.open(f"{self._proc}/{thread.tgid}/task/{thread.tid}/{name}", os.O_RDONLY)
        except OSError:
            return None
        # The TID may have been given to another thread before the file was opened.
        if self.identify(thread.tid) != thread:
            os.close(descriptor)
            return None
        self._open.setdefault(thread, {})[name] = descriptor
        return descriptor


def _stat_fields(stat: bytes) -> list[bytes]:
    """Fields from the third on; the second, in parentheses, may hold spaces and parentheses itself."""
    return stat[stat.rindex(b")") + 2 :].split()


def _status_line(status: str, name: str) -> list[str]:
    return next(line.split()[1:] for line in status.splitlines() if line.startswith(f"{name}:"))
