"""Names to work on, fair by namespace: now, at a time, or after a pause.

client-go's workqueue (k8s.io/client-go util/workqueue) has the same operations. All times are the event loop's.
"""

import asyncio
import heapq
import math
from collections.abc import Iterator

from cachemon.controller.fair_queue import FairQueue
from cachemon.daemon.waiting import wait_for
from cachemon.model.api import ObjectName


class _Timers:
    """One time per name."""

    def __init__(self) -> None:
        self._times: dict[ObjectName, float] = {}
        self._heap: list[tuple[float, ObjectName]] = []

    @property
    def first(self) -> float:
        """The earliest time; may be that of a timer that was changed since."""
        return self._heap[0][0] if self._heap else math.inf

    def set(self, name: ObjectName, when: float | None) -> None:
        """Replace the name's timer; None removes it."""
        if when is None:
            self._times.pop(name, None)
        elif self._times.get(name) != when:
            self._times[name] = when
            heapq.heappush(self._heap, (when, name))

    def pop(self, now: float) -> list[ObjectName]:
        """Remove the timers whose time has come; answers their names."""
        names = []
        while self._heap and self._heap[0][0] <= now:
            when, name = heapq.heappop(self._heap)
            if self._times.get(name) == when:
                del self._times[name]
                names.append(name)
        return names


class WorkQueue:
    """Gives out each name once at a time; at most `slots` of them are worked on at a time."""

    def __init__(self, slots: int = 16) -> None:
        self._names = FairQueue(slots)
        self._timers = _Timers()
        self._taken: set[ObjectName] = set()
        self._resting: set[ObjectName] = set()
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[ObjectName]:
        """All names that wait, in no particular order."""
        return iter(self._names)

    def add(self, name: ObjectName, *, backlog: bool = False) -> None:
        """Queue a name; one of the backlog comes after all others of its namespace."""
        if self._names.add(name, backlog=backlog):
            self._changed.set()

    def add_at(self, name: ObjectName, when: float | None) -> None:
        """Queue a name at a time, instead of any earlier such time; None for never."""
        self._timers.set(name, when)
        if when is not None:
            self._changed.set()

    def discard(self, name: ObjectName) -> None:
        """Remove a name that waits; its time stays."""
        self._names.discard(name)

    def postpone(self, name: ObjectName, until: float) -> None:
        """Keep a name back, and queue it at that time."""
        self._resting.add(name)
        self.add_at(name, until)

    def take(self, now: float) -> ObjectName | None:
        """The next name, until it is `done`; None when none may be taken."""
        for name in self._timers.pop(now):
            if name in self._resting:
                self._resting.discard(name)
                if name not in self._taken:
                    self._names.release(name)
            self.add(name)
        taken = self._names.take()
        if taken is not None:
            self._taken.add(taken)
        return taken

    def done(self, name: ObjectName) -> None:
        """The work on a taken name has ended."""
        self._taken.discard(name)
        if name in self._resting:
            self._names.postpone(name)
        else:
            self._names.release(name)
        self._changed.set()

    def note(self, namespace: str, *, failed: bool) -> None:
        """How the last work on a namespace's name ended."""
        self._names.note(namespace, failed=failed)

    async def wait(self) -> None:
        """Return when `take` may answer another name. Call it right after `take` answered None."""
        self._changed.clear()
        await wait_for(self._changed, self._timers.first - asyncio.get_running_loop().time())
