"""Rationing: which monitoring groups get RMIDs when there are too few for all. Pure.

Groups are admitted whole, by rank (cells.ranked). One that does not fit waits, and then it costs nobody anything: the
cells are those of the admitted groups alone, so a waiting group splits no cell of another.

RMIDs may be short on the whole node, or in one control group: an Arm machine has so many PMGs for each PARTID, and
mkdir answers ENOSPC there long before num_rmids are used (drivers/resctrl, Linux 7.1).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.cells import Cell, Wish, ranked
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT
from cachemon.model.threads import Thread

_NOBODYS = 0  # the number of parts that no admitted group wants


@dataclass(frozen=True, slots=True)
class Part:
    """The threads of a cell that sit in one control group: what one mon_group holds."""

    cell: Cell
    control_group: str
    threads: frozenset[Thread]


class Shortage(NamedTuple):
    """Why a group was not admitted.

    Attributes:
        needs: mon_groups it would take beyond those of better groups.
        free: how many were left for it.
        control_group: the control group that has no more room, or None when the node has not.
    """

    needs: int
    free: int
    control_group: str | None


class _Place(NamedTuple):
    """What parts of different cells must have in common to share a mon_group."""

    owner_uid: str
    qemu_pid: int
    control_group: str


def parts_of(cells: Iterable[Cell], control_groups: Mapping[str, frozenset[int]]) -> tuple[Part, ...]:
    """The cells, split by the control groups that their threads sit in.

    Args:
        cells: of any QEMUs.
        control_groups: the TIDs in every control group but the default one.
    """
    home = {tid: group for group, tids in control_groups.items() for tid in tids}
    parts: list[Part] = []
    for cell in cells:
        by_home: defaultdict[str, set[Thread]] = defaultdict(set)
        for thread in cell.threads:
            by_home[home.get(thread.tid, ROOT)].add(thread)
        parts += [Part(cell, group, frozenset(by_home[group])) for group in sorted(by_home)]
    return tuple(parts)


def ration(
    parts: Sequence[Part], wishes: Iterable[Wish], limit: int, rooms: Mapping[str, int]
) -> tuple[list[Part], Mapping[GroupKey, Shortage]]:
    """Share out the RMIDs.

    Args:
        parts: what all groups together would need.
        wishes: the groups.
        limit: RMIDs that there are.
        rooms: by control group how many mon_groups it takes, where that is known to be less.

    Returns:
        The parts of the admitted groups, best rank first, never more than `limit`; and the groups that wait.
    """
    order = {wish.key: number for number, wish in enumerate(ranked(wishes))}
    waiting = {} if len(parts) <= limit and not rooms else _turn_away(parts, list(order), limit, rooms)
    merged = _merge(parts, order.keys() - waiting.keys())
    merged.sort(key=lambda part: (min(order[key] for key in part.cell.members), min(part.cell.tids)))
    return merged, waiting


def _turn_away(
    parts: Iterable[Part], by_rank: Iterable[GroupKey], limit: int, rooms: Mapping[str, int]
) -> dict[GroupKey, Shortage]:
    by_place: defaultdict[_Place, list[frozenset[GroupKey]]] = defaultdict(list)
    places: defaultdict[GroupKey, set[_Place]] = defaultdict(set)
    for part in parts:
        by_place[_place(part)].append(part.cell.members)
        for key in part.cell.members:
            places[key].add(_place(part))
    waiting: dict[GroupKey, Shortage] = {}
    classes = {place: [_NOBODYS] * len(memberships) for place, memberships in by_place.items()}
    free: Counter[str | None] = Counter(rooms)
    free[None] = limit
    for key in by_rank:
        refined = {place: _refine(classes[place], by_place[place], key) for place in places[key]}
        more: Counter[str | None] = Counter()
        for place, new in refined.items():
            cost = _cost(new) - _cost(classes[place])
            more[None] += cost
            if place.control_group in rooms:
                more[place.control_group] += cost
        full = [where for where, needs in more.items() if needs > free[where]]
        if full:
            waiting[key] = Shortage(more[full[0]], free[full[0]], full[0])
        else:
            classes |= refined
            free.subtract(more)
    return waiting


def _refine(classes: Sequence[int], memberships: Sequence[frozenset[GroupKey]], key: GroupKey) -> list[int]:
    """Number the parts of a place anew: those that the same admitted groups want have the same number.

    In time of the number of parts alone: a tenant may have thousands of groups on one VM.
    """
    numbers: dict[tuple[int, bool], int] = {(_NOBODYS, False): _NOBODYS}
    wanted = (key in members for members in memberships)
    return [numbers.setdefault(each, len(numbers)) for each in zip(classes, wanted, strict=True)]


def _cost(classes: Sequence[int]) -> int:
    """How many mon_groups one QEMU's threads need in one control group."""
    return len({*classes} - {_NOBODYS})


def _merge(parts: Iterable[Part], admitted: AbstractSet[GroupKey]) -> list[Part]:
    """Parts that differ in waiting groups alone are one; those of waiting groups alone are none."""
    threads: defaultdict[tuple[_Place, frozenset[GroupKey]], set[Thread]] = defaultdict(set)
    for part in parts:
        members = part.cell.members & admitted
        if members:
            threads[_place(part), members] |= part.threads
    return [
        Part(Cell(place.owner_uid, place.qemu_pid, members, frozenset(found)), place.control_group, frozenset(found))
        for (place, members), found in threads.items()
    ]


def _place(part: Part) -> _Place:
    return _Place(part.cell.owner_uid, part.cell.qemu_pid, part.control_group)
