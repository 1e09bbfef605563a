"""What a node has etcd write to its disk: its kubelet, and its agent.

A kubelet renews its Lease each 10 s (nodeLeaseDurationSeconds 40 / 4). It writes the status of a Node that does not
change each 5 minutes (nodeStatusReportFrequency). Both are defaults of kubelet.config.k8s.io/v1beta1 in Kubernetes
1.36. Its writes of pods are left out.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from lab.kubernetes.control_plane import ControlPlane
from tests.bench.stand_in_agents import BoundGroup, agents_client, report_group, report_node

_ROUNDS = 50
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS, _STATUS_SECONDS = 10, 300
_IMAGES = 50
"""That a kubelet names in its Node: nodeStatusMaxImages."""
_IMAGE_BYTES = 200
_WRITTEN = "etcd_disk_wal_write_bytes_total"


def kubelet_bytes(api: ControlPlane, node: str) -> float:
    """Bytes a second that one kubelet has etcd write."""
    api.add_node(node)
    made = api.request("POST", _LEASES, _lease(node))

    def renew() -> None:
        nonlocal made
        made = api.request("PUT", f"{_LEASES}/{node}", {**made, "spec": _lease(node)["spec"]})

    def report() -> None:
        status = {"images": [_image(number) for number in range(_IMAGES)], "conditions": _conditions()}
        api.request(
            "PATCH", f"/api/v1/nodes/{node}/status", {"status": status}, content_type="application/merge-patch+json"
        )

    return _bytes_of(api, renew) / _LEASE_SECONDS + _bytes_of(api, report) / _STATUS_SECONDS


def agent_bytes(api: ControlPlane, groups: Sequence[BoundGroup], period_seconds: int) -> float:
    """Bytes a second that the agent of one node has etcd write: each of its groups and its node once a period."""

    async def report() -> None:
        async with agents_client(api) as client:
            for group in groups:
                await report_group(client, group.name)
            await report_node(client, groups[0].node)

    before = api.etcd_counter(_WRITTEN)
    asyncio.run(report())
    return (api.etcd_counter(_WRITTEN) - before) / period_seconds


def _bytes_of(api: ControlPlane, action: Callable[[], object]) -> float:
    action()
    before = api.etcd_counter(_WRITTEN)
    for _ in range(_ROUNDS):
        action()
    return (api.etcd_counter(_WRITTEN) - before) / _ROUNDS


def _lease(node: str) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": "7d1c7c4e-0a0c-4b8e-9d5a-0f5d3a1c2b4e"}
    return {
        "metadata": {"name": node, "ownerReferences": [owner]},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now},
    }


def _image(number: int) -> dict[str, object]:
    name = f"images.example/{number:02}/" + "a" * _IMAGE_BYTES
    return {"names": [name], "sizeBytes": 100_000_000 + number}


def _conditions() -> list[dict[str, str]]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "lastHeartbeatTime": now,
            "reason": "KubeletReports",
            "message": "kubelet has what it needs",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
