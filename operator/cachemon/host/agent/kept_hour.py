"""The figures of the last hour, in memory of a fixed size. A restart of the agent begins anew.

Each series has two rings of numbers that are made once, when it appears, and used again after it has gone. Keeping a
point writes into them and makes nothing. All series share the ring of times.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from math import nan
from typing import NamedTuple

from cachemon.host.history_wire import HostHistory, HostSeries, SeriesKey

STEP_SECONDS = 10.0
POINTS = 360
MOST_SERIES = 2048
"""Each takes 5.9 KB: 12 MB at the most."""
MOST_VALUES = 100_000
"""In one answer, 1 MB of JSON. Of a longer one, only every second, third, ... point is given."""


class HourPoint(NamedTuple):
    """What is kept of a sample.

    Attributes:
        key: of the series.
        occupancy: bytes; None where there is no number.
        bandwidth: bytes per second; likewise.
    """

    key: SeriesKey
    occupancy: int | None
    bandwidth: int | None


class _Rings:
    """The two rings of a series; `written` is the number of the newest point."""

    __slots__ = ("bandwidth", "occupancy", "written")

    def __init__(self, points: int) -> None:
        self.occupancy = array("d", [nan]) * points
        self.bandwidth = array("d", [nan]) * points
        self.written = 0


class KeptHour:
    """Keeps a point of each series every ten seconds. Not safe for use by several threads at once.

    Args:
        step_seconds: from one point to the next.
        points: of each series.
        most_series: further ones are left out and counted.
    """

    def __init__(
        self, *, step_seconds: float = STEP_SECONDS, points: int = POINTS, most_series: int = MOST_SERIES
    ) -> None:
        self._step_seconds = step_seconds
        self._most_series = most_series
        self._times = array("d", [nan]) * points
        self._count = 0
        self._next_at = -math.inf
        self._series: dict[SeriesKey, _Rings] = {}
        self._free: list[_Rings] = []
        self._left_out = 0

    @property
    def rings(self) -> int:
        """How many pairs of rings there are, in use or free."""
        return len(self._series) + len(self._free)

    def is_due(self, now: float) -> bool:
        """Whether it is time for the next point.

        Args:
            now: monotonic seconds.
        """
        return now >= self._next_at

    def keep(self, time: float, points: Iterable[HourPoint]) -> None:
        """Keep a point of each series. Series without one get a gap.

        Args:
            time: when the figures were read, in monotonic seconds; later than the time before.
            points: the most important first: of very many, the last are left out.
        """
        late = time - self._next_at >= self._step_seconds
        self._next_at = (time if late else self._next_at) + self._step_seconds
        slot = self._count % len(self._times)
        self._count += 1
        self._times[slot] = time
        self._left_out = 0
        for key, occupancy, bandwidth in points:
            rings = self._series.get(key) or self._new(key)
            if rings is None:
                self._left_out += 1
                continue
            rings.occupancy[slot] = nan if occupancy is None else occupancy
            rings.bandwidth[slot] = nan if bandwidth is None else bandwidth
            rings.written = self._count
        self._write_gaps(slot)

    def prepare_history(
        self,
        wanted: Callable[[SeriesKey], bool],
        seconds: float,
        now: float,
        wall_time: float,
        most_values: int = MOST_VALUES,
    ) -> Callable[[], HostHistory]:
        """Copy the rings of some series. Returns what makes their history, in any thread and later.

        Args:
            wanted: which series.
            seconds: how far back.
            now: monotonic seconds.
            wall_time: seconds since the epoch now. All times are by this clock, however it was set since.
            most_values: in all; the points become fewer where there would be more.
        """
        copies = {key: (it.occupancy[:], it.bandwidth[:]) for key, it in self._series.items() if wanted(key)}
        slots = [slot for slot in self._slots() if now - self._times[slot] <= seconds]
        stride = max(1, math.ceil(len(slots) * 2 * len(copies) / most_values))
        slots = slots[::-stride][::-1]
        times = tuple(round(wall_time - (now - self._times[slot]), 3) for slot in slots)
        left_out = self._left_out

        def history() -> HostHistory:
            series = (
                HostSeries(key, _values(occupancy, slots), _values(bandwidth, slots))
                for key, (occupancy, bandwidth) in sorted(copies.items())
            )
            return HostHistory(self._step_seconds * stride, times, tuple(series), left_out)

        return history

    def _slots(self) -> Iterator[int]:
        """Those in use, the oldest point first."""
        points = len(self._times)
        return (number % points for number in range(max(0, self._count - points), self._count))

    def _new(self, key: SeriesKey) -> _Rings | None:
        if self._free:
            rings = self._free.pop()
        elif len(self._series) < self._most_series:
            rings = _Rings(len(self._times))
        else:
            return None
        self._series[key] = rings
        return rings

    def _write_gaps(self, slot: int) -> None:
        """Into series without a point; those that have none left become free."""
        gone = []
        for key, rings in self._series.items():
            if rings.written != self._count:
                rings.occupancy[slot] = rings.bandwidth[slot] = nan
                if self._count - rings.written >= len(self._times):
                    gone.append(key)
        for key in gone:
            self._free.append(self._series.pop(key))


def _values(ring: "array[float]", slots: list[int]) -> list[int | None]:
    return [None if math.isnan(value) else int(value) for value in map(ring.__getitem__, slots)]
