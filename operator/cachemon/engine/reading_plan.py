"""What a sample reads and what belongs to which group: compiled once per layout, run once per sample. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeVar

from cachemon.engine.layout import Layout, Wanted
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock, Reading

__all__ = [
    "LOCAL_TRAFFIC",
    "OCCUPANCY",
    "TOTAL_TRAFFIC",
    "WHOLE_GUEST",
    "WHOLE_OBJECT",
    "CounterKey",
    "ReadingPlan",
    "compile_plan",
]

V = TypeVar("V")

OCCUPANCY = "llc_occupancy"
TOTAL_TRAFFIC = "mbm_total_bytes"
LOCAL_TRAFFIC = "mbm_local_bytes"
WHOLE_OBJECT = ""
"""Stands where a group's name would, for all cells of an object together."""
WHOLE_GUEST = "/"
"""The same for all cells of a guest, of whatever objects: groups of several objects may share cells."""


class CounterKey(NamedTuple):
    """One counter of traffic."""

    cell: MonGroupName
    block: int
    event: str


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """What is read, in the order of the values of a sweep: per directory, then cache block, then event.

    Attributes:
        control_groups: their occupancy is read, if there is such an event: it stands first.
        cells: all events of these mon_groups of ours are read.
        blocks: cache blocks.
        events: that the kernel has.
        known: every group of every object, WHOLE_OBJECT, and every WHOLE_GUEST, with cells or without.
        members: positions in `cells` of those that have any.
    """

    control_groups: tuple[MonGroupName, ...]
    cells: tuple[MonGroupName, ...]
    blocks: tuple[CacheBlock, ...]
    events: tuple[str, ...]
    known: frozenset[GroupKey]
    members: Mapping[GroupKey, tuple[int, ...]]

    @property
    def traffic_events(self) -> tuple[str, ...]:
        """Those that only go up."""
        return tuple(event for event in self.events if event != OCCUPANCY)

    @property
    def directories(self) -> dict[MonGroupName, tuple[str, ...]]:
        """What is read of each directory."""
        occupancy = (OCCUPANCY,) if OCCUPANCY in self.events else ()
        return dict.fromkeys(self.control_groups, occupancy) | dict.fromkeys(self.cells, self.events)

    @property
    def counters(self) -> list[CounterKey]:
        """Names of the counters, in the order of `traffic`."""
        blocks = [block.id for block in self.blocks]
        every = product(self.traffic_events, self.cells, blocks)
        return [CounterKey(cell, block, event) for event, cell, block in every]

    def spread(self, identities: Sequence[int]) -> list[int]:
        """For each counter the identity of its cell, out of those of all directories."""
        cells = identities[len(self.control_groups) :]
        return [identity for identity in cells for _ in self.blocks] * len(self.traffic_events)

    def counter(self, cell: int, block: int, event: int) -> int:
        """Where in `traffic` one stands: by its positions among the cells, the blocks, the traffic events."""
        return (event * len(self.cells) + cell) * len(self.blocks) + block

    def traffic(self, values: Sequence[V]) -> Sequence[V]:
        """Of what a sweep has for every file that for the counters of traffic: event by event."""
        traffic: list[V] = []
        for position, event in enumerate(self.events):
            if event != OCCUPANCY:
                traffic += values[self._first + position :: len(self.events)]
        return traffic

    def of_cells(self, values: Sequence[V]) -> Sequence[V]:
        """What a sweep has of the cells, without the control groups."""
        return values[self._first :]

    def occupancies(self, values: Sequence[Reading]) -> Sequence[Reading]:
        """The occupancies of a sweep's cells: per cell, then block. None without such an event."""
        if OCCUPANCY not in self.events:
            return ()
        return values[self._first + self.events.index(OCCUPANCY) :: len(self.events)]

    @property
    def _first(self) -> int:
        """Where the cells' values begin."""
        return len(self.control_groups) * len(self.blocks) if OCCUPANCY in self.events else 0


def compile_plan(layout: Layout[Wanted]) -> ReadingPlan:
    """The plan for a layout; layouts that want the same read give plans that are equal."""
    node = layout.node
    cells = tuple(sorted(layout.mon_groups))
    place = {cell: position for position, cell in enumerate(cells)}
    wanted = {
        **{GroupKey(t.uid, g.group.name): g.cells for t in layout.targets for g in t.groups},
        **{GroupKey(t.uid, WHOLE_OBJECT): tuple(t.cells) for t in layout.targets},
        **{GroupKey(name, WHOLE_GUEST): tuple(cells) for name, cells in layout.cells_of_guests().items()},
    }
    return ReadingPlan(
        control_groups=() if node.unavailable else tuple(MonGroupName(c, "") for c in (ROOT, *node.control_groups)),
        cells=cells,
        blocks=node.blocks,
        events=node.events,
        known=frozenset(wanted),
        members={key: tuple(sorted(place[cell] for cell in cells)) for key, cells in wanted.items() if cells},
    )
