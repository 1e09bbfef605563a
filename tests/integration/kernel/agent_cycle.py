"""The host's side of one agent cycle: a Kubernetes API, the operator, a VMI's records, and a guest as their node."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.cluster import NAMESPACE, Cluster
from lab.kernel.guest import HOST_ADDRESS, MONITORING, Guest
from lab.kernel.packages import Kernel
from lab.vms import kubevirt
from lab.wait import GaveUpError, until

NODE, TENANT, VMI, VCPUS = "real-kernel", "tenant-a", "vm1", 2


@dataclass(frozen=True, slots=True)
class AgentNode:
    """A running cluster whose one node is a guest with an agent in it."""

    cluster: Cluster
    guest: Guest

    def apply(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """Make the CacheMonitorGroup of the VMI, with kubectl."""
        self.cluster.control_plane.apply(
            {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorGroup",
                "metadata": {"name": VMI, "namespace": TENANT},
                "spec": {"vmiName": VMI, "statusPeriodSeconds": 1, "groups": [*groups]},
            }
        )

    def delete(self) -> None:
        """Delete it, with kubectl."""
        self.cluster.control_plane.kubectl("delete", "cmg", VMI, "-n", TENANT)

    def until_status(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until its status is as wanted, and return it; an error has it and the guest's log."""
        status: dict[str, Any] = {}

        def wanted() -> bool:
            nonlocal status
            status = self.cluster.group(TENANT, VMI).get("status", {})
            return holds(status)

        try:
            until(what, wanted, seconds=90)
        except GaveUpError as error:
            raise AssertionError(f"{error}; the status is {status}\n{self.guest.log_tail()}") from None
        return status

    def node_status(self) -> dict[str, Any]:
        """Of the CacheMonitorNode."""
        path = f"/apis/cachemon.dev/v1alpha1/cachemonitornodes/{NODE}"
        status: dict[str, Any] = self.cluster.control_plane.request("GET", path)["status"]
        return status

    def reported(self, word: str, *, seconds: float) -> Any:
        """Wait for the guest to report something, and return it."""

        def found() -> list[Any] | None:
            values = [report[word] for report in self.guest.reports() if word in report]
            if not values and not self.guest.running:
                raise AssertionError(f"the guest ended without a word about {word}\n{self.guest.log_tail()}")
            return values

        return until(f"the guest to report {word}", found, seconds=seconds)[0]


@contextmanager
def agent_node(kernel: Kernel, folder: Path, module: Path | None) -> Iterator[AgentNode]:
    """Start all of it; the agent in the guest needs a while until it works."""
    with Cluster(folder) as cluster:
        cluster.add_namespace(TENANT)
        pod_uid = _record_vmi(cluster)
        orders = {
            "guest_name": f"{TENANT}_{VMI}",
            "pod_uid": pod_uid,
            "vcpus": VCPUS,
            "node": NODE,
            "service_account": _service_account(cluster),
        }
        guest = Guest(
            kernel,
            MONITORING,
            "tests.integration.kernel.agent_node",
            folder,
            orders=orders,
            packages=True,
            network=True,
            module=module,
        )
        try:
            cluster.start_operator()
            yield AgentNode(cluster, guest)
        finally:
            guest.stop()


def _record_vmi(cluster: Cluster) -> str:
    """The objects that KubeVirt would keep for a running VMI on our node; returns its pod's UID."""
    control_plane, now = cluster.control_plane, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    control_plane.add_node(NODE)
    vmis = f"/apis/kubevirt.io/v1/namespaces/{TENANT}/virtualmachineinstances"
    pods = f"/api/v1/namespaces/{TENANT}/pods"
    vmi = control_plane.request("POST", vmis, kubevirt.vmi(VMI, TENANT, sockets=VCPUS, now=now))
    pod = control_plane.request("POST", pods, kubevirt.launcher_pod(vmi, NODE, "abcde"))
    vmi = control_plane.request("PUT", f"{vmis}/{VMI}", kubevirt.pod_active(vmi, pod))
    status = {"status": kubevirt.pod_running(pod, now)["status"]}
    path = f"{pods}/{pod['metadata']['name']}/status"
    pod = control_plane.request("PATCH", path, status, content_type="application/merge-patch+json")
    vmi = control_plane.request("PUT", f"{vmis}/{VMI}", kubevirt.scheduled(vmi, pod, now))
    control_plane.request("PUT", f"{vmis}/{VMI}", kubevirt.running(vmi, now))
    return str(pod["metadata"]["uid"])


def _service_account(cluster: Cluster) -> Mapping[str, Any]:
    """What a kubelet gives the agent's pod, with the guest's way to the host: `environment`, and `files` by name."""
    control_plane = cluster.control_plane
    pod = control_plane.add_agent_pod(NODE)
    return {
        "environment": {
            "KUBERNETES_SERVICE_HOST": HOST_ADDRESS,
            "KUBERNETES_SERVICE_PORT": control_plane.url.rpartition(":")[2],
        },
        "files": {
            "token": control_plane.service_account_token(NAMESPACE, "cachemon-agent", bound_pod=pod),
            "ca.crt": control_plane.ca_file.read_text(encoding="ascii"),
        },
    }
