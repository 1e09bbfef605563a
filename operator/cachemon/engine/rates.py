"""Computes figures from sweeps: occupancy, traffic and its rate. Pure.

A sample only advances the counters (`cachemon.model.counter_totals`); a group's figures are derived from them when
they are read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from cachemon.engine.figures import BlockFigure, Figures, NodeBlockFigure, Traffic
from cachemon.engine.reading_plan import OCCUPANCY, TOTAL_TRAFFIC, GuestKey, ObjectKey, ReadingPlan, SumKey
from cachemon.model.counter_totals import Counters, CounterSnapshot, Gap, Progress
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import Missing, Reading, total
from cachemon.resctrl.mon_data import Sweep

__all__ = ["Accumulator"]

K = TypeVar("K")
V = TypeVar("V")


class _Derived(Mapping[K, V]):
    """A mapping whose values are computed once, when they are read."""

    def __init__(self, keys: Mapping[K, SumKey], derive: Callable[[SumKey], V]) -> None:
        self._keys = keys
        self._derive = derive
        self._known: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        if key not in self._known:
            self._known[key] = self._derive(self._keys[key])
        return self._known[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Meter(NamedTuple):
    """The traffic of one sum through one cache block: that of its counters, and of those that it had before.

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
        return self.base + snapshot.total(self.counters)


_Rows = Mapping[SumKey, Sequence[Sequence[_Meter]]]
"""Per sum, per cache block, per event of traffic."""


class _MeterKey(NamedTuple):
    of: SumKey
    block: int
    event: str


class _Sample(NamedTuple):
    """One sample, with all that figures are derived from."""

    plan: ReadingPlan
    values: Sequence[Reading]
    occupancies: Sequence[Reading]
    meters: _Rows
    progress: Progress

    def blocks(self, key: SumKey) -> tuple[BlockFigure, ...]:
        plan, events = self.plan, self.plan.traffic_events
        occupancy = self.occupancy(key)
        return tuple(
            BlockFigure(
                block,
                occupancy.get(block.id),
                {event: self._traffic(meter) for event, meter in zip(events, meters, strict=True)},
            )
            for block, meters in zip(plan.blocks, self.meters[key], strict=True)
        )

    def occupancy(self, key: SumKey) -> dict[int, Reading]:
        plan, width = self.plan, len(self.plan.blocks)
        if OCCUPANCY not in plan.events:
            return {}
        values, members = self.occupancies, plan.members[key]
        return {
            block.id: total(values[mon_group * width + place] for mon_group in members)
            for place, block in enumerate(plan.blocks)
        }

    def _traffic(self, meter: _Meter) -> Traffic:
        rate = self.progress.bytes_per_second(meter.counters, meter.since)
        return Traffic(meter.total(self.progress.now), rate)

    def rate(self, key: SumKey) -> int | None:
        if TOTAL_TRAFFIC not in self.plan.events:
            return None
        place = self.plan.traffic_events.index(TOTAL_TRAFFIC)
        rates = [self._traffic(meters[place]).bytes_per_second for meters in self.meters[key]]
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
        self._counters = Counters(window_seconds)
        self._plan: ReadingPlan | None = None
        self._identities: Sequence[int] = ()
        self._regrouped_at = 0
        self._meters: Mapping[_MeterKey, _Meter] = {}
        self._rows: _Rows = {}
        self._groups: Mapping[GroupKey, SumKey] = {}
        self._objects: Mapping[str, SumKey] = {}
        self._guests: Mapping[str, SumKey] = {}

    @property
    def gaps(self) -> dict[Gap, int]:
        """How often, since the start, the counting of traffic broke off, by reason."""
        return dict(self._counters.gaps)

    def digest(
        self,
        plan: ReadingPlan,
        sweep: Sweep,
        *,
        wall_time: float,
    ) -> Figures:
        """Figures of one sample.

        Args:
            plan: what was read, and which mon_groups belong to which group.
            sweep: the content of every file, in the plan's order.
            wall_time: of the sample, in seconds since the epoch.
        """
        before = self._counters.progress.now
        regrouped = plan is not self._plan
        if regrouped or sweep.identities is not self._identities:
            self._counters.keep(plan.counters, plan.spread(sweep.identities))
            self._plan, self._identities = plan, sweep.identities
        late = plan.traffic(sweep.late) if sweep.late else ()
        progress = self._counters.advance(plan.traffic(sweep.values), sweep.time, late, timed=sweep.timed)
        if regrouped:
            self._regrouped_at = progress.now.number
            self._meters = self._regroup(plan, before, progress)
            self._rows = {
                key: [
                    [self._meters[_MeterKey(key, block.id, event)] for event in plan.traffic_events]
                    for block in plan.blocks
                ]
                for key in plan.members
            }
            self._groups = {key: key for key in plan.members if isinstance(key, GroupKey)}
            self._guests = {key.name: key for key in plan.members if isinstance(key, GuestKey)}
            self._objects = {key.uid: key for key in plan.members if isinstance(key, ObjectKey)}
        sample = _Sample(plan, sweep.values, plan.occupancies(sweep.values), self._rows, progress)
        well = not sweep.missing and max(progress.last_break, self._regrouped_at) <= progress.rates_from
        return Figures(
            wall_time=wall_time,
            groups=_Derived(self._groups, sample.blocks),
            objects=_Derived(self._objects, sample.occupancy),
            rates=_Derived(self._objects, sample.rate),
            guests=_Derived(self._guests, sample.blocks),
            node=sample.node(),
            lacking=frozenset() if well else sample.lacking(),
            offline=not all(sweep.identities) or Missing.OFFLINE in sweep.missing,
        )

    def _regroup(self, plan: ReadingPlan, before: CounterSnapshot, progress: Progress) -> dict[_MeterKey, _Meter]:
        """Groups with other mon_groups: a mon_group counts from the second sample after it became the group's.

        The first difference is partly other groups'. Groups that wait, and cache blocks that are offline, keep their
        totals.
        """
        previous, now = progress.previous.totals, progress.now.totals
        meters = {
            key: _Meter(frozenset(), (), meter.total(before), 0)
            for key, meter in self._meters.items()
            if key.of in plan.known
        }
        for of, members in plan.members.items():
            mon_groups = frozenset(plan.mon_groups[member] for member in members)
            for place, block in enumerate(plan.blocks):
                for number, event in enumerate(plan.traffic_events):
                    counters = tuple(plan.counter(member, place, number) for member in members)
                    key = _MeterKey(of, block.id, event)
                    was = self._meters.get(key, _Meter(frozenset(), (), 0, progress.now.number))
                    credited = sum(
                        (previous if plan.mon_groups[member] in was.mon_groups else now)[counter]
                        for member, counter in zip(members, counters, strict=True)
                    )
                    base = was.total(before) - credited
                    since = was.since if was.mon_groups == mon_groups else progress.now.number
                    meters[key] = _Meter(mon_groups, counters, base, since)
        self._count_regrouped(meters)
        return meters

    def _count_regrouped(self, meters: Mapping[_MeterKey, _Meter]) -> None:
        for key, was in self._meters.items():
            if (
                isinstance(key.of, GroupKey)
                and was.mon_groups
                and key in meters
                and meters[key].mon_groups != was.mon_groups
            ):
                self._counters.gaps[Gap.REGROUPED] += 1
