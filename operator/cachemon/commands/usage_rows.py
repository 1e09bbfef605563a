"""Who uses how much: the rows of both tops. Pure.

A sum is shown only if no part of it is missing or counted twice; else there is a reason, or `at_least`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from cachemon.model.age import Age

OMITTED = "Omitted"
"""The reason of a group whose figures are left out of a status that would be too large to store."""

Identity = tuple[str | int, ...]
"""What makes a row of one kind itself, in the order of names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow(ABC):
    """What every row has.

    Attributes:
        occupancy: bytes, None where there is no number that holds now.
        capacity: bytes of the caches that it is measured in; None where the kernel does not say.
        age: of the figures, also of stale ones, which are not shown; None where there are none.
        observed: when they were read, in seconds since the epoch by the clock of who read them; None as for `age`.
        reason: why a number is missing or not all; empty when all is well.
    """

    occupancy: int | None
    capacity: int | None
    age: Age | None
    observed: float | None = None
    reason: str

    @property
    def share(self) -> float | None:
        """Occupancy as a part of the capacity, 0 to 1."""
        return self.occupancy / self.capacity if self.occupancy is not None and self.capacity else None

    @property
    @abstractmethod
    def identity(self) -> Identity:
        """What no other row of the table has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow(UsageRow):
    """One monitoring group.

    Attributes:
        namespace, node: where it is on KubeVirt; empty on a libvirt host.
        guest: its VMI or domain.
        source: the CacheMonitorGroup that asks for it, or who keeps it on a libvirt host.
        group: its name.
        bandwidth: bytes per second, None where there is no number that holds now.
        local: its part with the memory of the cache's own NUMA node.
        threads: its vCPUs and thread classes, to find groups that overlap.
    """

    namespace: str = ""
    guest: str
    source: str
    group: str
    node: str = ""
    bandwidth: int | None
    local: int | None
    threads: frozenset[str]

    @property
    def identity(self) -> Identity:
        """Two objects may each have a group of the same name."""
        return (self.namespace, self.guest, self.source, self.group, self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRow(UsageRow):
    """One VMI or domain: groups that share no thread, summed up.

    Attributes:
        namespace, guest, node, bandwidth, local: as in GroupRow.
        at_least: whether overlapping groups leave some threads out of the sum.
    """

    namespace: str = ""
    guest: str
    node: str = ""
    bandwidth: int | None
    local: int | None
    at_least: bool

    @property
    def identity(self) -> Identity:
        """It may move to another node."""
        return (self.namespace, self.guest)


def sum_known(values: Iterable[int | None]) -> int | None:
    """The sum, or None when there is none or a part is missing."""
    total = 0
    found = False
    for value in values:
        if value is None:
            return None
        total += value
        found = True
    return total if found else None


def guest_rows(groups: Iterable[GroupRow]) -> list[GuestRow]:
    """The groups by guest. Of groups that overlap the larger one counts; `at_least` if that leaves threads out."""
    ordered = sorted(groups, key=lambda row: (row.namespace, row.guest))
    return [_guest_row(list(found)) for _, found in groupby(ordered, key=lambda row: (row.namespace, row.guest))]


def _guest_row(members: Sequence[GroupRow]) -> GuestRow:
    counted = disjoint_rows(members)
    everything = frozenset().union(*(row.threads for row in members))
    covered = frozenset().union(*(row.threads for row in counted))
    ages = [row.age for row in members if row.age is not None]
    return GuestRow(
        namespace=members[0].namespace,
        guest=members[0].guest,
        node=next((row.node for row in members if row.node), ""),
        occupancy=sum_known(row.occupancy for row in counted),
        bandwidth=sum_known(row.bandwidth for row in counted),
        local=sum_known(row.local for row in counted),
        capacity=max((row.capacity for row in members if row.capacity is not None), default=None),
        reason=next((row.reason for row in members if row.reason), ""),
        age=max(ages, key=lambda age: (bool(age.problem), age.seconds), default=None),
        observed=min((row.observed for row in members if row.observed is not None), default=None),
        at_least=bool(counted) and (covered != everything or any(row.reason == OMITTED for row in members)),
    )


def disjoint_rows(members: Sequence[GroupRow]) -> list[GroupRow]:
    """Groups with figures, the largest first, that share no thread: their sum counts nothing twice."""
    counted: list[GroupRow] = []
    taken: frozenset[str] = frozenset()
    with_figures = [row for row in members if row.occupancy is not None]
    for row in sorted(with_figures, key=lambda row: (-len(row.threads), -(row.occupancy or 0), row.group)):
        if taken.isdisjoint(row.threads):
            counted.append(row)
            taken |= row.threads
    return counted
