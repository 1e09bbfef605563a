"""What a sample reads, and which figures are sums of which mon_groups: compiled once per layout. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Generic, NamedTuple, TypeVar

from cachemon.engine.layout import Layout, NodeFacts, Wanted
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import BlockShare, CacheBlock, Reading
from cachemon.model.telemetry import Package
from cachemon.resctrl.mon_data import PlaceId

V = TypeVar("V")
D = TypeVar("D", CacheBlock, BlockShare, Package)

OCCUPANCY = "llc_occupancy"
TOTAL_TRAFFIC = "mbm_total_bytes"
LOCAL_TRAFFIC = "mbm_local_bytes"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """All mon_groups of an object together."""

    uid: str


@dataclass(frozen=True, slots=True)
class GuestKey:
    """All mon_groups of a guest together: groups of several objects may share mon_groups."""

    name: str


SumKey = GroupKey | ObjectKey | GuestKey
"""What a figure is the sum of."""


class CounterKey(NamedTuple):
    """One counter that only grows."""

    mon_group: MonGroupName
    block: PlaceId
    event: str


@dataclass(frozen=True, slots=True)
class ReadingPlan(Generic[D]):
    """What is read, in the order of the values of a sweep: per directory, then cache block (or package), then event.

    Attributes:
        control_groups: their occupancy is read, if there is such an event: it stands first.
        mon_groups: all events of these mon_groups of ours are read.
        blocks: cache blocks, NUMA nodes of them, or CPU packages.
        events: those of the kernel.
        known: every group, object and guest, with mon_groups or without.
        members: for those that have mon_groups their positions in `mon_groups`.
    """

    control_groups: tuple[MonGroupName, ...]
    mon_groups: tuple[MonGroupName, ...]
    blocks: tuple[D, ...]
    events: tuple[str, ...]
    known: frozenset[SumKey]
    members: Mapping[SumKey, tuple[int, ...]]

    @property
    def traffic_events(self) -> tuple[str, ...]:
        """The events that count traffic."""
        return tuple(event for event in self.events if event != OCCUPANCY)

    @property
    def directories(self) -> dict[MonGroupName, tuple[str, ...]]:
        """The events to read from each directory."""
        occupancy = (OCCUPANCY,) if OCCUPANCY in self.events else ()
        return dict.fromkeys(self.control_groups, occupancy) | dict.fromkeys(self.mon_groups, self.events)

    @property
    def counters(self) -> list[CounterKey]:
        """Names of the counters, in the order of `traffic`."""
        blocks = [block.id for block in self.blocks]
        every = product(self.traffic_events, self.mon_groups, blocks)
        return [CounterKey(mon_group, block, event) for event, mon_group, block in every]

    def spread(self, identities: Sequence[int]) -> list[int]:
        """The identity of the mon_group of each counter, from those of all directories."""
        mon_groups = identities[len(self.control_groups) :]
        return [identity for identity in mon_groups for _ in self.blocks] * len(self.traffic_events)

    def counter(self, mon_group: int, block: int, event: int) -> int:
        """The position of a counter in `traffic`, by those of its mon_group, block and traffic event."""
        return (event * len(self.mon_groups) + mon_group) * len(self.blocks) + block

    def traffic(self, values: Sequence[V]) -> Sequence[V]:
        """Select the traffic values of a sweep, grouped by event."""
        traffic: list[V] = []
        for position, event in enumerate(self.events):
            if event != OCCUPANCY:
                traffic += values[self._first + position :: len(self.events)]
        return traffic

    def of_mon_groups(self, values: Sequence[V]) -> Sequence[V]:
        """Select the values of mon_groups, without those of control groups."""
        return values[self._first :]

    def occupancies(self, values: Sequence[Reading]) -> Sequence[Reading]:
        """Select the occupancies of mon_groups: per mon_group, then block. Empty without that event."""
        if OCCUPANCY not in self.events:
            return ()
        return values[self._first + self.events.index(OCCUPANCY) :: len(self.events)]

    @property
    def _first(self) -> int:
        """Position of the first value of a mon_group."""
        return len(self.control_groups) * len(self.blocks) if OCCUPANCY in self.events else 0


def compile_plan(layout: Layout[Wanted]) -> ReadingPlan[CacheBlock]:
    """The plan for a layout. Layouts with the same readings have equal plans."""
    node = layout.node
    mon_groups = tuple(sorted(layout.mon_groups))
    place = {mon_group: position for position, mon_group in enumerate(mon_groups)}
    wanted: dict[SumKey, Collection[MonGroupName]] = {
        **{GroupKey(t.uid, g.group.name): g.mon_groups for t in layout.targets for g in t.groups},
        **{ObjectKey(t.uid): t.mon_groups for t in layout.targets},
        **{GuestKey(name): of_guest for name, of_guest in layout.mon_groups_of_guests().items()},
    }
    return ReadingPlan(
        control_groups=() if node.unavailable else tuple(MonGroupName(c, "") for c in (ROOT, *node.control_groups)),
        mon_groups=mon_groups,
        blocks=node.blocks,
        events=node.events,
        known=frozenset(wanted),
        members={key: tuple(sorted(place[name] for name in names)) for key, names in wanted.items() if names},
    )


def compile_share_plan(plan: ReadingPlan[CacheBlock]) -> ReadingPlan[BlockShare]:
    """The plan for the same mon_groups on the NUMA nodes of the cache blocks; it reads nothing without SNC."""
    shares = tuple(BlockShare(block.id, number) for block in plan.blocks for number in block.numa_nodes)
    if not shares:
        return ReadingPlan((), (), (), (), plan.known, {})
    return ReadingPlan((), plan.mon_groups, shares, plan.events, plan.known, plan.members)


def compile_package_plan(node: NodeFacts, plan: ReadingPlan[CacheBlock]) -> ReadingPlan[Package]:
    """The plan for the same mon_groups on CPU packages; it reads nothing where there is no telemetry."""
    if node.telemetry is None or not node.telemetry.events or not node.packages:
        return ReadingPlan((), (), (), (), plan.known, {})
    return ReadingPlan((), plan.mon_groups, node.packages, node.telemetry.events, plan.known, plan.members)
