"""How long the vCPU threads of guests ran and waited for a CPU, from /proc/PID/task/TID/schedstat.

The file has three numbers: nanoseconds on a CPU, guest time included; nanoseconds ready to run and waiting; and how
often the thread ran (proc_pid_schedstat in fs/proc/base.c). It has three zeros on a kernel without CONFIG_SCHED_INFO.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from cachemon.model.numbers import parse_count
from cachemon.qemu.proc_files import ProcFiles

MOST_THREADS = 8192
"""Threads that are read at a time: 0.1 s. Where there are more, the guests with most threads go without."""

_FIELDS = 3


class RunTimes(NamedTuple):
    """Nanoseconds that threads ran, and that they waited for a CPU."""

    running: int
    waiting: int


class ThreadKey(NamedTuple):
    """A thread, distinguished by its start time from a later one with its number."""

    pid: int
    tid: int
    start_time: int


def parse_schedstat(text: str) -> RunTimes | None:
    r"""Parse the file; None if it is not valid, or if the kernel does not count.

    >>> parse_schedstat("1500 200 7\n")
    RunTimes(running=1500, waiting=200)
    """
    fields = [parse_count(field) for field in text.split()]
    if len(fields) != _FIELDS or not any(fields):
        return None
    running, waiting, _ = fields
    return None if running is None or waiting is None else RunTimes(running, waiting)


class VcpuRunTimes:
    """Reads the threads of all guests, and remembers the values of the last time. Keeps no file open.

    Args:
        files: the files of /proc.
        most_threads: see MOST_THREADS.
    """

    def __init__(self, files: ProcFiles, most_threads: int = MOST_THREADS) -> None:
        self._files = files
        self._most_threads = most_threads
        self._before: Mapping[ThreadKey, RunTimes] = {}

    def advance(self, guests: Mapping[str, Collection[ThreadKey]]) -> dict[str, RunTimes | None]:
        """What the threads of each guest did together since the last call.

        None where a part of the sum is missing: a thread is new, has gone, can't be read, or started again at zero.
        """
        now: dict[ThreadKey, RunTimes] = {}
        sums: dict[str, RunTimes | None] = {}
        left = self._most_threads
        for guest, threads in sorted(guests.items(), key=lambda item: (len(item[1]), item[0])):
            left -= len(threads)
            sums[guest] = self._sum(threads, now) if threads and left >= 0 else None
        self._before = now
        return sums

    def _sum(self, threads: Collection[ThreadKey], now: dict[ThreadKey, RunTimes]) -> RunTimes | None:
        running = waiting = 0
        is_whole = True
        for thread in threads:
            times, before = self._read(thread), self._before.get(thread)
            if times is not None:
                now[thread] = times
            if times is None or before is None or times.running < before.running or times.waiting < before.waiting:
                is_whole = False
            else:
                running += times.running - before.running
                waiting += times.waiting - before.waiting
        return RunTimes(running, waiting) if is_whole else None

    def _read(self, thread: ThreadKey) -> RunTimes | None:
        try:
            text = self._files.schedstat(f"{thread.pid}/task/{thread.tid}")
        except OSError:  # no descriptors or memory left: a gap, and the next window is another try
            return None
        return None if text is None else parse_schedstat(text)
