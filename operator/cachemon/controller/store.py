"""What the operator knows: VMIs, launcher pods, groups, node agents, policies and namespaces, by name. No I/O."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cachemon.controller.collection import Change, Collection, Entry, Index
from cachemon.controller.decision import Decision, Delete, StoredGroup, decide, parse_stored_group
from cachemon.controller.fair_queue import FairQueue
from cachemon.controller.node_agent import NodeAgent, parse_node_agent
from cachemon.controller.report_times import Moment, Report, Sighting, see
from cachemon.controller.stamping import (
    Standing,
    StoredPolicy,
    decide_policy,
    parse_stored_policy,
    stamp_of,
    standing_of,
)
from cachemon.controller.vmi import LauncherPod, Vmi, parse_labels, parse_pod, parse_vmi
from cachemon.controller.wanted_groups import Roster
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource

__all__ = ["Change", "Collection", "Store"]


class Store:
    """All of it, and which groups and policies have to be looked at again.

    A name stands for all that there is to write about an object: whether it should be, and its status. Names
    without a namespace are policies', the others groups'.

    Args:
        clock: both clocks.
        queue: takes the names that have to be looked at.

    Attributes:
        queue: those names.
        groups: the CacheMonitorGroups.
        policies: the CacheMonitorPolicies.
        on_dirty: called whenever a name has become dirty.
        on_group: called whenever a group has come, changed or gone.
        on_policy: the same of a policy.
    """

    def __init__(self, clock: Callable[[], Moment] = Moment.now, queue: FairQueue | None = None) -> None:
        self._clock = clock
        self.queue = queue or FairQueue()
        self.groups = Collection(parse_stored_group, GROUPS.kind)
        self._vmis = Collection(parse_vmi, VMIS.kind)
        self._pods = Collection(parse_pod, PODS.kind)
        self._agents = Collection(parse_node_agent, NODES.kind)
        self._namespaces = Collection(parse_labels, NAMESPACES.kind)
        self.policies = Collection(parse_stored_policy, POLICIES.kind)
        self._collections: Mapping[Resource, Collection[Any]] = {
            GROUPS: self.groups,
            VMIS: self._vmis,
            PODS: self._pods,
            NODES: self._agents,
            NAMESPACES: self._namespaces,
            POLICIES: self.policies,
        }
        self._roster = Roster(self.policies, self._namespaces, self._vmis)
        self._groups_of_vmi = Index()
        self._groups_on_node = Index()
        self._pods_of_vmi = Index()
        self._sightings: dict[tuple[Resource, ObjectName], Sighting] = {}
        self._refusals: dict[ObjectName, str] = {}
        self.on_dirty: Callable[[], None] = lambda: None
        self.on_group: Callable[[Change[StoredGroup]], None] = lambda _: None
        self.on_policy: Callable[[Change[StoredPolicy]], None] = lambda _: None

    @property
    def aside(self) -> Mapping[str, int]:
        """How many objects can't be read, by kind; may be asked for from another thread."""
        return {resource.kind: collection.aside for resource, collection in self._collections.items()}

    def mark(self, names: Iterable[ObjectName], *, backlog: bool = False) -> None:
        """These have to be looked at; of a namespace's, those of the backlog last."""
        added = [self.queue.add(name, backlog=backlog) for name in names]
        if any(added):
            self.on_dirty()

    def hear(self, resource: Resource, event_type: str | None, obj: Mapping[str, Any]) -> None:
        """An event of a watch; None is the type of objects from its lists."""
        collection = self._collections[resource]
        change = collection.remove(obj) if event_type == "DELETED" else collection.put(obj)
        if change is not None:
            self._follow(resource, change)

    def reader(self, resource: Resource) -> Callable[[Mapping[str, Any]], Entry[Any] | None]:
        """Makes of an object what is known of it: all that is kept, so that a list need not be kept as a whole."""
        return self._collections[resource].read

    def hear_all(
        self,
        resource: Resource,
        objects: Iterable[Entry[Any] | None],
        resource_version: int,
        served_at: float | None = None,
    ) -> None:
        """A complete list of a resource, each object as its `reader` has it.

        Args:
            resource: of which.
            objects: all of them.
            resource_version: the list's.
            served_at: when the API server answered, seconds since the epoch by its clock; None when unknown.
        """
        for change in self._collections[resource].replace(objects, resource_version):
            self._follow(resource, change, listed=True, served_at=served_at)

    def hear_names(self, resource: Resource, names: Iterable[ObjectName], resource_version: int) -> bool:
        """The names of a complete list of a resource; False when that is of no use, and the objects are needed."""
        changes = self._collections[resource].retain(names, resource_version)
        for change in changes or ():
            self._follow(resource, change)
        return changes is not None

    def note_refusal(self, name: ObjectName, message: str) -> None:
        """The API server did not let us write the group that a policy wants: its policy has to say so."""
        policy = self._roster.policy_of(name)
        if policy is not None:
            self._refusals[name] = message
            self.mark([policy])

    def decide(self, name: ObjectName) -> Decision | None:
        """What to write about a group or a policy; None when there is no such thing and should be none."""
        moment = self._clock()
        if not name.namespace:
            return self._decide_policy(name, moment.wall)
        stored = self.groups.get(name)
        stamp = stamp_of(stored, self._roster.wish(name))
        if stored is None or isinstance(stamp, Delete):
            return Decision.of_stamp(stamp) if stamp else None
        vmi = self._vmis.get(stored.group.vmi)
        pods = [self._pods.get(pod) for pod in self._pods_of_vmi[stored.group.vmi]]
        nodes = {pod.node_name for pod in pods if pod is not None}
        agents = {node: self._agent(ObjectName("", node)) for node in nodes}
        return decide(
            stored,
            vmi,
            [pod for pod in pods if pod is not None],
            {node: agent for node, agent in agents.items() if agent is not None},
            moment,
            sighting=self._sightings.get((GROUPS, name)),
            stamp=stamp,
        )

    def _agent(self, name: ObjectName) -> NodeAgent | None:
        agent = self._agents.get(name)
        return agent and agent.seen(self._sightings.get((NODES, name)))

    def _decide_policy(self, name: ObjectName, now: float) -> Decision | None:
        stored = self.policies.get(name)
        if stored is None:
            return None
        wishes = {group: self._roster.wish(group) for group in self._roster.of_policy(name)}
        standings = {group: standing_of(self.groups.get(group), wish) for group, wish in wishes.items() if wish}
        lacking = (name for name, standing in standings.items() if standing in (Standing.MISSING, Standing.OUTDATED))
        refusals = {name: self._refusals[name] for name in lacking if name in self._refusals}
        return decide_policy(stored, standings, refusals, now)

    def _follow(
        self, resource: Resource, change: Change[Any], *, listed: bool = False, served_at: float | None = None
    ) -> None:
        """Keep the indices, and mark the groups that the change touches."""
        if change.before == change.after:
            return
        if resource in (GROUPS, NODES):
            self._see(resource, change, listed=listed, served_at=served_at)
        if resource == GROUPS:
            self._follow_group(change)
        elif resource == VMIS:
            self._follow_vmi(change)
        elif resource == PODS:
            self._follow_pod(change)
        elif resource == NODES:
            self.mark(self._groups_on_node[change.name.name])
        elif resource == NAMESPACES:
            self._restamp(self._roster.follow_namespace(change.name))
        else:
            self._follow_policy(change)

    def _see(self, resource: Resource, change: Change[Any], *, listed: bool, served_at: float | None) -> None:
        key = resource, change.name
        report = change.after.report if change.after else Report("")
        sighting = see(self._sightings.get(key), report, self._clock(), listed=listed, served_at=served_at)
        if sighting is None:
            self._sightings.pop(key, None)
        else:
            self._sightings[key] = sighting

    def _follow_group(self, change: Change[StoredGroup]) -> None:
        before, after = change.before, change.after
        self._groups_of_vmi.move(change.name, before and before.group.vmi, after and after.group.vmi)
        self._groups_on_node.move(change.name, before and before.group.node_name, after and after.group.node_name)
        policy = self._roster.policy_of(change.name)
        if after is None:
            self.queue.discard(change.name)
        else:
            self.mark([change.name])
        if policy and (before and before.stamp_facts) != (after and after.stamp_facts):
            self._restamp({change.name: policy})
        self.on_group(change)

    def _follow_vmi(self, change: Change[Vmi]) -> None:
        self.mark(self._groups_of_vmi[change.name])
        if (change.before and change.before.stamp_facts) != (change.after and change.after.stamp_facts):
            self._restamp(self._roster.follow_vmi(change.name))

    def _follow_policy(self, change: Change[StoredPolicy]) -> None:
        if (change.before and change.before.policy) != (change.after and change.after.policy):
            self._restamp(self._roster.follow_policy(change.name))
        if change.after is None:
            self.queue.discard(change.name)
        else:
            self.mark([change.name])
        self.on_policy(change)

    def _restamp(self, groups: Mapping[ObjectName, ObjectName]) -> None:
        """These groups, each with the policy that wants it, have to be looked at, and the policies then."""
        self.mark(groups, backlog=True)
        for name in self._refusals.keys() & groups.keys():
            del self._refusals[name]  # what was refused is not what will be written
        self.mark({policy for policy in groups.values() if self.policies.get(policy)})

    def _follow_pod(self, change: Change[LauncherPod]) -> None:
        owners = [pod and ObjectName(change.name.namespace, pod.vmi_name) for pod in (change.before, change.after)]
        self._pods_of_vmi.move(change.name, *owners)
        for owner in owners:
            self.mark(self._groups_of_vmi[owner])
