"""Cells: the threads of one QEMU that belong to exactly the same monitoring groups.

A thread can be in one mon_group only, yet monitoring groups may overlap. So each QEMU's threads are
split into cells, every cell gets a mon_group, and a group's figure is the sum of its cells'. The sum is
exact: every cache line and every byte of traffic carries the RMID of one cell.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.threads import Qemu, Thread


@dataclass(frozen=True, slots=True)
class Wish:
    """A monitoring group of one object, as the split sees it.

    Attributes:
        key: which group.
        group: what it wants.
        priority: `spec.priority` of its object; higher keeps RMIDs longer.
        created: creationTimestamp of its object.
        namespace: of its object.
    """

    key: GroupKey
    group: MonitoringGroup
    priority: int
    created: str
    namespace: str


def ranked(wishes: Iterable[Wish]) -> tuple[Wish, ...]:
    """The wishes in the order in which they are served when there is too little for all.

    By priority. At equal priority the namespaces take turns: the oldest group of each, then the second oldest of
    each, and so on; in one turn the older group goes first. So no namespace takes all by having many groups, or old
    ones, and a new group is never served before an older one of its own namespace. Nothing but the wishes counts:
    the order is the same at every pass, whatever came and went in between.
    """
    turns: Counter[tuple[int, str]] = Counter()
    places: list[tuple[int, int, str, GroupKey, Wish]] = []
    for wish in sorted(wishes, key=lambda wish: (wish.created, wish.key)):
        turn = turns[wish.priority, wish.namespace]
        turns[wish.priority, wish.namespace] += 1
        places.append((-wish.priority, turn, wish.created, wish.key, wish))
    return tuple(wish for *_, wish in sorted(places, key=lambda place: place[:4]))


@dataclass(frozen=True, slots=True)
class Cell:
    """Threads of one QEMU with the same membership.

    Attributes:
        owner_uid: whose QEMU it is: the pod, or the libvirt domain.
        qemu_pid: its process.
        members: the groups that all of the threads belong to; never empty.
        threads: at least one.
    """

    owner_uid: str
    qemu_pid: int
    members: frozenset[GroupKey]
    threads: frozenset[Thread]

    @property
    def tids(self) -> frozenset[int]:
        """The thread ids."""
        return frozenset(thread.tid for thread in self.threads)


def split(qemu: Qemu, wishes: Iterable[Wish]) -> tuple[Cell, ...]:
    """The cells of one QEMU, in the order of their smallest TID. Threads nobody wants are in none."""
    by_membership: defaultdict[frozenset[GroupKey], set[Thread]] = defaultdict(set)
    wishes = tuple(wishes)
    for thread in qemu.threads:
        members = frozenset(wish.key for wish in wishes if wish.group.wants(thread))
        if members:
            by_membership[members].add(thread)
    cells = (
        Cell(qemu.owner_uid, qemu.pid, members, frozenset(threads)) for members, threads in by_membership.items()
    )
    return tuple(sorted(cells, key=lambda cell: min(cell.tids)))


def cells_of_groups(cells: Iterable[Cell]) -> Mapping[GroupKey, tuple[Cell, ...]]:
    """Each group's cells."""
    found: defaultdict[GroupKey, list[Cell]] = defaultdict(list)
    for cell in cells:
        for key in cell.members:
            found[key].append(cell)
    return {key: tuple(items) for key, items in found.items()}
