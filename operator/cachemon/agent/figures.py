"""Figures: what the counters said, per monitoring group and cache block. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cachemon.agent.layout import GroupLayout, Layout, TargetLayout
from cachemon.model.counters import CounterBase, TrafficTotal
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock, Missing, Reading, total

__all__ = ["Accumulator", "BlockFigure", "Figures", "NodeBlockFigure"]

OCCUPANCY = "llc_occupancy"
TOTAL_TRAFFIC = "mbm_total_bytes"
LOCAL_TRAFFIC = "mbm_local_bytes"


class Traffic(NamedTuple):
    """One direction of traffic: bytes since the agent started, and the mean rate or None."""

    total_bytes: int
    bytes_per_second: int | None


@dataclass(frozen=True, slots=True)
class BlockFigure:
    """One monitoring group in one cache block.

    Attributes:
        block: the cache block.
        occupancy: bytes of the group's cells together, or why there is no number; None without the event.
        traffic: by event name, those that the kernel counts.
    """

    block: CacheBlock
    occupancy: Reading | None
    traffic: Mapping[str, Traffic]


@dataclass(frozen=True, slots=True)
class NodeBlockFigure:
    """One cache block of the node.

    Attributes:
        block: the cache block.
        occupancy: bytes of all control groups together, or why there is no number.
        monitored: bytes of all mon_groups of ours; never more than `occupancy` when both are numbers.
    """

    block: CacheBlock
    occupancy: Reading
    monitored: Reading


@dataclass(frozen=True, slots=True)
class Figures:
    """One sample.

    Attributes:
        wall_time: seconds since the epoch at which the counters were read.
        groups: figures of every group that has any, by key and in the order of the blocks.
        objects: occupancy of each object by cache id: its cells counted once, however its groups overlap.
        rates: total traffic of each object in bytes per second, or None.
        node: the node's cache blocks.
        offline: whether something read had gone: the mon_groups have changed under us.
    """

    wall_time: float = 0.0
    groups: Mapping[GroupKey, tuple[BlockFigure, ...]] = field(default_factory=dict)
    objects: Mapping[str, Mapping[int, Reading]] = field(default_factory=dict)
    rates: Mapping[str, int | None] = field(default_factory=dict)
    node: tuple[NodeBlockFigure, ...] = ()
    offline: bool = False


CellReadings = Mapping[MonGroupName, Mapping[int, Mapping[str, Reading]]]
CounterKey = tuple[MonGroupName, int, str]
_WHOLE_OBJECT = ""
"""Stands where a group's name would, for the totals of an object."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """One sample: what is wanted and what was read."""

    layout: Layout
    readings: CellReadings
    deltas: Mapping[CounterKey, int | None]
    now: float

    def occupancy(self, cells: Iterable[MonGroupName], block: int) -> Reading:
        """Of several cells together; one that was not read has gone."""
        return total(self.readings.get(cell, {}).get(block, {}).get(OCCUPANCY, Missing.OFFLINE) for cell in cells)


class Accumulator:
    """Turns readings into figures; keeps what counters need to be compared with the sample before.

    Args:
        window_seconds: rates are means over this time.
    """

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._bases: dict[CounterKey, CounterBase] = {}
        self._totals: dict[tuple[str, str, int, str], TrafficTotal] = {}
        self._cells: dict[tuple[str, str], frozenset[MonGroupName]] = {}
        self._past_gaps = 0

    @property
    def gaps(self) -> int:
        """How often, since the start, a part of a group's traffic could not be counted."""
        return self._past_gaps + sum(t.gaps for (_, group, _, _), t in self._totals.items() if group)

    def digest(
        self,
        layout: Layout,
        identities: Mapping[MonGroupName, int],
        readings: CellReadings,
        *,
        now: float,
        wall_time: float,
    ) -> Figures:
        """Figures of one sample.

        Args:
            layout: which cells belong to which group.
            identities: inode of each directory that was read; 0 for one that has gone.
            readings: what every counter said: cells, and control groups (those have an empty name).
            now: monotonic seconds of the sample.
            wall_time: the same moment, seconds since the epoch.
        """
        sample = _Sample(layout, readings, self._deltas(identities, readings), now)
        self._prune(layout)
        monitored = [target for target in layout.targets if target.cells]
        figures = Figures(
            wall_time=wall_time,
            groups={
                GroupKey(target.uid, group.group.name): self._group(sample, target.uid, group)
                for target in monitored
                for group in target.groups
                if group.cells
            },
            objects={target.uid: _object_occupancy(sample, target) for target in monitored},
            rates={target.uid: self._object_rate(sample, target) for target in monitored},
            node=_node_figures(sample),
            offline=not all(identities.values()) or _any_offline(readings),
        )
        self._cells = {(t.uid, g.group.name): frozenset(g.cells) for t in monitored for g in t.groups}
        self._cells |= {(t.uid, _WHOLE_OBJECT): t.cells for t in monitored}
        return figures

    def _deltas(self, identities: Mapping[MonGroupName, int], readings: CellReadings) -> dict[CounterKey, int | None]:
        deltas: dict[CounterKey, int | None] = {}
        for where, blocks in readings.items():
            for block, events in blocks.items() if where.name else ():
                for event, reading in events.items():
                    if event != OCCUPANCY:
                        key = (where, block, event)
                        base = self._bases.setdefault(key, CounterBase())
                        deltas[key] = base.advance(reading, identities[where])
        for key in self._bases.keys() - deltas.keys():
            del self._bases[key]
        return deltas

    def _prune(self, layout: Layout) -> None:
        wanted = {(t.uid, g.group.name) for t in layout.targets for g in t.groups}
        wanted |= {(t.uid, _WHOLE_OBJECT) for t in layout.targets}
        for key in [key for key in self._totals if key[:2] not in wanted]:
            gone = self._totals.pop(key)
            self._past_gaps += gone.gaps if key[1] else 0

    def _group(self, sample: _Sample, uid: str, group: GroupLayout) -> tuple[BlockFigure, ...]:
        node = sample.layout.node
        return tuple(
            BlockFigure(
                block,
                sample.occupancy(group.cells, block.id) if OCCUPANCY in node.events else None,
                {
                    event: self._count(sample, (uid, group.group.name, block.id, event), group.cells)
                    for event in node.events
                    if event != OCCUPANCY
                },
            )
            for block in node.blocks
        )

    def _count(self, sample: _Sample, key: tuple[str, str, int, str], cells: Iterable[MonGroupName]) -> Traffic:
        """A cell counts from the second sample on that it is the group's: the first difference was others' too."""
        uid, group, block, event = key
        before, now = self._cells.get((uid, group), frozenset()), frozenset(cells)
        deltas = [sample.deltas.get((cell, block, event)) for cell in before & now]
        traffic = self._totals.setdefault(key, TrafficTotal(self._window))
        counted = sum(delta for delta in deltas if delta is not None)
        traffic.add(counted, sample.now, gap=before != now or None in deltas)
        return Traffic(traffic.total_bytes, traffic.bytes_per_second)

    def _object_rate(self, sample: _Sample, target: TargetLayout) -> int | None:
        if TOTAL_TRAFFIC not in sample.layout.node.events:
            return None
        rates = [
            self._count(sample, (target.uid, _WHOLE_OBJECT, block.id, TOTAL_TRAFFIC), target.cells).bytes_per_second
            for block in sample.layout.node.blocks
        ]
        return None if None in rates else sum(rate for rate in rates if rate is not None)


def _object_occupancy(sample: _Sample, target: TargetLayout) -> Mapping[int, Reading]:
    if OCCUPANCY not in sample.layout.node.events:
        return {}
    return {block.id: sample.occupancy(target.cells, block.id) for block in sample.layout.node.blocks}


def _node_figures(sample: _Sample) -> tuple[NodeBlockFigure, ...]:
    """A control group's counter holds its mon_groups' already: their sum is never added to it."""
    node = sample.layout.node
    if OCCUPANCY not in node.events:
        return ()
    control_groups = [MonGroupName(name, "") for name in (ROOT, *node.control_groups)]
    mon_groups = sample.layout.mon_groups
    figures = []
    for block in node.blocks:
        occupancy = sample.occupancy(control_groups, block.id)
        monitored = sample.occupancy(mon_groups, block.id)
        if not isinstance(occupancy, Missing) and not isinstance(monitored, Missing):
            occupancy = max(occupancy, monitored)  # read one after the other: a part may be newer than the whole
        figures.append(NodeBlockFigure(block, occupancy, monitored))
    return tuple(figures)


def _any_offline(readings: CellReadings) -> bool:
    return any(
        reading is Missing.OFFLINE
        for blocks in readings.values()
        for events in blocks.values()
        for reading in events.values()
    )
