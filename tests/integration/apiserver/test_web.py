"""`kubectl cachemon web` on a real API server: what the page gets is what the API has."""

import time

from cachemon.model.times import format_time
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.plugin_kubectl import Kubectl
from tests.integration.apiserver.role_bindings import bind
from tests.integration.apiserver.web_process import WebClient, web

CACHEMON = "/apis/cachemon.dev/v1alpha1"
MERGE = "application/merge-patch+json"
MIB = 1 << 20


def create_group(control_plane: ControlPlane, namespace: str, vmi: str = "vm1") -> None:
    group = {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorGroup", "metadata": {"name": vmi}}
    path = f"{CACHEMON}/namespaces/{namespace}/cachemonitorgroups"
    control_plane.request("POST", path, {**group, "spec": {"vmiName": vmi}})


def report(
    control_plane: ControlPlane, namespace: str, *, occupancy: int, vmi: str = "vm1", node: str = "web-node"
) -> None:
    """What operator and agent would write."""
    block = {
        "level": 3,
        "id": 0,
        "reading": "Valid",
        "occupancyBytes": occupancy,
        "capacityBytes": 32 * MIB,
        "memoryBandwidth": {"totalBytesPerSecond": 7 * occupancy},
    }
    item = {"name": "all", "vcpus": [0, 1], "threads": 2, "state": "Monitored", "cacheBlocks": [block]}
    now = format_time(time.time())
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "FiguresFresh",
        "message": "fresh",
        "lastTransitionTime": now,
        "observedGeneration": 1,
    }
    status = {"nodeName": node, "observedTime": now, "groups": [item], "conditions": [ready]}
    path = f"{CACHEMON}/namespaces/{namespace}/cachemonitorgroups/{vmi}/status?fieldManager=cachemon-agent"
    control_plane.request("PATCH", path, {"status": status}, content_type=MERGE)


def holds(client: WebClient, vm: str, occupancy: int | None) -> bool:
    shown = client.vm(vm)
    return shown is not None and shown["occupancy"] == occupancy


def test_the_page_follows_the_api(control_plane: ControlPlane, namespace: str) -> None:
    vm = f"{namespace}/vm1"
    create_group(control_plane, namespace)
    with web(control_plane, "-n", namespace) as client:
        assert client.renew()["source"]["namespace"] == namespace
        assert set(client.state["vms"]) == {vm}
        assert client.vm(vm)["occupancy"] is None
        report(control_plane, namespace, occupancy=5 * MIB)
        until("the figures", lambda: holds(client, vm, 5 * MIB))
        shown = client.vm(vm)
        assert (shown["node"], shown["bandwidth"], shown["ready"]) == ("web-node", 35 * MIB, "True")
        assert shown["observed"] <= client.state["now"] + 1
        report(control_plane, namespace, occupancy=6 * MIB, node="other-node")
        until("the migration", lambda: holds(client, vm, 6 * MIB))
        history = client.history(vm)
        held = {it["node"]: set(it["occupancy"]) - {None} for it in history["series"]}
        assert held == {"web-node": {5 * MIB}, "other-node": {6 * MIB}}
        assert [it["kind"] for it in history["markers"]] == ["started", "migrated"]
        assert vm in client.get("why.json?vm=" + vm)["text"]
        Kubectl(control_plane, namespace).run("delete", "cmg", "vm1", "-n", namespace)
        until("the end", lambda: client.vm(vm) is None)
        assert client.problem("why.json?vm=" + vm) == (404, f"nothing is known of {vm}")
        assert [it["kind"] for it in client.history(vm)["markers"]] == ["started", "migrated", "stopped"]


def test_a_new_vm_and_a_new_node_come_without_another_list(control_plane: ControlPlane, namespace: str) -> None:
    with web(control_plane, "-A") as client:
        client.renew()
        create_group(control_plane, namespace)
        report(control_plane, namespace, occupancy=MIB)
        until("the VM", lambda: holds(client, f"{namespace}/vm1", MIB))
        node = {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorNode", "metadata": {"name": namespace}}
        path = f"{CACHEMON}/cachemonitornodes/{namespace}?fieldManager=test"
        control_plane.request("PATCH", path, node, content_type="application/apply-patch+yaml")
        until("the node", lambda: namespace in client.renew()["nodes"])
        control_plane.request("DELETE", f"{CACHEMON}/cachemonitornodes/{namespace}")
        until("its end", lambda: namespace not in client.renew()["nodes"])
    lists = [
        event
        for event in control_plane.audit_events(mentioning="kubectl-cachemon")
        if event["verb"] == "list" and namespace in str(event)
    ]
    assert lists == []


def test_a_tenant_sees_its_namespace_only(control_plane: ControlPlane, namespace: str) -> None:
    user = bind(control_plane, namespace, "cachemon-view", f"tenant-of-{namespace}")
    create_group(control_plane, namespace)
    report(control_plane, namespace, occupancy=MIB)
    with web(control_plane, "-n", namespace, f"--as={user}") as client:
        until("the VM", lambda: holds(client, f"{namespace}/vm1", MIB))
        assert client.state["nodes"] == {}
        assert client.state["source"]["problem"] == ""
        assert client.state["remarks"][0].startswith("nodes, and names of VMs of other namespaces, are not shown: ")
        assert client.get(f"why.json?vm={namespace}/vm1")["text"]
    refused = Kubectl(control_plane, namespace).run("cachemon", "web", "--no-open", "-A", f"--as={user}", code=1)
    assert "ClusterRole cachemon-view" in refused.stderr


def test_a_context_without_a_server_ends_with_the_reason(control_plane: ControlPlane, namespace: str) -> None:
    refused = Kubectl(control_plane, namespace).run(
        "cachemon", "web", "--no-open", "--server=https://127.0.0.1:1", code=1
    )
    assert refused.stdout == ""
    assert "refused" in refused.stderr


def test_the_page_outlives_the_api_server(control_plane: ControlPlane, namespace: str) -> None:
    vm = f"{namespace}/vm1"
    create_group(control_plane, namespace)
    report(control_plane, namespace, occupancy=5 * MIB)
    with web(control_plane, "-n", namespace) as client:
        until("the figures", lambda: holds(client, vm, 5 * MIB))
        control_plane.stop_api_server()
        try:
            until("the problem", lambda: client.renew()["source"]["problem"])
            assert client.vm(vm)["occupancy"] == 5 * MIB
            assert client.problem("why.json?vm=" + vm)[0] == 502
        finally:
            control_plane.start_api_server()
        report(control_plane, namespace, occupancy=6 * MIB)
        until("the figures of now", lambda: holds(client, vm, 6 * MIB))
        until("the young server to take every request", lambda: not client.renew()["source"]["problem"])
