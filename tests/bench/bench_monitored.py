"""How long a guest has run when the last of its vCPU threads comes into its mon_group."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.mon_groups import held_tids
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.bench.measure import Bench, Figure, percentile

STARTS = 100
GOAL_MS = 250
HARDWARE = Hardware(vcpus=4, busy_percent=(5, 0, 0, 0))
NAMESPACE = "bench"


def monitored_after_ms(cluster: Cluster, node: str, number: int) -> float:
    """One start: from just before `cont` until all vCPU threads are held; 0 when they are before the guest runs.

    The pod has its node before QEMU starts, as on a real cluster, where 4 s lay between the two (KubeVirt v1.9).
    From then on nothing waits for the agent, and the lab's libvirt is faster than the real one: `cont` comes at
    once when the last vCPU is plugged.
    """
    resctrl = cluster.nodes[node].emulator.mountpoint
    with Vmi(cluster, NAMESPACE, f"vm{number}", HARDWARE) as vmi:
        watched = {"metadata": {"name": vmi.name, "namespace": NAMESPACE}, "spec": {"vmiName": vmi.name}}
        cluster.control_plane.apply({"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorGroup", **watched})
        try:
            vmi.start_paused(node, before_qemu=lambda: until("the binding", lambda: is_bound(cluster, vmi)))
            wanted = set(vmi.machine.vcpu_tids.values())
            own = f"cachemon-{vmi.pod_uid}-*"
            began = time.perf_counter()
            vmi.machine.unpause()
            if wanted <= held_tids(resctrl, own):
                return 0.0
            until(
                "its vCPU threads to be monitored",
                lambda: wanted <= held_tids(resctrl, own),
                poll_seconds=0.002,
            )
            ended = time.perf_counter()
        finally:
            vmi.delete()
            cluster.control_plane.kubectl("delete", "cmg", vmi.name, "-n", NAMESPACE)
    return (ended - began) * 1000


def is_bound(cluster: Cluster, vmi: Vmi) -> bool:
    """Whether the operator has bound the group to the pod."""
    return bool(cluster.group(NAMESPACE, vmi.name).get("status", {}).get("placements"))


def run(divisor: int) -> Iterator[Figure]:
    """A hundred starts, one after the other, by an agent with its usual settings."""
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as folder, Cluster(Path(folder), find()) as cluster:
        cluster.start_operator()
        cluster.add_namespace(NAMESPACE)
        node = cluster.add_node("node01")
        node.start_agent()
        until("the agent to have reported its node", lambda: "written" in node.metrics())
        times = [monitored_after_ms(cluster, "node01", number) for number in range(max(2, STARTS // divisor))]
    late = sum(each > GOAL_MS for each in times)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    print(f"bench agent.monitored: {late} of {len(times)} starts later than {GOAL_MS} ms, {load}", file=sys.stderr)
    for share in (50, 99):
        yield Figure(f"agent.monitored_after_ms_p{share}", percentile(times, share / 100), "ms")


BENCH = Bench(
    "agent.monitored",
    "Time from `cont`, when a guest begins to run, to its last vCPU thread in its mon_group: starts of real QEMUs "
    "with 4 vCPUs on a real API server with operator, agent and the mounted emulator",
    run,
)
