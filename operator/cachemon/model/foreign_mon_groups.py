"""Which monitoring groups the mon_groups of other programs count for. Pure.

Some programs put threads of QEMU into mon_groups of their own: runc (`enableMonitoring`), nri-plugins' resctrl-mon,
libvirt's monitors. cachemon takes no thread from them, but may read their counters. A mon_group counts for a
monitoring group only if all of its threads belong to the group, and if the kernel counts nothing else in it. Then the
sum over such mon_groups and our own, which hold the group's other threads, is exact.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from cachemon.model.cells import Cell
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName, Observed


@dataclass(frozen=True, slots=True)
class ForeignShare:
    """The part that foreign mon_groups have in the monitoring groups.

    Attributes:
        tids: all threads in foreign mon_groups.
        counted: by group, the foreign mon_groups that count threads of this group alone.
        blocked: by group, a foreign mon_group that counts threads of this group and something else.
    """

    tids: frozenset[int]
    counted: Mapping[GroupKey, tuple[MonGroupName, ...]]
    blocked: Mapping[GroupKey, MonGroupName]


def foreign_candidates(cells: Sequence[Cell], observed: Observed) -> tuple[MonGroupName, ...]:
    """Return the foreign mon_groups that count for some group, if the kernel counts only the known threads there."""
    cell_of = _cells_by_tid(cells, observed)
    return tuple(
        where for where in observed.foreign_mon_groups if _wanting_all(observed.mon_groups[where], cells, cell_of)
    )


def share_foreign(cells: Sequence[Cell], observed: Observed, exclusive: Collection[MonGroupName]) -> ForeignShare:
    """Decide which foreign mon_groups count for which group.

    Args:
        cells: the wanted cells.
        observed: what the kernel has.
        exclusive: foreign mon_groups in which the kernel counts the threads in `observed`, and nothing else.
    """
    cell_of = _cells_by_tid(cells, observed)
    counted: dict[GroupKey, tuple[MonGroupName, ...]] = {}
    blocked: dict[GroupKey, MonGroupName] = {}
    for where in observed.foreign_mon_groups:
        tids = observed.mon_groups[where]
        wanting = _wanting_all(tids, cells, cell_of) if where in exclusive else frozenset()
        touched = {key for tid in tids & cell_of.keys() for key in cells[cell_of[tid]].members}
        counted |= {key: (*counted.get(key, ()), where) for key in wanting}
        blocked |= dict.fromkeys(touched - wanting, where)
    tids = frozenset().union(*(observed.mon_groups[where] for where in observed.foreign_mon_groups))
    return ForeignShare(tids, {key: names for key, names in counted.items() if key not in blocked}, blocked)


def cells_left(
    cells: Iterable[Cell], not_ours: AbstractSet[int], without_figure: AbstractSet[GroupKey]
) -> tuple[Cell, ...]:
    """Return what is left of the cells for mon_groups of ours.

    Args:
        cells: the wanted cells.
        not_ours: threads that stay where they are.
        without_figure: groups that have no figure: the rest of a cell is not for them.
    """
    left: list[Cell] = []
    for cell in cells:
        if cell.tids.isdisjoint(not_ours):
            left.append(cell)
            continue
        members = cell.members - without_figure
        threads = frozenset(thread for thread in cell.threads if thread.tid not in not_ours)
        if members and threads:
            left.append(replace(cell, members=members, threads=threads))
    return tuple(left)


def _cells_by_tid(cells: Sequence[Cell], observed: Observed) -> Mapping[int, int]:
    """Return the position of the cell of each thread; empty where no foreign mon_group holds any thread."""
    if not any(observed.mon_groups[where] for where in observed.foreign_mon_groups):
        return {}
    return {tid: place for place, cell in enumerate(cells) for tid in cell.tids}


def _wanting_all(tids: AbstractSet[int], cells: Sequence[Cell], cell_of: Mapping[int, int]) -> frozenset[GroupKey]:
    """Return the groups that all of these threads belong to; none if there is no thread."""
    if not tids or not tids <= cell_of.keys():
        return frozenset()
    first, *others = {cell_of[tid] for tid in tids}
    return cells[first].members.intersection(*(cells[other].members for other in others))
