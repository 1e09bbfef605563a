from typing import Any, NamedTuple

import pytest
from kubernetes.client import ApiException

from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import APPLY, group_object, groups_path, list_when_served
from tests.integration.apiserver.role_bindings import RBAC_GROUP, bind

SYSTEM = "cachemon-system"
OPERATOR = "cachemon-operator"
AGENT = "cachemon-agent"

CACHEMON = "cachemon.dev"
KUBEVIRT = "kubevirt.io"
RBAC = f"/apis/{RBAC_GROUP}/v1"

READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}
PRIORITIZE = {"prioritize"}
VERBS = READ | WRITE | PRIORITIZE

# To ask who may read /metrics.
REVIEWS = {
    ("authentication.k8s.io", "tokenreviews"): {"create"},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create"},
}

# Everything that each program may do: (API group, resource) -> verbs.
RIGHTS: dict[str, dict[tuple[str, str], set[str]]] = {
    OPERATOR: {
        (KUBEVIRT, "virtualmachineinstances"): {"list", "watch"},
        ("", "pods"): {"list", "watch"},
        ("", "namespaces"): {"list", "watch"},
        (CACHEMON, "cachemonitorpolicies"): {"list", "watch"},
        (CACHEMON, "cachemonitorpolicies/status"): {"patch"},
        (CACHEMON, "cachemonitorgroups"): {"list", "watch", "create", "patch", "delete", "prioritize", "stamp"},
        (CACHEMON, "cachemonitornodes"): {"list", "watch"},
        (CACHEMON, "cachemonitorgroups/status"): {"patch"},
        ("events.k8s.io", "events"): {"create"},
        **REVIEWS,
    },
    AGENT: {
        (CACHEMON, "cachemonitorgroups"): {"list", "watch"},
        (CACHEMON, "cachemonitorgroups/status"): {"patch"},
        (CACHEMON, "cachemonitornodes"): {"get", "watch", "create", "report"},
        (CACHEMON, "cachemonitornodes/status"): {"patch"},
        **REVIEWS,
    },
}
ALLOWED = [
    (account, verb, *resource)
    for account, rights in RIGHTS.items()
    for resource, verbs in rights.items()
    for verb in sorted(verbs)
]
DANGEROUS = [
    *(
        (account, verb, group, resource)
        for account in (OPERATOR, AGENT)
        for verb, group, resource in (
            ("get", "", "secrets"),
            ("list", "", "secrets"),
            ("create", "", "serviceaccounts/token"),
            ("impersonate", "", "users"),
            ("impersonate", "", "serviceaccounts"),
            ("create", "", "pods"),
            ("delete", "", "pods"),
            ("create", "", "pods/exec"),
            ("create", "", "pods/eviction"),
            ("patch", "", "nodes"),
            ("get", "", "nodes/proxy"),
            ("patch", KUBEVIRT, "virtualmachineinstances"),
            ("delete", KUBEVIRT, "virtualmachineinstances"),
            ("update", CACHEMON, "cachemonitorgroups"),
            ("deletecollection", CACHEMON, "cachemonitorgroups"),
            ("create", CACHEMON, "cachemonitorpolicies"),
            ("patch", CACHEMON, "cachemonitorpolicies"),
            ("delete", CACHEMON, "cachemonitorpolicies"),
            ("patch", "", "namespaces"),
            ("update", CACHEMON, "cachemonitorgroups/status"),
            ("delete", CACHEMON, "cachemonitornodes"),
            ("patch", CACHEMON, "cachemonitornodes"),
            ("deletecollection", CACHEMON, "cachemonitornodes"),
            ("bind", "rbac.authorization.k8s.io", "clusterroles"),
            ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
            ("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
            ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
            ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
        )
    ),
    (OPERATOR, "create", CACHEMON, "cachemonitornodes"),
    (OPERATOR, "patch", CACHEMON, "cachemonitornodes/status"),
    (AGENT, "create", CACHEMON, "cachemonitorgroups"),
    (AGENT, "patch", CACHEMON, "cachemonitorgroups"),
    (AGENT, "delete", CACHEMON, "cachemonitorgroups"),
    (AGENT, "list", CACHEMON, "cachemonitorpolicies"),
    (AGENT, "get", "", "pods"),
    (AGENT, "list", "", "pods"),
    (AGENT, "get", "", "nodes"),
    (AGENT, "list", KUBEVIRT, "virtualmachineinstances"),
    (AGENT, "list", CACHEMON, "cachemonitornodes"),
]


def user(account: str) -> str:
    return f"system:serviceaccount:{SYSTEM}:{account}"


def may(control_plane: ControlPlane, account: str, verb: str, group: str, resource: str) -> bool:
    """What the API server answers of a program in any namespace."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}")
    return allowed(control_plane, Who(user(account), groups), verb, (group, resource))


class Who(NamedTuple):
    """A user and the groups besides that of all who have logged in."""

    name: str
    groups: tuple[str, ...] = ()


def allowed(control_plane: ControlPlane, who: Who, verb: str, kind: tuple[str, str], namespace: str = "") -> bool:
    """What the API server answers to a SubjectAccessReview; no namespace means all, and the cluster's objects."""
    resource, _, subresource = kind[1].partition("/")
    asked = {"verb": verb, "group": kind[0], "resource": resource, "subresource": subresource}
    review = control_plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": who.name,
                "groups": [*who.groups, "system:authenticated"],
                "resourceAttributes": {**asked, "namespace": namespace},
            },
        },
    )
    return bool(review["status"]["allowed"])


def rules_of(control_plane: ControlPlane, account: str) -> dict[tuple[str, str], set[str]]:
    """All rights of a service account in a namespace that is not its own, as the API server shows it."""
    review = control_plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": "default"},
        },
        token=control_plane.service_account_token(SYSTEM, account),
    )
    assert not review["status"]["incomplete"]
    rights: dict[tuple[str, str], set[str]] = {}
    for rule in review["status"]["resourceRules"]:
        assert "resourceNames" not in rule
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                rights.setdefault((group, resource), set()).update(rule["verbs"])
    return rights


def right(case: tuple[str, str, str, str]) -> str:
    account, verb, group, resource = case
    return f"{account} {verb} {resource}{'.' + group if group else ''}"


@pytest.mark.parametrize("case", ALLOWED, ids=right)
def test_a_program_may_do_what_it_needs(control_plane: ControlPlane, case: tuple[str, str, str, str]) -> None:
    assert until(f"the right: {right(case)}", lambda: may(control_plane, *case))


@pytest.mark.parametrize("case", DANGEROUS, ids=right)
def test_a_program_may_not_do_what_would_harm(control_plane: ControlPlane, case: tuple[str, str, str, str]) -> None:
    assert not may(control_plane, *case)


@pytest.mark.parametrize("account", [OPERATOR, AGENT])
def test_a_program_has_no_other_rights(control_plane: ControlPlane, account: str) -> None:
    until("the rights", lambda: may(control_plane, *next(case for case in ALLOWED if case[0] == account)))
    rights = rules_of(control_plane, account)
    everybodys = {key for key in rights if key[1].startswith("selfsubject")}
    assert {key: verbs for key, verbs in rights.items() if key not in everybodys} == RIGHTS[account]


def test_in_its_own_namespace_an_agent_sees_its_own_account_and_nothing_else(control_plane: ControlPlane) -> None:
    def may_watch(name: str, verb: str = "watch") -> bool:
        attributes = {"verb": verb, "resource": "serviceaccounts", "namespace": SYSTEM, "name": name}
        spec = {"user": user(AGENT), "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(control_plane.request("POST", path, body)["status"]["allowed"])

    until("the right", lambda: may_watch(AGENT))
    assert may_watch(AGENT, "list")
    assert not any(may_watch(name) for name in (OPERATOR, "default", ""))
    assert not any(may_watch(AGENT, verb) for verb in ("get", "create", "patch", "update", "delete"))


PEOPLE = {
    "cachemon-view": {
        (CACHEMON, "cachemonitorgroups"): READ,
        (CACHEMON, "cachemonitornodes"): READ,
        (CACHEMON, "cachemonitorpolicies"): READ,
    },
    "cachemon-edit": {(CACHEMON, "cachemonitorgroups"): READ | WRITE},
    "cachemon-prioritize": {(CACHEMON, "cachemonitorgroups"): PRIORITIZE},
    "cachemon-live-nodes": {(CACHEMON, "cachemonitornodes"): {"patch"}},
}
AGGREGATED_TO: dict[str, set[str]] = {
    "cachemon-view": {"view"},
    "cachemon-edit": {"edit", "admin"},
    "cachemon-prioritize": set(),
    "cachemon-live-nodes": set(),
}


@pytest.mark.parametrize("role", PEOPLE)
def test_kubernetes_adds_a_role_for_people_to_its_own(control_plane: ControlPlane, role: str) -> None:
    labels = control_plane.request("GET", f"{RBAC}/clusterroles/{role}")["metadata"]["labels"]
    prefix = f"{RBAC_GROUP}/aggregate-to-"
    wanted = {prefix + name: "true" for name in AGGREGATED_TO[role]}
    assert {key: value for key, value in labels.items() if key.startswith(prefix)} == wanted
    for name in AGGREGATED_TO[role]:
        selectors = control_plane.request("GET", f"{RBAC}/clusterroles/{name}")["aggregationRule"]
        assert {"matchLabels": {prefix + name: "true"}} in selectors["clusterRoleSelectors"]


@pytest.mark.parametrize("role", PEOPLE)
def test_a_person_with_a_role_in_a_namespace_has_its_rights_there_and_nowhere_else(
    control_plane: ControlPlane, namespace: str, role: str
) -> None:
    person = bind(control_plane, namespace, role, f"{role}-of-{namespace}")

    def verbs(resource: str, where: str) -> set[str]:
        return {v for v in VERBS if allowed(control_plane, Who(person), v, (CACHEMON, resource), where)}

    wanted = PEOPLE[role].get((CACHEMON, "cachemonitorgroups"), set())
    until("the rights", lambda: verbs("cachemonitorgroups", namespace) == wanted)
    assert verbs("cachemonitorgroups/status", namespace) == set(), "nobody but the programs writes a status"
    assert verbs("cachemonitorgroups", "default") == set()
    for resource in ("cachemonitornodes", "cachemonitornodes/status", "cachemonitorpolicies"):
        assert verbs(resource, "") == set()


@pytest.mark.parametrize("role", PEOPLE)
def test_a_person_with_a_role_in_the_whole_cluster_has_its_rights_and_no_others(
    control_plane: ControlPlane, namespace: str, role: str
) -> None:
    person, name = f"{role}-everywhere", f"{role}-{namespace}"
    binding = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC_GROUP, "kind": "User", "name": person}],
    }
    control_plane.request("POST", f"{RBAC}/clusterrolebindings", binding)
    try:
        kind, wanted = next(iter(PEOPLE[role].items()))
        until("the rights", lambda: allowed(control_plane, Who(person), min(wanted), kind))
        kinds = ("cachemonitorgroups", "cachemonitornodes", "cachemonitorpolicies")
        for resource in (*kinds, *(f"{kind}/status" for kind in kinds)):
            verbs = {v for v in VERBS if allowed(control_plane, Who(person), v, (CACHEMON, resource))}
            assert verbs == PEOPLE[role].get((CACHEMON, resource), set()), resource
    finally:
        control_plane.request("DELETE", f"{RBAC}/clusterrolebindings/{name}")


def test_the_operator_reads_everywhere_and_applies_a_status_with_its_own_token(
    control_plane: ControlPlane, namespace: str
) -> None:
    token = control_plane.service_account_token(SYSTEM, OPERATOR)
    until("the rights", lambda: may(control_plane, OPERATOR, "patch", CACHEMON, "cachemonitorgroups/status"))
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    for path in (
        "/api/v1/pods",
        "/apis/kubevirt.io/v1/virtualmachineinstances",
        "/apis/cachemon.dev/v1alpha1/cachemonitorgroups",
        "/apis/cachemon.dev/v1alpha1/cachemonitornodes",
        "/apis/cachemon.dev/v1alpha1/cachemonitorpolicies",
        "/api/v1/namespaces",
    ):
        assert "items" in list_when_served(control_plane, path, token)
    answer = apply_status(control_plane, f"{groups_path(namespace, 'vm3')}/status", {"nodeName": "node01"}, token)
    assert answer["status"] == {"nodeName": "node01"}


def test_an_agent_may_not_change_what_people_wrote(control_plane: ControlPlane, namespace: str) -> None:
    token = control_plane.service_account_token(SYSTEM, AGENT)
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    with pytest.raises(ApiException, match='cannot patch resource "cachemonitorgroups"') as refused:
        apply_status(control_plane, groups_path(namespace, "vm3"), {}, token)
    assert refused.value.status == 403


def apply_status(control_plane: ControlPlane, path: str, status: dict[str, Any], token: str) -> Any:
    body = {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorGroup",
        "metadata": {},
        "status": status,
    }
    query = f"fieldManager={OPERATOR}&force=true"
    return control_plane.request("PATCH", f"{path}?{query}", body, token=token, content_type=APPLY)
