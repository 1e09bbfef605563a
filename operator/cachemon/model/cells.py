"""Cells: the threads of one QEMU that belong to exactly the same monitoring groups.

A thread can be in one mon_group only, yet monitoring groups may overlap. So each QEMU's threads are
split into cells, every cell gets a mon_group, and a group's figure is the sum of its cells'. The sum is
exact: every cache line and every byte of traffic carries the RMID of one cell.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.threads import Qemu, Thread, ThreadClass


@dataclass(frozen=True, slots=True)
class RankedGroup:
    """A monitoring group of one object, and what decides its rank.

    Attributes:
        key: its object and name.
        group: the threads that it wants.
        priority: `spec.priority` of its object; higher keeps RMIDs longer.
        created: creationTimestamp of its object.
        namespace: of its object.
    """

    key: GroupKey
    group: MonitoringGroup
    priority: int
    created: str
    namespace: str


def by_rank(groups: Iterable[RankedGroup]) -> tuple[RankedGroup, ...]:
    """The groups in the order in which they are served when there is too little for all.

    By priority. At equal priority the namespaces take turns: the oldest group of each, then the second oldest of
    each, and so on; in one turn the older group goes first. So no namespace takes all by having many groups, or old
    ones, and a new group is never served before an older one of its own namespace. Nothing but the groups counts:
    the order is the same at every pass, whatever came and went in between.
    """
    turns: Counter[tuple[int, str]] = Counter()
    ranks: list[tuple[int, int, str, GroupKey, RankedGroup]] = []
    for group in sorted(groups, key=lambda group: (group.created, group.key)):
        turn = turns[group.priority, group.namespace]
        turns[group.priority, group.namespace] += 1
        ranks.append((-group.priority, turn, group.created, group.key, group))
    return tuple(group for *_, group in sorted(ranks, key=lambda rank: rank[:4]))


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


def split(qemu: Qemu, groups: Iterable[RankedGroup]) -> tuple[Cell, ...]:
    """The cells of one QEMU, in the order of their smallest TID. Threads that no group wants are in none.

    Takes time by the number of threads and of ranges. A membership is a number with a bit for each group.
    """
    groups = tuple(groups)
    by_membership: defaultdict[int, set[Thread]] = defaultdict(set)
    for thread, bits in _memberships(qemu.threads, [group.group for group in groups]):
        by_membership[bits].add(thread)
    by_membership.pop(0, None)
    cells = (
        Cell(qemu.owner_uid, qemu.pid, _members(bits, groups), frozenset(threads))
        for bits, threads in by_membership.items()
    )
    return tuple(sorted(cells, key=lambda cell: min(cell.tids)))


def _memberships(threads: Iterable[Thread], groups: Sequence[MonitoringGroup]) -> Iterator[tuple[Thread, int]]:
    """Each thread with the bits of the groups that want it.

    A sweep over the vCPUs: the bits change only where a range begins or ends.
    """
    all_vcpus = sum(1 << place for place, group in enumerate(groups) if group.all_vcpus)
    of_class = {
        each: sum(1 << place for place, group in enumerate(groups) if each in group.threads) for each in ThreadClass
    }
    edges = deque(
        sorted(
            (edge, 1 << place)
            for place, group in enumerate(groups)
            if group.vcpus and not group.all_vcpus
            for each in group.vcpus.ranges
            for edge in (each.start, each.stop)
        )
    )
    numbered: list[tuple[int, Thread]] = []
    for thread in threads:
        if thread.thread_class is not ThreadClass.VCPU:
            yield thread, of_class[thread.thread_class]
        elif thread.vcpu is None:
            yield thread, all_vcpus
        else:
            numbered.append((thread.vcpu, thread))
    bits = all_vcpus
    for vcpu, thread in sorted(numbered, key=itemgetter(0)):
        while edges and edges[0][0] <= vcpu:
            bits ^= edges.popleft()[1]
        yield thread, bits


def _members(bits: int, groups: Sequence[RankedGroup]) -> frozenset[GroupKey]:
    members: list[GroupKey] = []
    while bits:
        lowest = bits & -bits
        members.append(groups[lowest.bit_length() - 1].key)
        bits ^= lowest
    return frozenset(members)
