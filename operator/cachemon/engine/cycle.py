"""The two loops of every agent, reconcile and sample, and the snapshots that go from one to the next."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic

from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, Target, W, Wanted
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.model.counter_totals import Gap
from cachemon.model.errors import CachemonError
from cachemon.resctrl.claim import Claim

__all__ = ["Cycle", "Periods", "Pulse", "scan_pause"]

log = logging.getLogger(__name__)

_FAST_SCAN_SECONDS = 0.05
_WAITED_PER_PAUSE = 600
_ANOTHER_AGENT_SECONDS = 0.2
_HEALTHY_WITHIN_SECONDS = 60.0
_UNEXPLAINED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Periods:
    """How often.

    Attributes:
        sample_seconds: time between two readings of all counters.
        scan_seconds: time between two looks at the threads, when none are awaited.
    """

    sample_seconds: float
    scan_seconds: float


@dataclass(slots=True)
class Pulse:
    """When each loop last came round, in monotonic seconds, and how often.

    Attributes:
        reconciled_at, sampled_at: when.
        reconciles, samples: how often.
        sample_seconds: time that all samples took together.
        overruns: samples that took longer than their period.
    """

    reconciled_at: float
    sampled_at: float
    reconciles: int = 0
    samples: int = 0
    sample_seconds: float = 0.0
    overruns: int = 0


class Cycle(Generic[W]):
    """Runs reconciler and sampler, each in a thread of its own.

    Args:
        reconciler: makes mon_groups what targets want.
        sampler: reads the counters.
        claim: the right to change the tree: without it nothing is done or told.
        targets: the targets of now; asked before every pass, and never before the tree is ours.
        periods: how often.
        told: called after every sample whose figures go with a layout.
        counted: called after every sample.
        targets_end_in: seconds until `targets` will answer something else by itself.
        also_sample: called in the sampler's thread after our sample.

    Attributes:
        sampled: the newest layout with figures, and these; an empty one before the first pass.
        pulse: how the loops are.
        is_second: whether another agent works on the tree, and this one waits for its end.
    """

    def __init__(
        self,
        reconciler: Reconciler[W],
        sampler: Sampler,
        claim: Claim,
        targets: Callable[[], Sequence[Target[W]]],
        periods: Periods,
        *,
        told: Callable[[], None],
        counted: Callable[[], None] = lambda: None,
        targets_end_in: Callable[[], float] = lambda: math.inf,
        also_sample: Callable[[Layout[W]], None] = lambda _: None,
    ) -> None:
        self._reconciler = reconciler
        self._sampler = sampler
        self._claim = claim
        self._targets = targets
        self._periods = periods
        self._told = told
        self._counted = counted
        self._targets_end_in = targets_end_in
        self._also_sample = also_sample
        self._layout: Layout[W] = Layout()
        self.sampled: tuple[Layout[W], Figures] = (self._layout, Figures())
        self.pulse = Pulse(time.monotonic(), time.monotonic())
        self._wake_reconcile = asyncio.Event()
        self._wake_sample = asyncio.Event()
        self._targets_changed_at = time.monotonic()
        self._gone_since: tuple[int, float] | None = None  # of what is read: after which pass, and when that was seen
        self.is_second = False

    @property
    def gaps(self) -> Mapping[Gap, int]:
        """How often the counting of traffic broke off, by reason."""
        return self._sampler.gaps

    def targets_changed(self) -> None:
        """Have a pass at once."""
        self._targets_changed_at = time.monotonic()
        self._wake_reconcile.set()

    async def reconcile(self) -> None:
        """Reconcile until cancelled. To be begun when all that is wanted is known: the rest is removed."""
        with ThreadPoolExecutor(1, "reconcile") as thread:
            while True:
                self._wake_reconcile.clear()
                began = time.monotonic()
                try:
                    if not await asyncio.get_running_loop().run_in_executor(thread, self._claim.hold):
                        self._wait_for_the_other()
                        await asyncio.sleep(_ANOTHER_AGENT_SECONDS)
                        continue
                    self.is_second = False
                    targets = self._targets()
                    layout = await asyncio.get_running_loop().run_in_executor(thread, self._reconciler.run, targets)
                    self.pulse.reconciled_at = time.monotonic()
                    self.pulse.reconciles += 1
                    if _what_is_read(layout) != _what_is_read(self._layout):
                        self._wake_sample.set()
                    self._layout = layout
                except CachemonError as err:
                    log.warning("reconcile: %s; trying again", err)
                    self._reconciler.forget()
                except Exception:
                    log.exception("reconcile failed; trying again")
                    self._reconciler.forget()
                now = time.monotonic()
                waited = now - self._targets_changed_at if self._layout.incomplete else None
                pause = scan_pause(self._periods.scan_seconds, waited, now - began)
                await wait_for(self._wake_reconcile, min(pause, max(0.0, self._targets_end_in())))

    def _wait_for_the_other(self) -> None:
        """There is an agent before us: until its end nothing is done or told."""
        if not self.is_second:
            log.warning("another agent works on the resctrl tree; waiting for its end")
        self.is_second = True
        self.pulse.reconciled_at = time.monotonic()

    async def sample(self) -> None:
        """Sample until cancelled. One that takes longer than the period delays the next one; they never pile up."""
        with ThreadPoolExecutor(1, "sample") as thread:
            while True:
                self._wake_sample.clear()
                layout, began, has_layout = self._layout, time.monotonic(), self.pulse.reconciles > 0
                try:
                    figures = await asyncio.get_running_loop().run_in_executor(thread, self._sample_once, layout)
                    self._note_sample(began)
                    self._counted()
                    if has_layout and self._is_explained(layout, figures):
                        self.sampled = (layout, figures)
                        self._told()
                    if figures.offline:
                        self._reconciler.forget()
                        self._wake_reconcile.set()
                except Exception:
                    log.exception("sampling failed; trying again")
                await wait_for(self._wake_sample, max(0.0, began + self._periods.sample_seconds - time.monotonic()))

    def _is_explained(self, layout: Layout[W], figures: Figures) -> bool:
        """Whether figures go with the layout.

        What has gone may have been removed, with its threads, by a pass that is not over yet: the layout of that pass
        tells so, and this one would tell of what can't be read. So a pass is waited for, but not for long.
        """
        if not figures.offline:
            self._gone_since = None
            return True
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = self.pulse.reconciles, now
        passes, seen_at = self._gone_since
        return (self.pulse.reconciles > passes and layout is self._layout) or now - seen_at > _UNEXPLAINED_SECONDS

    def _sample_once(self, layout: Layout[W]) -> Figures:
        figures = self._sampler.sample(layout)
        self._also_sample(layout)
        return figures

    def _note_sample(self, began: float) -> None:
        now = time.monotonic()
        self.pulse.sampled_at = now
        self.pulse.samples += 1
        self.pulse.sample_seconds += now - began
        self.pulse.overruns += now - began > self._periods.sample_seconds

    def sickness(self, *, has_begun: bool) -> str:
        """Which loop stands still; empty when all is well.

        Args:
            has_begun: whether `reconcile` has been begun.
        """
        now = time.monotonic()
        if has_begun and now - self.pulse.reconciled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no reconcile for {now - self.pulse.reconciled_at:.0f} s"
        if now - self.pulse.sampled_at > _HEALTHY_WITHIN_SECONDS:
            return f"no sample for {now - self.pulse.sampled_at:.0f} s"
        return ""


def scan_pause(scan_seconds: float, waited: float | None, spent: float = 0.0) -> float:
    """Seconds until threads are looked at again.

    Threads of a starting VM come one by one, and an image may be pulled for minutes before its QEMU starts. So the
    looks get rarer the longer it takes: twenty a second in the first half minute, five a second after two minutes.

    Args:
        scan_seconds: from one look to the next when nothing is awaited.
        waited: for how many seconds threads have been awaited; None when none are.
        spent: seconds that the last look took: a part of the time to the next one, but at most half of it.
    """
    seconds = scan_seconds
    if waited is not None:
        seconds = min(max(_FAST_SCAN_SECONDS, waited / _WAITED_PER_PAUSE), scan_seconds)
    return max(seconds - spent, min(seconds, spent))


def _what_is_read(layout: Layout[Wanted]) -> object:
    """What makes a sample urgent when it changes; what is only told of an object does not."""
    return str(layout.node.unavailable), layout.node.blocks, tuple((t.uid, t.groups) for t in layout.targets)
