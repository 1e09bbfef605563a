"""The plan: from wanted cells and existing mon_groups to actions. Pure.

A cell keeps its mon_group. After a restart the agent remembers none, and a cell gets the mon_group that holds most
of its threads, whatever its name. So a restart adopts what exists, a new group moves no thread whose cell stays the
same, and a plugged vCPU moves no other thread. A cell with threads in several control groups gets a mon_group under
each: a thread may not leave its control group (EINVAL), and its allocation is not ours to change.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType

from cachemon.model.cells import Cell, RankedGroup
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import OWN_PREFIX, Holders, MonGroupName, Observed
from cachemon.model.rmids import CellPart, Shortage, parts_of, share_rmids
from cachemon.model.threads import Thread


@dataclass(frozen=True, slots=True)
class Create:
    """Make a mon_group."""

    where: MonGroupName


@dataclass(frozen=True, slots=True)
class Move:
    """Write threads into a mon_group of ours, one write(2) each."""

    where: MonGroupName
    threads: tuple[Thread, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Write threads that no longer belong into our mon_groups back to their control group."""

    control_group: str
    threads: tuple[Thread, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a mon_group of ours; threads still in it fall back to the control group."""

    where: MonGroupName


Action = Create | Move | Release | Remove


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions, and the mon_group of each cell when all of them work.

    Attributes:
        actions: in this order; an action whose predecessor failed is still safe. A mon_group is removed before
            another is made only where there would be too many otherwise: no thread is without one for longer than
            it must.
        placed: the mon_group of each part of the groups that were admitted.
        waiting: groups whose cells do not all fit into the RMIDs.
        foreign: by group, the mon_groups of others that hold threads of the group. The threads are left there. The
            group has no figure and takes no RMID.
        unsure: groups with threads that an unreadable mon_group of others may hold, and those mon_groups; none is
            touched.
    """

    actions: tuple[Action, ...]
    placed: Mapping[CellPart, MonGroupName]
    waiting: Mapping[GroupKey, Shortage]
    foreign: Mapping[GroupKey, tuple[MonGroupName, ...]]
    unsure: Mapping[GroupKey, tuple[MonGroupName, ...]] = field(default_factory=dict)


def make_plan(
    cells: Sequence[Cell],
    groups: Sequence[RankedGroup],
    observed: Observed,
    *,
    known_threads: Iterable[Thread] = (),
    held_for: Holders = MappingProxyType({}),
    budget: int | None = None,
    rooms: Mapping[str, int] = MappingProxyType({}),
) -> Plan:
    """Decide what to do.

    Args:
        cells: the wanted cells of all QEMUs of the node.
        groups: every group whose cells these are; their rank decides when RMIDs are short.
        observed: what the kernel has.
        known_threads: all threads of the monitored QEMUs; only these may be released.
        held_for: the groups whose threads the plan before this one put into each mon_group; empty after a restart.
        budget: maximum number of mon_groups; None for all that the hardware has.
        rooms: by control group how many mon_groups of ours it takes, where that is known to be less.
    """
    foreign = _foreign_mon_groups(cells, observed)
    suspects = tuple(sorted(where for where in observed.unreadable if not where.is_ours))
    unsure = {key: suspects for cell in cells if cell.tids & observed.unsure for key in cell.members}
    measurable = [group for group in groups if group.key not in foreign and group.key not in unsure]
    parts = parts_of(cells, observed.control_groups)
    limit = observed.rmids_for_us(budget)
    chosen, waiting = share_rmids(parts, measurable, limit, rooms)
    placed = _place(chosen, observed, held_for)
    kept = set(placed.values())
    leaving = [name for name in observed.own_mon_groups if name not in kept]
    actions: list[Action] = [
        *(_fill(part, where, observed) for part, where in placed.items() if where in observed.mon_groups),
        *_exchange(placed, leaving, observed, limit, rooms),
        *_releases(placed, observed, known_threads),
    ]
    going = {action.where for action in actions if isinstance(action, Remove)}
    actions += [Remove(name) for name in sorted(leaving) if name not in going]
    return Plan(
        tuple(a for a in actions if not isinstance(a, Move) or a.threads),
        placed,
        waiting,
        foreign,
        unsure,
    )


def _foreign_mon_groups(cells: Iterable[Cell], observed: Observed) -> dict[GroupKey, tuple[MonGroupName, ...]]:
    """Return the mon_groups of others that hold threads of each group.

    Their counters are no figure of the group, whatever `tasks` lists now. The lines of threads that were there before
    keep the RMID, and so do their write-backs. A thread that comes and goes between two scans leaves no trace.
    """
    holder = {tid: where for where in observed.foreign_mon_groups for tid in observed.mon_groups[where]}
    found: defaultdict[GroupKey, set[MonGroupName]] = defaultdict(set)
    for cell in cells:
        holders = {holder[tid] for tid in cell.tids & holder.keys()}
        for key in cell.members if holders else ():
            found[key] |= holders
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _fill(part: CellPart, where: MonGroupName, observed: Observed) -> Move:
    held = observed.mon_groups.get(where, frozenset())
    return Move(where, tuple(sorted((t for t in part.threads if t.tid not in held), key=lambda t: t.tid)))


def _exchange(
    placed: Mapping[CellPart, MonGroupName],
    leaving: Iterable[MonGroupName],
    observed: Observed,
    limit: int,
    rooms: Mapping[str, int],
) -> Iterator[Action]:
    """Make and fill new mon_groups; before that, remove others where room is needed, emptiest first."""
    own = Counter(name.control_group for name in observed.own_mon_groups)
    free = {where: rooms[where] - own[where] for where in rooms}
    total = limit - own.total()
    going = sorted(leaving, key=lambda name: (len(observed.mon_groups[name]), name))
    for part, where in placed.items():
        if where in observed.mon_groups:
            continue
        home = where.control_group
        while total <= 0 or free.get(home, 1) <= 0:
            crowded = free.get(home, 1) <= 0
            making_room = next((name for name in going if not crowded or name.control_group == home), None)
            if making_room is None:
                break
            going.remove(making_room)
            yield Remove(making_room)
            total += 1
            if making_room.control_group in free:
                free[making_room.control_group] += 1
        yield Create(where)
        yield _fill(part, where, observed)
        total -= 1
        if home in free:
            free[home] -= 1


def _place(parts: Sequence[CellPart], observed: Observed, held_for: Holders) -> dict[CellPart, MonGroupName]:
    """Give every part a mon_group: the one it had, else the one that holds most of its threads, else a new one.

    The one it had comes first, because new threads inherit the mon_group of the thread that made them: vCPUs plugged
    two at a time would outnumber QEMU's main thread in its mon_group.
    """
    holding = {tid: name for name, tids in observed.mon_groups.items() if name.is_ours for tid in tids}
    candidates: list[tuple[bool, int, MonGroupName, int]] = []
    for index, part in enumerate(parts):
        overlaps = Counter(holding[thread.tid] for thread in part.threads if thread.tid in holding)
        candidates += [
            (held_for.get(name) != part.cell.members, -overlap, name, index)
            for name, overlap in overlaps.items()
            if name.control_group == part.control_group
        ]
    chosen: dict[int, MonGroupName] = {}
    used: set[MonGroupName] = set()
    for _, _, name, index in sorted(candidates):
        if index not in chosen and name not in used:
            chosen[index] = name
            used.add(name)
    used |= observed.mon_groups.keys()
    fresh: dict[tuple[str, str], Iterator[MonGroupName]] = {}
    for index, part in enumerate(parts):
        if index not in chosen:
            names = fresh.setdefault((part.control_group, part.cell.owner_uid), _names(part))
            chosen[index] = next(name for name in names if name not in used)
    return {part: chosen[index] for index, part in enumerate(parts)}


def _names(part: CellPart) -> Iterator[MonGroupName]:
    """The names that mon_groups of a QEMU get in a control group, in order."""
    return (MonGroupName(part.control_group, f"{OWN_PREFIX}{part.cell.owner_uid}-{number}") for number in count())


def _releases(
    placed: Mapping[CellPart, MonGroupName], observed: Observed, known_threads: Iterable[Thread]
) -> list[Release]:
    """Release threads that are in a mon_group of ours but in no cell: QEMU's new threads inherit a mon_group."""
    belonging = {thread.tid for part in placed for thread in part.threads}
    known = {thread.tid: thread for thread in known_threads}
    straying: defaultdict[str, list[Thread]] = defaultdict(list)
    for where in sorted(set(placed.values())):
        for tid in sorted(observed.mon_groups.get(where, frozenset()) - belonging):
            if tid in known:
                straying[where.control_group].append(known[tid])
    return [Release(group, tuple(threads)) for group, threads in straying.items()]
