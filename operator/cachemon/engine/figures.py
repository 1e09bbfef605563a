"""Figures: the values of the counters, per monitoring group and cache block. Pure."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from cachemon.engine.reading_plan import LOCAL_TRAFFIC, OCCUPANCY, TOTAL_TRAFFIC
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import BlockShare, CacheBlock, Missing, Reading
from cachemon.model.tallies import Moment, Tally
from cachemon.model.telemetry import Package

__all__ = [
    "LOCAL_TRAFFIC",
    "OCCUPANCY",
    "TOTAL_TRAFFIC",
    "BlockFigure",
    "Count",
    "Figures",
    "NodeBlockFigure",
    "PackageFigure",
    "ShareFigure",
    "Traffic",
]


class Traffic(NamedTuple):
    """One direction of traffic: bytes since the agent started, and the mean rate or None."""

    total_bytes: int
    bytes_per_second: int | None


@dataclass(frozen=True, slots=True)
class BlockFigure:
    """One monitoring group in one cache block.

    Attributes:
        block: the cache block.
        occupancy: bytes of the group's mon_groups together, or why there is no number; None without the event.
        traffic: by event name, those that the kernel offers.
        uncounted: events without an MBM counter now (`Unassigned`): their totals lack bytes.
    """

    block: CacheBlock
    occupancy: Reading | None
    traffic: Mapping[str, Traffic]
    uncounted: AbstractSet[str] = frozenset()

    @property
    def totals(self) -> Iterator[tuple[str, int]]:
        """The bytes since the agent started, of the events that are counted."""
        return ((event, it.total_bytes) for event, it in self.traffic.items() if event not in self.uncounted)


@dataclass(frozen=True, slots=True)
class ShareFigure:
    """One monitoring group in the part of a cache block that one NUMA node has.

    Attributes:
        share: the NUMA node and its cache block.
        occupancy: as of `BlockFigure`.
        traffic: as of `BlockFigure`.
        uncounted: as of `BlockFigure`.
    """

    share: BlockShare
    occupancy: Reading | None
    traffic: Mapping[str, Traffic]
    uncounted: AbstractSet[str] = frozenset()

    @property
    def totals(self) -> Iterator[tuple[str, int]]:
        """As of `BlockFigure`."""
        return ((event, it.total_bytes) for event, it in self.traffic.items() if event not in self.uncounted)


class Count(NamedTuple):
    """One telemetry event, in units of 10**-9: its total since the agent started, and the mean rate or None."""

    total: int
    per_second: int | None


@dataclass(frozen=True, slots=True)
class PackageFigure:
    """The telemetry of one monitoring group on one CPU package.

    Attributes:
        package: the CPU package.
        missing: why a counter gave no number at this sample; None when all did.
        counts: by event name, those that the kernel offers.
    """

    package: Package
    missing: Missing | None
    counts: Mapping[str, Count]


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
        objects: occupancy of each object by cache id: each mon_group counts once, however its groups overlap.
        rates: total traffic of each object in bytes per second, or None.
        guests: figures of each guest by its name: each mon_group counts once, whatever objects want it.
        node: the node's cache blocks.
        lacking: groups that may lack a figure; all others have every one.
        shares: figures of every group by NUMA node of the cache blocks, where the kernel has these (SNC).
        packages: telemetry of every group that has any, by key and in the order of the packages.
        guest_packages: telemetry of each guest by its name.
        moment: when the sample was taken.
        traffic: total traffic of each guest by its name, in the order of the blocks; none without that event.
        work: telemetry of each guest by its name, per package and event.
        foreign: of mon_groups of other programs, those of `GroupLayout.foreign` that are still the same.
        verdicts: who disturbs whom, after the newest window; None where nobody judges.
        minute_verdicts: the same as of the last full minute, for tenants.
        unread: groups whose mon_groups or vCPUs have changed since the sample: they have no figures yet.
        offline: whether a counter was gone: another program has changed the mon_groups, or a cache block is offline.
        lost_counter: whether traffic that was counted at the sample before has no MBM counter now.
    """

    wall_time: float = 0.0
    groups: Mapping[GroupKey, tuple[BlockFigure, ...]] = field(default_factory=dict)
    objects: Mapping[str, Mapping[int, Reading]] = field(default_factory=dict)
    rates: Mapping[str, int | None] = field(default_factory=dict)
    guests: Mapping[str, tuple[BlockFigure, ...]] = field(default_factory=dict)
    node: tuple[NodeBlockFigure, ...] = ()
    lacking: AbstractSet[GroupKey] = frozenset()
    shares: Mapping[GroupKey, tuple[ShareFigure, ...]] = field(default_factory=dict)
    packages: Mapping[GroupKey, tuple[PackageFigure, ...]] = field(default_factory=dict)
    guest_packages: Mapping[str, tuple[PackageFigure, ...]] = field(default_factory=dict)
    moment: Moment = field(default_factory=Moment)
    traffic: Mapping[str, tuple[Tally, ...]] = field(default_factory=dict)
    work: Mapping[str, tuple[Mapping[str, Tally], ...]] = field(default_factory=dict)
    foreign: Mapping[MonGroupName, tuple[BlockFigure, ...]] = field(default_factory=dict)
    verdicts: NodeVerdicts | None = None
    minute_verdicts: NodeVerdicts | None = None
    unread: AbstractSet[GroupKey] = frozenset()
    offline: bool = False
    lost_counter: bool = False
