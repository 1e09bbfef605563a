"""A kernel's performance counters in memory: which are open, and errors on demand."""

import os
from dataclasses import dataclass, field

from cachemon.qemu.perf_calls import CYCLES, INSTRUCTIONS, Counted, Event, PerfCalls


@dataclass
class FakePerf(PerfCalls):
    """Threads whose counters read as `counts` says, by TID.

    Attributes:
        errors: errno of the open of any event of a thread; of all threads under None.
        counts: what a thread's group reads.
        open_events: thread, event and leader of each open descriptor.
        seen: the same of all that were ever opened.
        started: leaders that count.
        opens: how many were opened so far.
        most: most that were open at a time.
        failing_reads: errno of every read; 0 for none.
        failing_starts: the same of starts.
    """

    errors: dict[int | None, int] = field(default_factory=dict)
    counts: dict[int, Counted] = field(default_factory=dict)
    open_events: dict[int, tuple[int, Event, int | None]] = field(default_factory=dict)
    seen: list[tuple[int, Event, int | None]] = field(default_factory=list)
    started: set[int] = field(default_factory=set)
    opens: int = 0
    most: int = 0
    failing_reads: int = 0
    failing_starts: int = 0

    def open(self, event: Event, tid: int, leader: int | None) -> int:
        if code := self.errors.get(tid, self.errors.get(None, 0)):
            raise OSError(code, os.strerror(code), "perf_event_open")
        self.opens += 1
        self.open_events[self.opens] = (tid, event, leader)
        self.seen.append((tid, event, leader))
        self.most = max(self.most, len(self.open_events))
        return self.opens

    def start(self, leader: int) -> None:
        self._fail(self.failing_starts)
        assert self.open_events[leader][2] is None, "only a leader starts"
        self.started.add(leader)

    def read(self, leader: int, events: int) -> Counted:
        self._fail(self.failing_reads)
        assert leader in self.started
        group = [self.open_events[leader], *(it for it in self.open_events.values() if it[2] == leader)]
        assert [event for _, event, _ in group] == [CYCLES, INSTRUCTIONS]
        assert events == len(group)
        return self.counts.get(group[0][0], Counted(0, 0, (0, 0)))

    def close(self, descriptor: int) -> None:
        del self.open_events[descriptor]
        self.started.discard(descriptor)

    @staticmethod
    def _fail(code: int) -> None:
        if code:
            raise OSError(code, os.strerror(code))
