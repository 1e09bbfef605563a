"""Names with a time: which times have come. No I/O."""

import heapq
import math

from cachemon.model.api import ObjectName

__all__ = ["Timers"]


class Timers:
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
