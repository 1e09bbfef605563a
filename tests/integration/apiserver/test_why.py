"""`why` and `verdicts` on a real API server, as an administrator and as a tenant of one namespace."""

import time
from typing import Any

import pytest

from cachemon.model.times import format_time
from lab.kubernetes.control_plane import ControlPlane
from lab.vms import kubevirt
from tests.integration.apiserver.plugin_kubectl import Kubectl
from tests.integration.apiserver.role_bindings import bind
from tests.unit.plugin.disturbed import EVIDENCE, interference, series, slowed, undisturbed

NODE = "node-with-verdicts"
CACHEMON = "/apis/cachemon.dev/v1alpha1"
MERGE = "application/merge-patch+json"


@pytest.fixture
def disturbed(control_plane: ControlPlane, namespace: str) -> str:
    """A namespace with a VMI that a foreign one disturbs; operator and agent are records."""
    now, since = format_time(time.time()), format_time(time.time() - 720)
    vmi = kubevirt.vmi("vm2", namespace, sockets=2, now=now)
    control_plane.request("POST", f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances", vmi)
    group = {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorGroup", "metadata": {"name": "vm2"}}
    groups = f"{CACHEMON}/namespaces/{namespace}/cachemonitorgroups"
    control_plane.request("POST", groups, group | {"spec": {"vmiName": "vm2"}})
    conditions = [whole(undisturbed("False", "Likely", "as below"))]
    status = {
        "nodeName": NODE,
        "observedTime": now,
        "interference": interference(since=since),
        "conditions": conditions,
    }
    control_plane.request("PATCH", f"{groups}/vm2/status", {"status": status}, content_type=MERGE)
    put_node(control_plane, slowed(victim=f"{namespace}/vm2", since=since, series=series()), now)
    return namespace


def whole(condition: dict[str, str]) -> dict[str, Any]:
    return {**condition, "lastTransitionTime": format_time(time.time()), "observedGeneration": 1}


def put_node(control_plane: ControlPlane, verdict: dict[str, Any], now: str) -> None:
    node = {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorNode", "metadata": {"name": NODE}}
    path = f"{CACHEMON}/cachemonitornodes/{NODE}"
    control_plane.request("PATCH", f"{path}?fieldManager=test", node, content_type="application/apply-patch+yaml")
    block = {"level": 3, "id": 0, "reading": "Valid", "verdicts": [verdict]}
    status = {"observedTime": now, "statusPeriodSeconds": 60, "cacheBlocks": [block], "interferenceRatio": "0.105"}
    control_plane.request("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str) -> str:
    """A user who may see the objects of the namespace."""
    return bind(control_plane, namespace, "cachemon-view", f"tenant-of-{namespace}")


def test_an_administrator_sees_both_names_and_charts(control_plane: ControlPlane, disturbed: str) -> None:
    kubectl = Kubectl(control_plane, disturbed)
    page = kubectl.cachemon("why", "vm2", "--ascii")
    assert page.replace("\n", " ").startswith(f"Likely, for 12m: {EVIDENCE}.")
    assert "  tenant-b/vm3, whose traffic rose" in page.splitlines()
    assert "    cache   |000000000000000000999999999999| last 20Mi, peak 20Mi" in page.splitlines()
    rows = kubectl.cachemon("verdicts", "--no-headers").splitlines()
    assert [row.split()[:6] for row in rows] == [[f"{disturbed}/vm2", "Likely", "21%", "Cache", "tenant-b/vm3", NODE]]


def test_a_tenant_sees_its_own_vm_and_no_name_of_another_namespace(
    control_plane: ControlPlane, disturbed: str, tenant: str
) -> None:
    kubectl = Kubectl(control_plane, disturbed)
    page = kubectl.cachemon("why", "vm2", "--as", tenant)
    assert page.startswith("Likely, for ")
    assert "another VM of this node" in page.replace("\n", " ")
    listed = kubectl.cachemon("verdicts", "--as", tenant, "-o", "json")
    assert '"neighbour": "another VM of this node"' in listed
    assert "tenant-b" not in page + listed
    assert f"    kubectl cachemon --as={tenant} why vm2 -n {disturbed}" in page.splitlines()


def test_who_may_read_nothing_reads_which_role_to_ask_for(control_plane: ControlPlane, disturbed: str) -> None:
    refused = Kubectl(control_plane, disturbed).cachemon("why", "vm2", "--as", "stranger", code=1)
    assert "Ask a cluster administrator for the ClusterRole cachemon-view" in refused
