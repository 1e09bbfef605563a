import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from cachemon.model.api import AGENT_FIELD_MANAGER, OPERATOR_FIELD_MANAGER
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError
from lab.wait import until
from tests.integration.apiserver.examples import (
    AGENT_STATUS,
    API_VERSION,
    APPLY,
    MERGE,
    NODE_STATUS,
    OPERATOR_STATUS,
    condition,
    group_object,
    groups_path,
    node_object,
    nodes_path,
)

SYSTEM = "cachemon-system"
AGENT = "cachemon-agent"
OPERATOR = "cachemon-operator"

UNBOUND = "an agent's token must be bound to its pod"
MAY_WRITE = (
    "an agent may write observedTime, figuresAgeSeconds, statusPeriodSeconds, live, summary, groups, omitted, "
    "interference, typical and the conditions Monitored and Undisturbed of "
    "the status; not "
)


@dataclass(frozen=True)
class Agents:
    """Two nodes and the tokens of their agents."""

    here: str
    there: str
    token_here: str
    token_there: str
    unbound_token: str


@pytest.fixture(scope="module")
def agents(control_plane: ControlPlane) -> Iterator[Agents]:
    """Two nodes with agents; both policies are in force."""
    here, there = (f"{name}-{secrets.token_hex(4)}" for name in ("here", "there"))
    pods = []
    for node in (here, there):
        control_plane.add_node(node)
        pods.append(control_plane.add_agent_pod(node))
    tokens = [control_plane.service_account_token(SYSTEM, AGENT, bound_pod=pod) for pod in pods]
    unbound = control_plane.service_account_token(SYSTEM, AGENT)
    agents = Agents(here, there, tokens[0], tokens[1], unbound)
    control_plane.request("POST", groups_path("default"), group_object(here))
    until("the policies", lambda: policies_in_force(control_plane, agents))
    yield agents
    control_plane.request("DELETE", groups_path("default", here))
    for node, pod in zip((here, there), pods, strict=True):
        now = {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
        control_plane.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}", now)
        control_plane.request("DELETE", f"/api/v1/nodes/{node}")


def policies_in_force(control_plane: ControlPlane, agents: Agents) -> bool:
    def post_node() -> None:
        path = f"{nodes_path()}?dryRun=All"
        control_plane.request("POST", path, node_object("probe"), token=agents.unbound_token)

    def apply_group() -> None:
        apply_status(control_plane, groups_path("default", agents.here), agents.unbound_token, {})

    return refused_by_policy(post_node) and refused_by_policy(apply_group)


def refused_by_policy(write: Callable[[], None]) -> bool:
    try:
        write()
    except ApiException as error:
        return "ValidatingAdmissionPolicy" in message_of(error)
    return False


@pytest.fixture
def group(control_plane: ControlPlane, namespace: str, agents: Agents) -> str:
    """The URL of a group that the operator bound to the node `here`."""
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    path = groups_path(namespace, "vm3")
    apply_status(control_plane, path, operator_token(control_plane), status_on(agents.here), OPERATOR_FIELD_MANAGER)
    return path


@pytest.fixture
def node(control_plane: ControlPlane, agents: Agents) -> Iterator[str]:
    """The URL of the CacheMonitorNode of the node `here`, written by its agent."""
    control_plane.request("POST", nodes_path(), node_object(agents.here), token=agents.token_here)
    yield nodes_path(agents.here)
    control_plane.request("DELETE", nodes_path(agents.here))


def operator_token(control_plane: ControlPlane) -> str:
    return control_plane.service_account_token(SYSTEM, OPERATOR)


def status_on(node: str) -> dict[str, Any]:
    return {**OPERATOR_STATUS, "nodeName": node}


def apply_status(
    control_plane: ControlPlane,
    path: str,
    token: str,
    status: Mapping[str, Any],
    manager: str = AGENT_FIELD_MANAGER,
) -> dict[str, Any]:
    kind = "CacheMonitorGroup" if "cachemonitorgroups" in path else "CacheMonitorNode"
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {}, "status": status}
    query = f"fieldManager={manager}&force=true"
    answer = control_plane.request("PATCH", f"{path}/status?{query}", body, token=token, content_type=APPLY)
    applied: dict[str, Any] = answer.get("status", {})
    return applied


def merge_status(control_plane: ControlPlane, path: str, token: str, status: Any) -> Any:
    body = {"status": status}
    return control_plane.request("PATCH", f"{path}/status", body, token=token, content_type=MERGE)["status"]


def test_an_agent_writes_the_readings_of_a_group_on_its_node(
    control_plane: ControlPlane, agents: Agents, group: str
) -> None:
    written = apply_status(control_plane, group, agents.token_here, AGENT_STATUS)
    assert written["groups"] == AGENT_STATUS["groups"]
    assert written["nodeName"] == agents.here
    monitored = condition("Monitored", "False", "RMIDsExhausted")
    again = {**AGENT_STATUS, "groups": [], "observedTime": "2026-11-22T08:01:00Z", "conditions": [monitored]}
    written = apply_status(control_plane, group, agents.token_here, again)
    assert monitored in written["conditions"]
    assert len(written["conditions"]) == 3


def test_an_agent_takes_back_its_readings(control_plane: ControlPlane, agents: Agents, group: str) -> None:
    apply_status(control_plane, group, agents.token_here, AGENT_STATUS)
    assert apply_status(control_plane, group, agents.token_here, {}) == status_on(agents.here)


def test_an_agent_does_not_write_a_group_on_another_node(
    control_plane: ControlPlane, agents: Agents, group: str
) -> None:
    with pytest.raises(ApiException) as refused:
        apply_status(control_plane, group, agents.token_there, AGENT_STATUS)
    assert refused.value.status == 403
    assert (
        f"the agent of node {agents.there} may write the status of groups on that node; "
        f"this group is on node {agents.here}" in message_of(refused.value)
    )


def test_an_agent_does_not_move_a_group_to_its_own_node(
    control_plane: ControlPlane, agents: Agents, group: str
) -> None:
    with pytest.raises(ApiException, match=f"this group is on node {agents.here}"):
        merge_status(control_plane, group, agents.token_there, {"nodeName": agents.there})


@pytest.mark.parametrize("status", [{"nodeName": ""}, {}], ids=["unbound", "never bound"])
def test_an_agent_does_not_write_a_group_on_no_node(
    control_plane: ControlPlane, agents: Agents, namespace: str, status: dict[str, Any]
) -> None:
    control_plane.request("POST", groups_path(namespace), group_object("vm4"))
    path = groups_path(namespace, "vm4")
    apply_status(control_plane, path, operator_token(control_plane), status, OPERATOR_FIELD_MANAGER)
    with pytest.raises(ApiException, match="this group is on no node") as refused:
        apply_status(control_plane, path, agents.token_here, AGENT_STATUS)
    assert refused.value.status == 403


def test_a_migrated_group_is_written_by_the_agent_of_its_new_node_only(
    control_plane: ControlPlane, agents: Agents, group: str
) -> None:
    moved = status_on(agents.there)
    apply_status(control_plane, group, operator_token(control_plane), moved, OPERATOR_FIELD_MANAGER)
    assert apply_status(control_plane, group, agents.token_there, AGENT_STATUS)["groups"] == AGENT_STATUS["groups"]
    with pytest.raises(ApiException, match=f"this group is on node {agents.there}"):
        apply_status(control_plane, group, agents.token_here, AGENT_STATUS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"nodeName": "elsewhere"}, "nodeName"),
        ({"nodeName": None}, "nodeName"),
        ({"migrationTargetNodeName": "elsewhere"}, "migrationTargetNodeName"),
        ({"vmiUID": "another"}, "vmiUID"),
        ({"vcpuCount": 64}, "vcpuCount"),
        ({"observedGeneration": None}, "observedGeneration"),
        ({"placements": []}, "placements"),
        ({"placements": OPERATOR_STATUS["placements"][:1]}, "placements"),
        ({"conditions": OPERATOR_STATUS["conditions"][:1]}, "condition Ready"),
        ({"conditions": [condition("Bound", "False"), OPERATOR_STATUS["conditions"][1]]}, "condition Bound"),
        ({"conditions": [*OPERATOR_STATUS["conditions"], condition("Trusted")]}, "condition Trusted"),
    ],
    ids=str,
)
def test_an_agent_does_not_write_what_is_the_operators(
    control_plane: ControlPlane, agents: Agents, group: str, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ApiException) as refused:
        merge_status(control_plane, group, agents.token_here, change)
    assert refused.value.status == 403
    assert message_of(refused.value).endswith(MAY_WRITE + named)


@pytest.mark.parametrize("field", sorted(OPERATOR_STATUS))
def test_an_agent_does_not_become_an_owner_of_what_is_the_operators(
    control_plane: ControlPlane, agents: Agents, group: str, field: str
) -> None:
    as_it_is = {field: status_on(agents.here)[field]}
    with pytest.raises(ApiException, match="not the operator's fields, even as they are") as refused:
        apply_status(control_plane, group, agents.token_here, {**AGENT_STATUS, **as_it_is})
    assert refused.value.status == 403
    apply_status(control_plane, group, operator_token(control_plane), {"nodeName": ""}, OPERATOR_FIELD_MANAGER)
    assert control_plane.request("GET", group)["status"] == {"nodeName": ""}


def test_an_agent_does_not_remove_the_whole_status(control_plane: ControlPlane, agents: Agents, group: str) -> None:
    with pytest.raises(ApiException) as refused:
        merge_status(control_plane, group, agents.token_here, None)
    named = message_of(refused.value).rpartition(MAY_WRITE)[2].split(", ")
    assert sorted(named) == sorted(OPERATOR_STATUS.keys() - {"conditions"})


def test_an_agent_does_not_add_a_field_that_the_operator_has_not_set(
    control_plane: ControlPlane, agents: Agents, namespace: str
) -> None:
    control_plane.request("POST", groups_path(namespace), group_object("vm4"))
    path = groups_path(namespace, "vm4")
    bound = {"nodeName": agents.here}
    apply_status(control_plane, path, operator_token(control_plane), bound, OPERATOR_FIELD_MANAGER)
    with pytest.raises(ApiException) as refused:
        merge_status(control_plane, path, agents.token_here, {"vcpuCount": 4})
    assert message_of(refused.value).endswith(MAY_WRITE + "vcpuCount")


def test_an_agent_does_not_write_as_the_operator(control_plane: ControlPlane, agents: Agents, group: str) -> None:
    with pytest.raises(ApiException) as refused:
        apply_status(control_plane, group, agents.token_here, {}, OPERATOR_FIELD_MANAGER)
    assert MAY_WRITE in message_of(refused.value)


def test_a_token_without_a_pod_writes_nothing(
    control_plane: ControlPlane, agents: Agents, group: str, node: str
) -> None:
    token = agents.unbound_token
    for path, status in ((group, AGENT_STATUS), (node, NODE_STATUS)):
        with pytest.raises(ApiException) as refused:
            apply_status(control_plane, path, token, status)
        assert refused.value.status == 403
        assert message_of(refused.value).endswith(UNBOUND)
    with pytest.raises(ApiException, match=UNBOUND):
        control_plane.request("POST", nodes_path(), node_object(agents.there), token=token)


def test_a_user_who_is_called_like_the_agent_but_has_no_claims_writes_nothing(
    control_plane: ControlPlane, group: str, namespace: str
) -> None:
    assert group == groups_path(namespace, "vm3")
    body = {**group_object("vm3"), "status": AGENT_STATUS}
    del body["spec"]
    flags = ("--server-side", "--subresource=status", f"--field-manager={AGENT_FIELD_MANAGER}", "-n", namespace)
    user = f"--as=system:serviceaccount:{SYSTEM}:{AGENT}"
    with pytest.raises(ControlPlaneError, match=UNBOUND):
        control_plane.kubectl("apply", *flags, user, "--validate=false", "-f", "-", input=yaml.safe_dump(body))


def test_an_agent_fills_the_object_of_its_own_node(control_plane: ControlPlane, agents: Agents, node: str) -> None:
    assert apply_status(control_plane, node, agents.token_here, NODE_STATUS) == NODE_STATUS


def test_an_agent_does_not_touch_the_object_of_another_node(
    control_plane: ControlPlane, agents: Agents, node: str
) -> None:
    why = f"the agent of node {agents.there} may write the CacheMonitorNode of that name; not {agents.here}"
    with pytest.raises(ApiException) as refused:
        apply_status(control_plane, node, agents.token_there, NODE_STATUS)
    assert refused.value.status == 403
    assert message_of(refused.value).endswith(why)


@pytest.mark.parametrize("metadata", [{"name": "elsewhere"}, {"generateName": "here-"}], ids=str)
def test_an_agent_makes_no_object_of_another_name(
    control_plane: ControlPlane, agents: Agents, metadata: dict[str, str]
) -> None:
    body = {**node_object(""), "metadata": metadata}
    with pytest.raises(ApiException, match="may write the CacheMonitorNode of that name") as refused:
        control_plane.request("POST", nodes_path(), body, token=agents.token_here)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"uid": "0b1c3a52-9a0e-4f0c-b0c1-0f6c5f7b9d11"},
        {"kind": "Namespace", "name": "kube-system"},
        {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorNode"},
        {"blockOwnerDeletion": True},
    ],
    ids=str,
)
def test_an_agent_gives_its_object_no_owner_but_its_own_node(
    control_plane: ControlPlane, agents: Agents, change: dict[str, Any]
) -> None:
    uid = control_plane.request("GET", f"/api/v1/nodes/{agents.here}")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": agents.here, "uid": uid}
    path = f"{nodes_path()}?dryRun=All"

    def create(**metadata: Any) -> None:
        body = {**node_object(""), "metadata": {"name": agents.here, **metadata}}
        control_plane.request("POST", path, body, token=agents.token_here)

    create(ownerReferences=[owner])
    for metadata in ({"ownerReferences": [{**owner, **change}]}, {"ownerReferences": [owner, {**owner, **change}]}):
        with pytest.raises(ApiException, match="own Node as owner and nothing else") as refused:
            create(**metadata)
        assert refused.value.status == 403


def test_an_agent_gives_its_object_no_finalizers(control_plane: ControlPlane, agents: Agents) -> None:
    body = {**node_object(""), "metadata": {"name": agents.here, "finalizers": ["cachemon.dev/stay"]}}
    with pytest.raises(ApiException, match="no finalizers"):
        control_plane.request("POST", f"{nodes_path()}?dryRun=All", body, token=agents.token_here)


def test_a_status_that_an_agent_sends_along_with_a_new_object_is_not_taken(
    control_plane: ControlPlane, agents: Agents
) -> None:
    body = {**node_object(agents.here), "status": NODE_STATUS}
    made = control_plane.request("POST", f"{nodes_path()}?dryRun=All", body, token=agents.token_here)
    assert not made.get("status")


@dataclass(frozen=True)
class Edit:
    """Metadata that an agent sends to a status endpoint, and how."""

    content_type: str
    metadata: dict[str, Any]


EDITS: list[dict[str, Any]] = [
    {"labels": {"team": "x"}},
    {"annotations": {"note": "x"}},
    {"finalizers": ["cachemon.dev/stay"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]},
]


@pytest.mark.parametrize("edit", [Edit(kind, metadata) for kind in (MERGE, APPLY) for metadata in EDITS], ids=str)
def test_an_agent_that_sends_metadata_or_spec_to_the_status_endpoint_changes_neither(
    control_plane: ControlPlane, agents: Agents, group: str, node: str, edit: Edit
) -> None:
    for path, kind, status in (
        (group, "CacheMonitorGroup", AGENT_STATUS),
        (node, "CacheMonitorNode", NODE_STATUS),
    ):
        before = control_plane.request("GET", path)
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": edit.metadata}
        if edit.content_type == APPLY:
            body |= {"status": status}
        if kind == "CacheMonitorGroup":
            body |= {"spec": {"vmiName": "vm3", "priority": 1000}}
        query = f"?fieldManager={AGENT_FIELD_MANAGER}" + ("&force=true" if edit.content_type == APPLY else "")
        with suppress(ApiException):  # refused or not taken
            control_plane.request(
                "PATCH", f"{path}/status{query}", body, token=agents.token_here, content_type=edit.content_type
            )
        after = control_plane.request("GET", path)
        assert after.get("spec") == before.get("spec")
        for field in ("labels", "annotations", "finalizers", "ownerReferences", "generation"):
            assert after["metadata"].get(field) == before["metadata"].get(field)


def test_the_agent_of_a_migrations_target_waits_for_its_turn(
    control_plane: ControlPlane, agents: Agents, group: str
) -> None:
    migrating = {**status_on(agents.here), "migrationTargetNodeName": agents.there}
    apply_status(control_plane, group, operator_token(control_plane), migrating, OPERATOR_FIELD_MANAGER)
    with pytest.raises(ApiException, match=f"this group is on node {agents.here}"):
        apply_status(control_plane, group, agents.token_there, AGENT_STATUS)
    assert apply_status(control_plane, group, agents.token_here, AGENT_STATUS)["groups"] == AGENT_STATUS["groups"]


def test_a_token_ends_with_its_pod(control_plane: ControlPlane) -> None:
    name = f"gone-{secrets.token_hex(4)}"
    control_plane.add_node(name)
    pod = control_plane.add_agent_pod(name)
    token = control_plane.service_account_token(SYSTEM, AGENT, bound_pod=pod)

    def answer() -> int:
        try:
            control_plane.request("GET", nodes_path(name), token=token)
        except ApiException as error:
            return int(error.status)
        return 200

    assert answer() == 404
    now = {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
    control_plane.request("DELETE", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}", now)
    control_plane.request("DELETE", f"/api/v1/nodes/{name}")
    until("the token to be refused", lambda: answer() == 401, seconds=60)


def test_others_are_not_affected(control_plane: ControlPlane, agents: Agents, group: str, node: str) -> None:
    token = operator_token(control_plane)
    unbound = status_on("")
    apply_status(control_plane, group, agents.token_here, AGENT_STATUS)
    assert apply_status(control_plane, group, token, unbound, OPERATOR_FIELD_MANAGER)["nodeName"] == ""
    assert apply_status(control_plane, group, token, {}, AGENT_FIELD_MANAGER) == unbound
    assert merge_status(control_plane, node, control_plane.admin_token, NODE_STATUS) == NODE_STATUS
