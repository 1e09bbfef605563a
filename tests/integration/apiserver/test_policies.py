from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from kubernetes.client import ApiException

from cachemon.model.policies import parse_selector
from cachemon.model.stamps import POLICY_LABEL
from lab.kubernetes.control_plane import ControlPlane
from lab.vms import kubevirt
from lab.wait import until
from tests.integration.apiserver.examples import MERGE, group_object, groups_path, policies_path
from tests.integration.apiserver.operated import (
    START_SECONDS,
    Object,
    Operator,
    Tenant,
    bound,
    operator,
    reason,
    tenant,
)
from tests.integration.apiserver.policies_of_namespace import Policies, policies, read

__all__ = ["operator", "policies", "tenant"]

policy_ready = reason("Ready")


def what_a_person_wrote(group: Object | None) -> Object:
    assert group is not None
    metadata = group["metadata"]
    kept = {key: metadata.get(key) for key in ("uid", "generation", "labels", "annotations", "ownerReferences")}
    return {**kept, "spec": group["spec"]}


def test_every_vmi_that_is_selected_gets_a_group_that_is_bound_like_any_other(
    tenant: Tenant, policies: Policies, control_plane: ControlPlane
) -> None:
    tenant.agent_reports_node(tenant.node(1))
    vmi, _ = tenant.start_vmi("vm1", tenant.node(1))
    tenant.label_vmi("vm1", tier="gold")
    tenant.add_vmi("plain")
    policies.add("p", {"tier": "gold"}, groups=[{"vcpus": "0-1"}], priority=7, statusPeriodSeconds=30)
    group = policies.becomes_stamped("vm1", "p", lambda g: bound(g.get("status", {})) == "True/Placed")
    assert group["spec"] == {
        "vmiName": "vm1",
        "groups": [{"vcpus": "0-1"}],
        "priority": 7,
        "statusPeriodSeconds": 30,
    }
    assert group["metadata"]["labels"] == {POLICY_LABEL: policies.name("p")}
    (owner,) = group["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "name": "vm1",
        "uid": vmi["metadata"]["uid"],
    }
    status = policies.becomes("p", lambda s: policy_ready(s) == "True/GroupsStamped")
    assert (status["matchingVMIs"], status["groups"], status["observedGeneration"]) == (1, 1, 1)
    table = control_plane.kubectl("get", "cmp", policies.name("p"))
    assert table.splitlines()[0].split() == ["NAME", "VMIS", "GROUPS", "READY", "AGE"]
    assert table.splitlines()[1].split()[1:4] == ["1", "1", "True"]
    assert policies.group("plain", "p") is None
    metadata = tenant.request("GET", policies_path(policies.name("p")))["metadata"]
    assert "finalizers" not in metadata
    assert "annotations" not in metadata


def test_an_edit_of_the_template_rolls_through_and_takes_away_what_it_had(tenant: Tenant, policies: Policies) -> None:
    names = [f"vm{number}" for number in range(5)]
    for name in names:
        tenant.add_vmi(name)
    policies.add("p", groups=[{"vcpus": "0"}, {"name": "io", "threads": ["IOThread"]}], priority=7)
    before = {name: policies.becomes_stamped(name, "p")["metadata"]["uid"] for name in names}
    policies.change("p", template={"groups": None, "priority": None, "statusPeriodSeconds": 5})
    for name in names:
        group = policies.becomes_stamped(name, "p", lambda g: g["spec"]["statusPeriodSeconds"] == 5)
        assert group["spec"]["groups"] == [{"vcpus": "all"}]
        assert group["spec"]["priority"] == 0
        assert group["metadata"]["uid"] == before[name], "changed, not made anew"
    policies.becomes("p", lambda s: s["observedGeneration"] == 2 and policy_ready(s) == "True/GroupsStamped")


def test_labels_of_vmis_and_namespaces_may_change(tenant: Tenant, policies: Policies) -> None:
    tenant.add_vmi("vm1", tier="gold")
    tenant.label_namespace(team="a")
    policies.add("p", {"tier": "gold"})
    policies.becomes_stamped("vm1", "p")
    tenant.label_vmi("vm1", tier="iron")
    policies.becomes_gone("vm1", "p")
    assert policies.becomes("p", lambda s: s["matchingVMIs"] == 0)["conditions"][0]["reason"] == "NoVMIMatches"
    tenant.label_vmi("vm1", tier="gold")
    policies.becomes_stamped("vm1", "p")
    expressions = [{"key": "team", "operator": "In", "values": ["a"]}]
    policies.change("p", namespaceSelector={"matchExpressions": expressions})
    policies.becomes("p", lambda s: s["observedGeneration"] == 2 and s["groups"] == 1)
    tenant.label_namespace(team="b")
    policies.becomes_gone("vm1", "p")
    tenant.label_namespace(team="a")
    policies.becomes_stamped("vm1", "p")


def test_the_end_of_the_vmi_is_the_end_of_its_group_and_a_restart_has_a_new_one(
    tenant: Tenant, policies: Policies
) -> None:
    vmi = tenant.add_vmi("vm1")
    policies.add("p")
    policies.becomes_stamped("vm1", "p")
    tenant.delete_vmi(vmi)
    policies.becomes_gone("vm1", "p")
    restarted = tenant.add_vmi("vm1")
    group = policies.becomes_stamped("vm1", "p")
    assert group["metadata"]["ownerReferences"][0]["uid"] == restarted["metadata"]["uid"]


def test_a_vmi_that_has_ended_keeps_its_group_for_as_long_as_it_is_there(tenant: Tenant, policies: Policies) -> None:
    vmi, _ = tenant.start_vmi("vm1", tenant.node(1))
    policies.add("p")
    policies.becomes_stamped("vm1", "p")
    tenant.put_vmi(kubevirt.failed(vmi, "2026-11-22T08:00:00Z"))
    policies.becomes_stamped("vm1", "p", lambda g: bound(g["status"]) == "False/VMINotRunning")


def test_what_happened_while_the_operator_was_away_is_made_good(
    tenant: Tenant, policies: Policies, operator: Operator
) -> None:
    for name in ("stays", "restarts", "ends"):
        tenant.add_vmi(name)
    tenant.add_group("mine", "stays")
    for short in ("kept", "dropped"):
        policies.add(short)
        for name in ("stays", "restarts", "ends"):
            policies.becomes_stamped(name, short)
    mine, before = what_a_person_wrote(read(tenant, "mine")), policies.becomes_stamped("restarts", "kept")
    assert operator.stop() == 0

    policies.delete("dropped")
    vmis = f"/apis/kubevirt.io/v1/namespaces/{tenant.namespace}/virtualmachineinstances"
    for name in ("restarts", "ends"):
        tenant.request("DELETE", f"{vmis}/{name}")
    restarted = tenant.add_vmi("restarts")
    tenant.add_vmi("new")
    operator.start()
    for name in ("stays", "restarts", "ends"):
        policies.becomes_gone(name, "dropped")
    policies.becomes_gone("ends", "kept")
    policies.becomes_stamped("new", "kept")

    def is_owned_anew(group: Object) -> bool:
        return [o["uid"] for o in group["metadata"]["ownerReferences"]] == [restarted["metadata"]["uid"]]

    after = policies.becomes_stamped("restarts", "kept", is_owned_anew)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert what_a_person_wrote(read(tenant, "mine")) == mine


def test_two_policies_on_one_vmi_are_two_groups_and_each_goes_with_its_own(
    tenant: Tenant, policies: Policies
) -> None:
    tenant.add_vmi("vm1")
    policies.add("one", priority=1)
    policies.add("two", priority=2)
    assert policies.becomes_stamped("vm1", "one")["spec"]["priority"] == 1
    assert policies.becomes_stamped("vm1", "two")["spec"]["priority"] == 2
    policies.delete("one")
    policies.becomes_gone("vm1", "one")
    assert policies.group("vm1", "two")


def test_a_persons_group_that_has_the_name_is_left_alone_and_the_policy_says_so(
    tenant: Tenant, policies: Policies
) -> None:
    name = f"vm1.{policies.name('p')}"
    tenant.request("POST", groups_path(tenant.namespace), group_object(name, {"vmiName": "vm1", "priority": 99}))
    mine = what_a_person_wrote(read(tenant, name))
    tenant.add_vmi("vm1")
    policies.add("p", priority=1)
    status = policies.becomes("p", lambda s: policy_ready(s) == "False/NameTaken")
    assert f"`{tenant.namespace}/{name}`" in status["conditions"][0]["message"]
    [event] = policies.until_events("p")
    assert (event["type"], event["reason"]) == ("Warning", "NameTaken")
    assert f"`{tenant.namespace}/{name}`" in event["note"]
    policies.change("p", template={"priority": 2})
    policies.becomes("p", lambda s: s["observedGeneration"] == 2)
    assert what_a_person_wrote(read(tenant, name)) == mine
    tenant.request("DELETE", groups_path(tenant.namespace, name))
    assert policies.becomes_stamped("vm1", "p")["spec"]["priority"] == 2
    policies.becomes("p", lambda s: policy_ready(s) == "True/GroupsStamped")


def refusal(name: str, namespace: str, message: str) -> Iterator[tuple[str, Object]]:
    """Where to make what, so that another admission policy refuses all groups of a namespace."""
    root = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": ["cachemon.dev"], "apiVersions": ["*"], "resources": ["cachemonitorgroups"]}
    own = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    yield (
        f"{root}/validatingadmissionpolicies",
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule | {"operations": ["CREATE"]}], "namespaceSelector": own},
                "validations": [{"expression": "false", "message": message}],
            },
        },
    )
    yield (
        f"{root}/validatingadmissionpolicybindings",
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )


def test_groups_that_the_api_server_refuses_are_reported_in_the_policy_and_by_an_event(
    tenant: Tenant, policies: Policies
) -> None:
    tenant.add_vmi("vm1")
    policies.add("p", {"no": "vmi"})
    policies.becomes("p", lambda s: policy_ready(s) == "True/NoVMIMatches")
    made = list(refusal(f"refuse-{tenant.namespace}", tenant.namespace, "not before Monday"))
    for path, body in made:
        tenant.request("POST", path, body)
    try:
        until("groups to be refused", lambda: is_refused(tenant), seconds=START_SECONDS)
        policies.change("p", vmiSelector={"matchLabels": None})
        status = policies.becomes("p", lambda s: policy_ready(s) == "False/GroupsRefused")
        assert "not before Monday" in status["conditions"][0]["message"]

        [event] = policies.until_events("p")
        assert (event["type"], event["reason"]) == ("Warning", "GroupsRefused")
        assert "not before Monday" in event["note"]
    finally:
        for path, body in reversed(made):
            tenant.request("DELETE", f"{path}/{body['metadata']['name']}")


def is_refused(tenant: Tenant) -> bool:
    """Whether the new admission policy is in force by now: it takes the API server some seconds."""
    path = f"{groups_path(tenant.namespace)}?dryRun=All"
    try:
        tenant.request("POST", path, group_object("tried", {"vmiName": "vm1"}))
    except ApiException:
        return True
    return False


def test_a_stamped_group_is_brought_back_in_line_until_somebody_takes_its_label_away(
    tenant: Tenant, policies: Policies
) -> None:
    tenant.add_vmi("vm1")
    policies.add("p", priority=1)
    path = groups_path(tenant.namespace, policies.becomes_stamped("vm1", "p")["metadata"]["name"])
    drift = {"priority": 50, "groups": [{"vcpus": "1"}]}
    tenant.request("PATCH", path, {"spec": drift}, content_type=MERGE)
    group = policies.becomes_stamped("vm1", "p", lambda g: g["spec"]["priority"] == 1)
    assert group["spec"]["groups"] == [{"vcpus": "all"}]
    tenant.request("DELETE", path)
    policies.becomes_stamped("vm1", "p", lambda g: g["metadata"]["uid"] != group["metadata"]["uid"])

    taken = {"metadata": {"labels": {POLICY_LABEL: None}}, "spec": {"priority": 50}}
    tenant.request("PATCH", path, taken, content_type=MERGE)
    policies.becomes("p", lambda s: policy_ready(s) == "False/NameTaken")
    policies.delete("p")
    tenant.add_group("after", "vm1")
    tenant.becomes("after", "judged after the policy went", bound)
    kept = policies.group("vm1", "p")
    assert kept
    assert kept["spec"]["priority"] == 50


def test_a_copy_of_a_stamped_group_is_its_makers(tenant: Tenant, policies: Policies) -> None:
    tenant.add_vmi("vm1")
    policies.add("p")
    stamped = policies.becomes_stamped("vm1", "p")
    copy = {**stamped, "metadata": {"name": "mine", "labels": stamped["metadata"]["labels"]}}
    tenant.request("POST", groups_path(tenant.namespace), copy)
    policies.delete("p")
    policies.becomes_gone("vm1", "p")
    tenant.becomes("mine", "judged", bound)
    assert read(tenant, "mine")


SELECTORS: list[Object] = [
    {},
    {"matchLabels": {"a": "x"}},
    {"matchLabels": {"a": "x", "b": "y"}},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", ""]}]},
    {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]},
    {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": [""]}]},
    {"matchExpressions": [{"key": "b", "operator": "Exists"}, {"key": "a", "operator": "NotIn", "values": ["y"]}]},
    {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
]


def as_text(selector: Object) -> str:
    """The selector as a list takes it."""
    parts = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for item in selector.get("matchExpressions", ()):
        key, values = item["key"], ",".join(item.get("values", ()))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[item["operator"]]
        )
    return ",".join(parts)


def test_selectors_select_what_the_api_server_selects(control_plane: ControlPlane, namespace: str) -> None:
    tenant = Tenant(control_plane, namespace)
    labels: dict[str, dict[str, str]] = {
        f"vm{a or 'e'}{b or 'e'}": {key: value for key, value in (("a", a), ("b", b)) if value != "-"}
        for a in ("-", "", "x", "y")
        for b in ("-", "", "y")
    }
    names = {name.replace("-", "n"): value for name, value in labels.items()}
    for name, own in names.items():
        tenant.add_vmi(name, **own)
    path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"
    for selector in SELECTORS:
        items = tenant.request("GET", f"{path}?labelSelector={quote(as_text(selector))}")["items"]
        ours = {name for name, own in names.items() if parse_selector(selector).selects(own)}
        assert {item["metadata"]["name"] for item in items} == ours, selector


@pytest.mark.timeout(400)
def test_a_thousand_vmis_get_their_groups_and_hold_nobody_else_up(tenant: Tenant, policies: Policies) -> None:
    count = 1000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tenant.add_vmi, (f"vm{number}" for number in range(count))))
    policies.add("p")
    policies.becomes("p", lambda s: 0 < s.get("groups", 0) < count)
    tenant.add_group("mine", "vm1")
    tenant.becomes("mine", "judged meanwhile", bound)
    assert policies.becomes("p", bool)["groups"] < count, "judged in the midst of it"
    until("all groups", lambda: policies.becomes("p", bool)["groups"] == count, seconds=200)

    def all_judged() -> bool:
        items = tenant.request("GET", groups_path(tenant.namespace))["items"]
        return len(items) == count + 1 and all(bound(item.get("status", {})) for item in items)

    until("all groups to be judged", all_judged, seconds=60)
    policies.delete("p")
    left = groups_path(tenant.namespace)
    until("all of them to go", lambda: len(tenant.request("GET", left)["items"]) == 1, seconds=200)
