"""How many groups one VM may have, over all objects that want groups of it. Pure.

A group costs series, room in the status and time at every sample, even if it shares all its cells with others and
costs no RMID. A user may write any number of objects, so the limit is per VM, not per object.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_GROUPS = 64
"""Of one VM. One object may have as many (`spec.groups` of crds/cachemonitorgroups.yaml)."""


class GroupDemand(NamedTuple):
    """The groups that one object wants of a VM.

    Attributes:
        uid: of the object.
        vm: names the VM.
        by_person: False for an object that a policy stamped. Those go first.
        created: RFC 3339. The older object goes first.
        name: of the object; decides between objects of one second.
        groups: how many it wants.
    """

    uid: str
    vm: str
    by_person: bool
    created: str
    name: str
    groups: int


def groups_allowed(demands: Iterable[GroupDemand], most: int = MOST_GROUPS) -> Mapping[str, int]:
    """The number of groups that each object gets, by uid: the first ones, in the object's own order.

    Only the demands count, and a new object takes nothing from one that goes before it.
    """
    left: defaultdict[str, int] = defaultdict(lambda: most)
    found: dict[str, int] = {}
    for demand in sorted(demands, key=lambda demand: (demand.by_person, demand.created, demand.name, demand.uid)):
        found[demand.uid] = min(demand.groups, left[demand.vm])
        left[demand.vm] -= found[demand.uid]
    return found
