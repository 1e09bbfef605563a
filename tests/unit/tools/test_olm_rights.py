from typing import Any

import pytest

from tools.release.olm.rights import resource_of, rights_for


def item(kind: str, name: str, api_version: str = "v1", namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def allowed(rules: tuple[dict[str, list[str]], ...], resource: str) -> dict[tuple[str, ...], set[str]]:
    """From names to verbs of one resource."""
    found: dict[tuple[str, ...], set[str]] = {}
    for rule in rules:
        if rule.get("resources") == [resource]:
            found.setdefault(tuple(rule.get("resourceNames", ())), set()).update(rule["verbs"])
    return found


def test_objects_may_be_made_and_by_their_names_be_changed_and_deleted() -> None:
    rights = rights_for([item("PriorityClass", "a", "scheduling.k8s.io/v1"), item("Service", "b", namespace="n")])
    by_name = {"delete", "get", "patch", "update"}
    assert allowed(rights.cluster, "priorityclasses") == {(): {"create"}, ("a",): by_name}
    assert allowed(rights.own_namespace, "services") == {(): {"create"}, ("b",): by_name}
    assert allowed(rights.cluster, "services") == {}


def test_a_job_can_be_waited_for_by_its_name() -> None:
    rights = rights_for([item("Job", "j", "batch/v1", namespace="n")])
    assert {"list", "watch"} <= allowed(rights.own_namespace, "jobs")["j",]


def test_what_a_role_gives_is_held_where_the_role_gives_it() -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    path = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    rbac = "rbac.authorization.k8s.io/v1"
    rights = rights_for(
        [item("Role", "r", rbac, namespace="n", rules=[rule]), item("ClusterRole", "c", rbac, rules=[path])]
    )
    assert rule in rights.own_namespace
    assert rule not in rights.cluster
    assert path in rights.cluster


def test_no_right_has_a_wildcard_and_secrets_are_those_of_the_own_namespace() -> None:
    rights = rights_for([])
    assert "*" not in str(rights)
    assert allowed(rights.cluster, "secrets") == {}
    assert "watch" in allowed(rights.own_namespace, "secrets")[()]


def test_the_order_of_objects_and_rules_changes_nothing() -> None:
    objects = [item("Service", "b", namespace="n"), item("Service", "a", namespace="n"), item("ConfigMap", "a")]
    assert rights_for(objects) == rights_for(objects[::-1])


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Deployment", "deployments"),
        ("NetworkPolicy", "networkpolicies"),
        ("PriorityClass", "priorityclasses"),
        ("SecurityContextConstraints", "securitycontextconstraints"),
    ],
)
def test_a_kind_has_the_resource_that_the_api_server_gives_it(kind: str, resource: str) -> None:
    assert resource_of(kind) == resource
