"""The operator's account touches groups with a policy's label and no others, whatever the operator may come to do."""

from typing import Any

import pytest
from kubernetes.client import ApiException

from cachemon.model.stamps import POLICY_LABEL
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import APPLY, MERGE, group_object, groups_path

SYSTEM = "cachemon-system"
OPERATOR = "cachemon-operator"

A_PERSONS = "the operator may change and delete groups with the label cachemon.dev/policy; this one is a person's"
UNLABELLED = "the operator may write groups with the label cachemon.dev/policy only"
HANDED_OVER = "the operator may not hand a group from one policy to another"


@pytest.fixture(scope="module")
def token(control_plane: ControlPlane) -> str:
    """The operator's token, when the policy is in force."""
    token = control_plane.service_account_token(SYSTEM, OPERATOR)

    def in_force() -> bool:
        try:
            control_plane.request("POST", f"{groups_path('default')}?dryRun=All", group_object("probe"), token=token)
        except ApiException as error:
            return "ValidatingAdmissionPolicy" in message_of(error)
        return False

    until("the policy", in_force)
    return token


def labelled(name: str, policy: str = "gold") -> dict[str, Any]:
    return {**group_object(name), "metadata": {"name": name, "labels": {POLICY_LABEL: policy}}}


def refused(control_plane: ControlPlane, token: str, method: str, path: str, body: Any = None, **more: str) -> str:
    with pytest.raises(ApiException) as refusal:
        control_plane.request(method, path, body, token=token, **more)
    assert refusal.value.status == 403
    return message_of(refusal.value)


def apply(control_plane: ControlPlane, path: str, body: Any, token: str) -> Any:
    query = f"fieldManager={OPERATOR}&force=true"
    return control_plane.request("PATCH", f"{path}?{query}", body, token=token, content_type=APPLY)


def test_the_operator_makes_changes_and_deletes_what_has_the_label(
    control_plane: ControlPlane, namespace: str, token: str
) -> None:
    path = groups_path(namespace, "vm3.gold")
    assert apply(control_plane, path, labelled("vm3.gold"), token)["metadata"]["generation"] == 1
    changed = labelled("vm3.gold")
    changed["spec"]["priority"] = 11
    assert apply(control_plane, path, changed, token)["metadata"]["generation"] == 2
    control_plane.request("DELETE", path, token=token)


def test_the_operator_makes_no_group_without_the_label(
    control_plane: ControlPlane, namespace: str, token: str
) -> None:
    for body in (group_object("vm3"), labelled("vm3", "")):
        assert UNLABELLED in refused(control_plane, token, "POST", groups_path(namespace), body)


def test_the_operator_does_not_touch_a_persons_group(control_plane: ControlPlane, namespace: str, token: str) -> None:
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    path = groups_path(namespace, "vm3")
    before = control_plane.request("GET", path)
    with pytest.raises(ApiException, match=A_PERSONS):
        apply(control_plane, path, labelled("vm3"), token)
    label = {"metadata": {"labels": {POLICY_LABEL: "gold"}}}
    assert A_PERSONS in refused(control_plane, token, "PATCH", path, label, content_type=MERGE)
    assert A_PERSONS in refused(control_plane, token, "DELETE", path)
    assert control_plane.request("GET", path) == before


def test_the_operator_neither_takes_the_label_away_nor_changes_it(
    control_plane: ControlPlane, namespace: str, token: str
) -> None:
    control_plane.request("POST", groups_path(namespace), labelled("vm3.gold"))
    path = groups_path(namespace, "vm3.gold")
    for policy, why in ((None, UNLABELLED), ("iron", HANDED_OVER)):
        change = {"metadata": {"labels": {POLICY_LABEL: policy}}}
        assert why in refused(control_plane, token, "PATCH", path, change, content_type=MERGE)


def test_the_operator_writes_the_status_of_everybodys_groups(
    control_plane: ControlPlane, namespace: str, token: str
) -> None:
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    body = {**group_object("vm3"), "metadata": {}, "status": {"nodeName": "node01"}}
    del body["spec"]
    written = apply(control_plane, f"{groups_path(namespace, 'vm3')}/status", body, token)
    assert written["status"] == {"nodeName": "node01"}


def test_people_are_not_affected(control_plane: ControlPlane, namespace: str, token: str) -> None:
    assert token
    path = groups_path(namespace, "vm3.gold")
    control_plane.request("POST", groups_path(namespace), labelled("vm3.gold"))
    taken = {"metadata": {"labels": {POLICY_LABEL: None}}}
    control_plane.request("PATCH", path, taken, content_type=MERGE)
    control_plane.request("DELETE", path)
