"""Computes figures from sweeps: occupancy, traffic and its rate. Pure.

A sample only advances the counters (`cachemon.model.counter_totals`); a group's figures are derived from them when
they are read.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cachemon.engine.derived import Derived, SumKeys, keys_of
from cachemon.engine.figures import BlockFigure, Figures, NodeBlockFigure, Traffic
from cachemon.engine.meters import Meter, Meters, Rows, unassigned_counters, uncounted_events
from cachemon.engine.reading_plan import OCCUPANCY, TOTAL_TRAFFIC, ReadingPlan, SumKey
from cachemon.model.counter_totals import Gap, Progress
from cachemon.model.groups import GroupKey
from cachemon.model.readings import CacheBlock, Missing, Reading, total
from cachemon.model.tallies import Moment, Tally
from cachemon.resctrl.mon_data import Sweep


class _Sample(NamedTuple):
    """One sample, with all that figures are derived from."""

    plan: ReadingPlan[CacheBlock]
    values: Sequence[Reading]
    occupancies: Sequence[Reading]
    meters: Rows
    progress: Progress
    unassigned: AbstractSet[int]

    def blocks(self, key: SumKey) -> tuple[BlockFigure, ...]:
        plan, events = self.plan, self.plan.traffic_events
        occupancy = self.occupancy(key)
        return tuple(
            BlockFigure(
                block,
                occupancy.get(block.id),
                Derived(dict(zip(events, meters, strict=True)), self.traffic),
                uncounted_events(events, meters, self.unassigned),
            )
            for block, meters in zip(plan.blocks, self.meters[key], strict=True)
        )

    def traffic(self, meter: Meter) -> Traffic:
        return meter.traffic(self.progress)

    def occupancy(self, key: SumKey) -> dict[int, Reading]:
        plan, width = self.plan, len(self.plan.blocks)
        if OCCUPANCY not in plan.events:
            return {}
        values, members = self.occupancies, plan.members[key]
        return {
            block.id: total(values[mon_group * width + place] for mon_group in members)
            for place, block in enumerate(plan.blocks)
        }

    def tallies(self, key: SumKey) -> tuple[Tally, ...]:
        if TOTAL_TRAFFIC not in self.plan.events:
            return ()
        place = self.plan.traffic_events.index(TOTAL_TRAFFIC)
        return tuple(meters[place].tally(self.progress) for meters in self.meters[key])

    def rate(self, key: SumKey) -> int | None:
        if TOTAL_TRAFFIC not in self.plan.events:
            return None
        place = self.plan.traffic_events.index(TOTAL_TRAFFIC)
        rates = [meters[place].traffic(self.progress).bytes_per_second for meters in self.meters[key]]
        return None if None in rates else sum(rate for rate in rates if rate is not None)

    def lacking(self) -> frozenset[GroupKey]:
        """Groups with a mon_group that was not read or without a rate yet; derives no figure."""
        plan, width, newest = self.plan, len(self.plan.blocks), self.progress.rates_from
        values, since = plan.of_mon_groups(self.values), self.progress.since
        lacking = {
            place // (width * len(plan.events)) for place, value in enumerate(values) if isinstance(value, Missing)
        }
        lacking |= {place // width % len(plan.mon_groups) for place, began in enumerate(since) if began > newest}
        return frozenset(
            key
            for key, members in plan.members.items()
            if isinstance(key, GroupKey)
            and (not lacking.isdisjoint(members) or any(m.since > newest for row in self.meters[key] for m in row))
        )

    def node(self) -> tuple[NodeBlockFigure, ...]:
        """A control group's counter includes those of its mon_groups, so they are not added to it."""
        plan, width = self.plan, len(self.plan.blocks)
        if OCCUPANCY not in plan.events:
            return ()
        whole, mon_groups = self.values[: len(plan.control_groups) * width], self.occupancies
        figures = []
        for place, block in enumerate(plan.blocks):
            occupancy, monitored = total(whole[place::width]), total(mon_groups[place::width])
            if not isinstance(occupancy, Missing) and not isinstance(monitored, Missing):
                occupancy = max(occupancy, monitored)  # read one after the other: a part may be newer than the whole
            figures.append(NodeBlockFigure(block, occupancy, monitored))
        return tuple(figures)


class Accumulator:
    """Turns readings into figures, and keeps the counters of the sample before.

    Args:
        window_seconds: rates are means over this time.
    """

    def __init__(self, window_seconds: float) -> None:
        self._meters = Meters(window_seconds)
        self._keys = SumKeys()
        self._plan: ReadingPlan[CacheBlock] | None = None

    @property
    def gaps(self) -> dict[Gap, int]:
        """How often, since the start, the counting of traffic broke off, by reason."""
        return dict(self._meters.counters.gaps)

    def digest(self, plan: ReadingPlan[CacheBlock], sweep: Sweep, *, wall_time: float) -> Figures:
        """Figures of one sample.

        Args:
            plan: what was read, and which mon_groups belong to which group.
            sweep: the content of every file, in the plan's order.
            wall_time: of the sample, in seconds since the epoch.
        """
        meters = self._meters
        unassigned_before = meters.counters.gaps[Gap.UNASSIGNED]
        progress = meters.advance(plan, sweep)
        if plan is not self._plan:
            self._plan, self._keys = plan, keys_of(plan.members)
        unassigned = unassigned_counters(plan, sweep)
        sample = _Sample(plan, sweep.values, plan.occupancies(sweep.values), meters.rows, progress, unassigned)
        well = not sweep.missing and max(progress.last_break, meters.regrouped_at) <= progress.rates_from
        return Figures(
            wall_time=wall_time,
            groups=Derived(self._keys.groups, sample.blocks),
            objects=Derived(self._keys.objects, sample.occupancy),
            rates=Derived(self._keys.objects, sample.rate),
            guests=Derived(self._keys.guests, sample.blocks),
            node=sample.node(),
            moment=Moment(progress.now.number, sweep.time, sweep.timed),
            traffic=Derived(self._keys.guests, sample.tallies),
            lacking=frozenset() if well else sample.lacking(),
            offline=not all(sweep.identities) or Missing.OFFLINE in sweep.missing,
            lost_counter=meters.counters.gaps[Gap.UNASSIGNED] > unassigned_before,
        )
