"""Mon_groups of other programs whose own figures a tenant may see, beside a group that these hold threads of. Pure.

runc (`enableMonitoring`) and nri-plugins' resctrl-mon make one for each container or pod. Its figures are never the
group's: lines of threads that have left keep its RMID. They are shown as the mon_group's own, and only if it lists
nothing but threads of the VMI's pods. Else the figures would show what other tenants use.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from cachemon.model.mon_groups import MonGroupName


class Holds(StrEnum):
    """The threads of a mon_group, compared with those of a monitoring group. `holds` in the API."""

    EXACTLY_THE_GROUP = "ExactlyTheGroup"
    PART_OF_THE_GROUP = "PartOfTheGroup"
    GROUP_AND_OTHERS = "GroupAndOthers"
    PART_AND_OTHERS = "PartAndOthers"


@dataclass(frozen=True, slots=True)
class MonGroupContent:
    """What a mon_group of another program counts.

    Attributes:
        identity: inode of its directory.
        tids: its threads.
        pods: UIDs of their pods; None is the pod of a thread that belongs to no pod.
        version: another number after each change of `identity` or `tids`.
    """

    identity: int
    tids: frozenset[int]
    pods: frozenset[str | None]
    version: int


@dataclass(frozen=True, slots=True)
class ForeignMonGroup:
    """A mon_group of another program that is shown beside a monitoring group.

    Attributes:
        where: the mon_group.
        content: as of the last check.
        holds: its threads, compared with the group's.
    """

    where: MonGroupName
    content: MonGroupContent
    holds: Holds


def shown_beside(
    where: MonGroupName, content: MonGroupContent, group_tids: AbstractSet[int], pods: Collection[str]
) -> ForeignMonGroup | None:
    """Return what is shown of a mon_group beside a monitoring group; None if that is nothing.

    Args:
        where: the mon_group.
        content: what it counts.
        group_tids: the threads of the monitoring group.
        pods: UIDs of the VMI's pods.
    """
    if not content.pods.issubset(pods) or content.tids.isdisjoint(group_tids):
        return None
    return ForeignMonGroup(where, content, _compared(content.tids, group_tids))


def _compared(tids: AbstractSet[int], group_tids: AbstractSet[int]) -> Holds:
    if tids == group_tids:
        return Holds.EXACTLY_THE_GROUP
    if tids < group_tids:
        return Holds.PART_OF_THE_GROUP
    return Holds.GROUP_AND_OTHERS if tids > group_tids else Holds.PART_AND_OTHERS
