"""Who disturbs whom, from samples: windows of each cache block, a detector for each, and what they found."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol

from cachemon.daemon.interference_settings import InterferenceSettings
from cachemon.daemon.record_file import RecordFile
from cachemon.daemon.settings import MachineSettings
from cachemon.engine.bandwidth_limits import BandwidthLimits
from cachemon.engine.figures import Figures
from cachemon.engine.guest_windows import Guests, GuestWindows
from cachemon.engine.layout import Layout, W
from cachemon.engine.node_traffic import NodeTraffic
from cachemon.interference.detector import Detector
from cachemon.interference.thresholds import Thresholds, Times
from cachemon.interference.verdict_log import NodeVerdicts, VerdictLog
from cachemon.interference.verdicts import Change, Judgement
from cachemon.interference.windows import BlockId, Window, format_window
from cachemon.qemu.cpu_model import read_cpu_model
from cachemon.qemu.mediated_pmu import refusal_of_kvm
from cachemon.qemu.perf_calls import PerfCalls
from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.run_times import VcpuRunTimes
from cachemon.qemu.work_counts import WorkCounts
from cachemon.resctrl.memory_limits import read_bandwidth_limits
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)

GRAIN_WINDOWS = 6
"""Tenants see what was known at the end of this time, a minute for windows of 10 s. A finer grain would show what a
neighbour does."""

_CLOCK_STEP_SECONDS = 2.0
"""Windows have times of a clock that nobody sets. A wall clock that differs by more than this was set."""


class BlockDetector(Protocol):
    """Judges the VMs of one cache block; `cachemon.interference.detector.Detector`."""

    def observe(self, window: Window) -> Sequence[Change]:
        """Take a window in; returns the verdicts that changed."""

    @property
    def judgements(self) -> Mapping[str, Judgement]:
        """What it says of each VM now."""


class InterferenceWatch(Generic[W]):
    """Judges the VMs of a node. Not safe for use by several threads at once.

    All that it knows ends with the program: after a restart every VM is too young again.

    Args:
        windows: cuts samples into windows.
        guests: the guests that are judged.
        make_detector: makes the detector of a cache block.
        record: called with every window.
        grain_seconds: see GRAIN_WINDOWS.
        cpu_model: of the node; empty when it is not known.
    """

    def __init__(
        self,
        windows: GuestWindows,
        guests: Guests[W],
        make_detector: Callable[[], BlockDetector],
        *,
        record: Callable[[Window], None] = lambda _: None,
        grain_seconds: float,
        cpu_model: str = "",
    ) -> None:
        self._windows = windows
        self._guests = guests
        self._make_detector = make_detector
        self._record = record
        self._grain_seconds = grain_seconds
        self._detectors: dict[BlockId, BlockDetector] = {}
        self._log = VerdictLog(cpu_model)
        self._clock_error = 0.0
        self._verdicts = self._minute_verdicts = NodeVerdicts()

    def judge(self, layout: Layout[W], figures: Figures) -> Figures:
        """The figures with the verdicts of the newest window, which this sample may end.

        A failure here costs what is known of the VMs: judging begins anew. It never costs the figures.
        """
        if layout.node.unavailable:
            self._windows.stop_counting()
            self._verdicts = self._minute_verdicts = NodeVerdicts()
            return replace(figures, verdicts=self._verdicts, minute_verdicts=self._minute_verdicts)
        try:
            if self._windows.is_over(figures):
                self._end_window(layout, figures)
        except Exception:
            log.exception("judging the VMs failed; it begins anew with the next window")
            self._forget()
        return replace(figures, verdicts=self._verdicts, minute_verdicts=self._minute_verdicts)

    @property
    def perf_problem(self) -> str:
        """See `GuestWindows.work_problem`. May be called from any thread."""
        return self._windows.work_problem

    def _forget(self) -> None:
        """Drop series that a failure may have left half written, and verdicts that nobody checks any longer."""
        self._detectors = {}
        self._log.retain(())
        self._verdicts = self._minute_verdicts = self._log.verdicts()

    def _end_window(self, layout: Layout[W], figures: Figures) -> None:
        windows = self._windows.end(layout, figures, self._guests(layout))
        blocks = {window.block for window in windows}
        if not blocks:
            return
        self._detectors = {block: it for block, it in self._detectors.items() if block in blocks}
        self._log.retain(blocks)
        for window in windows:
            self._record(window)
            detector = self._detectors.get(window.block) or self._make_detector()
            self._detectors[window.block] = detector
            changes = detector.observe(window)
            self._log.take(window, changes, detector.judgements)
        error = figures.wall_time - windows[0].time
        if abs(error - self._clock_error) > _CLOCK_STEP_SECONDS:
            self._clock_error = error
        before, self._verdicts = self._minute_verdicts.time, self._log.verdicts(self._clock_error)
        if self._verdicts.time // self._grain_seconds != before // self._grain_seconds:
            self._minute_verdicts = self._verdicts


def make_watch(
    settings: InterferenceSettings, machine: MachineSettings, tree: ResctrlTree, guests: Guests[W]
) -> InterferenceWatch[W]:
    """The watch of this machine.

    Args:
        settings: how VMs are judged.
        machine: where the kernel files are.
        tree: the resctrl file system.
        guests: the guests that are judged.
    """
    limits = BandwidthLimits(
        settings.bandwidth_limit, lambda blocks: read_bandwidth_limits(machine.sysfs, blocks, tree.calls)
    )
    windows = GuestWindows(
        VcpuRunTimes(ProcFiles(machine.proc)),
        NodeTraffic(tree),
        limits.of,
        seconds=settings.window_seconds,
        wall_offset=time.time() - time.monotonic(),
        work_counts=_work_counts(settings, machine) if settings.perf else None,
    )
    thresholds = Thresholds(times=Times().scaled_to(settings.window_seconds))
    file = RecordFile(settings.record) if settings.record else None
    return InterferenceWatch(
        windows,
        guests,
        lambda: Detector(thresholds),
        grain_seconds=GRAIN_WINDOWS * settings.window_seconds,
        cpu_model=read_cpu_model(machine.proc),
        record=lambda window: file.append(format_window(window)) if file else None,
    )


def _work_counts(settings: InterferenceSettings, machine: MachineSettings) -> WorkCounts:
    return WorkCounts(PerfCalls(), lambda: refusal_of_kvm(machine.sysfs), window_seconds=settings.window_seconds)
