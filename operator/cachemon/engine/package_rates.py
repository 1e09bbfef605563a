"""Computes the telemetry of CPU packages from sweeps. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cachemon.engine.derived import Derived, SumKeys, keys_of
from cachemon.engine.figures import Count, PackageFigure
from cachemon.engine.meters import Meters, Rows
from cachemon.engine.reading_plan import ReadingPlan, SumKey
from cachemon.model.counter_totals import Progress
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing, Reading, total
from cachemon.model.tallies import Tally
from cachemon.model.telemetry import HIGHEST_PER_SECOND, Package
from cachemon.resctrl.mon_data import Sweep


class _PackageSample(NamedTuple):
    """One sample, with all that figures are derived from."""

    plan: ReadingPlan[Package]
    values: Sequence[Reading]
    meters: Rows
    progress: Progress

    def packages(self, key: SumKey) -> tuple[PackageFigure, ...]:
        events = self.plan.events
        return tuple(
            PackageFigure(
                package,
                self._missing(key, place),
                {
                    event: Count(
                        meter.total(self.progress.now), self.progress.per_second(meter.counters, meter.since)
                    )
                    for event, meter in zip(events, meters, strict=True)
                },
            )
            for place, (package, meters) in enumerate(zip(self.plan.blocks, self.meters[key], strict=True))
        )

    def tallies(self, key: SumKey) -> tuple[Mapping[str, Tally], ...]:
        return tuple(
            {event: meter.tally(self.progress) for event, meter in zip(self.plan.events, meters, strict=True)}
            for meters in self.meters[key]
        )

    def _missing(self, key: SumKey, package: int) -> Missing | None:
        width, packages = len(self.plan.events), len(self.plan.blocks)
        starts = ((mon_group * packages + package) * width for mon_group in self.plan.members[key])
        worst = total(reading for start in starts for reading in self.values[start : start + width])
        return worst if isinstance(worst, Missing) else None


class PackageFigures(NamedTuple):
    """The telemetry of one sample: figures by group and by guest, and what each guest's counters have counted."""

    groups: Mapping[GroupKey, tuple[PackageFigure, ...]]
    guests: Mapping[str, tuple[PackageFigure, ...]]
    work: Mapping[str, tuple[Mapping[str, Tally], ...]]


class PackageAccumulator:
    """Turns readings of telemetry into figures, and keeps the counters of the sample before.

    The kernel does not reset these counters for a new mon_group, so only differences count.

    Args:
        window_seconds: rates are means over this time.
    """

    def __init__(self, window_seconds: float) -> None:
        self._meters = Meters(window_seconds, HIGHEST_PER_SECOND)
        self._keys = SumKeys()
        self._plan: ReadingPlan[Package] | None = None

    def digest(self, plan: ReadingPlan[Package], sweep: Sweep) -> PackageFigures:
        """The figures of one sample."""
        progress = self._meters.advance(plan, sweep)
        if plan is not self._plan:
            self._plan, self._keys = plan, keys_of(plan.members)
        sample = _PackageSample(plan, sweep.values, self._meters.rows, progress)
        return PackageFigures(
            Derived(self._keys.groups, sample.packages),
            Derived(self._keys.guests, sample.packages),
            Derived(self._keys.guests, sample.tallies),
        )
