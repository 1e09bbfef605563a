"""A priority above 0 takes RMIDs from others: it is for those who may `prioritize`, by a real API server's policy."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from kubernetes.client import ApiException

from cachemon.model.stamps import POLICY_LABEL
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import (
    APPLY,
    MERGE,
    OPERATOR_STATUS,
    group_object,
    groups_path,
    policies_path,
    policy_object,
)

SYSTEM = "cachemon-system"
RBAC = "rbac.authorization.k8s.io"
ASK = "ask a cluster administrator for the ClusterRole cachemon-prioritize"
TOO_HIGH = "the priority must be 0 or less, not "
WIDENED = "what has priority 10 may not be given to other threads or VMs"
EVERYWHERE = f"those who may prioritize cachemonitorgroups in all namespaces; {ASK}"


def bind(control_plane: ControlPlane, account: str, role: str, namespace: str, *, everywhere: bool = False) -> None:
    """Give a role to a service account of a namespace, there or in the whole cluster."""
    kind = "ClusterRoleBinding" if everywhere else "RoleBinding"
    scope = "" if everywhere else f"/namespaces/{namespace}"
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": f"{account}-{role}-{namespace}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    control_plane.request("POST", f"/apis/{RBAC}/v1{scope}/{kind.lower()}s", binding)


def prioritized(name: str, priority: int, **spec: Any) -> dict[str, Any]:
    return group_object(name, {"vmiName": "vm3", "priority": priority, **spec})


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str) -> str:
    """The token of a service account with cachemon-edit in the namespace; the policy is in force."""
    control_plane.add_service_account(namespace, "tenant")
    bind(control_plane, "tenant", "cachemon-edit", namespace)
    token = control_plane.service_account_token(namespace, "tenant")
    path = f"{groups_path(namespace)}?dryRun=All"

    def in_force() -> bool:
        try:
            control_plane.request("POST", path, prioritized("probe", 1), token=token)
        except ApiException as error:
            return ASK in message_of(error)
        return False

    until("the policy and the role", in_force)
    return token


@pytest.fixture
def platform(control_plane: ControlPlane, namespace: str, tenant: str) -> str:
    """The token of a service account that has cachemon-prioritize in the namespace as well."""
    assert tenant
    control_plane.add_service_account(namespace, "platform")
    for role in ("cachemon-edit", "cachemon-prioritize"):
        bind(control_plane, "platform", role, namespace)
    token = control_plane.service_account_token(namespace, "platform")
    path = f"{groups_path(namespace)}?dryRun=All"

    def may() -> bool:
        with suppress(ApiException):
            return bool(control_plane.request("POST", path, prioritized("probe", 1), token=token))
        return False

    until("the right", may)
    return token


@pytest.fixture
def given(control_plane: ControlPlane, namespace: str, platform: str) -> str:
    """The URL of a group to which the platform team gave priority 10."""
    group = prioritized("vm3", 10, groups=[{"vcpus": "0"}])
    control_plane.request("POST", groups_path(namespace), group, token=platform)
    return groups_path(namespace, "vm3")


def refusal(write: Callable[[], Any]) -> str:
    with pytest.raises(ApiException) as refused:
        write()
    assert refused.value.status == 403
    return message_of(refused.value)


@pytest.mark.parametrize("priority", [1, 1000])
def test_a_tenant_makes_no_group_with_a_priority_above_0(
    control_plane: ControlPlane, namespace: str, tenant: str, priority: int
) -> None:
    path, group = groups_path(namespace), prioritized("vm3", priority)
    message = refusal(lambda: control_plane.request("POST", path, group, token=tenant))
    assert f"{TOO_HIGH}{priority}: " in message
    assert message.endswith(ASK)
    url = f"{groups_path(namespace, 'vm3')}?fieldManager=argocd&force=true"
    applied = refusal(lambda: control_plane.request("PATCH", url, group, token=tenant, content_type=APPLY))
    assert TOO_HIGH in applied


@pytest.mark.parametrize("priority", [0, -1, -1000])
def test_a_tenant_stands_back_as_far_as_it_likes(
    control_plane: ControlPlane, namespace: str, tenant: str, priority: int
) -> None:
    control_plane.request("POST", groups_path(namespace), prioritized("vm3", priority), token=tenant)
    path = groups_path(namespace, "vm3")
    control_plane.request("PATCH", path, {"spec": {"priority": 0}}, token=tenant, content_type=MERGE)


@pytest.mark.parametrize("before", [-5, 0])
def test_a_tenant_does_not_raise_the_priority_of_what_it_has(
    control_plane: ControlPlane, namespace: str, tenant: str, before: int
) -> None:
    made = control_plane.request("POST", groups_path(namespace), prioritized("vm3", before), token=tenant)
    path = groups_path(namespace, "vm3")
    change = {"spec": {"priority": 1}}
    assert TOO_HIGH in refusal(lambda: control_plane.request("PATCH", path, change, token=tenant, content_type=MERGE))
    made["spec"]["priority"] = 1
    assert TOO_HIGH in refusal(lambda: control_plane.request("PUT", path, made, token=tenant))


def test_a_tenant_edits_what_was_given_a_priority_and_lowers_it(
    control_plane: ControlPlane, tenant: str, given: str
) -> None:
    for change in (
        {"metadata": {"labels": {"team": "a"}}},
        {"spec": {"statusPeriodSeconds": 5}},
        {"spec": {"priority": 9}},
        {"spec": {"priority": 0, "groups": [{"vcpus": "0-63"}]}},
    ):
        control_plane.request("PATCH", given, change, token=tenant, content_type=MERGE)
    back = {"spec": {"priority": 9}}
    assert TOO_HIGH in refusal(lambda: control_plane.request("PATCH", given, back, token=tenant, content_type=MERGE))
    control_plane.request("DELETE", given, token=tenant)


@pytest.mark.parametrize("groups", [[{"vcpus": "0"}, {"vcpus": "1"}], [{"vcpus": "0-63"}], None], ids=str)
def test_a_tenant_does_not_stretch_a_priority_over_other_threads(
    control_plane: ControlPlane, tenant: str, platform: str, given: str, groups: Any
) -> None:
    change = {"spec": {"groups": groups}}
    message = refusal(lambda: control_plane.request("PATCH", given, change, token=tenant, content_type=MERGE))
    assert WIDENED in message
    assert message.endswith("or set the priority to 0")
    control_plane.request("PATCH", given, change, token=platform, content_type=MERGE)


def test_who_may_prioritize_in_one_namespace_may_not_in_another(
    control_plane: ControlPlane, namespace: str, platform: str
) -> None:
    """As a platform team of one namespace that has cachemon-edit in another."""
    other = "default"
    name = f"platform-{namespace}"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cachemon-edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "platform", "namespace": namespace}],
    }
    bindings = f"/apis/{RBAC}/v1/namespaces/{other}/rolebindings"
    control_plane.request("POST", bindings, binding)
    path = f"{groups_path(other)}?dryRun=All"
    try:
        until(
            "the policy's answer",
            lambda: (
                TOO_HIGH
                in refusal(lambda: control_plane.request("POST", path, prioritized("vm3", 1), token=platform))
            ),
        )
    finally:
        control_plane.request("DELETE", f"{bindings}/{name}")


def test_cluster_administrators_and_the_operator_write_any_priority(
    control_plane: ControlPlane, namespace: str, tenant: str
) -> None:
    assert tenant
    control_plane.request("POST", groups_path(namespace), prioritized("vm3", 1000))
    stamped = {**prioritized("vm3.gold", 1000), "metadata": {"name": "vm3.gold", "labels": {POLICY_LABEL: "gold"}}}
    operator = control_plane.service_account_token(SYSTEM, "cachemon-operator")
    control_plane.request("POST", groups_path(namespace), stamped, token=operator)


def test_a_status_is_written_whatever_the_priority(control_plane: ControlPlane, tenant: str, given: str) -> None:
    body = {**group_object("vm3"), "metadata": {}, "status": OPERATOR_STATUS}
    del body["spec"]
    operator = control_plane.service_account_token(SYSTEM, "cachemon-operator")
    url = f"{given}/status?fieldManager=cachemon-operator&force=true"
    assert control_plane.request("PATCH", url, body, token=operator, content_type=APPLY)["status"]
    with pytest.raises(ApiException, match="cannot patch resource"):
        control_plane.request("PATCH", url, body, token=tenant, content_type=APPLY)


def test_a_tenant_that_takes_a_stamped_group_over_has_no_more_than_the_policy_gave(
    control_plane: ControlPlane, namespace: str, tenant: str
) -> None:
    """Label and owner may be taken away: the group outlives its policy and its VMI then, as it is."""
    stamped = {**prioritized("vm3.gold", 10), "metadata": {"name": "vm3.gold", "labels": {POLICY_LABEL: "gold"}}}
    control_plane.request("POST", groups_path(namespace), stamped)
    path = groups_path(namespace, "vm3.gold")
    taken = {"metadata": {"labels": None, "ownerReferences": None}}
    control_plane.request("PATCH", path, taken, token=tenant, content_type=MERGE)
    change = {"spec": {"groups": [{"vcpus": "0"}]}}
    assert WIDENED in refusal(lambda: control_plane.request("PATCH", path, change, token=tenant, content_type=MERGE))


@pytest.fixture
def policy_writer(control_plane: ControlPlane, namespace: str, tenant: str) -> Iterator[str]:
    """The token of somebody who may write policies, but not prioritize."""
    assert tenant
    role = f"policies-{namespace}"
    rules = [{"apiGroups": ["cachemon.dev"], "resources": ["cachemonitorpolicies"], "verbs": ["*"]}]
    control_plane.request("POST", f"/apis/{RBAC}/v1/clusterroles", {"metadata": {"name": role}, "rules": rules})
    control_plane.add_service_account(namespace, "policies")
    bind(control_plane, "policies", role, namespace, everywhere=True)
    token = control_plane.service_account_token(namespace, "policies")

    def may_list() -> bool:
        with suppress(ApiException):
            return bool(control_plane.request("GET", policies_path(), token=token))
        return False

    until("the right", may_list)
    yield token
    with suppress(ApiException):
        control_plane.request("DELETE", policies_path(namespace))
    control_plane.request("DELETE", f"/apis/{RBAC}/v1/clusterrolebindings/policies-{role}-{namespace}")
    control_plane.request("DELETE", f"/apis/{RBAC}/v1/clusterroles/{role}")


def test_a_policys_template_gives_no_priority_that_its_writer_may_not_give(
    control_plane: ControlPlane, namespace: str, policy_writer: str
) -> None:
    nobody = {"vmiSelector": {"matchLabels": {"none": namespace}}}
    policy = policy_object(namespace, {**nobody, "template": {"priority": 10}})
    message = refusal(lambda: control_plane.request("POST", policies_path(), policy, token=policy_writer))
    assert TOO_HIGH in message
    assert message.endswith(EVERYWHERE)
    for spec in (nobody, {**nobody, "template": {"priority": -1}}):
        control_plane.request(
            "POST", f"{policies_path()}?dryRun=All", policy_object(namespace, spec), token=policy_writer
        )
    control_plane.request("POST", policies_path(), policy)
    path = policies_path(namespace)
    widened = {"spec": {"vmiSelector": None}}
    assert WIDENED in refusal(
        lambda: control_plane.request("PATCH", path, widened, token=policy_writer, content_type=MERGE)
    )
    lowered = {"spec": {"vmiSelector": {"matchLabels": {"none": "x"}}, "template": {"priority": 0}}}
    control_plane.request("PATCH", path, lowered, token=policy_writer, content_type=MERGE)


def test_the_quota_of_the_guide_bounds_the_objects_of_a_namespace(
    control_plane: ControlPlane, namespace: str, tenant: str
) -> None:
    """The API server counts what is written; the controller manager, which fills in the quota's status, is played."""
    key, limit = "count/cachemonitorgroups.cachemon.dev", "2"
    quota = {"metadata": {"name": "cachemon"}, "spec": {"hard": {key: limit}}}
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    control_plane.request("POST", quotas, quota)
    status = {"status": {"hard": {key: limit}, "used": {key: "0"}}}
    control_plane.request("PATCH", f"{quotas}/cachemon/status", status, content_type=MERGE)
    path = groups_path(namespace)

    def quota_is_known() -> bool:
        try:
            control_plane.request("POST", f"{path}?dryRun=All", prioritized("vm0", 0), token=tenant)
        except ApiException:
            return False
        return True

    until("the quota to be known", quota_is_known)
    for number in range(2):
        control_plane.request("POST", path, prioritized(f"vm{number}", 0), token=tenant)
    message = refusal(lambda: control_plane.request("POST", path, prioritized("vm2", 0), token=tenant))
    assert f"exceeded quota: cachemon, requested: {key}=1, used: {key}=2, limited: {key}=2" in message
