import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cachemon.model.api import AGENT_FIELD_MANAGER, OPERATOR_FIELD_MANAGER
from cachemon.model.times import format_time
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError
from lab.wait import until
from tests.integration.apiserver.examples import (
    AGENT_STATUS,
    API_VERSION,
    APPLY,
    MERGE,
    NODE_STATUS,
    OPERATOR_STATUS,
    SPEC,
    group_object,
    groups_path,
    list_when_served,
    node_object,
    nodes_path,
)


@pytest.fixture
def group(control_plane: ControlPlane, namespace: str) -> str:
    """The URL of a CacheMonitorGroup without a status."""
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    return groups_path(namespace, "vm3")


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a CacheMonitorNode without a status."""
    name = f"node-{secrets.token_hex(3)}"
    control_plane.request("POST", nodes_path(), node_object(name))
    yield name
    control_plane.request("DELETE", nodes_path(name))


def apply_status(control_plane: ControlPlane, path: str, manager: str, status: Mapping[str, Any]) -> dict[str, Any]:
    kind = "CacheMonitorGroup" if "cachemonitorgroups" in path else "CacheMonitorNode"
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {}, "status": status}
    query = f"fieldManager={manager}&fieldValidation=Strict&force=true"
    answer = control_plane.request("PATCH", f"{path}/status?{query}", body, content_type=APPLY)
    applied: dict[str, Any] = answer.get("status", {})
    return applied


def by_type(status: Mapping[str, Any]) -> dict[str, Any]:
    return {item["type"]: item for item in status["conditions"]}


def without(status: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key not in fields}


def test_operator_and_agent_each_keep_what_the_other_applied(control_plane: ControlPlane, group: str) -> None:
    apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    apply_status(control_plane, group, AGENT_FIELD_MANAGER, AGENT_STATUS)
    both = apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, {**OPERATOR_STATUS, "vcpuCount": 8})
    assert without(both, "conditions") == without({**OPERATOR_STATUS, **AGENT_STATUS, "vcpuCount": 8}, "conditions")
    assert by_type(both) == by_type(OPERATOR_STATUS) | by_type(AGENT_STATUS)


def test_an_empty_status_of_the_agent_removes_what_is_the_agents_and_no_more(
    control_plane: ControlPlane, group: str
) -> None:
    before = apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    apply_status(control_plane, group, AGENT_FIELD_MANAGER, AGENT_STATUS)
    assert apply_status(control_plane, group, AGENT_FIELD_MANAGER, {}) == before == OPERATOR_STATUS


def test_an_empty_status_of_the_operator_leaves_the_readings(control_plane: ControlPlane, group: str) -> None:
    apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    apply_status(control_plane, group, AGENT_FIELD_MANAGER, AGENT_STATUS)
    assert apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, {}) == AGENT_STATUS


def test_an_empty_status_is_taken_from_the_one_who_wrote_all_of_it(
    control_plane: ControlPlane, group: str, node: str
) -> None:
    for path, status in ((group, AGENT_STATUS), (nodes_path(node), NODE_STATUS)):
        apply_status(control_plane, path, AGENT_FIELD_MANAGER, status)
        assert apply_status(control_plane, path, AGENT_FIELD_MANAGER, {}) == {}


def test_a_cache_block_that_the_agent_leaves_out_is_gone(control_plane: ControlPlane, group: str) -> None:
    apply_status(control_plane, group, AGENT_FIELD_MANAGER, AGENT_STATUS)
    first = AGENT_STATUS["groups"][0]
    fewer = {**AGENT_STATUS, "groups": [{**first, "cacheBlocks": first["cacheBlocks"][:1]}]}
    assert apply_status(control_plane, group, AGENT_FIELD_MANAGER, fewer) == fewer


def test_an_applied_node_status_is_kept_as_it_was_written(control_plane: ControlPlane, node: str) -> None:
    assert apply_status(control_plane, nodes_path(node), AGENT_FIELD_MANAGER, NODE_STATUS) == NODE_STATUS


def test_writing_the_object_does_not_touch_the_status(control_plane: ControlPlane, group: str) -> None:
    apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    change = {"spec": {"priority": 7}, "status": {"nodeName": "node02"}}
    written = control_plane.request("PATCH", group, change, content_type=MERGE)
    assert written["spec"]["priority"] == 7
    assert written["status"] == OPERATOR_STATUS
    assert written["metadata"]["generation"] == 2


def test_writing_the_status_does_not_touch_spec_labels_or_generation(control_plane: ControlPlane, group: str) -> None:
    change = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"priority": 7},
        "status": {"nodeName": "node02"},
    }
    written = control_plane.request("PATCH", f"{group}/status", change, content_type=MERGE)
    assert written["status"] == {"nodeName": "node02"}
    assert written["spec"] == SPEC
    assert "labels" not in written["metadata"]
    assert written["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("spec.vmiName=vm3", "here,there"),
        ("spec.vmiName=vm4", ""),
        ("status.nodeName=node01", "here"),
        ("status.nodeName=", "nowhere"),
        ("status.migrationTargetNodeName=node01", "there"),
    ],
)
def test_groups_are_selected_by_vmi_node_and_migration_target(
    control_plane: ControlPlane, namespace: str, selector: str, found: str
) -> None:
    statuses: dict[str, dict[str, str]] = {
        "here": {"nodeName": "node01"},
        "there": {"nodeName": "node02", "migrationTargetNodeName": "node01"},
        "nowhere": {},
    }
    for name, status in statuses.items():
        vmi = "vm5" if name == "nowhere" else "vm3"
        control_plane.request("POST", groups_path(namespace), group_object(name, {"vmiName": vmi}))
        apply_status(control_plane, groups_path(namespace, name), OPERATOR_FIELD_MANAGER, status)
    template = "jsonpath={.items[*].metadata.name}"
    names = control_plane.kubectl("get", "cmg", "-n", namespace, "--field-selector", selector, "-o", template)
    assert names.split() == [name for name in found.split(",") if name]


def test_a_watch_by_node_says_added_when_a_group_comes_and_deleted_when_it_goes(
    control_plane: ControlPlane, namespace: str, group: str
) -> None:
    start = list_when_served(control_plane, groups_path(namespace))["metadata"]["resourceVersion"]
    for node in ("node01", "node02"):
        apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, {**OPERATOR_STATUS, "nodeName": node})
    query = f"watch=1&timeoutSeconds=1&resourceVersion={start}&fieldSelector=status.nodeName%3Dnode01"

    def both_events() -> list[dict[str, Any]]:
        text = control_plane.kubectl("get", "--raw", f"{groups_path(namespace)}?{query}")
        events = [json.loads(line) for line in text.splitlines()]
        return events if len(events) == 2 else []

    seen = until("both events", both_events)
    assert [event["type"] for event in seen] == ["ADDED", "DELETED"]
    assert [event["object"]["metadata"]["name"] for event in seen] == ["vm3", "vm3"]


def test_default_columns_fit_a_terminal_of_80(control_plane: ControlPlane, namespace: str) -> None:
    spec = {**SPEC, "vmiName": "web-frontend"}
    control_plane.request("POST", groups_path(namespace), group_object("web-frontend", spec))
    path = groups_path(namespace, "web-frontend")
    unknown = [{**item, "status": "Unknown"} for item in OPERATOR_STATUS["conditions"]]
    status = {**OPERATOR_STATUS, "nodeName": "worker-12", "conditions": unknown}
    apply_status(control_plane, path, OPERATOR_FIELD_MANAGER, status)
    apply_status(control_plane, path, AGENT_FIELD_MANAGER, {**AGENT_STATUS, "observedTime": format_time(time.time())})
    header, row = control_plane.kubectl("get", "cmg", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "VMI", "NODE", "OCCUPANCY", "BANDWIDTH", "READY", "SEEN"]
    *cells, seen = row.split()
    assert cells == ["web-frontend", "web-frontend", "worker-12", "61Mi", "1200M", "Unknown"]
    assert re.fullmatch(r"\ds", seen)
    assert max(len(header), len(row)) <= 80


def test_the_age_of_figures_is_shown_though_nobody_renews_the_status(
    control_plane: ControlPlane, namespace: str, group: str, node: str
) -> None:
    """No program of cachemon runs here; Ready was True once."""
    apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    for seconds, shown in ((3 * 3600, "3h"), (40 * 60, "40m"), (-3600, "<invalid>")):
        observed = {"observedTime": format_time(time.time() - seconds - 1 if seconds > 0 else time.time() - seconds)}
        apply_status(control_plane, group, AGENT_FIELD_MANAGER, {**AGENT_STATUS, **observed})
        apply_status(control_plane, nodes_path(node), AGENT_FIELD_MANAGER, {**NODE_STATUS, **observed})
        for what in (("cmg", "-n", namespace), ("cmn", node)):
            row = control_plane.kubectl("get", *what, "--no-headers").split()
            assert row[-2:] == ["True", shown]


def test_wide_columns_add_groups_blocks_and_reason(control_plane: ControlPlane, namespace: str, group: str) -> None:
    apply_status(control_plane, group, OPERATOR_FIELD_MANAGER, OPERATOR_STATUS)
    apply_status(control_plane, group, AGENT_FIELD_MANAGER, AGENT_STATUS)
    header, row = control_plane.kubectl("get", "cmg", "-n", namespace, "-o", "wide").splitlines()
    assert header.split()[5:] == ["READY", "SEEN", "GROUPS", "BLOCKS", "REASON", "UNDISTURBED", "INTERFERENCE", "AGE"]
    figures, judged = ["1/2", "0=59Mi,1=2Mi", "AsWanted"], ["False", "Likely", "Cache", "21%"]
    assert [row.split()[5], *row.split()[7:-1]] == ["True", *figures, *judged]


def test_columns_of_nodes(control_plane: ControlPlane, node: str) -> None:
    apply_status(
        control_plane,
        nodes_path(node),
        AGENT_FIELD_MANAGER,
        {**NODE_STATUS, "observedTime": format_time(time.time())},
    )
    header, row = control_plane.kubectl("get", "cmn", node).splitlines()
    assert header.split() == ["NAME", "BLOCKS", "HEAVIEST", "RMIDS", "READY", "SEEN"]
    assert row.split()[:-1] == [node, "0=59Mi/64Mi,1=2Mi/64Mi", "tenant-a/vm3=51Mi", "4/224", "True"]
    assert max(len(header), len(row)) <= 80
    header, row = control_plane.kubectl("get", "cmn", node, "-o", "wide").splitlines()
    assert header.split()[4:] == ["READY", "SEEN", "REASON", "EVENTS", "VERSION", "INTERFERENCE", "AGE"]
    assert [row.split()[4], *row.split()[6:-1]] == ["True", "AsWanted", "occupancy,total,local", "0.1.0", "0.210"]


def test_the_category_lists_both_kinds(control_plane: ControlPlane, namespace: str, group: str, node: str) -> None:
    assert group.endswith("/vm3")
    names = control_plane.kubectl("get", "cachemon", "-n", namespace, "-o", "name").split()
    assert "cachemonitorgroup.cachemon.dev/vm3" in names
    assert f"cachemonitornode.cachemon.dev/{node}" in names


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("cmg", "CacheMonitorGroup measures the last-level cache"),
        ("cmg.spec.groups", "The monitoring groups. They may overlap"),
        ("cmg.spec.groups.vcpus", "vCPU ids as libvirt writes them"),
        ("cmg.status.groups.cacheBlocks", "The figures of each cache block"),
        ("cmn.status.cacheBlocks.unattributedBytes", "Bytes of it that no monitored VM holds"),
    ],
)
def test_kubectl_explains_fields(control_plane: ControlPlane, field: str, text: str) -> None:
    def explanation() -> str:
        try:
            return control_plane.kubectl("explain", field)
        except ControlPlaneError:  # a new CRD is served some moments before its OpenAPI document is
            return ""

    assert text in until(f"the description of {field}", explanation)
