"""Counts cycles and instructions of vCPU threads by perf, in one window of six: 10 s a minute.

Each thread has one group of two counters. They count in guest and host, as the telemetry of CPU packages does.
Between counts none is open.
"""

import errno
import logging
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from cachemon.interference.history import HELD_WINDOWS
from cachemon.qemu.perf_calls import CYCLES, INSTRUCTIONS, Counted, PerfCalls
from cachemon.qemu.run_times import ThreadKey

log = logging.getLogger(__name__)

MOST_THREADS = 512
"""Threads that are counted at a time, with two descriptors each. Guests with most threads go without beyond it."""
WINDOWS_PER_COUNT = 1 + HELD_WINDOWS
"""Of this many windows one is counted: the detector holds its value for the others."""
_LEAST_RUNNING = 0.5
"""Least part of a thread's time that the CPU's counters were free for it. Below it a count says too little."""
_EVENTS = (CYCLES, INSTRUCTIONS)

_NOT_PERMITTED = (
    "perf_event_open is not permitted ({error}): the agent needs the capability PERFMON, Linux 5.9, and a seccomp "
    "profile that permits perf_event_open with it (docs/interference.md)"
)
_NO_PMU = (
    "this machine's CPU or kernel counts no cycles of guests ({error}): it has no PMU that perf can use, as in most "
    "VMs, or KVM's mediated PMU has it"
)
_REFUSALS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), _NOT_PERMITTED),
    **dict.fromkeys((errno.EOPNOTSUPP, errno.ENOENT, errno.ENODEV, errno.ENOSYS, errno.EINVAL), _NO_PMU),
}


class Work(NamedTuple):
    """Cycles, and instructions that were retired."""

    cycles: int
    instructions: int


def begins_count(last: float | None, now: float, window_seconds: float, counted_seconds: float = 0.0) -> bool:
    """Whether the window that begins now is counted.

    Windows that are longer, as samples may be, are counted as rarely: one in six.

    Args:
        last: when the last one that was counted began; None before the first.
        now: on the same clock, in seconds.
        window_seconds: length of a window, as a rule.
        counted_seconds: length of the last one that was counted; 0 when it is not known.
    """
    windows = WINDOWS_PER_COUNT - 0.5  # not all are equally long
    return last is None or now - last >= windows * max(window_seconds, counted_seconds)


def work_of(counts: Collection[Counted]) -> Work | None:
    """The sum of what all threads of a guest did. A count that others interrupted is scaled.

    None when a thread was counted for too small a part of its time.
    """
    cycles = instructions = 0.0
    for count in counts:
        if count.running < _LEAST_RUNNING * count.enabled:
            return None
        scale = count.enabled / count.running if count.running else 0.0  # a thread that never ran did nothing
        cycles += count.values[0] * scale
        instructions += count.values[1] * scale
    return Work(round(cycles), round(instructions))


class WorkCounts:
    """Counts the threads of guests. Not safe for use by several threads at once.

    After a refusal that only a new start of this program can change it rests. It says each reason once.

    Args:
        calls: the system calls.
        refusal: says why guests must not be counted now; empty when they may be.
        window_seconds: length of a window, as a rule.
        most_threads: see MOST_THREADS.
    """

    def __init__(
        self,
        calls: PerfCalls,
        refusal: Callable[[], str],
        *,
        window_seconds: float,
        most_threads: int = MOST_THREADS,
    ) -> None:
        self._calls = calls
        self._refusal = refusal
        self._window_seconds = window_seconds
        self._most_threads = most_threads
        self._began: float | None = None
        self._counted_seconds = 0.0
        self._open: dict[str, dict[ThreadKey, tuple[int, ...]]] = {}
        self._rests = False
        self._said: set[str] = set()
        self.problem = ""
        """Why nothing, or less than all, was counted the last time; empty when all was."""

    def advance(self, guests: Mapping[str, Collection[ThreadKey]], now: float) -> dict[str, Work | None]:
        """End the count of the window that is over, and begin one if the next window is to be counted.

        None where a part of a guest's sum is missing: a thread is new, has gone, or was counted for too short a time.

        Args:
            guests: the vCPU threads of those to count, by name.
            now: monotonic time in seconds.

        Returns:
            the work of each guest that was counted; none for a window without a count.
        """
        try:
            found = {guest: self._read(groups, guests.get(guest, ())) for guest, groups in self._open.items()}
        finally:
            if self._open and self._began is not None:
                self._counted_seconds = now - self._began
            self.close()
        is_due = begins_count(self._began, now, self._window_seconds, self._counted_seconds)
        if guests and not self._rests and is_due:
            self._began, self.problem = now, ""
            self._begin(guests)
        return found

    def close(self) -> None:
        """Close all counters."""
        for groups in self._open.values():
            self._close(groups)
        self._open = {}

    def _begin(self, guests: Mapping[str, Collection[ThreadKey]]) -> None:
        if refusal := self._refusal():
            self._say(refusal)
            return
        left = self._most_threads
        for guest, threads in sorted(guests.items(), key=lambda item: (len(item[1]), item[0])):
            left -= len(threads)
            if left < 0:
                self._say(f"only {self._most_threads} vCPU threads are counted at a time; the largest VMs go without")
                break
            if threads and not self._open_guest(guest, threads):
                break
        for guest, groups in [*self._open.items()]:
            try:
                for leader, *_ in groups.values():
                    self._calls.start(leader)
            except OSError as err:
                self._say(f"a counter did not start ({err.strerror}); its VM goes without in that minute")
                self._close(self._open.pop(guest))

    def _open_guest(self, guest: str, threads: Collection[ThreadKey]) -> bool:
        """Open the counters of a guest; returns whether it makes sense to go on with the next one."""
        groups: dict[ThreadKey, tuple[int, ...]] = {}
        try:
            for thread in threads:
                for event in _EVENTS:
                    opened = groups.get(thread, ())
                    leader = opened[0] if opened else None
                    groups[thread] = (*opened, self._calls.open(event, thread.tid, leader))
        except OSError as err:
            self._close(groups)
            return self._goes_on_after(err)
        self._open[guest] = groups
        return True

    def _goes_on_after(self, err: OSError) -> bool:
        if err.errno == errno.ESRCH:
            return True  # the thread has vanished
        if err.errno in _REFUSALS:
            self._rests = True
            self._say(_REFUSALS[err.errno].format(error=err.strerror))
            self.close()
        else:
            self._say(f"no more counters now ({err.strerror}); VMs go without in that minute")
        return False

    def _read(self, groups: Mapping[ThreadKey, tuple[int, ...]], threads: Collection[ThreadKey]) -> Work | None:
        if set(threads) != set(groups):
            return None
        try:
            return work_of([self._calls.read(opened[0], len(_EVENTS)) for opened in groups.values()])
        except OSError as err:
            self._say(f"a counter can't be read ({err.strerror}); its VM has no cycles in that minute")
            return None

    def _close(self, groups: Mapping[ThreadKey, tuple[int, ...]]) -> None:
        for opened in groups.values():
            for descriptor in reversed(opened):
                self._calls.close(descriptor)

    def _say(self, reason: str) -> None:
        self.problem = reason
        if reason not in self._said:
            self._said.add(reason)
            log.warning("no cycles of VMs by perf: %s", reason)
