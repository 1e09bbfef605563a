"""The states of nodes and VMs. Each is computed again when its objects change or its figures become stale."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, TypeVar

from cachemon.model.age import Age, stale_after
from cachemon.plugin.node_usage import node_age
from cachemon.plugin.page_nodes import node_state
from cachemon.plugin.page_vms import vm_state
from cachemon.plugin.usage import figures_time, group_age
from cachemon.plugin.verdict_objects import vmi_name
from cachemon.web.page_state import NodeState, VmState
from cachemon.web.places import places_after

T = TypeVar("T")
Objects = tuple[Mapping[str, Any], ...]
"""The objects of one entry, as the API server hands them out."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """A state, and for how long it holds.

    Attributes:
        objects: it was computed from these.
        good_until: when figures become stale next, in seconds since the epoch.
        state: the state.
    """

    objects: Objects
    good_until: float
    state: T


@dataclass(slots=True)
class FleetStates:
    """What is known of nodes and VMs.

    Attributes:
        namespace: the only one that is shown; empty for all.
        nodes, vms: states by name. Those that did not change stay the same objects.
    """

    namespace: str
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    vms: Mapping[str, VmState] = field(default_factory=dict)
    _nodes: dict[str, _Entry[NodeState]] = field(default_factory=dict)
    _vms: dict[str, _Entry[VmState]] = field(default_factory=dict)
    _sees_nodes: bool = True

    def update(
        self, groups: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]], now: float, *, sees_nodes: bool
    ) -> dict[str, Objects]:
        """Bring the states up to date.

        Args:
            groups: all CacheMonitorGroups.
            nodes: all CacheMonitorNodes.
            now: seconds since the epoch.
            sees_nodes: whether this person may read nodes; else verdicts come from groups.

        Returns:
            The objects of each VM whose state is new or different.
        """
        if sees_nodes != self._sees_nodes:
            self._sees_nodes = sees_nodes
            self._vms = {name: _Entry((), it.good_until, it.state) for name, it in self._vms.items()}
        by_node = {node["metadata"]["name"]: (node,) for node in nodes}
        self._nodes = _renewed(self._nodes, by_node, now, self._node_state, _node_stale_at)
        self.nodes = {name: entry.state for name, entry in self._nodes.items()}
        before = self._vms
        self._vms = _renewed(before, _by_vm(groups), now, self._vm_state, _vm_stale_at)
        self.vms = {name: entry.state for name, entry in self._vms.items()}
        return {name: entry.objects for name, entry in self._vms.items() if before.get(name) is not entry}

    def _node_state(self, name: str, objects: Objects, now: float) -> NodeState:
        del name
        return node_state(objects[0], now, self.namespace)

    def _vm_state(self, name: str, objects: Objects, now: float) -> VmState:
        known = self.vms.get(name)
        state = vm_state(objects, now, shows_verdicts=not self._sees_nodes)
        state["places"] = places_after(known["places"] if known else (), state["node"], now)
        return state


def _by_vm(groups: Iterable[Mapping[str, Any]]) -> dict[str, Objects]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for obj in groups:
        found[vmi_name(obj)].append(obj)
    return {name: _by_name(objects) for name, objects in found.items()}


def _by_name(objects: Sequence[Mapping[str, Any]]) -> Objects:
    return tuple(sorted(objects, key=lambda obj: str(obj["metadata"]["name"])) if len(objects) > 1 else objects)


def _renewed(
    known: Mapping[str, _Entry[T]],
    objects: Mapping[str, Objects],
    now: float,
    compute: Callable[[str, Objects, float], T],
    stale_at: Callable[[Objects, float], float],
) -> dict[str, _Entry[T]]:
    found = {}
    for name, of_name in objects.items():
        entry = known.get(name)
        if entry is None or now > entry.good_until or not _are_same(entry.objects, of_name):
            state = compute(name, of_name, now)
            if entry is not None and entry.state == state:
                state = entry.state
            entry = _Entry(of_name, stale_at(of_name, now), state)
        found[name] = entry
    return found


def _are_same(one: Objects, other: Objects) -> bool:
    return len(one) == len(other) and all(left is right for left, right in zip(one, other, strict=True))


def _node_stale_at(objects: Objects, now: float) -> float:
    return min(_stale_at(figures_time(it), node_age(it, now), now) for it in objects)


def _vm_stale_at(objects: Objects, now: float) -> float:
    return min(_stale_at(figures_time(it), group_age(it, now), now) for it in objects)


def _stale_at(time: float | None, age: Age | None, now: float) -> float:
    """When figures become stale; never for those that are."""
    if time is None or age is None or age.is_stale:
        return inf
    return max(now, time + stale_after(age.period_seconds))
