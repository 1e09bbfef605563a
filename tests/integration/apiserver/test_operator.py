import os
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.kubernetes.control_plane import ControlPlane
from lab.ports import LOOPBACK
from lab.speed import allowance
from lab.vms import kubevirt
from lab.wait import until
from tests.integration.apiserver.examples import groups_path, nodes_path
from tests.integration.apiserver.operated import (
    START_SECONDS,
    Object,
    Operator,
    Tenant,
    bound,
    has_figures,
    now,
    operator,
    ready,
    tenant,
)

__all__ = ["operator", "tenant"]


def test_a_group_follows_its_vm_from_absence_to_fresh_figures(tenant: Tenant) -> None:
    node = tenant.node(1)
    tenant.add_group("g", "vm1")
    status = tenant.becomes("g", "no VMI", lambda s: bound(s) == "False/VMINotFound", seconds=START_SECONDS)
    assert ready(status) == "False/VMINotFound"
    assert status["nodeName"] == ""
    assert "placements" not in status

    vmi = tenant.add_vmi("vm1")
    status = tenant.becomes("g", "not running", lambda s: bound(s) == "False/VMINotRunning")
    assert status["vmiUID"] == vmi["metadata"]["uid"]

    pod = tenant.add_pod(vmi, node)
    vmi = tenant.put_vmi(kubevirt.scheduled(vmi, pod, now()))
    status = tenant.becomes("g", "no agent", lambda s: bound(s) == "False/NoAgent")
    assert status["nodeName"] == node
    assert status["placements"] == [{"nodeName": node, "podUID": pod["metadata"]["uid"], "role": "Active"}]
    assert status["vcpuCount"] == 2

    tenant.agent_reports_node(node)
    status = tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed")
    assert ready(status) == "False/WaitingForAgent"

    tenant.agent_reports_group("g")
    status = tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")
    assert status["observedGeneration"] == 1


def test_a_group_made_after_its_vm_is_bound_as_well(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1))
    vmi, pod = tenant.start_vmi("vm1", tenant.node(1))
    tenant.add_group("g", "vm1")
    status = tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    assert status["vmiUID"] == vmi["metadata"]["uid"]
    assert [item["podUID"] for item in status["placements"]] == [pod["metadata"]["uid"]]


def test_a_node_whose_caches_cannot_be_monitored_says_so_in_the_group(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1), ready="False")
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.add_group("g", "vm1")
    status = tenant.becomes("g", "unsupported", lambda s: bound(s) == "False/NodeUnsupported")
    assert ready(status) == "False/NodeUnsupported"
    assert "mount resctrl" in next(item["message"] for item in status["conditions"] if item["type"] == "Bound")


def test_the_end_of_a_vm_takes_its_figures_away_and_a_restart_begins_anew(tenant: Tenant) -> None:
    node = tenant.node(1)
    tenant.agent_reports_node(node)
    tenant.add_group("g", "vm1")
    vmi, pod = tenant.start_vmi("vm1", node)
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    tenant.agent_reports_group("g")
    tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")

    tenant.put_pod(kubevirt.pod_ended(pod, "Failed", now()))
    tenant.put_vmi(kubevirt.failed(vmi, now()))
    status = tenant.becomes("g", "empty", lambda s: s["nodeName"] == "" and not has_figures(s))
    assert bound(status) == ready(status) == "False/VMINotRunning"

    tenant.delete_vmi(vmi)
    restarted, new_pod = tenant.start_vmi("vm1", node)
    status = tenant.becomes("g", "placed anew", lambda s: bound(s) == "True/Placed")
    assert status["vmiUID"] == restarted["metadata"]["uid"] != vmi["metadata"]["uid"]
    assert [item["podUID"] for item in status["placements"]] == [new_pod["metadata"]["uid"]]
    assert ready(status) == "False/WaitingForAgent"
    assert not has_figures(status)


def test_a_live_migration_has_the_target_placed_before_the_flip_and_never_blinks(tenant: Tenant) -> None:
    source, target = tenant.node(1), tenant.node(2)
    for node in (source, target):
        tenant.agent_reports_node(node)
    tenant.add_group("g", "vm1")
    vmi, pod = tenant.start_vmi("vm1", source)
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    tenant.agent_reports_group("g")
    tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")

    def becomes(what: str, test: Callable[[Object], bool]) -> Object:
        def never_blinks(status: Object) -> bool:
            assert ready(status) == "True/FiguresFresh"
            assert [item["role"] for item in status["placements"]].count("Active") == 1
            return test(status)

        return tenant.becomes("g", what, never_blinks)

    new_pod = tenant.add_pod(vmi, target)
    status = becomes("target placed", lambda s: s["migrationTargetNodeName"] == target)
    assert [item["role"] for item in status["placements"]] == ["Active", "MigrationTarget"]
    new_pod = tenant.put_pod(kubevirt.pod_running(new_pod, now()))
    vmi = tenant.put_vmi(kubevirt.handed_to_target(vmi, pod, new_pod, "mig-1"))
    vmi = tenant.put_vmi(kubevirt.migrating(vmi, now()))
    vmi = tenant.put_vmi(kubevirt.migrated(vmi, now()))
    status = becomes("flipped", lambda s: s["nodeName"] == target)
    assert status["placements"] == [{"nodeName": target, "podUID": new_pod["metadata"]["uid"], "role": "Active"}]
    assert status["migrationTargetNodeName"] == ""
    tenant.put_vmi(kubevirt.migration_completed(vmi, now()))
    tenant.agent_reports_group("g")
    tenant.put_pod(kubevirt.pod_ended(pod, "Succeeded", now()))
    assert becomes("settled", has_figures)["nodeName"] == target


def test_a_silent_agent_makes_its_groups_unknown_and_keeps_their_figures(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.add_group("g", "vm1", period=1)
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    began = time.monotonic()
    tenant.agent_reports_group("g")
    status = tenant.becomes("g", "silent", lambda s: ready(s) == "Unknown/AgentNotReporting", seconds=8)
    assert time.monotonic() - began > 3, "three periods"
    assert has_figures(status)
    assert bound(status) == "True/Placed"
    tenant.agent_reports_group("g")
    tenant.becomes("g", "ready again", lambda s: ready(s) == "True/FiguresFresh")


def test_a_node_agent_that_falls_silent_is_no_agent(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.add_group("g", "vm1")
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    tenant.agent_reports_node(tenant.node(1), period=1)
    status = tenant.becomes("g", "no agent", lambda s: bound(s) == "False/NoAgent")
    assert status["nodeName"] == tenant.node(1)
    assert ready(status) == "False/NoAgent"


def test_a_state_that_lasts_is_an_event_on_its_group_and_what_led_to_it_is_none(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1), ready="False")
    tenant.add_group("g", "vm1")
    tenant.becomes("g", "no VMI", lambda s: bound(s) == "False/VMINotFound", seconds=START_SECONDS)
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "unsupported", lambda s: bound(s) == "False/NodeUnsupported")
    until("the event is there", lambda: bool(tenant.events()), seconds=30)
    [event] = tenant.events()
    assert (event["type"], event["reason"]) == ("Warning", "NodeUnsupported")
    assert event["regarding"]["kind"] == "CacheMonitorGroup"
    assert event["regarding"]["name"] == "g"
    assert "mount resctrl" in event["note"]


def test_objects_carry_no_finalizer_and_no_annotation_of_the_operator(tenant: Tenant) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.add_group("g", "vm1")
    vmi, pod = tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    pods = f"/api/v1/namespaces/{tenant.namespace}/pods/{pod['metadata']['name']}"
    vmis = f"/apis/kubevirt.io/v1/namespaces/{tenant.namespace}/virtualmachineinstances/vm1"
    bare: Object = {"metadata": {}}
    objects = [
        (groups_path(tenant.namespace, "g"), bare),
        (nodes_path(tenant.node(1)), bare),
        (vmis, vmi),
        (pods, pod),
    ]
    for path, before in objects:
        metadata = tenant.request("GET", path)["metadata"]
        assert metadata.get("finalizers") == before["metadata"].get("finalizers")
        assert metadata.get("annotations") == before["metadata"].get("annotations")
        managers = {entry["manager"] for entry in metadata["managedFields"]}
        assert managers.isdisjoint({"kopf"})


def test_an_operator_that_was_away_catches_up_and_loses_nothing(tenant: Tenant, operator: Operator) -> None:
    tenant.agent_reports_node(tenant.node(1))
    for name in ("stays", "ends"):
        tenant.add_group(name, name)
    tenant.start_vmi("stays", tenant.node(1))
    ending, pod = tenant.start_vmi("ends", tenant.node(1))
    for name in ("stays", "ends"):
        tenant.becomes(name, "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
        tenant.agent_reports_group(name)
    before = tenant.becomes("stays", "ready", lambda s: ready(s) == "True/FiguresFresh")
    assert operator.stop() == 0

    tenant.put_pod(kubevirt.pod_ended(pod, "Succeeded", now()))
    tenant.delete_vmi(ending)
    tenant.add_group("new", "stays")
    operator.start()
    tenant.becomes("new", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    status = tenant.becomes("ends", "unbound", lambda s: bound(s) == "False/VMINotFound" and not has_figures(s))
    assert status["nodeName"] == ""
    assert tenant.status("stays") == before


def test_an_api_server_that_was_away_is_caught_up_with(
    tenant: Tenant, operator: Operator, control_plane: ControlPlane
) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.add_group("g", "vm1")
    vmi, pod = tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    control_plane.stop_api_server()
    try:
        until("the operator sees it", lambda: b"will retry" in operator.log.read_bytes())
    finally:
        control_plane.start_api_server()
    tenant.put_pod(kubevirt.pod_ended(pod, "Failed", now()))
    tenant.put_vmi(kubevirt.failed(vmi, now()))
    tenant.becomes("g", "unbound", lambda s: bound(s) == "False/VMINotRunning", seconds=30)
    assert operator.exit_status is None, operator.log_tail()


def test_three_hundred_groups_are_bound_within_seconds(
    tenant: Tenant, operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant.agent_reports_node(tenant.node(1))
    names = [f"g{number}" for number in range(300)]
    operator.stop()
    tenant.start_vmi("vm1", tenant.node(1))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: tenant.add_group(name, "vm1"), names))
    operator.start()
    began = time.monotonic()

    def all_bound() -> bool:
        items = tenant.request("GET", groups_path(tenant.namespace))["items"]
        return all(bound(item.get("status", {})) == "True/Placed" for item in items)

    until("300 groups bound", all_bound)
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n300 groups bound {took:.1f} s after the operator's start, on {os.cpu_count()} CPUs")


def test_the_metrics_say_how_many_groups_are_ready(tenant: Tenant, operator: Operator) -> None:
    tenant.add_group("g", "vm1")
    tenant.becomes("g", "no VMI", lambda s: bound(s) == "False/VMINotFound", seconds=START_SECONDS)

    def page() -> str:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{operator.port}/metrics", timeout=allowance(10)) as answer:
            text: str = answer.read().decode()
        return text

    until("the count", lambda: 'cachemon_operator_groups{ready="False"} 1\n' in page())
    assert 'cachemon_operator_writes_total{result="ok"}' in page()
