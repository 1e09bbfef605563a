"""Decides which monitoring groups get and keep RMIDs when there are too few for all. Pure.

Groups are admitted whole, by rank (`cells.by_rank`). One that does not fit waits and costs no other group anything:
cells are split by the admitted groups alone.

RMIDs may be short on the whole node, or in one control group. An Arm machine has a fixed number of PMGs for each
PARTID, and mkdir answers ENOSPC there long before num_rmids are used (drivers/resctrl, Linux 7.1).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.cells import Cell, RankedGroup, by_rank
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT
from cachemon.model.threads import Thread

_UNWANTED = 0  # the number of parts that no admitted group wants


@dataclass(frozen=True, slots=True)
class CellPart:
    """The threads of a cell that sit in one control group: what one mon_group holds."""

    cell: Cell
    control_group: str
    threads: frozenset[Thread]


class Shortage(NamedTuple):
    """Why a group was not admitted.

    Attributes:
        needs: mon_groups that it takes beyond those of groups with a better rank.
        free: mon_groups that are left for it.
        control_group: the control group that is full; None when the node is.
    """

    needs: int
    free: int
    control_group: str | None


class _Location(NamedTuple):
    """What parts of different cells must have in common to share a mon_group."""

    owner_uid: str
    qemu_pid: int
    control_group: str


def parts_of(cells: Iterable[Cell], control_groups: Mapping[str, frozenset[int]]) -> tuple[CellPart, ...]:
    """The cells, split by the control groups that their threads sit in.

    Args:
        cells: of any QEMUs.
        control_groups: the TIDs in every control group but the default one.
    """
    home = {tid: group for group, tids in control_groups.items() for tid in tids}
    parts: list[CellPart] = []
    for cell in cells:
        by_home: defaultdict[str, set[Thread]] = defaultdict(set)
        for thread in cell.threads:
            by_home[home.get(thread.tid, ROOT)].add(thread)
        parts += [CellPart(cell, group, frozenset(by_home[group])) for group in sorted(by_home)]
    return tuple(parts)


def share_rmids(
    parts: Sequence[CellPart], groups: Iterable[RankedGroup], limit: int, rooms: Mapping[str, int]
) -> tuple[list[CellPart], Mapping[GroupKey, Shortage]]:
    """Share out the RMIDs.

    Args:
        parts: what all groups together would need.
        groups: all groups.
        limit: number of RMIDs.
        rooms: by control group how many mon_groups it takes, where that is known to be less.

    Returns:
        The parts of the admitted groups, best rank first, never more than `limit`; and the groups that wait.
    """
    order = {group.key: number for number, group in enumerate(by_rank(groups))}
    waiting = {} if len(parts) <= limit and not rooms else _groups_without_room(parts, list(order), limit, rooms)
    merged = _merge(parts, order.keys() - waiting.keys())
    merged.sort(key=lambda part: (min(order[key] for key in part.cell.members), min(part.cell.tids)))
    return merged, waiting


def _groups_without_room(
    parts: Iterable[CellPart], keys_by_rank: Iterable[GroupKey], limit: int, rooms: Mapping[str, int]
) -> dict[GroupKey, Shortage]:
    by_location: defaultdict[_Location, list[frozenset[GroupKey]]] = defaultdict(list)
    locations: defaultdict[GroupKey, set[_Location]] = defaultdict(set)
    for part in parts:
        by_location[_location(part)].append(part.cell.members)
        for key in part.cell.members:
            locations[key].add(_location(part))
    waiting: dict[GroupKey, Shortage] = {}
    classes = {location: [_UNWANTED] * len(memberships) for location, memberships in by_location.items()}
    free: Counter[str | None] = Counter(rooms)
    free[None] = limit
    for key in keys_by_rank:
        refined = {location: _refine(classes[location], by_location[location], key) for location in locations[key]}
        more: Counter[str | None] = Counter()
        for location, new in refined.items():
            cost = _cost(new) - _cost(classes[location])
            more[None] += cost
            if location.control_group in rooms:
                more[location.control_group] += cost
        full = [where for where, needs in more.items() if needs > free[where]]
        if full:
            waiting[key] = Shortage(more[full[0]], free[full[0]], full[0])
        else:
            classes |= refined
            free.subtract(more)
    return waiting


def _refine(classes: Sequence[int], memberships: Sequence[frozenset[GroupKey]], key: GroupKey) -> list[int]:
    """Number the parts of a location again: parts that the same admitted groups want have the same number.

    Takes time by the number of parts alone: a tenant may have thousands of groups on one VM.
    """
    numbers: dict[tuple[int, bool], int] = {(_UNWANTED, False): _UNWANTED}
    wanted = (key in members for members in memberships)
    return [numbers.setdefault(each, len(numbers)) for each in zip(classes, wanted, strict=True)]


def _cost(classes: Sequence[int]) -> int:
    """Number of mon_groups that one QEMU's threads need in one control group."""
    return len({*classes} - {_UNWANTED})


def _merge(parts: Iterable[CellPart], admitted: AbstractSet[GroupKey]) -> list[CellPart]:
    """Merge parts that differ in waiting groups alone; drop those that only waiting groups want."""
    threads: defaultdict[tuple[_Location, frozenset[GroupKey]], set[Thread]] = defaultdict(set)
    for part in parts:
        members = part.cell.members & admitted
        if members:
            threads[_location(part), members] |= part.threads
    return [
        CellPart(
            Cell(location.owner_uid, location.qemu_pid, members, frozenset(found)),
            location.control_group,
            frozenset(found),
        )
        for (location, members), found in threads.items()
    ]


def _location(part: CellPart) -> _Location:
    return _Location(part.cell.owner_uid, part.cell.qemu_pid, part.control_group)
