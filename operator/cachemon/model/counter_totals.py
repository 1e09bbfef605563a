"""Traffic counters: from readings that restart and vanish to totals that only grow.

An MBM counter starts at 0 with every mkdir of its mon_group and when its cache block returns from CPU
hotplug (fs/resctrl/monitor.c; seen on 6.1.192 and 7.3.4), so a difference counts only between two
valid readings of the same directory that do not go down. Everything else is a gap: it adds nothing.

All counters advance together, as flat lists: as long as none breaks off, a sample runs no Python code per counter.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Sequence
from enum import StrEnum
from operator import attrgetter, le, sub
from typing import NamedTuple, TypeGuard

from cachemon.model.readings import Missing, Reading

HIGHEST_BYTES_PER_SECOND_PER_BLOCK = 4 * 10**12
"""No cache block moves more: several times the memory bandwidth of a whole socket with HBM."""
SLOWEST_SWEEP_SECONDS = 1.0
"""Longest assumed delay between reading the first and the last file of a sweep."""
NEVER = 1 << 63
_SNAPSHOTS_PER_WINDOW = 64


class Gap(StrEnum):
    """Why a part of the traffic could not be counted. The values are those of the label `reason` in /metrics."""

    UNAVAILABLE = Missing.UNAVAILABLE.value
    ERROR = Missing.ERROR.value
    UNASSIGNED = Missing.UNASSIGNED.value
    OFFLINE = Missing.OFFLINE.value
    RESTARTED = "Restarted"
    """The counter went down: it restarted or wrapped."""
    RECREATED = "Recreated"
    """The mon_group is another one of the same name."""
    IMPLAUSIBLE = "Implausible"
    """More than a cache block can move in the time."""
    REGROUPED = "Regrouped"
    """The monitoring group has other mon_groups than before."""


def difference(before: Reading | None, reading: Reading, most: float) -> int | Gap | None:
    """Bytes between two readings of a counter.

    Args:
        before: the reading before; None if there was none of this mon_group.
        reading: the reading now.
        most: maximum number of bytes that can have been moved meanwhile.

    Returns:
        The bytes; a gap if counting breaks off here; None while there was nothing to break off.
    """
    if before is None or isinstance(before, Missing):
        return None
    if isinstance(reading, Missing):
        return Gap(reading.value)
    if reading < before:
        return Gap.RESTARTED
    return reading - before if reading - before <= most else Gap.IMPLAUSIBLE


class CounterSnapshot(NamedTuple):
    """All counters at one moment. A counter's total is how far it is above its base.

    Attributes:
        number: of the sample.
        time: monotonic seconds at which the sample began.
        values: the last number that each counter gave.
        bases: per counter; one changes only when counting breaks off.
        late: per counter how many seconds after `time` it was read; empty when the delays do not matter.
    """

    number: int
    time: float
    values: Sequence[int]
    bases: Sequence[int]
    late: Sequence[float] = ()

    @property
    def totals(self) -> list[int]:
        """Bytes per counter."""
        return list(map(sub, self.values, self.bases))

    def total(self, counters: Sequence[int]) -> int:
        """Bytes of some counters together."""
        values, bases = self.values, self.bases
        total = 0
        for counter in counters:
            total += values[counter] - bases[counter]
        return total

    def moved_since(self, start: "CounterSnapshot") -> list[int]:
        """Bytes per counter that an older snapshot has not."""
        if start.bases is self.bases:
            return list(map(sub, self.values, start.values))
        return list(map(sub, self.totals, start.totals))

    def read_at(self, counter: int) -> float:
        """Monotonic seconds at which one counter was read."""
        return self.time + (self.late[counter] if self.late else 0.0)


class Progress(NamedTuple):
    """The progress of the counters; an immutable snapshot.

    Attributes:
        now: after the newest sample.
        previous: after the sample before.
        snapshots: of the rate window, oldest first: samples of which it is known when each counter was read.
        moved: bytes per counter from the first of `snapshots` to the last.
        since: per counter the number of the sample that it counts from without a break; NEVER if it does not.
        last_break: the highest of `since`.
    """

    now: CounterSnapshot
    previous: CounterSnapshot
    snapshots: tuple[CounterSnapshot, ...]
    moved: Sequence[int]
    since: Sequence[int]
    last_break: int

    @property
    def rates_from(self) -> int:
        """The number of the sample that a counter must count from at the latest to have a rate."""
        return self.snapshots[-2].number if len(self.snapshots) > 1 else -1

    def per_second(self, counters: Sequence[int], since: int = 0) -> int | None:
        """The mean rate of some counters together over the window, or what part of it they count without a break.

        None until two samples in a row are there.
        """
        start = self._start(counters, max(since, self.last_break), since)
        if start is None:
            return None
        end = self.snapshots[-1]
        if start.late or end.late:
            return _rate_one_by_one(start, end, counters)
        if start is self.snapshots[0]:
            moved = sum(map(self.moved.__getitem__, counters))
        else:
            moved = end.total(counters) - start.total(counters)
        return round(moved / (end.time - start.time))

    def _start(self, counters: Sequence[int], begin: int, since: int) -> CounterSnapshot | None:
        """The oldest snapshot from which on they all count; None when it would be the newest, too."""
        if not counters or not self.snapshots:
            return None
        start = self.snapshots[0]
        if begin > start.number:
            begin = max([since, *map(self.since.__getitem__, counters)])
        if begin > start.number:
            place = bisect_left(self.snapshots, begin, key=attrgetter("number"))
            if place == len(self.snapshots):
                return None
            start = self.snapshots[place]
        return start if start.time < self.snapshots[-1].time else None


def _rate_one_by_one(start: CounterSnapshot, end: CounterSnapshot, counters: Sequence[int]) -> int | None:
    rate = 0.0
    for counter in counters:
        seconds = end.read_at(counter) - start.read_at(counter)
        if seconds <= 0:
            return None
        rate += (end.total((counter,)) - start.total((counter,))) / seconds
    return round(rate)


class Counters:
    """Totals of a changing set of counters. A counter's total starts at 0 when it comes into the set.

    Args:
        window_seconds: rates are means over at most this time.
        highest_per_second: no counter grows faster.

    Attributes:
        gaps: how often counting broke off, by reason.
    """

    def __init__(self, window_seconds: float, highest_per_second: int = HIGHEST_BYTES_PER_SECOND_PER_BLOCK) -> None:
        self._highest_per_second = highest_per_second
        self.gaps: dict[Gap, int] = dict.fromkeys(Gap, 0)
        self._window = window_seconds
        self._keys: Sequence[Hashable] = ()
        self._identities: Sequence[int] = ()
        self._before: Sequence[Reading | None] = ()
        none = CounterSnapshot(0, 0.0, (), ())
        self.progress = Progress(none, none, (), (), (), 0)

    def keep(self, keys: Sequence[Hashable], identities: Sequence[int]) -> None:
        """Set which counters the next readings belong to.

        Args:
            keys: names of the counters; those that were there before go on.
            identities: the inode of the mon_group's directory for each.
        """
        if keys is self._keys and identities == self._identities:
            return
        place = {key: position for position, key in enumerate(self._keys)}
        places = [place.get(key) for key in keys]
        before: list[Reading | None] = []
        for was, identity in zip(places, identities, strict=True):
            base = None if was is None else self._before[was]
            if was is not None and identity not in (0, self._identities[was]):
                self.gaps[Gap.RECREATED] += isinstance(base, int)
                base = None
            before.append(base)
        self._keys, self._identities, self._before = keys, identities, before
        progress = self.progress
        if places != list(range(len(progress.since))):
            snapshots = tuple(_rearranged(snapshot, places) for snapshot in progress.snapshots)
            now, since = _rearranged(progress.now, places), _moved(progress.since, places, NEVER)
            moved = _moved(progress.moved, places, 0)
            self.progress = Progress(now, now, snapshots, moved, since, max(since, default=0))

    def advance(
        self, readings: Sequence[Reading], now: float, late: Sequence[float] = (), *, timed: bool = True
    ) -> Progress:
        """Count one sample.

        Args:
            readings: one for each of `keep`'s keys.
            now: monotonic seconds at which the sample began.
            late: for each counter how many seconds later it was read; empty when the delays do not matter.
            timed: whether it is known when each was read. If not, the bytes count all the same; rates stay those
                up to the sample before, as no rate is better than its time.
        """
        before, last = self.progress, self.progress.now
        most = self._highest_per_second * (now - last.time + SLOWEST_SWEEP_SECONDS)
        number, since, last_break = last.number + 1, before.since, before.last_break
        if _all_count(readings, self._before, most):
            values, bases = readings, last.bases
        else:
            values, bases, since = self._one_by_one(readings, most, number)
            last_break = max(since, default=0)
        self._before = readings
        snapshot = CounterSnapshot(number, now, values, bases, late)
        snapshots, moved = before.snapshots, before.moved
        if timed:
            snapshots = self._window_with(snapshot)
            moved = snapshot.moved_since(snapshots[0])
        self.progress = Progress(snapshot, last, snapshots, moved, since, last_break)
        return self.progress

    def _one_by_one(
        self, readings: Sequence[Reading], most: float, number: int
    ) -> tuple[list[int], list[int], list[int]]:
        """Values, bases and since, where some counter may have no difference."""
        last, since = self.progress.now, list(self.progress.since)
        values, bases = list(last.values), list(last.bases)
        for position, (before, reading) in enumerate(zip(self._before, readings, strict=True)):
            delta = difference(before, reading, most)
            if isinstance(delta, Gap):
                self.gaps[delta] += 1
            if isinstance(reading, Missing):
                since[position] = NEVER
                continue
            if not isinstance(delta, int):
                since[position] = number
                bases[position] += reading - values[position]
            values[position] = reading
        return values, bases, since

    def _window_with(self, newest: CounterSnapshot) -> tuple[CounterSnapshot, ...]:
        """The oldest is as old as the window or just older; with many samples in a window not each is kept."""
        kept = deque(self.progress.snapshots)
        if len(kept) > 2 and kept[-1].time - kept[-2].time < self._window / _SNAPSHOTS_PER_WINDOW:
            kept.pop()
        kept.append(newest)
        while len(kept) > 2 and newest.time - kept[1].time >= self._window:
            kept.popleft()
        return tuple(kept)


def _all_count(
    readings: Sequence[Reading], before: Sequence[Reading | None], most: float
) -> TypeGuard[Sequence[int]]:
    """Whether every counter has a `difference`: found without a step of Python for each."""
    try:
        moved = sum(readings) - sum(before)  # type: ignore[arg-type]
    except TypeError:  # a reading without a number, or without one before
        return False
    if not all(map(le, before, readings)):  # type: ignore[arg-type]
        return False
    # None went down, so none has moved more than all together have.
    return moved <= most or max(map(sub, readings, before), default=0) <= most


def _rearranged(snapshot: CounterSnapshot, places: Sequence[int | None]) -> CounterSnapshot:
    late = tuple(0.0 if place is None else snapshot.late[place] for place in places) if snapshot.late else ()
    values, bases = _moved(snapshot.values, places, 0), _moved(snapshot.bases, places, 0)
    return CounterSnapshot(snapshot.number, snapshot.time, values, bases, late)


def _moved(values: Sequence[int], places: Sequence[int | None], absent: int) -> list[int]:
    return [absent if place is None else values[place] for place in places]
