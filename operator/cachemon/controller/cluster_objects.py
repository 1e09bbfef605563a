"""The objects that the operator watches, as values, with indices of what names what. No I/O."""

from collections.abc import Mapping
from typing import Any

from cachemon.controller.collection import Change, Collection, Index
from cachemon.controller.decision import parse_stored_group
from cachemon.controller.node_agent import parse_node_agent
from cachemon.controller.stamping import parse_stored_policy
from cachemon.controller.vmi import LauncherPod, parse_labels, parse_pod, parse_vmi
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource


class ClusterObjects:
    """VMIs, launcher pods, groups, node agents, policies and labels of namespaces, by name.

    `groups_of_vmi` has the names of groups by the VMI that they are for, `groups_on_node` by the node that they are
    bound to.
    """

    def __init__(self) -> None:
        self.groups = Collection(parse_stored_group, GROUPS.kind)
        self.policies = Collection(parse_stored_policy, POLICIES.kind)
        self.vmis = Collection(parse_vmi, VMIS.kind)
        self.agents = Collection(parse_node_agent, NODES.kind)
        self.namespaces = Collection(parse_labels, NAMESPACES.kind)
        self.groups_of_vmi = Index()
        self.groups_on_node = Index()
        self._pods = Collection(parse_pod, PODS.kind)
        self._pods_of_vmi = Index()
        self._collections: Mapping[Resource, Collection[Any]] = {
            GROUPS: self.groups,
            POLICIES: self.policies,
            VMIS: self.vmis,
            NODES: self.agents,
            NAMESPACES: self.namespaces,
            PODS: self._pods,
        }

    def __getitem__(self, resource: Resource) -> Collection[Any]:
        return self._collections[resource]

    @property
    def unreadable(self) -> Mapping[str, int]:
        """Number of objects that can't be read, by kind; may be called from another thread."""
        return {resource.kind: collection.unreadable for resource, collection in self._collections.items()}

    def pods_of(self, vmi: ObjectName) -> list[LauncherPod]:
        """The launcher pods of a VMI."""
        pods = (self._pods.get(pod) for pod in self._pods_of_vmi[vmi])
        return [pod for pod in pods if pod is not None]

    def index(self, resource: Resource, change: Change[Any]) -> None:
        """Keep the indices up to date after a change."""
        before, after = change.before, change.after
        if resource == GROUPS:
            self.groups_of_vmi.move(change.name, before and before.group.vmi, after and after.group.vmi)
            self.groups_on_node.move(change.name, before and before.group.node_name, after and after.group.node_name)
        elif resource == PODS:
            self._pods_of_vmi.move(change.name, *owners_of(change))


def owners_of(change: Change[LauncherPod]) -> tuple[ObjectName | None, ObjectName | None]:
    """The VMIs that a pod belonged to before and after a change."""
    return _owner_of(change.name, change.before), _owner_of(change.name, change.after)


def _owner_of(name: ObjectName, pod: LauncherPod | None) -> ObjectName | None:
    return None if pod is None else ObjectName(name.namespace, pod.vmi_name)
