"""The last windows of a cache block, as short series of floats of 4 bytes. Pure."""

from array import array
from collections.abc import Container, Iterable, MutableMapping, Sequence
from typing import TypeVar

from cachemon.interference.verdicts import OTHERS
from cachemon.interference.windows import VmWindow, Window

V = TypeVar("V")

_NAN = float("nan")
MOST_VMS = 576
"""RMIDs of the largest CPUs: more VMs on a block can't be counted. Further ones are left out, but take the place of
VMs that are gone."""
LONGEST_GAP_SECONDS = 600.0
"""After a longer gap the block starts again: what was usual before may not be so now."""
HELD_WINDOWS = 5
"""Where work is counted in one window of six, as by perf, cost and misses of that window stand for this many more."""
_REMEMBERED = 4  # lengths of windows
_LATE = 1.5  # a window lost one before it if it is longer by this factor than all remembered ones but the longest
_MERGED = 0.75  # shorter windows are merged until they have this part of the wanted length


class VmSeries:
    """What one VM did, oldest first; all series of a block end with the same window. NaN is a gap.

    Attributes:
        occupancy: bytes at the end of the window.
        traffic: bytes a second.
        busy: CPU seconds a second.
        delay: share of the time ready to run that it waited for a CPU.
        cost: cycles for each uop.
        misses: bytes of traffic for each uop.
        cpu_misses: bytes of traffic for each CPU second.
    """

    __slots__ = ("_is_sparse", "_unknown", "busy", "cost", "cpu_misses", "delay", "misses", "occupancy", "traffic")

    def __init__(self) -> None:
        self.occupancy = array("f")
        self.traffic = array("f")
        self.busy = array("f")
        self.delay = array("f")
        self.cost = array("f")
        self.misses = array("f")
        self.cpu_misses = array("f")
        self._is_sparse = False
        self._unknown = 1  # windows since work was counted

    @property
    def is_absent(self) -> bool:
        """Whether the VM is not on the block in the newest window. One that sleeps has a delay that is a number."""
        return self.busy[-1] == 0 and self.delay[-1] != self.delay[-1]

    def all(self) -> tuple["array[float]", ...]:
        """The series, in the order of `_figures`."""
        return (self.occupancy, self.traffic, self.busy, self.delay, self.cost, self.misses, self.cpu_misses)

    def with_held_work(self, row: tuple[float, ...]) -> tuple[float, ...]:
        """The values of the next window. Where work is counted in single windows, see HELD_WINDOWS.

        A source that always counts may have a gap, and it stays one.
        """
        _, traffic, busy, _, cost, misses, _ = row
        if cost == cost:  # noqa: PLR0124  NaN
            self._is_sparse, self._unknown = self._unknown > 0, 0
        else:
            self._unknown += 1
            is_whole = traffic == traffic and busy > 0  # noqa: PLR0124  NaN
            self._is_sparse = self._is_sparse and is_whole and self._unknown <= HELD_WINDOWS
            if self._is_sparse:
                cost, misses = self.cost[-1], self.misses[-1]
        return (*row[:4], cost, misses, row[6])


_ABSENT = (0.0, 0.0, 0.0, _NAN, _NAN, _NAN, _NAN)
_GAP = (_NAN,) * 7


def _figures(vm: VmWindow, seconds: float) -> tuple[float, ...]:
    """The values of one window, in the order of `VmSeries.all`."""
    traffic, cpu, waited = vm.traffic_bytes, vm.cpu_seconds, vm.run_delay_seconds
    cycles, uops = vm.cycles, vm.uops
    return (
        _NAN if vm.occupancy_bytes is None else vm.occupancy_bytes,
        _NAN if traffic is None else traffic / seconds,
        _NAN if cpu is None else cpu / seconds,
        _NAN if waited is None or cpu is None else _ratio(waited, cpu + waited, 0.0),
        _NAN if cycles is None or uops is None else _ratio(cycles, uops, _NAN),
        _NAN if traffic is None or uops is None else _ratio(traffic, uops, _NAN),
        _NAN if traffic is None or cpu is None else _ratio(traffic, cpu, _NAN),
    )


def _ratio(value: float, of: float, otherwise: float) -> float:
    """A quotient that fits in four bytes; `otherwise` when there is none."""
    return min(value / of, 1e37) if of > 1e-30 else otherwise


class History:
    """The last windows of one block.

    Attributes:
        series: of each VM by name, and of OTHERS where its traffic is known.
        total: traffic of all, in bytes a second; NaN when the figure of one is missing.
        seconds: length of a window now, the mean of the last few.
        highest: most traffic of a window so far, in bytes a second.
    """

    def __init__(self, window_seconds: float, span_seconds: float) -> None:
        self.series: dict[str, VmSeries] = {}
        self.total: array[float] = array("f")
        self.seconds = window_seconds
        self.highest = 0.0
        self._wanted = window_seconds
        self._longest = int(span_seconds / (window_seconds * _MERGED)) + 2
        self._lengths: list[float] = []
        self._rows: list[float] = []
        self._pending: list[Window] = []
        self._began: float | None = None

    def add(self, window: Window) -> bool:
        """Take a window in; returns whether it completed a row of the series.

        The first window only gives a time. So does a window after a time that went back, or after a long gap: then
        the series begin again. A second window of the same time is ignored.
        """
        last = self._pending[-1].time if self._pending else self._began
        length = 0.0 if last is None else window.time - last
        if last is None or length < 0 or length > LONGEST_GAP_SECONDS:
            self._restart(window.time)
            return False
        if not length:
            return False
        is_late = bool(self._lengths) and length > _LATE * sorted(self._lengths)[-2:][0]
        self._lengths = [*self._lengths[1 - _REMEMBERED :], length]
        if is_late:
            self._pending.clear()
            self._began = window.time
            self._append(dict.fromkeys(sorted({*self.series, *(vm.vm for vm in window.vms)}), _GAP), _NAN)
            return True
        self._pending.append(window)
        elapsed = window.time - (self._began or 0.0)
        if elapsed < _MERGED * self._wanted:
            return False
        self._rows = [*self._rows[1 - _REMEMBERED :], elapsed]
        self.seconds = sum(self._rows) / len(self._rows)
        self._take(_merged(self._pending) if len(self._pending) > 1 else window, elapsed)
        self._pending.clear()
        self._began = window.time
        return True

    def _restart(self, time: float) -> None:
        self.series.clear()
        del self.total[:]
        self._lengths.clear()
        self._rows.clear()
        self._pending.clear()
        self._began = time

    def _take(self, window: Window, seconds: float) -> None:
        rows = {vm.vm: _figures(vm, seconds) for vm in sorted(window.vms, key=lambda vm: vm.vm)}
        total = sum(row[1] for row in rows.values())
        if window.others_traffic_bytes is not None:
            others = window.others_traffic_bytes / seconds
            rows[OTHERS] = (0.0, others, 0.0, 0.0, _NAN, _NAN, _NAN)
            total += others
        elif OTHERS in self.series:
            rows[OTHERS] = _GAP
        self.highest = max(self.highest, total) if total == total else self.highest  # noqa: PLR0124  NaN
        self._append(rows, total)

    def _append(self, rows: dict[str, tuple[float, ...]], total: float) -> None:
        for name in rows:
            if name not in self.series and has_room(self.series, rows):
                self.series[name] = VmSeries()
        for name, series in [*self.series.items()]:
            row = series.with_held_work(rows.get(name, _ABSENT))
            for values, value in zip(series.all(), row, strict=True):
                self._add_to(values, value)
            if name not in rows and not any(series.traffic):
                del self.series[name]
        self._add_to(self.total, total)

    def _add_to(self, values: "array[float]", value: float) -> None:
        values.append(value)
        if len(values) > self._longest:
            del values[0]


def has_room(known: MutableMapping[str, V], present: Container[str]) -> bool:
    """Whether one more VM can be followed. Of MOST_VMS the oldest that is not present is forgotten for it."""
    if len(known) >= MOST_VMS and (gone := next((name for name in known if name not in present), None)) is not None:
        del known[gone]
    return len(known) < MOST_VMS


def _merged(windows: Sequence[Window]) -> Window:
    """One window in place of several that follow each other."""
    newest = windows[-1]
    parts: dict[str, list[VmWindow]] = {}
    for window in windows:
        for vm in window.vms:
            parts.setdefault(vm.vm, []).append(vm)
    return Window(
        newest.time,
        newest.block,
        newest.capacity_bytes,
        newest.bandwidth_limit_bytes_per_second,
        tuple(_merged_vm(vm.vm, parts[vm.vm]) for vm in newest.vms),
        _total(window.others_traffic_bytes for window in windows),
    )


def _merged_vm(name: str, parts: Sequence[VmWindow]) -> VmWindow:
    return VmWindow(
        name,
        parts[-1].occupancy_bytes,
        _total(part.traffic_bytes for part in parts),
        _total(part.cpu_seconds for part in parts),
        _total(part.run_delay_seconds for part in parts),
        _total(part.cycles for part in parts),
        _total(part.uops for part in parts),
    )


def _total(values: Iterable[float | None]) -> float | None:
    """The sum; None when one is missing."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
