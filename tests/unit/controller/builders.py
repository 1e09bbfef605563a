"""Objects and values of the operator's tests, small enough to read in a test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cachemon.controller.decision import parse_stored_group
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.report_times import AgentReport, LatestReport, Moment
from cachemon.controller.store import Store
from cachemon.controller.vmi import LauncherPod, Migration, Vmi
from cachemon.model.api import API_VERSION, CacheMonitorGroup, ObjectName, Resource
from cachemon.model.conditions import Condition, Status
from cachemon.model.stamps import POLICY_LABEL
from cachemon.model.times import format_time

Object = dict[str, Any]

NOW = 1_795_000_000.0
"""The tests' time, seconds since the epoch."""

NAMESPACE = "tenant"


def at(offset: float) -> str:
    """RFC 3339 time, seconds from NOW."""
    return format_time(NOW + offset)


def vmi(**changes: Any) -> Vmi:
    """A VMI that runs on node a."""
    running = Vmi(ObjectName(NAMESPACE, "vm"), "vmi-1", "Running", "a", 2, None)
    return replace(running, **changes)


def pod(name: str, node: str, age: float = 0, *, phase: str = "Running", vmi_uid: str = "vmi-1") -> LauncherPod:
    """A pod of that VMI, made at NOW + age."""
    return LauncherPod(ObjectName(NAMESPACE, name), f"uid-{name}", node, phase, at(age), "vm", vmi_uid)


def migration(target: str, *, source: str = "p1", runs: bool = False, over: bool = False) -> Migration:
    """A migration to a pod."""
    return Migration(source, target, target_runs_guest=runs, over=over)


def moment(offset: float = 0, *, monotonic: float | None = None) -> Moment:
    """Seconds from NOW; the monotonic clock has the same time unless another is given."""
    return Moment(NOW + offset if monotonic is None else monotonic, NOW + offset)


def latest_report(seen: float = 0, node: str = "a") -> LatestReport:
    """A time of NOW + seen, seen when it was written."""
    return LatestReport(at(seen), node, NOW + seen, NOW + seen)


def agent(seen: float = 0, *, period: int = 60, ready: Status = "True", node: str = "a") -> NodeAgent:
    """A node's agent, with a report received at NOW + seen."""
    condition = Condition("Ready", ready, "NotMounted", "mount resctrl")
    return NodeAgent(AgentReport(at(seen), node_name=node), period, condition, latest_report(seen, node))


def condition(kind: str, status: str = "True", reason: str = "AsWanted", since: float = 0) -> Object:
    """A condition as the API has it."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": at(since),
    }


def figures(seen: float = 0, *, status: str = "True", reason: str = "AsWanted") -> Object:
    """What an agent writes."""
    return {
        "observedTime": at(seen),
        "summary": {"occupancy": "61Mi"},
        "groups": [{"name": "vcpus_all", "state": "Monitored"}],
        "conditions": [condition("Monitored", status, reason)],
    }


def group_object(
    name: str = "g",
    *,
    vmi_name: str = "vm",
    period: int = 60,
    version: int = 1,
    status: Mapping[str, Any] | None = None,
) -> Object:
    """A CacheMonitorGroup as the API has it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CacheMonitorGroup",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": str(version),
            "creationTimestamp": at(0),
        },
        "spec": {"vmiName": vmi_name, "statusPeriodSeconds": period},
        **({} if status is None else {"status": dict(status)}),
    }


def group(status: Mapping[str, Any] | None = None, *, period: int = 60) -> CacheMonitorGroup:
    """The same as a value."""
    return parse_stored_group(group_object(status=status, period=period)).group


def stamped_object(
    policy: str = "gold", vmi_name: str = "vm", *, vmi_uid: str = "vmi-1", version: int = 1, **spec: Any
) -> Object:
    """A CacheMonitorGroup that a policy stamped."""
    obj = group_object(f"{vmi_name}.{policy}", vmi_name=vmi_name, version=version)
    obj["metadata"]["labels"] = {POLICY_LABEL: policy}
    obj["metadata"]["ownerReferences"] = [{"kind": "VirtualMachineInstance", "name": vmi_name, "uid": vmi_uid}]
    obj["spec"] |= {"groups": [{"vcpus": "all"}], "priority": 0, **spec}
    return obj


def policy_object(
    name: str = "gold",
    *,
    vmis: Mapping[str, str] | None = None,
    namespaces: Mapping[str, str] | None = None,
    version: int = 1,
    generation: int = 1,
    status: Mapping[str, Any] | None = None,
    **template: Any,
) -> Object:
    """A CacheMonitorPolicy as the API has it; it selects by these labels."""
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "generation": generation,
            "resourceVersion": str(version),
        },
        "spec": {
            "vmiSelector": {"matchLabels": dict(vmis or {})},
            "namespaceSelector": {"matchLabels": dict(namespaces or {})},
            "template": {"priority": 0, "statusPeriodSeconds": 60, **template},
        },
        **({} if status is None else {"status": dict(status)}),
    }


def namespace_object(name: str = NAMESPACE, *, version: int = 1, **labels: str) -> Object:
    """A Namespace as the API has it."""
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


def vmi_object(
    name: str = "vm",
    *,
    uid: str = "vmi-1",
    phase: str = "Running",
    node: str = "a",
    version: int = 1,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """A VMI as the API has it."""
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid,
            "resourceVersion": str(version),
            "labels": dict(labels or {}),
        },
        "spec": {"domain": {"cpu": {"sockets": 2}}},
        "status": {"phase": phase, "nodeName": node},
    }


def pod_object(
    name: str = "p1",
    *,
    node: str = "a",
    phase: str = "Running",
    vmi_name: str = "vm",
    vmi_uid: str = "vmi-1",
    version: int = 1,
    age: float = 0,
) -> Object:
    """A virt-launcher pod as the API has it."""
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "name": vmi_name,
        "uid": vmi_uid,
        "controller": True,
    }
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": at(age),
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": node},
        "status": {"phase": phase},
    }


def node_object(name: str = "a", *, seen: float = 0, ready: str = "True", version: int = 1) -> Object:
    """A CacheMonitorNode as the API has it."""
    return {
        "metadata": {"name": name, "resourceVersion": str(version)},
        "status": {
            "observedTime": at(seen),
            "statusPeriodSeconds": 60,
            "conditions": [condition("Ready", ready)],
        },
    }


def in_order(store: Store) -> list[ObjectName]:
    """The names that wait in the store, as they would be taken."""
    return list(iter(lambda: store.queue.take(0.0), None))


def roles(placements: Sequence[Any]) -> list[tuple[str, str]]:
    """Pod uid and role of each placement."""
    return [(item.pod_uid, item.role) for item in placements]


def apply_list(store: Store, resource: Resource, objects: Iterable[dict[str, Any]], version: int) -> None:
    """A complete list, as the relister hands it on."""
    store.apply_list(resource, [store.parser(resource)(obj) for obj in objects], version)
