"""A tenant that dresses a group of its own up as a policy's, before a real API server and the real operator."""

import secrets

from cachemon.model.stamps import POLICY_LABEL
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import MERGE, group_object, groups_path
from tests.integration.apiserver.operated import START_SECONDS, Object, Tenant, bound, operator, tenant
from tests.integration.apiserver.policies_of_namespace import Policies, policies, read

__all__ = ["operator", "policies", "tenant"]


def forged(vmi: str, policy: str, **spec: object) -> Object:
    """A group with the label and the name that a policy's group of a VMI has."""
    group = group_object(f"{vmi}.{policy}", {"vmiName": vmi, **spec})
    group["metadata"]["labels"] = {POLICY_LABEL: policy}
    return group


def deletions(control_plane: ControlPlane, name: str) -> int:
    """How often somebody asked for the deletion of the object of a name, as the API server recorded it."""
    events = control_plane.audit_events(mentioning=f"/cachemonitorgroups/{name}")
    return sum(event["verb"] == "delete" for event in events)


def test_a_group_with_the_label_of_no_policy_is_deleted(tenant: Tenant) -> None:
    tenant.add_vmi("vm1")
    group = forged("vm1", f"no-{secrets.token_hex(4)}", groups=[{"vcpus": "0"}])
    tenant.request("POST", groups_path(tenant.namespace), group)
    name = group["metadata"]["name"]
    until("the group to be deleted", lambda: read(tenant, name) is None, seconds=START_SECONDS)


def test_a_group_with_the_label_of_a_policy_that_selects_the_vmi_becomes_that_policys(
    tenant: Tenant, policies: Policies
) -> None:
    """Made before the VMI is, it goes: nobody wants it yet. What is there is brought back to the template."""
    early = forged("vm1", policies.name("p"), groups=[{"vcpus": "0"}])
    policies.add("p", statusPeriodSeconds=30)
    tenant.request("POST", groups_path(tenant.namespace), early)
    policies.becomes_gone("vm1", "p")
    tenant.add_vmi("vm1")
    path = groups_path(tenant.namespace, policies.becomes_stamped("vm1", "p")["metadata"]["name"])
    change = {"spec": {"groups": [{"vcpus": "0"}], "statusPeriodSeconds": 1}, "metadata": {"ownerReferences": None}}
    tenant.request("PATCH", path, change, content_type=MERGE)
    whole = policies.becomes_stamped("vm1", "p", lambda group: group["spec"]["statusPeriodSeconds"] == 30)
    assert whole["spec"]["groups"] == [{"vcpus": "all"}]
    assert policies.becomes_stamped("vm1", "p", lambda group: group["metadata"].get("ownerReferences"))


def test_a_finalizer_on_a_forged_group_costs_one_request_and_holds_up_nobody(
    tenant: Tenant, control_plane: ControlPlane
) -> None:
    """It stays, terminating, until its maker lets it go; the operator neither waits nor asks again and again."""
    tenant.add_vmi("vm1")
    group = forged("vm1", f"no-{secrets.token_hex(4)}")
    group["metadata"]["finalizers"] = ["tenant.example.com/stay"]
    tenant.request("POST", groups_path(tenant.namespace), group)
    name = group["metadata"]["name"]

    def is_ending() -> bool:
        found = read(tenant, name)
        return found is not None and "deletionTimestamp" in found["metadata"]

    until("the group to end", is_ending, seconds=START_SECONDS)
    for number in range(5):  # the operator hears of the ending group each time
        path = groups_path(tenant.namespace, name)
        tenant.request("PATCH", path, {"metadata": {"annotations": {"n": str(number)}}}, content_type=MERGE)
        tenant.add_group(f"mine-{number}", "vm1")
        tenant.becomes(f"mine-{number}", "judged", bound)
    assert deletions(control_plane, name) == 1
    tenant.request(
        "PATCH", groups_path(tenant.namespace, name), {"metadata": {"finalizers": None}}, content_type=MERGE
    )
    until("the group to go", lambda: read(tenant, name) is None, seconds=START_SECONDS)
