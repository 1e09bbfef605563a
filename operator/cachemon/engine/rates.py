"""From sweeps to figures. Pure.

A sample only moves the counters on (`cachemon.model.counter_totals`); a group's figures are derived from them when
somebody asks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from cachemon.engine.figures import BlockFigure, Figures, NodeBlockFigure, Traffic
from cachemon.engine.reading_plan import OCCUPANCY, TOTAL_TRAFFIC, WHOLE_GUEST, WHOLE_OBJECT, ReadingPlan
from cachemon.model.counter_totals import Counters, Gap, Progress, Snapshot
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import Missing, Reading, total
from cachemon.resctrl.mon_data import Sweep

__all__ = ["Accumulator"]

K = TypeVar("K")
V = TypeVar("V")


class _Derived(Mapping[K, V]):
    """A mapping whose values are worked out when they are asked for, once."""

    def __init__(self, keys: Mapping[K, GroupKey], derive: Callable[[GroupKey], V]) -> None:
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
    """The traffic of one group through one cache block: that of its counters, and what it had before it had them.

    Attributes:
        cells: the mon_groups that the counters are of.
        counters: their positions.
        base: to be added to the counters' totals; often negative, as they count from before they were the group's.
        since: the sample from which on these cells are the group's.
    """

    cells: frozenset[MonGroupName]
    counters: tuple[int, ...]
    base: int
    since: int

    def total(self, snapshot: Snapshot) -> int:
        return self.base + snapshot.total(self.counters)


_Rows = Mapping[GroupKey, Sequence[Sequence[_Meter]]]
"""Of each group, per cache block, per event of traffic."""


class _MeterKey(NamedTuple):
    group: GroupKey
    block: int
    event: str


class _Sample(NamedTuple):
    """One sample, and what it takes to derive figures from it."""

    plan: ReadingPlan
    values: Sequence[Reading]
    occupancies: Sequence[Reading]
    meters: _Rows
    progress: Progress

    def group(self, key: GroupKey) -> tuple[BlockFigure, ...]:
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

    def occupancy(self, key: GroupKey) -> dict[int, Reading]:
        plan, width = self.plan, len(self.plan.blocks)
        if OCCUPANCY not in plan.events:
            return {}
        values, members = self.occupancies, plan.members[key]
        return {
            block.id: total(values[cell * width + place] for cell in members)
            for place, block in enumerate(plan.blocks)
        }

    def _traffic(self, meter: _Meter) -> Traffic:
        rate = self.progress.bytes_per_second(meter.counters, meter.since)
        return Traffic(meter.total(self.progress.now), rate)

    def rate(self, key: GroupKey) -> int | None:
        if TOTAL_TRAFFIC not in self.plan.events:
            return None
        place = self.plan.traffic_events.index(TOTAL_TRAFFIC)
        rates = [self._traffic(meters[place]).bytes_per_second for meters in self.meters[key]]
        return None if None in rates else sum(rate for rate in rates if rate is not None)

    def lacking(self) -> frozenset[GroupKey]:
        """Groups with a cell that was not read, or with a rate yet to come: found without deriving any figure."""
        plan, width, newest = self.plan, len(self.plan.blocks), self.progress.rates_from
        unread = [place for place, value in enumerate(self.plan.of_cells(self.values)) if isinstance(value, Missing)]
        cells = {place // (width * len(plan.events)) for place in unread}
        cells |= {p // width % len(plan.cells) for p, since in enumerate(self.progress.since) if since > newest}
        return frozenset(
            key
            for key, members in plan.members.items()
            if not cells.isdisjoint(members) or any(m.since > newest for row in self.meters[key] for m in row)
        )

    def node(self) -> tuple[NodeBlockFigure, ...]:
        """A control group's counter holds its mon_groups' already: their sum is never added to it."""
        plan, width = self.plan, len(self.plan.blocks)
        if OCCUPANCY not in plan.events:
            return ()
        whole, cells = self.values[: len(plan.control_groups) * width], self.occupancies
        figures = []
        for place, block in enumerate(plan.blocks):
            occupancy, monitored = total(whole[place::width]), total(cells[place::width])
            if not isinstance(occupancy, Missing) and not isinstance(monitored, Missing):
                occupancy = max(occupancy, monitored)  # read one after the other: a part may be newer than the whole
            figures.append(NodeBlockFigure(block, occupancy, monitored))
        return tuple(figures)


class Accumulator:
    """Turns readings into figures; keeps what counters need to be compared with the sample before.

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
        self._groups: Mapping[GroupKey, GroupKey] = {}
        self._objects: Mapping[str, GroupKey] = {}
        self._guests: Mapping[str, GroupKey] = {}

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
            plan: what was read, and which cells belong to which group.
            sweep: what every file said, in the plan's order.
            wall_time: the moment of the sample, seconds since the epoch.
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
                group: [
                    [self._meters[_MeterKey(group, block.id, event)] for event in plan.traffic_events]
                    for block in plan.blocks
                ]
                for group in plan.members
            }
            self._groups = {key: key for key in plan.members if key.group not in (WHOLE_OBJECT, WHOLE_GUEST)}
            self._guests = {key.object_uid: key for key in plan.members if key.group == WHOLE_GUEST}
            self._objects = {key.object_uid: key for key in plan.members if key.group == WHOLE_OBJECT}
        sample = _Sample(plan, sweep.values, plan.occupancies(sweep.values), self._rows, progress)
        well = not sweep.missing and max(progress.last_break, self._regrouped_at) <= progress.rates_from
        return Figures(
            wall_time=wall_time,
            groups=_Derived(self._groups, sample.group),
            objects=_Derived(self._objects, sample.occupancy),
            rates=_Derived(self._objects, sample.rate),
            guests=_Derived(self._guests, sample.group),
            node=sample.node(),
            lacking=frozenset() if well else sample.lacking(),
            offline=not all(sweep.identities) or Missing.OFFLINE in sweep.missing,
        )

    def _regroup(self, plan: ReadingPlan, before: Snapshot, progress: Progress) -> dict[_MeterKey, _Meter]:
        """Groups with other cells: a cell counts from the second sample on that it is the group's.

        The first difference was others' too. Groups that wait, and cache blocks that are offline, keep their totals.
        """
        previous, now = progress.previous.totals, progress.now.totals
        meters = {
            key: _Meter(frozenset(), (), meter.total(before), 0)
            for key, meter in self._meters.items()
            if key.group in plan.known
        }
        for group, members in plan.members.items():
            cells = frozenset(plan.cells[member] for member in members)
            for place, block in enumerate(plan.blocks):
                for number, event in enumerate(plan.traffic_events):
                    counters = tuple(plan.counter(member, place, number) for member in members)
                    key = _MeterKey(group, block.id, event)
                    was = self._meters.get(key, _Meter(frozenset(), (), 0, progress.now.number))
                    credited = sum(
                        (previous if plan.cells[member] in was.cells else now)[counter]
                        for member, counter in zip(members, counters, strict=True)
                    )
                    base = was.total(before) - credited
                    since = was.since if was.cells == cells else progress.now.number
                    meters[key] = _Meter(cells, counters, base, since)
        self._count_regrouped(meters)
        return meters

    def _count_regrouped(self, meters: Mapping[_MeterKey, _Meter]) -> None:
        for key, was in self._meters.items():
            of_a_group = key.group.group not in (WHOLE_OBJECT, WHOLE_GUEST)
            if of_a_group and was.cells and key in meters and meters[key].cells != was.cells:
                self._counters.gaps[Gap.REGROUPED] += 1
