"""Computes the figures of NUMA nodes of cache blocks (Intel SNC) from sweeps. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cachemon.engine.derived import Derived, SumKeys, keys_of
from cachemon.engine.figures import ShareFigure
from cachemon.engine.meters import Meters, Rows, unassigned_counters, uncounted_events
from cachemon.engine.reading_plan import OCCUPANCY, ReadingPlan, SumKey
from cachemon.model.counter_totals import Progress
from cachemon.model.groups import GroupKey
from cachemon.model.readings import BlockShare, Reading, total
from cachemon.resctrl.mon_data import Sweep


class _ShareSample(NamedTuple):
    """One sample, with all that figures are derived from."""

    plan: ReadingPlan[BlockShare]
    occupancies: Sequence[Reading]
    meters: Rows
    progress: Progress
    unassigned: AbstractSet[int]

    def shares(self, key: SumKey) -> tuple[ShareFigure, ...]:
        events = self.plan.traffic_events
        return tuple(
            ShareFigure(
                share,
                self._occupancy(key, place),
                {event: meter.traffic(self.progress) for event, meter in zip(events, meters, strict=True)},
                uncounted_events(events, meters, self.unassigned),
            )
            for place, (share, meters) in enumerate(zip(self.plan.blocks, self.meters[key], strict=True))
        )

    def _occupancy(self, key: SumKey, place: int) -> Reading | None:
        if OCCUPANCY not in self.plan.events:
            return None
        width = len(self.plan.blocks)
        return total(self.occupancies[member * width + place] for member in self.plan.members[key])


class ShareAccumulator:
    """Turns readings of NUMA nodes into figures, and keeps the counters of the sample before.

    Args:
        window_seconds: rates are means over this time.
    """

    def __init__(self, window_seconds: float) -> None:
        self._meters = Meters(window_seconds)
        self._keys = SumKeys()
        self._plan: ReadingPlan[BlockShare] | None = None

    def digest(self, plan: ReadingPlan[BlockShare], sweep: Sweep) -> Mapping[GroupKey, tuple[ShareFigure, ...]]:
        """The figures of one sample, by group."""
        progress = self._meters.advance(plan, sweep)
        if plan is not self._plan:
            self._plan, self._keys = plan, keys_of(plan.members)
        unassigned = unassigned_counters(plan, sweep)
        sample = _ShareSample(plan, plan.occupancies(sweep.values), self._meters.rows, progress, unassigned)
        return Derived(self._keys.groups, sample.shares)
