"""Which objects this node has a part in, from what the API server said. No I/O."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachemon.agent.layout import Target
from cachemon.model.api import ObjectName, parse_cache_monitor_group

__all__ = ["Departures", "as_wanted", "targets_of", "what_binds"]

_OUR_STATUS = frozenset({"observedTime", "summary", "groups", "conditions"})


def targets_of(node_name: str, *watched: Mapping[ObjectName, Mapping[str, Any]]) -> tuple[Target, ...]:
    """The targets of a node, oldest object first.

    Args:
        node_name: this node.
        watched: objects by name as the watches have them (bound to the node; about to migrate to it). An object
            may be in several, of different age: the newest one counts.
    """
    newest: dict[ObjectName, Mapping[str, Any]] = {}
    for objects in watched:
        for name, obj in objects.items():
            if name not in newest or _version(obj) > _version(newest[name]):
                newest[name] = obj
    targets = (_target(node_name, obj) for obj in newest.values())
    return tuple(sorted(_having_a_part(targets), key=lambda t: (t.object.created, t.object.name)))


def what_binds(obj: Mapping[str, Any]) -> object:
    """What of an object concerns its targets: not the part of its status that agents write, many times a second."""
    status = {key: value for key, value in obj.get("status", {}).items() if key not in _OUR_STATUS}
    return obj["metadata"]["uid"], obj["metadata"]["generation"], status


def as_wanted(target: Target) -> Target:
    """A target without what is only told of it: two that are equal then want the same of the kernel."""
    told_anew = replace(target.object, resource_version="", observed_time="", conditions={}, raw_conditions=())
    return replace(target, object=told_anew)


class Departures:
    """Keeps the mon_groups of objects that seem to have left, for a moment.

    A migration that ends takes its object out of one watch of the target's agent and into the other, in any order.
    If it were in neither for a moment, its mon_groups would be made anew: other RMIDs, an occupancy from zero on.

    Args:
        seconds: how long an object is waited for.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._present: Sequence[Target] = ()
        self._leaving: dict[str, tuple[Target, float]] = {}

    def waited_for(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """The targets there are, and after them those that have just left: they report no more."""
        now = self._clock()
        uids = {target.object.uid for target in targets}
        until = now + self._seconds
        self._leaving |= {t.object.uid: (replace(t, reports=False), until) for t in self._present}
        self._leaving = {
            uid: (target, end) for uid, (target, end) in self._leaving.items() if uid not in uids and now < end
        }
        self._present = targets
        return (*targets, *(target for target, _ in self._leaving.values()))

    def ends_in(self) -> float:
        """Seconds until the first of them is waited for no more; infinite without any."""
        return min((end for _, end in self._leaving.values()), default=math.inf) - self._clock()


def _version(obj: Mapping[str, Any]) -> int:
    """The resourceVersions of one kind are comparable numbers (KEP-5504, Kubernetes 1.35)."""
    version = obj["metadata"]["resourceVersion"]
    return int(version) if version.isdecimal() else 0


def _target(node_name: str, obj: Mapping[str, Any]) -> Target:
    group = parse_cache_monitor_group(obj)
    pods = tuple(placement.pod_uid for placement in group.placements if placement.node_name == node_name)
    return Target(group, pods, reports=group.node_name == node_name)


def _having_a_part(targets: Iterable[Target]) -> Iterable[Target]:
    return (target for target in targets if target.reports or target.pod_uids)
