import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until

NAMESPACE = "stalled"
NOTICED_SECONDS = 100
"""A watch says something at least once a minute: silence for 70 s (operator) or 75 s (agent) is its end."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-stall-"))  # short, for QEMU's monitor socket
    with Cluster(folder, find(), faulty=True) as running:
        running.start_operator()
        running.add_node("node01", agent_flags=("--node-period=1", "--scan-period=0.5")).start_agent()
        running.add_namespace(NAMESPACE)
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def watch(cluster: Cluster, name: str, vcpus: str) -> None:
    spec = {"vmiName": name, "statusPeriodSeconds": 1, "groups": [{"name": vcpus, "vcpus": vcpus}]}
    metadata = {"name": name, "namespace": NAMESPACE}
    cluster.control_plane.apply(
        {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorGroup", "metadata": metadata, "spec": spec}
    )


@pytest.mark.timeout(NOTICED_SECONDS + 80)
def test_watches_that_silently_stall_are_noticed_by_both_programs_and_replaced(cluster: Cluster) -> None:
    def status_of(name: str) -> dict[str, Any]:
        status: dict[str, Any] = cluster.group(NAMESPACE, name).get("status", {})
        return status

    def ready(name: str) -> bool:
        conditions = status_of(name).get("conditions", ())
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    proxies = [proxy for proxy in (cluster.proxy, cluster.nodes["node01"].proxy) if proxy]
    hardware = Hardware(vcpus=2, busy_percent=(5, 5))
    with Vmi(cluster, NAMESPACE, "vm1", hardware) as vm1, Vmi(cluster, NAMESPACE, "vm2", hardware) as vm2:
        vm1.start("node01")
        watch(cluster, "vm1", "0")
        until("vm1 to be Ready", lambda: ready("vm1"))
        for proxy in proxies:
            proxy.stall_watches()
            proxy.heal()  # for new watches; what is stalled stays so
        watch(cluster, "vm1", "1")
        vm2.start("node01")
        watch(cluster, "vm2", "0")
        stale = status_of("vm1")["observedTime"]
        until("figures all the same", lambda: status_of("vm1")["observedTime"] > stale)
        assert status_of("vm1")["groups"][0]["name"] == "0", "nothing stalls"
        until("the edit", lambda: status_of("vm1")["groups"][0]["name"] == "1", seconds=NOTICED_SECONDS)
        until("vm2 to be Ready", lambda: ready("vm2"), seconds=NOTICED_SECONDS)
    assert len(proxies) == 2
    assert all(proxy.struck for proxy in proxies)
