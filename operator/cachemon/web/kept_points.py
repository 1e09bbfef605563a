"""The points that the page's program has seen, some hours of them, in bounded memory. No I/O."""

from array import array
from collections.abc import Callable, Mapping
from math import isnan

from cachemon.web.points import GAP, Column, Points, Track

MOST_VALUES = 8_000_000
"""Kept in all, 8 bytes each: 10,000 VMs with two cache blocks keep 136 points each, and take 86 MiB."""

LONGEST_SECONDS = 12 * 3600.0

_SPARE = 5 / 4
"""A track grows beyond its limit by this factor before it is cut, so that cutting is rare."""

_FEWEST_POINTS = 30

_MOMENT_SECONDS = 0.001
"""Between a point and a gap right after it: times in the API have whole seconds."""


class _Kept:
    """The points of one track."""

    __slots__ = ("columns", "holds_until", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.columns: dict[Column, array[float]] = {}
        self.holds_until = 0.0

    @property
    def size(self) -> int:
        """Values, times included."""
        return len(self.times) * (1 + len(self.columns))

    def append(self, time: float, values: Mapping[Column, float]) -> None:
        for column in values.keys() - self.columns.keys():
            self.columns[column] = array("d", [GAP]) * len(self.times)
        self.times.append(time)
        for column, kept in self.columns.items():
            kept.append(values.get(column, GAP))

    def cut(self, most: int) -> None:
        """Forget the oldest points, and columns that have no value left."""
        if (surplus := len(self.times) - most) > 0:
            del self.times[:surplus]
            for kept in self.columns.values():
                del kept[:surplus]
        self.columns = {column: kept for column, kept in self.columns.items() if not all(map(isnan, kept))}


class KeptPoints:
    """Points by track. When memory runs short, all tracks become shorter; then those that ended first vanish.

    Args:
        most_values: kept in all.
        longest_seconds: after which a track without new points is forgotten.
    """

    def __init__(self, most_values: int = MOST_VALUES, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._most_values = most_values
        self._longest_seconds = longest_seconds
        self._tracks: dict[Track, _Kept] = {}  # the one with the oldest news first
        self._values = 0
        self._columns = 0

    @property
    def size(self) -> int:
        """Values that are kept, times included."""
        return self._values

    def add(self, track: Track, time: float, values: Mapping[Column, int | None], *, hold_seconds: float) -> None:
        """Add a point, unless there is one of this time or a later one.

        Args:
            track: what it is about.
            time: when the figures were read.
            values: None for those that do not hold.
            hold_seconds: how long they hold without newer ones.
        """
        kept = self._tracks.get(track) or _Kept()
        if kept.times and time <= kept.times[-1]:
            return
        if kept.times and time > kept.holds_until:
            self.interrupt(track, kept.holds_until)
        kept.holds_until = time + hold_seconds
        self._append(
            track, kept, time, {column: GAP if value is None else float(value) for column, value in values.items()}
        )

    def interrupt(self, track: Track, time: float) -> None:
        """Note that no figure holds from now on, until the next point."""
        kept = self._tracks.get(track)
        if kept is not None and not all(isnan(values[-1]) for values in kept.columns.values()):
            kept.holds_until = max(time, kept.times[-1] + _MOMENT_SECONDS)
            self._append(track, kept, kept.holds_until, {})

    def of_node(self, node: str) -> dict[Track, Points]:
        """The track of a node, and those of the VMs that ran there; of each VM the sum."""
        return self._those(lambda track: track.node == node and not track.source)

    def of_vm(self, vm: str) -> dict[Track, Points]:
        """The tracks of a VM, wherever it ran."""
        return self._those(lambda track: track.vm == vm)

    def _those(self, wanted: Callable[[Track], bool]) -> dict[Track, Points]:
        return {track: Points(kept.times, kept.columns) for track, kept in self._tracks.items() if wanted(track)}

    def _append(self, track: Track, kept: _Kept, time: float, values: Mapping[Column, float]) -> None:
        self._take_out(track)
        kept.append(time, values)
        limit = self._points_of_each(len(kept.columns) + 1)
        if len(kept.times) > limit * _SPARE:
            kept.cut(limit)
        self._put(track, kept)
        self._make_room(time)

    def _points_of_each(self, new_columns: int) -> int:
        return max(_FEWEST_POINTS, int(self._most_values / (self._columns + new_columns) / _SPARE))

    def _put(self, track: Track, kept: _Kept) -> None:
        self._tracks[track] = kept
        self._values += kept.size
        self._columns += len(kept.columns) + 1

    def _take_out(self, track: Track) -> None:
        kept = self._tracks.pop(track, None)
        if kept is not None:
            self._values -= kept.size
            self._columns -= len(kept.columns) + 1

    def _make_room(self, now: float) -> None:
        while self._tracks:
            oldest, kept = next(iter(self._tracks.items()))
            is_over = kept.times[-1] < now - self._longest_seconds
            if not is_over and self._values <= self._most_values:
                return
            limit = self._points_of_each(0)
            self._take_out(oldest)
            if not is_over and len(kept.times) > limit:
                kept.cut(limit)
                self._put(oldest, kept)
