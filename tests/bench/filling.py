"""A cluster's objects, made fast: many requests at a time over kept connections."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from cachemon.kube.queries import path_of
from cachemon.model.api import API_VERSION, GROUPS, PODS, VMIS, ObjectName, Resource
from lab.kubernetes.cluster_api import ClusterApi
from lab.vms import kubevirt

T = TypeVar("T")
Object = dict[str, Any]

PARALLEL = 24
_MANAGER = "bench"
_VMI_BYTES, _POD_BYTES = 3200, 13800
"""As JSON, on a real KubeVirt v1.9.0; those of the lab say less."""


class Vm(NamedTuple):
    """A VM to make."""

    namespace: str
    name: str
    node: str
    vcpus: int


def for_each(items: Iterable[T], action: Callable[[T], object], parallel: int = PARALLEL) -> None:
    """Call an action for each item in about that order, several at a time."""
    with ThreadPoolExecutor(parallel) as threads:
        for _ in threads.map(action, items):
            pass


def create(api: ClusterApi, resource: Resource, body: Object, field_manager: str = _MANAGER) -> Object:
    """Create an object as the administrator; returns it as the API server keeps it."""
    collection = path_of(resource, ObjectName(body["metadata"].get("namespace", ""), ""))
    made: Object = api.request("POST", f"{collection}?fieldManager={field_manager}", body)
    return made


def make_vm(api: ClusterApi, vm: Vm) -> Object:
    """Create a VMI and the pod that runs it, as large as real ones; returns the pod."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    vmi = kubevirt.vmi(vm.name, vm.namespace, sockets=vm.vcpus, now=now)
    status = vmi["status"] | {"phase": "Running", "nodeName": vm.node}
    spec = vmi["spec"] | {"more": _filler(_VMI_BYTES - len(str(vmi)))}
    made = create(api, VMIS, {**vmi, "status": status, "spec": spec})
    pod = kubevirt.launcher_pod(made, vm.node, "bench")
    pod["spec"]["containers"][0]["env"] = _filler(_POD_BYTES - len(str(pod)))
    return create(api, PODS, pod)


def make_group(api: ClusterApi, vm: Vm, period_seconds: int, name: str = "", vcpus: str = "") -> None:
    """Create a CacheMonitorGroup of a list of the VM's vCPUs, by default of all; it has the VM's name by default."""
    groups = {"groups": [{"vcpus": vcpus}]} if vcpus else {}
    body = {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"namespace": vm.namespace, "name": name or vm.name},
        "spec": {"vmiName": vm.name, "statusPeriodSeconds": period_seconds, **groups},
    }
    create(api, GROUPS, body)


def _filler(size: int) -> list[Object]:
    """Make about this number of bytes of JSON, in small parts, as most of an object is."""
    entries = max(0, size) // len(str(_entry(0)))
    return [_entry(number) for number in range(entries)]


def _entry(number: int) -> Object:
    return {"name": f"NUMBER_{number:03}", "value": "/var/run/kubevirt" * 6}
