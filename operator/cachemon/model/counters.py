"""Counters of traffic: from readings that restart and vanish to totals that only grow.

An MBM counter starts at 0 with every mkdir of its mon_group and when its cache block returns from CPU
hotplug (fs/resctrl/monitor.c; seen on 6.1.192 and 7.3.4), so a difference counts only between two
valid readings of the same directory that do not go down. Everything else is a gap: it adds nothing.
"""

from collections import deque
from dataclasses import dataclass, field

from cachemon.model.readings import Missing, Reading


@dataclass(slots=True)
class CounterBase:
    """The last valid value of one counter file, to subtract from the next.

    Attributes:
        identity: inode of the mon_group's directory that the value came from.
        value: bytes, or None before the first valid reading.
    """

    identity: int | None = None
    value: int | None = None

    def advance(self, reading: Reading, identity: int) -> int | None:
        """Bytes since the reading before, or None when that can't be known: then a gap begins or goes on."""
        if isinstance(reading, Missing):
            self.value = None
            return None
        before, same = self.value, self.identity == identity
        self.identity, self.value = identity, reading
        if before is None or not same or reading < before:
            return None
        return reading - before


@dataclass(slots=True)
class TrafficTotal:
    """Traffic of one monitoring group through one cache block: a total since the agent started, and a rate.

    Attributes:
        window_seconds: the rate is the mean over at most this time.
        total_bytes: never goes down.
        gaps: how often a part of the traffic could not be counted.
    """

    window_seconds: float
    total_bytes: int = 0
    gaps: int = 0
    _points: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, delta: int, now: float, *, gap: bool) -> None:
        """Count one sample.

        Args:
            delta: bytes since the sample before, of those cells whose counters could be compared.
            now: monotonic seconds at which the counters were read.
            gap: whether some cell's could not: its bytes are missing, so the rate starts anew.
        """
        self.total_bytes += delta
        if gap:
            self.gaps += bool(self._points)
            self._points.clear()
        self._points.append((now, self.total_bytes))
        while len(self._points) > 2 and now - self._points[1][0] >= self.window_seconds:
            self._points.popleft()

    @property
    def bytes_per_second(self) -> int | None:
        """The mean rate over the window, or None until two samples in a row are there."""
        if len(self._points) < 2:
            return None
        (start, first), (end, last) = self._points[0], self._points[-1]
        return round((last - first) / (end - start)) if end > start else None
