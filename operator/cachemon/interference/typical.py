"""What is usual for each VM of a node, over the last half hour by minutes. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isnan
from typing import NamedTuple

from cachemon.interference.minutes import MINUTE_SECONDS, MINUTES
from cachemon.interference.usual import known, median
from cachemon.interference.windows import VmWindow, Window

FEWEST_MINUTES = 10
"""With fewer whole minutes nothing counts as usual."""

_NAN = float("nan")
_THOUSAND = 1000.0
_OF_TELEMETRY, _OF_PERF = 0.9, 0.5
"""Telemetry counts uops in this part of the windows at least, perf counts instructions in this part at most. Between
them nobody knows what was counted."""
_LEAST_CPU_SECONDS = 0.001  # of a minute


class Measure(StrEnum):
    """What shows how hard work is for a VM. More is worse."""

    CYCLES = "CyclesPerThousandUops"
    INSTRUCTION_CYCLES = "CyclesPerThousandInstructions"  # where perf counts in some windows
    TRAFFIC = "BytesPerCPUSecond"  # where nothing measures work: how much it misses, not how slow it is


@dataclass(frozen=True, slots=True)
class Typical:
    """What is usual for a VM as a whole, over all cache blocks.

    Attributes:
        measure: what median and spread are of.
        median: of its minutes.
        spread: how much its minutes differ: see `_spread`.
        occupancy_bytes: cache that it holds, as a median.
        cpus: CPU seconds a second, as a median.
        delay: share of its time that it waits for CPUs, 0 to 1, as a median.
        minutes: how many there are, of the last half hour.
        until: end of the last one, in seconds.
        cpu_model: of the node; empty when it is not known.
    """

    measure: Measure
    median: float
    spread: float
    occupancy_bytes: float
    cpus: float
    delay: float
    minutes: int
    until: float
    cpu_model: str


class _Minute(NamedTuple):
    """One whole minute; NaN for a quotient without divisor, and for cycles where nothing counts them.

    Attributes:
        seen: number of windows.
        counted: those in which work was counted.
        cycles: for a thousand units of work, in these.
    """

    seen: int
    counted: int
    cycles: float
    traffic: float
    occupancy: float
    cpus: float
    delay: float


@dataclass(slots=True)
class _Sums:
    """The minute that is not over, of one VM. None as soon as a part is missing.

    Attributes:
        seen: how many times there was a window.
        counted: those in which work was counted; cycles and work are sums over these.
        time: of the newest one; the windows of other cache blocks have the same.
        occupancy: at that time.
    """

    seen: int = 0
    time: float = _NAN
    occupancy: float | None = 0.0
    traffic: float | None = 0.0
    cpu: float | None = 0.0
    delay: float | None = 0.0
    counted: int = 0
    cycles: float = 0.0
    work: float = 0.0

    def count(self, time: float, vm: VmWindow) -> None:
        """Add a window. CPU time and work are those of the whole VM: they stand in the window of every block."""
        if time != self.time:
            self.time, self.occupancy = time, 0.0
            self.seen += 1
            self.cpu = _sum(self.cpu, vm.cpu_seconds)
            self.delay = _sum(self.delay, vm.run_delay_seconds)
            if vm.cycles is not None and vm.uops is not None:
                self.counted += 1
                self.cycles += vm.cycles
                self.work += vm.uops
        self.occupancy = _sum(self.occupancy, vm.occupancy_bytes)
        self.traffic = _sum(self.traffic, vm.traffic_bytes)

    def whole(self, seconds: float) -> _Minute | None:
        """The minute; None when a part of it is missing."""
        occupancy, traffic, cpu, delay = self.occupancy, self.traffic, self.cpu, self.delay
        if occupancy is None or traffic is None or cpu is None or delay is None:
            return None
        return _Minute(
            self.seen,
            self.counted,
            _THOUSAND * self.cycles / self.work if self.work >= 1 else _NAN,
            traffic / cpu if cpu >= _LEAST_CPU_SECONDS else _NAN,
            occupancy,
            cpu / seconds,
            delay / (cpu + delay) if cpu + delay else 0.0,
        )


@dataclass(slots=True)
class _Vm:
    """One VM: its whole minutes, oldest first, with their numbers, and the minute that is not over."""

    minutes: deque[tuple[int, _Minute]] = field(default_factory=lambda: deque(maxlen=MINUTES))
    sums: _Sums = field(default_factory=_Sums)


class TypicalMinutes:
    """Sums the windows of all cache blocks up to minutes. Bounded: at most half an hour of each VM in the windows.

    A VM that is missing in the windows of one time is forgotten: what comes back may be another run of it.
    """

    def __init__(self, cpu_model: str = "") -> None:
        self._cpu_model = cpu_model
        self._vms: dict[str, _Vm] = {}
        self._typical: Mapping[str, Typical] = {}
        self._began = self._ended = _NAN
        self._times = 0

    @property
    def typical(self) -> Mapping[str, Typical]:
        """What is usual for each VM with enough minutes, as of the last full minute."""
        return self._typical

    def add(self, window: Window) -> None:
        """Take a window in. Those of one time are parts of the same. The first time only begins a minute."""
        if window.time != self._ended:
            if not isnan(self._ended) and _minute_of(window.time) != _minute_of(self._ended):
                self._close()
            elif isnan(self._began):
                self._began = window.time
            self._ended = window.time
            self._times += window.time != self._began
        if window.time != self._began:
            for vm in window.vms:
                self._vms.setdefault(vm.vm, _Vm()).sums.count(window.time, vm)

    def _close(self) -> None:
        number, seconds = _minute_of(self._ended), self._ended - self._began
        self._vms = {name: vm for name, vm in self._vms.items() if vm.sums.seen}
        found = {}
        for name, vm in self._vms.items():
            if vm.sums.seen < self._times:
                vm.minutes.clear()
            elif seconds > 0 and (minute := vm.sums.whole(seconds)):
                vm.minutes.append((number, minute))
            while vm.minutes and not number - MINUTES < vm.minutes[0][0] <= number:
                vm.minutes.popleft()
            vm.sums = _Sums()
            until = float((number + 1) * MINUTE_SECONDS)
            if usual := _typical([it for _, it in vm.minutes], until, self._cpu_model):
                found[name] = usual
        self._typical = found
        self._began, self._times = self._ended, 0


def _typical(minutes: Sequence[_Minute], until: float, cpu_model: str) -> Typical | None:
    cycles, traffic = known(it.cycles for it in minutes), known(it.traffic for it in minutes)
    for measure, values in ((_measure_of(minutes), cycles), (Measure.TRAFFIC, traffic)):
        if measure and len(values) >= FEWEST_MINUTES:
            middle = median(values)
            return Typical(
                measure,
                middle,
                _spread(values),
                median(minute.occupancy for minute in minutes),
                median(minute.cpus for minute in minutes),
                median(minute.delay for minute in minutes),
                len(values),
                until,
                cpu_model,
            )
    return None


def _measure_of(minutes: Sequence[_Minute]) -> Measure | None:
    """What the cycles are of; None where that is not known."""
    seen, counted = sum(it.seen for it in minutes), sum(it.counted for it in minutes)
    if counted >= _OF_TELEMETRY * seen:
        return Measure.CYCLES
    return Measure.INSTRUCTION_CYCLES if counted <= _OF_PERF * seen else None


def _spread(values: Sequence[float]) -> float:
    """The median distance from the median, or that of the medians of both halves, as a lasting change makes it."""
    middle, half = median(values), len(values) // 2
    return max(median(abs(value - middle) for value in values), abs(median(values[:half]) - median(values[half:])))


def _minute_of(seconds: float) -> int:
    return int(seconds // MINUTE_SECONDS)


def _sum(total: float | None, part: float | None) -> float | None:
    return None if total is None or part is None else total + part
