"""A cluster's objects, made fast: many requests at a time, straight to the API server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.api import API_VERSION, GROUPS, PODS, VMIS
from lab.kubernetes.control_plane import ControlPlane
from lab.vms import kubevirt

T = TypeVar("T")
Object = dict[str, Any]

PARALLEL = 24
_MANAGER = "bench"
_VMI_BYTES, _POD_BYTES = 3200, 13800
"""As JSON, on a real KubeVirt v1.9.0; those of the lab say less."""


class Vm(NamedTuple):
    """A VM that there is to be."""

    namespace: str
    name: str
    node: str
    vcpus: int


@asynccontextmanager
async def administrator(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    """A client that may do everything."""
    async with KubeClient(await load_credentials(control_plane.admin_kubeconfig)) as client:
        yield client


async def for_each(items: Iterable[T], action: Callable[[T], Awaitable[object]], parallel: int = PARALLEL) -> None:
    """Do it to each, several at a time, in about that order."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await action(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(parallel):
            tasks.create_task(work())


async def make_vm(client: KubeClient, vm: Vm) -> Object:
    """Its VMI and the pod that runs it, as large as real ones; answers the pod."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    vmi = kubevirt.vmi(vm.name, vm.namespace, sockets=vm.vcpus, now=now)
    status = vmi["status"] | {"phase": "Running", "nodeName": vm.node}
    spec = vmi["spec"] | {"more": _filler(_VMI_BYTES - len(str(vmi)))}
    made = await client.create(VMIS, {**vmi, "status": status, "spec": spec}, field_manager=_MANAGER)
    pod = kubevirt.launcher_pod(made, vm.node, "bench")
    pod["spec"]["containers"][0]["env"] = _filler(_POD_BYTES - len(str(pod)))
    return await client.create(PODS, pod, field_manager=_MANAGER)


async def make_group(client: KubeClient, vm: Vm, period_seconds: int) -> None:
    """A CacheMonitorGroup that watches all vCPUs of the VM."""
    body = {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"namespace": vm.namespace, "name": vm.name},
        "spec": {"vmiName": vm.name, "statusPeriodSeconds": period_seconds},
    }
    await client.create(GROUPS, body, field_manager=_MANAGER)


def _filler(size: int) -> list[Object]:
    """So many bytes of JSON, in small parts, as most of an object is."""
    entries = max(0, size) // len(str(_entry(0)))
    return [_entry(number) for number in range(entries)]


def _entry(number: int) -> Object:
    return {"name": f"NUMBER_{number:03}", "value": "/var/run/kubevirt" * 6}
