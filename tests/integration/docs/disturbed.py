"""A cluster in which one VM disturbs another: what the guide to noisy neighbours is about.

The agent needs half a minute to learn what is usual, and its charts show whole minutes. So the VMs start long before
the disturbance.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from lab.cluster import MIB, Cluster
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.vms.workloads import AGGRESSOR, BLOCK, QUIET, VICTIM, let_work
from lab.wait import until

NODE = "node02"
VICTIMS_NAMESPACE, NOISY_NAMESPACE = "tenant-a", "tenant-b"
AGENT_FLAGS = (
    "--node-period=2",
    "--rate-window=2",
    "--sample-period=0.25",
    "--interference=true",
    "--interference-window=1",
)
SECONDS = 120


class Neighbours(NamedTuple):
    """The cluster, and the VM that is to disturb the other one."""

    cluster: Cluster
    noisy: Vmi

    def disturb(self) -> None:
        """Let vm3 take the cache of vm2 until the agent is sure."""
        until("vm2 is undisturbed", partial(_is, self.cluster, "True", "Undisturbed"), seconds=SECONDS)
        let_work(self.noisy.machine, self.cluster.nodes[NODE].emulator, AGGRESSOR)
        until("the agent is sure", partial(_is, self.cluster, "False", "Confirmed"), seconds=SECONDS)
        until("charts have a minute", partial(_has_charts, self.cluster), seconds=SECONDS)


def start_neighbours(cluster: Cluster, machines: ExitStack) -> Neighbours:
    """Start vm2 and vm3 on one node whose agent judges them; `machines` ends them."""
    emulator = {"blocks": {BLOCK: 32 * MIB}, "more": ("--packages=1",), "has_proc_view": True}
    cluster.add_node(NODE, emulator=emulator, agent_flags=AGENT_FLAGS).start_agent()
    started = {}
    for namespace, name, profile in ((VICTIMS_NAMESPACE, "vm2", VICTIM), (NOISY_NAMESPACE, "vm3", QUIET)):
        cluster.add_namespace(namespace)
        vmi = started[name] = machines.enter_context(Vmi(cluster, namespace, name, Hardware(vcpus=1)))
        vmi.start(NODE)
        _own(cluster, namespace, name)
        let_work(vmi.machine, cluster.nodes[NODE].emulator, profile)
        cluster.control_plane.apply(
            {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorGroup",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"vmiName": name, "statusPeriodSeconds": 2},
            }
        )
    return Neighbours(cluster, started["vm3"])


def _own(cluster: Cluster, namespace: str, name: str) -> None:
    """Give the VMI the owner that it has on a cluster where somebody started a VirtualMachine."""
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": name, "uid": f"vm-{name}"}
    path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{name}"
    body = {"metadata": {"ownerReferences": [owner]}}
    cluster.control_plane.request("PATCH", path, body, content_type="application/merge-patch+json")


def _is(cluster: Cluster, status: str, reason: str) -> bool:
    found: list[dict[str, Any]] = cluster.group(VICTIMS_NAMESPACE, "vm2").get("status", {}).get("conditions", [])
    return any(it["type"] == "Undisturbed" and (it["status"], it["reason"]) == (status, reason) for it in found)


def _has_charts(cluster: Cluster) -> bool:
    """Whether a full minute of traffic is known of both VMs."""
    node = cluster.control_plane.request("GET", f"/apis/cachemon.dev/v1alpha1/cachemonitornodes/{NODE}")
    verdicts = [it for block in node["status"]["cacheBlocks"] for it in block.get("verdicts", ())]
    charts = [it["series"][part] for it in verdicts for part in ("victim", "suspect")]
    return bool(charts) and all(chart["trafficMebibytesPerSecond"].endswith(tuple("0123456789")) for chart in charts)
