"""The two loops of every agent, reconcile and sample, and the snapshots that go from one to the next."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic

from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.engine.foreign_watch import Passes
from cachemon.engine.layout import Layout, Target, W
from cachemon.engine.newest_state import NewestState, readings_of
from cachemon.engine.sampler import Sampler
from cachemon.engine.scan_pause import scan_pause
from cachemon.model.counter_totals import Gap
from cachemon.model.errors import CachemonError
from cachemon.resctrl.agent_lock import AgentLock

log = logging.getLogger(__name__)

_ANOTHER_AGENT_SECONDS = 0.2
_HEALTHY_WITHIN_SECONDS = 60.0
_UNEXPLAINED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods of the loops.

    Attributes:
        sample_seconds: from one sample of all counters to the next.
        scan_seconds: from one scan of the threads to the next, when no thread is awaited.
    """

    sample_seconds: float
    scan_seconds: float


@dataclass(slots=True)
class Pulse:
    """The progress of both loops.

    Attributes:
        reconciled_at, sampled_at: when each loop last came round, in monotonic seconds.
        reconciles, samples: how often.
        sample_seconds: time that all samples took together.
        overruns: samples that took longer than their period.
        is_second: whether another agent works on the tree, and this one waits for its end.
    """

    reconciled_at: float
    sampled_at: float
    reconciles: int = 0
    samples: int = 0
    sample_seconds: float = 0.0
    overruns: int = 0
    is_second: bool = False


@dataclass(slots=True)
class _ReconcileLoop(Generic[W]):
    """Runs the reconciler in a thread of its own; see Cycle.

    Attributes:
        on_layout: called with every layout, and with whether it has other counters to read than the one before.
        layout: the newest; an empty one before the first pass.
        new_readings: set when a layout has other counters to read.
    """

    reconciler: Passes[W]
    claim: AgentLock
    targets: Callable[[], Sequence[Target[W]]]
    targets_end_in: Callable[[], float]
    scan_seconds: float
    pulse: Pulse
    on_layout: Callable[[Layout[W], bool], None]
    layout: Layout[W] = field(default_factory=Layout)
    new_readings: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    targets_changed_at: float = field(default_factory=time.monotonic)

    def targets_changed(self) -> None:
        self.targets_changed_at = time.monotonic()
        self.wake.set()

    def mon_groups_changed(self) -> None:
        self.reconciler.forget()
        self.wake.set()

    async def run(self) -> None:
        run_in_thread = asyncio.get_running_loop().run_in_executor
        with ThreadPoolExecutor(1, "reconcile") as thread:
            while True:
                self.wake.clear()
                began = time.monotonic()
                try:
                    if not await run_in_thread(thread, self.claim.hold):
                        await self._wait_for_other_agent()
                        continue
                    self.pulse.is_second = False
                    self._take(await run_in_thread(thread, self.reconciler.run, self.targets()))
                except CachemonError as err:
                    log.warning("reconcile: %s; trying again", err)
                    self.reconciler.forget()
                except Exception:
                    log.exception("reconcile failed; trying again")
                    self.reconciler.forget()
                now = time.monotonic()
                waited = now - self.targets_changed_at if self.layout.incomplete else None
                pause = scan_pause(self.scan_seconds, waited, now - began)
                await wait_for(self.wake, min(pause, max(0.0, self.targets_end_in())))

    async def _wait_for_other_agent(self) -> None:
        if not self.pulse.is_second:
            log.warning("another agent works on the resctrl tree; waiting for its end")
        self.pulse.is_second = True
        self.pulse.reconciled_at = time.monotonic()
        await asyncio.sleep(_ANOTHER_AGENT_SECONDS)

    def _take(self, layout: Layout[W]) -> None:
        self.pulse.reconciled_at = time.monotonic()
        self.pulse.reconciles += 1
        has_other_readings = layout is not self.layout and readings_of(layout) != readings_of(self.layout)
        if has_other_readings:
            self.new_readings.set()
        self.layout = layout
        self.on_layout(layout, has_other_readings)


@dataclass(slots=True)
class _SampleLoop(Generic[W]):
    """Runs the sampler in a thread of its own; see Cycle."""

    sampler: Sampler
    reconcile: _ReconcileLoop[W]
    sample_seconds: float
    pulse: Pulse
    state: NewestState[W]
    on_sample: Callable[[], None]
    also_sample: Callable[[Layout[W]], None]
    judge: Callable[[Layout[W], Figures], Figures] | None
    gone_since: tuple[int, float] | None = None  # after which pass, and when, a counter was found gone

    async def run(self) -> None:
        with ThreadPoolExecutor(1, "sample") as thread:
            while True:
                self.reconcile.new_readings.clear()
                layout, began, has_layout = self.reconcile.layout, time.monotonic(), self.pulse.reconciles > 0
                try:
                    figures = await asyncio.get_running_loop().run_in_executor(thread, self._sample, layout)
                    self._note(began)
                    self.on_sample()
                    if has_layout and self._is_explained(layout, figures):
                        self.state.take_sample(layout, figures)
                    if figures.offline or figures.lost_counter:
                        self.reconcile.mon_groups_changed()
                except Exception:
                    log.exception("sampling failed; trying again")
                left = began + self.sample_seconds - time.monotonic()
                await wait_for(self.reconcile.new_readings, max(0.0, left))

    def _sample(self, layout: Layout[W]) -> Figures:
        figures = self.sampler.sample(layout)
        self.also_sample(layout)
        return self.judge(layout, figures) if self.judge else figures

    def _note(self, began: float) -> None:
        now = time.monotonic()
        self.pulse.sampled_at = now
        self.pulse.samples += 1
        self.pulse.sample_seconds += now - began
        self.pulse.overruns += now - began > self.sample_seconds

    def _is_explained(self, layout: Layout[W], figures: Figures) -> bool:
        """Whether the layout explains the figures.

        A pass that is not over yet may have removed a mon_group whose threads ended. Its layout says so; the older
        layout would report a counter that can't be read. So the figures wait for a pass, but not for long.
        """
        if not figures.offline:
            self.gone_since = None
            return True
        now = time.monotonic()
        if self.gone_since is None:
            self.gone_since = self.pulse.reconciles, now
        passes, seen_at = self.gone_since
        is_newest = self.pulse.reconciles > passes and layout is self.reconcile.layout
        return is_newest or now - seen_at > _UNEXPLAINED_SECONDS


class Cycle(Generic[W]):
    """Runs reconciler and sampler, each in a thread of its own.

    Args:
        reconciler: makes mon_groups what targets want.
        sampler: reads the counters.
        claim: the right to change the tree; without it the cycle changes nothing and gives out no figures.
        targets: the targets of now; called before every pass, and never before the tree is ours.
        periods: of the loops.
        on_figures: called after every sample whose figures go with a layout.
        on_layout: called when states have changed and their sample has not ended: a state does not wait for it.
        on_sample: called after every sample.
        targets_end_in: seconds until the result of `targets` changes by itself.
        also_sample: called in the sampler's thread after our sample.
        judge: called in the sampler's thread after that; adds the verdicts to the figures. None to judge nothing.

    Attributes:
        pulse: the progress of the loops.
    """

    def __init__(
        self,
        reconciler: Passes[W],
        sampler: Sampler,
        claim: AgentLock,
        targets: Callable[[], Sequence[Target[W]]],
        periods: Periods,
        *,
        on_figures: Callable[[], None],
        on_layout: Callable[[], None] = lambda: None,
        on_sample: Callable[[], None] = lambda: None,
        targets_end_in: Callable[[], float] = lambda: math.inf,
        also_sample: Callable[[Layout[W]], None] = lambda _: None,
        judge: Callable[[Layout[W], Figures], Figures] | None = None,
    ) -> None:
        self.pulse = Pulse(time.monotonic(), time.monotonic())
        self._state = NewestState[W](on_figures, on_layout)
        self._reconcile = _ReconcileLoop(
            reconciler,
            claim,
            targets,
            targets_end_in,
            periods.scan_seconds,
            self.pulse,
            lambda layout, is_other: self._state.take_layout(layout, has_other_readings=is_other),
        )
        self._sample = _SampleLoop(
            sampler, self._reconcile, periods.sample_seconds, self.pulse, self._state, on_sample, also_sample, judge
        )

    @property
    def newest(self) -> tuple[Layout[W], Figures]:
        """The newest layout, and the figures that hold for it; empty ones before the first sample of a layout."""
        return self._state.given

    @property
    def gaps(self) -> Mapping[Gap, int]:
        """How often the counting of traffic broke off, by reason."""
        return self._sample.sampler.gaps

    def targets_changed(self) -> None:
        """Begin a pass at once."""
        self._reconcile.targets_changed()

    async def reconcile(self) -> None:
        """Reconcile until cancelled. Start it when all that is wanted is known: a pass removes the rest."""
        await self._reconcile.run()

    async def sample(self) -> None:
        """Sample until cancelled. One that takes longer than the period delays the next one; they never pile up."""
        await self._sample.run()

    def stalled_loop(self, *, has_begun: bool) -> str:
        """Names the loop that stands still; empty when both run.

        Args:
            has_begun: whether `reconcile` has begun.
        """
        now = time.monotonic()
        if has_begun and now - self.pulse.reconciled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no reconcile for {now - self.pulse.reconciled_at:.0f} s"
        if now - self.pulse.sampled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no sample for {now - self.pulse.sampled_at:.0f} s"
        return ""
