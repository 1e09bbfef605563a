"""The profiles of threads, and the CPU time that profiles give to threads."""

from collections.abc import Callable
from dataclasses import dataclass

from resctrl_emulator.thread_profile import ThreadProfile, Turn
from resctrl_emulator.threads import NS_PER_SECOND, Identity, Threads

RUNS_PER_CPU_SECOND = 250
"""How often a thread with a CPU share seems to get a CPU in a second of its CPU time."""


@dataclass(slots=True)
class ThreadWork:
    """What a thread with a profile did since it got its first one, as far as it is counted.

    Attributes:
        cpu_ns: the CPU time that it used.
        work_ns: the CPU time that its work takes without a miss.
        missed_lines: lines that it brought into a cache.
    """

    cpu_ns: float = 0.0
    work_ns: float = 0.0
    missed_lines: float = 0.0

    def add(self, turn: Turn) -> None:
        """Count a turn."""
        self.cpu_ns += turn.cpu_ns
        self.work_ns += turn.work_ns
        self.missed_lines += turn.missed_lines


@dataclass(slots=True)
class _Profiled:
    """A thread that has or had a profile.

    Attributes:
        profile: None after it was taken back.
        since_ns: when it got the profile.
        base_ns: the CPU time that it seemed to have used then.
        ahead_ns: that CPU time, minus what it really used.
    """

    profile: ThreadProfile | None
    since_ns: int
    base_ns: int
    ahead_ns: int


class ProfiledThreads:
    """`Threads`, some of which have a profile.

    A thread whose profile has a CPU share seems to use that share of the time, whatever it really does.

    Args:
        threads: the real ones.
        now_ns: a monotonic clock.
    """

    def __init__(self, threads: Threads, now_ns: Callable[[], int]) -> None:
        self._threads = threads
        self._now_ns = now_ns
        self._profiled: dict[Identity, _Profiled] = {}
        self._work: dict[int, ThreadWork] = {}

    def set_profile(self, thread: Identity, profile: ThreadProfile | None) -> None:
        """Give a thread a profile, or take it back. Its CPU time goes on from where it is."""
        real, shown = self._threads.cpu_ns(thread), self.cpu_ns(thread)
        if real is None or shown is None:
            return
        if thread not in self._profiled:
            self._work[thread.tid] = ThreadWork()
        self._profiled[thread] = _Profiled(profile, self._now_ns(), shown, shown - real)

    def profile_of(self, thread: Identity) -> ThreadProfile | None:
        """The profile of a thread; None for a constant rate."""
        profiled = self._profiled.get(thread)
        return profiled.profile if profiled else None

    def worked(self, tid: int, turn: Turn) -> None:
        """Count what a thread with a profile did."""
        self._work[tid].add(turn)

    def profiled(self) -> tuple[Identity, ...]:
        """The threads that have a profile."""
        return tuple(thread for thread, profiled in self._profiled.items() if profiled.profile)

    def work(self) -> dict[int, ThreadWork]:
        """What each living thread that has or had a profile did, by TID."""
        return {thread.tid: self._work[thread.tid] for thread in self._profiled}

    def cpu_ns(self, thread: Identity) -> int | None:
        """See `Threads`."""
        real = self._threads.cpu_ns(thread)
        profiled = self._profiled.get(thread)
        if profiled is None or real is None:
            if profiled:
                del self._profiled[thread]
            return real
        if profiled.profile is None or profiled.profile.cpu_share is None:
            return real + profiled.ahead_ns
        return profiled.base_ns + int((self._now_ns() - profiled.since_ns) * profiled.profile.cpu_share)

    def last_cpu(self, thread: Identity) -> int:
        """See `Threads`."""
        return self._threads.last_cpu(thread)

    def schedstat(self, thread: Identity) -> str | None:
        """What /proc/TID/schedstat of a thread with a CPU share would say; it never waits for a CPU.

        Returns:
            CPU time and waiting time in nanoseconds, and how often it ran; None for a thread without a CPU share.
        """
        profile = self.profile_of(thread)
        used = self.cpu_ns(thread)
        if profile is None or profile.cpu_share is None or used is None:
            return None
        return f"{used} 0 {used * RUNS_PER_CPU_SECOND // NS_PER_SECOND}\n"

    def identify(self, tid: int) -> Identity | None:
        """See `Threads`."""
        return self._threads.identify(tid)

    def uids(self, thread: Identity) -> frozenset[int]:
        """See `Threads`."""
        return self._threads.uids(thread)

    def children(self, thread: Identity) -> frozenset[int]:
        """See `Threads`."""
        return self._threads.children(thread)

    def threads_of(self, tgid: int) -> frozenset[int]:
        """See `Threads`."""
        return self._threads.threads_of(tgid)

    def processes(self) -> list[int]:
        """See `Threads`."""
        return self._threads.processes()

    def seen_from(self, viewer: int, tids: list[int]) -> list[int]:
        """See `Threads`."""
        return self._threads.seen_from(viewer, tids)

    def from_namespace_of(self, viewer: int, tid: int) -> int | None:
        """See `Threads`."""
        return self._threads.from_namespace_of(viewer, tid)

    def forget(self, thread: Identity) -> None:
        """See `Threads`. A profile stays: the thread may be back in the default group."""
        self._threads.forget(thread)
