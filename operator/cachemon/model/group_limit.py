"""How many groups one VM may have, over all objects that want some of it. Pure.

A group costs series, a place in the status and time at every sample, also where it shares all its cells with others
and costs no RMID. Whoever may write objects may write any number of them, so the bound is the VM's, not an object's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["MOST_GROUPS", "Claim", "admitted"]

MOST_GROUPS = 64
"""Of one VM. One object may have as many (`spec.groups` of crds/cachemonitorgroups.yaml)."""


class Claim(NamedTuple):
    """An object that wants groups of a VM.

    Attributes:
        uid: of the object.
        vm: the VM, by whatever names it.
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


def admitted(claims: Iterable[Claim], most: int = MOST_GROUPS) -> Mapping[str, int]:
    """How many of its groups each object gets, by uid: the first ones, in the object's own order.

    Nothing but the claims counts, and an object that comes takes nothing from one that goes before it.
    """
    left: defaultdict[str, int] = defaultdict(lambda: most)
    found: dict[str, int] = {}
    for claim in sorted(claims, key=lambda claim: (claim.by_person, claim.created, claim.name, claim.uid)):
        found[claim.uid] = min(claim.groups, left[claim.vm])
        left[claim.vm] -= found[claim.uid]
    return found
