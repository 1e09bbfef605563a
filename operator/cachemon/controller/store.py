"""What the operator knows: VMIs, launcher pods, groups and node agents, by name. No I/O.

News comes in any order: from a watch, from a watch that lists again, from our own lists, from answers to our own
writes. Every object carries the resourceVersion of its last change; within one resource these can be compared as
numbers (KEP-5504; every API server that stores in etcd has done so before). Older news is ignored, so the store
ends up the same in whatever order it hears.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachemon.controller.decision import Decision, StoredGroup, decide, parse_stored_group
from cachemon.controller.node_agent import parse_node_agent
from cachemon.controller.vmi import LauncherPod, parse_pod, parse_vmi
from cachemon.model.api import GROUPS, NODES, PODS, VMIS, ObjectName, Resource, name_of

__all__ = ["Change", "Collection", "Store"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """An object before and after; None where it was not, or is no more."""

    name: ObjectName
    before: T | None
    after: T | None


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    version: int
    value: T


class Collection(Generic[T]):
    """The objects of one resource, as values.

    Args:
        parse: from the object as the API has it to the value.
    """

    def __init__(self, parse: Callable[[Mapping[str, Any]], T]) -> None:
        self._parse = parse
        self._items: dict[ObjectName, _Item[T]] = {}
        self._removed: dict[ObjectName, int] = {}
        self._listed = 0

    def __len__(self) -> int:
        return len(self._items)

    def get(self, name: ObjectName) -> T | None:
        """The value, or None."""
        item = self._items.get(name)
        return None if item is None else item.value

    def values(self) -> list[T]:
        """All values; may be called from another thread."""
        return [item.value for item in list(self._items.values())]

    def put(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """An object as it is now; None when that is old news."""
        name, version = name_of(obj), _version_of(obj)
        known = self._items.get(name)
        newest = known.version if known else max(self._listed, self._removed.get(name, 0))
        if version <= newest:
            return None
        self._removed.pop(name, None)
        self._items[name] = _Item(version, self._parse(obj))
        return Change(name, known.value if known else None, self._items[name].value)

    def remove(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """An object as it was deleted, with the resourceVersion of that; None when that is old news."""
        name, version = name_of(obj), _version_of(obj)
        known = self._items.get(name)
        if known and version < known.version:
            return None
        self._removed[name] = max(version, self._removed.get(name, 0))
        if known is None:
            return None
        del self._items[name]
        return Change(name, known.value, None)

    def replace(self, objects: Iterable[Mapping[str, Any]], version: int) -> list[Change[T]]:
        """A complete list, as of `version`: what is not in it is gone, unless we heard of it later.

        Lists are made one after another, so a version that goes down means another history (etcd restored from
        a backup): then the list is all that is known.
        """
        if version < self._listed:
            self._removed.clear()
            self._items = {name: _Item(0, item.value) for name, item in self._items.items()}
        self._listed = 0  # what the list has may have changed long before the list before it
        objects = list(objects)
        changes = [change for obj in objects if (change := self.put(obj)) is not None]
        absent = self._items.keys() - {name_of(obj) for obj in objects}
        gone = sorted(name for name in absent if self._items[name].version <= version)
        changes += [Change(name, self._items.pop(name).value, None) for name in gone]
        self._listed = version
        self._removed = {name: at for name, at in self._removed.items() if at > version}
        return changes


class _Index:
    """Names of objects by something that they name."""

    def __init__(self) -> None:
        self._names: defaultdict[object, set[ObjectName]] = defaultdict(set)

    def __getitem__(self, key: object) -> Iterable[ObjectName]:
        return self._names.get(key, ())

    def move(self, name: ObjectName, before: object, after: object) -> None:
        """The object named `before` and names `after` now; None is nothing."""
        if before is not None:
            self._names[before].discard(name)
            if not self._names[before]:
                del self._names[before]
        if after is not None:
            self._names[after].add(name)


class Store:
    """All of it, and which groups have to be looked at again.

    Attributes:
        groups: the CacheMonitorGroups.
        on_dirty: called whenever a group has become dirty.
        on_group: called whenever a group has come, changed or gone.
    """

    def __init__(self) -> None:
        self.groups = Collection(parse_stored_group)
        self._vmis = Collection(parse_vmi)
        self._pods = Collection(parse_pod)
        self._agents = Collection(parse_node_agent)
        self._collections: Mapping[Resource, Collection[Any]] = {
            GROUPS: self.groups,
            VMIS: self._vmis,
            PODS: self._pods,
            NODES: self._agents,
        }
        self._groups_of_vmi = _Index()
        self._groups_on_node = _Index()
        self._pods_of_vmi = _Index()
        self._dirty: dict[ObjectName, None] = {}
        self.on_dirty: Callable[[], None] = lambda: None
        self.on_group: Callable[[Change[StoredGroup]], None] = lambda _: None

    @property
    def dirty(self) -> Mapping[ObjectName, None]:
        """The groups to look at, longest waiting first."""
        return self._dirty

    def mark(self, names: Iterable[ObjectName]) -> None:
        """These groups have to be looked at."""
        before = len(self._dirty)
        self._dirty.update(dict.fromkeys(names))
        if len(self._dirty) > before:
            self.on_dirty()

    def take(self, name: ObjectName) -> None:
        """Somebody looks at this group now."""
        self._dirty.pop(name, None)

    def hear(self, resource: Resource, event_type: str | None, obj: Mapping[str, Any]) -> None:
        """An event of a watch; None is the type of objects from its lists."""
        collection = self._collections[resource]
        change = collection.remove(obj) if event_type == "DELETED" else collection.put(obj)
        if change is not None:
            self._follow(resource, change)

    def hear_all(self, resource: Resource, objects: Iterable[Mapping[str, Any]], resource_version: str) -> None:
        """A complete list of a resource."""
        for change in self._collections[resource].replace(objects, int(resource_version)):
            self._follow(resource, change)

    def decide(self, name: ObjectName, now: float) -> Decision | None:
        """What to write about a group; None when there is no such group."""
        stored = self.groups.get(name)
        if stored is None:
            return None
        vmi = self._vmis.get(stored.group.vmi)
        pods = [self._pods.get(pod) for pod in self._pods_of_vmi[stored.group.vmi]]
        nodes = {pod.node_name for pod in pods if pod is not None}
        agents = {node: self._agents.get(ObjectName("", node)) for node in nodes}
        return decide(
            stored,
            vmi,
            [pod for pod in pods if pod is not None],
            {node: agent for node, agent in agents.items() if agent is not None},
            now,
        )

    def _follow(self, resource: Resource, change: Change[Any]) -> None:
        """Keep the indices, and mark the groups that the change touches."""
        if change.before == change.after:
            return
        if resource == GROUPS:
            self._follow_group(change)
        elif resource == VMIS:
            self.mark(self._groups_of_vmi[change.name])
        elif resource == PODS:
            self._follow_pod(change)
        else:
            self.mark(self._groups_on_node[change.name.name])

    def _follow_group(self, change: Change[StoredGroup]) -> None:
        before, after = change.before, change.after
        self._groups_of_vmi.move(change.name, before and before.group.vmi, after and after.group.vmi)
        self._groups_on_node.move(change.name, before and before.group.node_name, after and after.group.node_name)
        if after is None:
            self.take(change.name)
        else:
            self.mark([change.name])
        self.on_group(change)

    def _follow_pod(self, change: Change[LauncherPod]) -> None:
        owners = [pod and ObjectName(change.name.namespace, pod.vmi_name) for pod in (change.before, change.after)]
        self._pods_of_vmi.move(change.name, *owners)
        for owner in owners:
            self.mark(self._groups_of_vmi[owner])


def _version_of(obj: Mapping[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])
