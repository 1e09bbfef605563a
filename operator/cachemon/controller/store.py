"""What the operator knows, what it decides by that, and which names it has to decide again. No I/O."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cachemon.controller.cluster_objects import ClusterObjects, owners_of
from cachemon.controller.collection import Change, Entry
from cachemon.controller.decision import Decision, Delete, StoredGroup, decide
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.report_times import LatestReport, LatestReports, Moment
from cachemon.controller.stamping import StampState, StoredPolicy, decide_policy, stamp_of, stamp_state
from cachemon.controller.usual_reports import is_usual_heartbeat, is_usual_report
from cachemon.controller.vmi import LauncherPod, Vmi
from cachemon.controller.wanted_groups import WantedGroups
from cachemon.controller.work_queue import WorkQueue
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, VMIS, ObjectName, Resource


class Store:
    """The objects of the cluster, and the names that have to be decided again.

    A name stands for all that there is to write about an object: whether it should exist, and its status. Names
    without a namespace are policies', the others groups'. `on_group`, `on_policy` and `on_node` are called whenever a
    group, a policy or a CacheMonitorNode was added, changed or deleted.
    """

    def __init__(self, clock: Callable[[], Moment] = Moment.now, queue: WorkQueue | None = None) -> None:
        self._clock = clock
        self.queue = queue or WorkQueue()
        self.objects = ClusterObjects()
        self._wanted = WantedGroups(self.objects.policies, self.objects.namespaces, self.objects.vmis)
        self._reports = LatestReports(clock)
        self._refusals: dict[ObjectName, str] = {}
        self.on_group: Callable[[Change[StoredGroup]], None] = lambda _: None
        self.on_policy: Callable[[Change[StoredPolicy]], None] = lambda _: None
        self.on_node: Callable[[Change[NodeAgent]], None] = lambda _: None

    def apply_event(self, resource: Resource, event_type: str | None, obj: Mapping[str, Any]) -> None:
        """Take over an event of a watch; the type of an object from its lists is None."""
        collection = self.objects[resource]
        change = collection.remove(obj) if event_type == "DELETED" else collection.put(obj)
        if change is not None:
            self._follow(resource, change)

    def parser(self, resource: Resource) -> Callable[[Mapping[str, Any]], Entry[Any] | None]:
        """Parses one object of a list, so that the list need not be kept as a whole."""
        return self.objects[resource].read

    def apply_list(
        self,
        resource: Resource,
        objects: Iterable[Entry[Any] | None],
        resource_version: int,
        served_at: float | None = None,
    ) -> None:
        """Take over a complete list, each object as `parser` returns it.

        `served_at` says when the API server answered, in seconds since the epoch by its clock; None when unknown.
        """
        for change in self.objects[resource].replace(objects, resource_version):
            self._follow(resource, change, listed=True, served_at=served_at)

    def apply_names(self, resource: Resource, names: Iterable[ObjectName], resource_version: int) -> bool:
        """Take over the names of a complete list; False when only a list of whole objects helps."""
        changes = self.objects[resource].retain(names, resource_version)
        for change in changes or ():
            self._follow(resource, change)
        return changes is not None

    def note_refusal(self, name: ObjectName, message: str) -> None:
        """The API server refused a group that a policy wants; the policy's status has to name it."""
        policy = self._wanted.policy_of(name)
        if policy is not None:
            self._refusals[name] = message
            self.queue.add(policy)

    def decide(self, name: ObjectName) -> Decision | None:
        """What to write about a group or a policy; None when it does not exist and should not."""
        moment = self._clock()
        if not name.namespace:
            return self._decide_policy(name, moment.wall)
        stored = self.objects.groups.get(name)
        stamp = stamp_of(stored, self._wanted.get(name))
        if stored is None or isinstance(stamp, Delete):
            return Decision(None, stamp=stamp) if stamp else None
        vmi = stored.group.vmi
        pods = self.objects.pods_of(vmi)
        agents = {pod.node_name: self._agent(ObjectName("", pod.node_name)) for pod in pods}
        return decide(
            stored,
            self.objects.vmis.get(vmi),
            pods,
            {node: agent for node, agent in agents.items() if agent is not None},
            moment,
            latest=self._reports.get(GROUPS, name),
            stamp=stamp,
        )

    def _agent(self, name: ObjectName) -> NodeAgent | None:
        agent = self.objects.agents.get(name)
        return agent and agent.with_latest(self._reports.get(NODES, name))

    def _decide_policy(self, name: ObjectName, now: float) -> Decision | None:
        stored = self.objects.policies.get(name)
        if stored is None:
            return None
        wanted = {group: self._wanted.get(group) for group in self._wanted.of_policy(name)}
        states = {group: stamp_state(self.objects.groups.get(group), item) for group, item in wanted.items() if item}
        lacking = (group for group, state in states.items() if state in (StampState.MISSING, StampState.OUTDATED))
        refusals = {group: self._refusals[group] for group in lacking if group in self._refusals}
        return decide_policy(stored, states, refusals, now)

    def _follow(
        self, resource: Resource, change: Change[Any], *, listed: bool = False, served_at: float | None = None
    ) -> None:
        """Keep the indices, and queue the names that the change concerns."""
        if change.before == change.after:
            return
        latest = self._reports.get(resource, change.name)
        if resource in (GROUPS, NODES):
            self._reports.update(resource, change, listed=listed, served_at=served_at)
        self.objects.index(resource, change)
        if resource == GROUPS:
            self._follow_group(change, latest)
        elif resource == VMIS:
            self._follow_vmi(change)
        elif resource == PODS:
            self._follow_pod(change)
        elif resource == NODES:
            if not is_usual_heartbeat(change, latest, self._reports.get(NODES, change.name), self._clock().monotonic):
                self._add(self.objects.groups_on_node[change.name.name])
            self.on_node(change)
        elif resource == NAMESPACES:
            self._restamp(self._wanted.follow_namespace(change.name))
        else:
            self._follow_policy(change)

    def _add(self, names: Iterable[ObjectName]) -> None:
        for name in names:
            self.queue.add(name)

    def _follow_group(self, change: Change[StoredGroup], latest: LatestReport | None) -> None:
        """`latest` is the latest report before the change."""
        before, after = change.before, change.after
        policy = self._wanted.policy_of(change.name)
        if after is None:
            self.queue.discard(change.name)
        elif not is_usual_report(change, latest, self._reports.get(GROUPS, change.name), self._clock().monotonic):
            self.queue.add(change.name)
        if policy and (before and before.stamp_facts) != (after and after.stamp_facts):
            self._restamp({change.name: policy})
        self.on_group(change)

    def _follow_vmi(self, change: Change[Vmi]) -> None:
        self._add(self.objects.groups_of_vmi[change.name])
        if (change.before and change.before.stamp_facts) != (change.after and change.after.stamp_facts):
            self._restamp(self._wanted.follow_vmi(change.name))

    def _follow_policy(self, change: Change[StoredPolicy]) -> None:
        if (change.before and change.before.policy) != (change.after and change.after.policy):
            self._restamp(self._wanted.follow_policy(change.name))
        if change.after is None:
            self.queue.discard(change.name)
        else:
            self.queue.add(change.name)
        self.on_policy(change)

    def _follow_pod(self, change: Change[LauncherPod]) -> None:
        for owner in owners_of(change):
            self._add(self.objects.groups_of_vmi[owner])

    def _restamp(self, groups: Mapping[ObjectName, ObjectName]) -> None:
        """Queue these groups, each with the policy that wants it, and then the policies."""
        for name in groups:
            self.queue.add(name, backlog=True)
        for name in self._refusals.keys() & groups.keys():
            del self._refusals[name]  # what was refused is not what will be written
        self._add({policy for policy in groups.values() if self.objects.policies.get(policy)})
