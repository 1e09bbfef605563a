"""Totals and rates of counters that only grow, summed per monitoring group, object and guest. Pure.

Traffic of cache blocks and telemetry of CPU packages are counted alike.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from cachemon.engine.figures import Traffic
from cachemon.engine.reading_plan import ReadingPlan, SumKey
from cachemon.model.counter_totals import HIGHEST_BYTES_PER_SECOND_PER_BLOCK, Counters, CounterSnapshot, Gap, Progress
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import Missing
from cachemon.model.tallies import Tally, tally_of
from cachemon.resctrl.mon_data import PlaceId, Sweep


class Meter(NamedTuple):
    """One event of one sum in one cache block or CPU package: its counters, and those that it had before.

    Attributes:
        mon_groups: the mon_groups of the counters.
        counters: their positions.
        base: is added to the counters' totals; often negative, as they began to count before they were the group's.
        since: the sample since which these mon_groups are the group's.
    """

    mon_groups: frozenset[MonGroupName]
    counters: tuple[int, ...]
    base: int
    since: int

    def total(self, snapshot: CounterSnapshot) -> int:
        """The total after a sample."""
        return self.base + snapshot.total(self.counters)

    def traffic(self, progress: Progress) -> Traffic:
        """The total and the rate after the newest sample."""
        return Traffic(self.total(progress.now), progress.per_second(self.counters, self.since))

    def tally(self, progress: Progress) -> Tally:
        """The tally after the newest sample."""
        return tally_of(progress, self.counters, self.total(progress.now), self.since)


def unassigned_counters(plan: ReadingPlan[Any], sweep: Sweep) -> frozenset[int]:
    """The positions of the traffic counters that the kernel has not assigned (AMD ABMC, Arm MPAM)."""
    if Missing.UNASSIGNED not in sweep.missing:
        return frozenset()
    return frozenset(place for place, value in enumerate(plan.traffic(sweep.values)) if value is Missing.UNASSIGNED)


def uncounted_events(events: Sequence[str], meters: Sequence[Meter], unassigned: AbstractSet[int]) -> frozenset[str]:
    """The events of one sum of which a counter is not assigned."""
    if not unassigned:
        return frozenset()
    pairs = zip(events, meters, strict=True)
    return frozenset(event for event, meter in pairs if not unassigned.isdisjoint(meter.counters))


Rows = Mapping[SumKey, Sequence[Sequence[Meter]]]
"""Per sum, per cache block or CPU package, per event that only grows."""


class _MeterKey(NamedTuple):
    of: SumKey
    block: PlaceId
    event: str


class Meters:
    """Advances the counters, and knows which of them make up each sum.

    Args:
        window_seconds: rates are means over this time.
        highest_per_second: no counter grows faster.

    Attributes:
        counters: the counters.
        rows: the meters of each sum.
        regrouped_at: the number of the sample at which the sums changed last.
    """

    def __init__(self, window_seconds: float, highest_per_second: int = HIGHEST_BYTES_PER_SECOND_PER_BLOCK) -> None:
        self.counters = Counters(window_seconds, highest_per_second)
        self.rows: Rows = {}
        self.regrouped_at = 0
        self._plan: ReadingPlan[Any] | None = None
        self._identities: Sequence[int] = ()
        self._meters: Mapping[_MeterKey, Meter] = {}

    def advance(self, plan: ReadingPlan[Any], sweep: Sweep) -> Progress:
        """Count one sample."""
        before = self.counters.progress.now
        regrouped = plan is not self._plan
        if regrouped or sweep.identities is not self._identities:
            self.counters.keep(plan.counters, plan.spread(sweep.identities))
            self._plan, self._identities = plan, sweep.identities
        late = plan.traffic(sweep.late) if sweep.late else ()
        progress = self.counters.advance(plan.traffic(sweep.values), sweep.time, late, timed=sweep.timed)
        if regrouped:
            self.regrouped_at = progress.now.number
            self._meters = self._regroup(plan, before, progress)
            self.rows = {
                key: [
                    [self._meters[_MeterKey(key, block.id, event)] for event in plan.traffic_events]
                    for block in plan.blocks
                ]
                for key in plan.members
            }
        return progress

    def _regroup(self, plan: ReadingPlan[Any], before: CounterSnapshot, progress: Progress) -> dict[_MeterKey, Meter]:
        """Groups with other mon_groups: a mon_group counts from the second sample after it became the group's.

        The first difference is partly other groups'. Groups that wait, and cache blocks that are offline, keep their
        totals.
        """
        previous, now = progress.previous.totals, progress.now.totals
        meters = {
            key: Meter(frozenset(), (), meter.total(before), 0)
            for key, meter in self._meters.items()
            if key.of in plan.known
        }
        for of, members in plan.members.items():
            mon_groups = frozenset(plan.mon_groups[member] for member in members)
            for place, block in enumerate(plan.blocks):
                for number, event in enumerate(plan.traffic_events):
                    counters = tuple(plan.counter(member, place, number) for member in members)
                    key = _MeterKey(of, block.id, event)
                    was = self._meters.get(key, Meter(frozenset(), (), 0, progress.now.number))
                    credited = sum(
                        (previous if plan.mon_groups[member] in was.mon_groups else now)[counter]
                        for member, counter in zip(members, counters, strict=True)
                    )
                    base = was.total(before) - credited
                    since = was.since if was.mon_groups == mon_groups else progress.now.number
                    meters[key] = Meter(mon_groups, counters, base, since)
        self._count_regrouped(meters)
        return meters

    def _count_regrouped(self, meters: Mapping[_MeterKey, Meter]) -> None:
        for key, was in self._meters.items():
            if (
                isinstance(key.of, GroupKey)
                and was.mon_groups
                and key in meters
                and meters[key].mon_groups != was.mon_groups
            ):
                self.counters.gaps[Gap.REGROUPED] += 1
