"""Select the objects that concern this node from the watched ones. No I/O."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachemon.engine.guest_windows import WindowGuest
from cachemon.engine.layout import Layout, Target, TargetLayout
from cachemon.model.api import (
    MONITORED,
    ROLE_MIGRATION_TARGET,
    UNDISTURBED,
    CacheMonitorGroup,
    ObjectName,
    parse_cache_monitor_group,
)
from cachemon.model.conditions import known_transitions
from cachemon.model.group_limit import GroupDemand, groups_allowed
from cachemon.model.live_figures import live_value
from cachemon.model.resource_versions import version_number

BoundTarget = Target[CacheMonitorGroup]
"""A CacheMonitorGroup that the operator has bound to this node; `owner_uids` are the pods of its VMI here.

For annotations alone: Python 3.11 can't call an alias of a frozen class with slots.
"""
BoundTargetLayout = TargetLayout[CacheMonitorGroup]
BoundLayout = Layout[CacheMonitorGroup]


def parse_bound_group(obj: Mapping[str, Any]) -> CacheMonitorGroup:
    """Parse a CacheMonitorGroup; of its status, keep what the agent's next write continues.

    That is when the conditions of agents last changed, and what was usual for the VMI on its nodes. Of its
    annotations, keep the one by which a person asks for fresh figures.
    """
    group = parse_cache_monitor_group(obj)
    ours = tuple(item for item in known_transitions(group.raw_conditions) if item["type"] in (MONITORED, UNDISTURBED))
    typical = obj.get("status", {}).get("typical")
    return replace(
        group,
        conditions={},
        raw_conditions=ours,
        raw_typical=tuple(typical) if isinstance(typical, list) else (),
        live_value=live_value(obj),
    )


def targets_of(node_name: str, *watched: Mapping[ObjectName, CacheMonitorGroup]) -> tuple[BoundTarget, ...]:
    """The targets of a node, oldest object first.

    `watched` has the objects of each watch (bound to the node; about to migrate to it). The newest version of an
    object counts.
    """
    newest: dict[ObjectName, CacheMonitorGroup] = {}
    for objects in watched:
        for name, group in objects.items():
            if name not in newest or _version(group) > _version(newest[name]):
                newest[name] = group
    targets = (_target(node_name, group) for group in newest.values())
    return tuple(sorted(_concerned(targets), key=lambda t: (t.object.created, t.object.name)))


def limited(targets: Sequence[BoundTarget]) -> tuple[BoundTarget, ...]:
    """The targets with at most the allowed number of groups for each VMI; `refused` has the others."""
    counts = groups_allowed(
        GroupDemand(
            target.object.uid,
            target.object.guest_name,
            not target.object.policy,
            target.object.created,
            target.object.name.name,
            len(target.object.groups),
        )
        for target in targets
    )
    return tuple(_limited(target, counts[target.object.uid]) for target in targets)


def _limited(target: BoundTarget, groups: int) -> BoundTarget:
    obj = target.object
    if groups == len(obj.groups):
        return target
    return replace(target, object=replace(obj, groups=obj.groups[:groups]), refused=obj.groups[groups:])


def is_handing_over(layout: BoundTargetLayout) -> bool:
    """Whether the guest has left by a live migration that the API does not show yet.

    With KubeVirt v1.9 the source's QEMU ends up to a second before the VMI names the target. Its threads go one by
    one while /proc still lists the process.
    """
    return _is_migrating(layout) and not layout.has_all_vcpus


def vmis_of(layout: BoundLayout) -> dict[ObjectName, str]:
    """Every VMI of a layout, and the name of its guest."""
    return {target.object.vmi: target.object.guest_name for target in layout.targets}


def judged_guests(layout: BoundLayout) -> dict[str, WindowGuest]:
    """The VMs to judge, as `namespace/name`, by the name of the guest. One that migrates is unsteady."""
    return {
        target.object.guest_name: WindowGuest(
            str(target.object.vmi), is_unsteady=not target.target.reports or _is_migrating(target)
        )
        for target in layout.targets
    }


def _is_migrating(layout: BoundTargetLayout) -> bool:
    return any(placement.role == ROLE_MIGRATION_TARGET for placement in layout.object.placements)


class Departures:
    """Keeps the mon_groups of objects that seem to have left for some seconds longer.

    The end of a migration moves the object from one watch of the target's agent to the other, in any order. Without
    this delay an object in neither watch would lose its mon_groups: new ones have other RMIDs and start at zero.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._present: Sequence[BoundTarget] = ()
        self._leaving: dict[str, tuple[BoundTarget, float]] = {}

    def with_departed(self, targets: Sequence[BoundTarget]) -> tuple[BoundTarget, ...]:
        """The present targets, then those that have just left, which report no longer."""
        now = self._clock()
        uids = {target.object.uid for target in targets}
        until = now + self._seconds
        gone = (target for target in self._present if target.object.uid not in uids)
        self._leaving |= {target.object.uid: (replace(target, reports=False), until) for target in gone}
        self._leaving = {
            uid: (target, end) for uid, (target, end) in self._leaving.items() if uid not in uids and now < end
        }
        self._present = targets
        return (*targets, *(target for target, _ in self._leaving.values()))

    def ends_in(self) -> float:
        """Seconds until the first departed object expires; infinite without any."""
        return min((end for _, end in self._leaving.values()), default=math.inf) - self._clock()


def _version(group: CacheMonitorGroup) -> int:
    try:
        return version_number(group.resource_version)
    except ValueError:
        return 0


def _target(node_name: str, group: CacheMonitorGroup) -> BoundTarget:
    pods = tuple(placement.pod_uid for placement in group.placements if placement.node_name == node_name)
    return Target(group, pods, reports=group.node_name == node_name)


def _concerned(targets: Iterable[BoundTarget]) -> Iterable[BoundTarget]:
    return (target for target in targets if target.reports or target.owner_uids)
