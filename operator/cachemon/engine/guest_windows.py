"""Makes windows for the detectors of interference from samples: what each guest did since the last window."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, W, Wanted
from cachemon.engine.node_traffic import NodeTraffic
from cachemon.interference.windows import VmWindow, Window
from cachemon.model.readings import CacheBlock, Reading
from cachemon.model.tallies import Moment, Tally
from cachemon.model.telemetry import CORE_CYCLES, UOPS_RETIRED, whole
from cachemon.model.threads import ThreadClass, each_once
from cachemon.qemu.run_times import RunTimes, ThreadKey, VcpuRunTimes
from cachemon.qemu.work_counts import Work, WorkCounts

_NANOSECONDS = 1e9
_EARLY = 0.05
"""Part of a window by which its last sample may come early. Where samples are as far apart as windows are long, some
are a few milliseconds early. The next one would end a window of twice the length, which counts as a gap."""
_SKEW = 0.05
"""Part of the traffic by which the sum of the guests may exceed the node's: they are read one after the other."""


class WindowGuest(NamedTuple):
    """The name of a guest's VM in windows, and whether its figures mean nothing now, as while it migrates."""

    vm: str
    is_unsteady: bool


Guests = Callable[[Layout[W]], Mapping[str, WindowGuest]]
"""The guests that are judged, by their name in the layout."""


@dataclass(frozen=True, slots=True)
class _Tallies:
    """What counted up to the end of a window."""

    moment: Moment
    traffic: Mapping[str, Mapping[int, Tally]]
    work: Mapping[str, tuple[Mapping[str, Tally], ...]]


class _Rates(NamedTuple):
    """What one guest did in a window, per second; None for what is not known."""

    traffic: Mapping[int, float | None]
    times: RunTimes | None
    cycles: float | None
    uops: float | None


class GuestWindows:
    """Cuts the stream of samples into windows. It reads files only when a window ends.

    Args:
        run_times: CPU time and run delay of guests.
        node_traffic: traffic of the whole node.
        limits: bytes per second that the memory of cache blocks can carry, by cache id; called for every window.
        seconds: length of a window; it ends with the first sample after this time, or just before.
        wall_offset: seconds since the epoch at 0 of the samples' clock.
        work_counts: counts work in some windows, where no telemetry does; None for nothing beside telemetry.
    """

    def __init__(
        self,
        run_times: VcpuRunTimes,
        node_traffic: NodeTraffic,
        limits: Callable[[Sequence[CacheBlock]], Mapping[int, int]],
        *,
        seconds: float,
        wall_offset: float,
        work_counts: WorkCounts | None = None,
    ) -> None:
        self._run_times = run_times
        self._node_traffic = node_traffic
        self._limits = limits
        self._seconds = seconds
        self._wall_offset = wall_offset
        self._work_counts = work_counts
        self._before: _Tallies | None = None

    def is_over(self, figures: Figures) -> bool:
        """Whether a sample ends a window. One whose reads have no known time does not."""
        moment, before = figures.moment, self._before
        if not moment.is_known:
            return False
        return before is None or moment.time - before.moment.time >= (1 - _EARLY) * self._seconds

    def end(self, layout: Layout[W], figures: Figures, guests: Mapping[str, WindowGuest]) -> tuple[Window, ...]:
        """End a window with this sample: one for each cache block. The first call only begins one."""
        threads = _vcpu_threads(layout)
        counted = self._count_work(layout, figures, guests, threads)
        times = self._run_times.advance(threads)
        node_rates = self._node_traffic.per_second(layout)
        before, now = self._before, _tallies(layout, figures, guests)
        self._before = now
        if before is None:
            return ()
        seconds = now.moment.time - before.moment.time
        rates = {
            guest: _with_counted(_rates(guest, before, now, times.get(guest)), counted.get(guest), seconds)
            for guest in guests
        }
        held = {guest: {it.block.id: it.occupancy for it in figures.guests.get(guest, ())} for guest in guests}
        limits = self._limits(layout.node.blocks)
        return tuple(
            Window(
                self._wall_offset + now.moment.time,
                block.id,
                block.capacity_bytes,
                limits.get(block.id),
                tuple(_vm_windows(block, held, guests, rates, seconds)),
                _others(block, rates, node_rates.get(block.id), seconds),
            )
            for block in layout.node.blocks
            if block.capacity_bytes
        )

    @property
    def work_problem(self) -> str:
        """Why perf counted nothing, or less than all, the last time; empty when it did, or is not to."""
        return self._work_counts.problem if self._work_counts else ""

    def stop_counting(self) -> None:
        """Close the counters of perf, if some are open."""
        if self._work_counts:
            self._work_counts.close()

    def _count_work(
        self,
        layout: Layout[Wanted],
        figures: Figures,
        guests: Mapping[str, WindowGuest],
        threads: Mapping[str, Collection[ThreadKey]],
    ) -> Mapping[str, Work | None]:
        """The work that perf counted in the window that is over. It counts nothing where telemetry does."""
        if self._work_counts is None:
            return {}
        has_telemetry = layout.node.telemetry is not None and {CORE_CYCLES, UOPS_RETIRED} <= {
            *layout.node.telemetry.events
        }
        wanted = [] if has_telemetry else [guest for guest, (_, is_unsteady) in guests.items() if not is_unsteady]
        return self._work_counts.advance({guest: threads.get(guest, ()) for guest in wanted}, figures.moment.time)


def _tallies(layout: Layout[Wanted], figures: Figures, guests: Collection[str]) -> _Tallies:
    blocks = [block.id for block in layout.node.blocks]
    return _Tallies(
        figures.moment,
        {guest: dict(zip(blocks, figures.traffic.get(guest, ()), strict=False)) for guest in guests},
        {guest: figures.work.get(guest, ()) for guest in guests},
    )


def _vcpu_threads(layout: Layout[Wanted]) -> dict[str, dict[ThreadKey, None]]:
    """The vCPU threads of each guest that are in its figures: CPU time of others would not go with the traffic."""
    threads: dict[str, dict[ThreadKey, None]] = {}
    for target in layout.targets:
        counted = {vcpu for group in target.groups if group.mon_groups for vcpu in group.vcpus}
        threads.setdefault(target.object.guest_name, {}).update(
            dict.fromkeys(
                ThreadKey(qemu.pid, thread.tid, thread.start_time)
                for qemu in each_once(target.qemus)
                for thread in qemu.threads
                if thread.thread_class is ThreadClass.VCPU
                and (thread.vcpu in counted or (thread.stands_for_all_vcpus and counted))
            )
        )
    return threads


def _rates(guest: str, before: _Tallies, now: _Tallies, times: RunTimes | None) -> _Rates:
    were = before.traffic.get(guest, {})
    traffic = {block: tally.per_second(were.get(block)) for block, tally in now.traffic[guest].items()}
    packages, worked = now.work[guest], before.work.get(guest, ())
    return _Rates(
        traffic,
        times,
        _event_rate(CORE_CYCLES, worked, packages),
        _event_rate(UOPS_RETIRED, worked, packages),
    )


def _with_counted(rates: _Rates, counted: Work | None, seconds: float) -> _Rates:
    """The rates with cycles and instructions of perf, if there are some. Instructions stand for uops."""
    if counted is None:
        return rates
    return rates._replace(cycles=counted.cycles / seconds, uops=counted.instructions / seconds)


def _event_rate(
    event: str, before: Sequence[Mapping[str, Tally]], now: Sequence[Mapping[str, Tally]]
) -> float | None:
    """The rate of an event on all packages together; None where a part is missing."""
    if not now or len(before) != len(now):
        return None
    total = 0.0
    for was, package in zip(before, now, strict=True):
        rate = package[event].per_second(was.get(event)) if event in package else None
        if rate is None:
            return None
        total += rate
    return whole(round(total))


def _vm_windows(
    block: CacheBlock,
    held: Mapping[str, Mapping[int, Reading | None]],
    guests: Mapping[str, WindowGuest],
    rates: Mapping[str, _Rates],
    seconds: float,
) -> Sequence[VmWindow]:
    windows = []
    for guest, (vm, is_unsteady) in guests.items():
        its = rates[guest]
        if block.id not in its.traffic and not held[guest]:
            continue  # it has no mon_group yet
        reading = held[guest].get(block.id)
        occupancy = reading if isinstance(reading, int) else None
        rate = its.traffic.get(block.id)
        if is_unsteady:
            windows.append(VmWindow(vm, None, None, None, None))
        elif occupancy != 0 or rate != 0:
            windows.append(
                VmWindow(
                    vm,
                    occupancy,
                    _over(rate, seconds),
                    None if its.times is None else its.times.running / _NANOSECONDS,
                    None if its.times is None else its.times.waiting / _NANOSECONDS,
                    _over(its.cycles, seconds),
                    _over(its.uops, seconds),
                )
            )
    return windows


def _over(rate: float | None, seconds: float) -> float | None:
    return None if rate is None else rate * seconds


def _others(block: CacheBlock, rates: Mapping[str, _Rates], node_rate: float | None, seconds: float) -> float | None:
    """Traffic of what is not monitored; None where a part of the sum is not known."""
    monitored = 0.0
    for its in rates.values():
        rate = its.traffic.get(block.id, 0.0)
        if rate is None:
            return None
        monitored += rate
    if node_rate is None or node_rate < (1 - _SKEW) * monitored:
        return None
    return max(node_rate - monitored, 0.0) * seconds
