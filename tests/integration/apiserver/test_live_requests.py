"""The plugin asks for fresh figures on a real API server, as several people."""

import asyncio
import os
import time
from typing import Any

import pytest

from cachemon.kube.kubectl_proxy import proxied_api
from cachemon.model.api import GROUPS, NODES, Resource
from cachemon.model.live_figures import LIVE_ANNOTATION
from cachemon.model.times import parse_time
from cachemon.plugin.live_requests import LIVE_FIELD_MANAGER, LiveAnswer, LiveRequests
from cachemon.plugin.session import Session
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import group_object, groups_path, node_object, nodes_path
from tests.integration.apiserver.role_bindings import bind

FLUX_TAKES_OVER = "kubectl"
"""What begins with it, of managers that updated: kustomize-controller's own list, compared by prefix."""


def may(control_plane: ControlPlane, person: str, verb: str, resource: Resource, namespace: str = "") -> bool:
    attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace}
    review = control_plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": person, "groups": ["system:authenticated"], "resourceAttributes": attributes},
        },
    )
    return bool(review["status"]["allowed"])


def person_with(control_plane: ControlPlane, namespace: str, role: str) -> str:
    """A person with a role in a namespace, once the API server knows."""
    person = bind(control_plane, namespace, role, f"{role}-of-{namespace}@example.org")
    until("the right to read", lambda: may(control_plane, person, "list", GROUPS, namespace))
    return person


def renew(control_plane: ControlPlane, namespace: str, resource: Resource = GROUPS, *flags: str) -> LiveAnswer:
    """What a viewer does at each redraw, with kubectl's login."""

    async def ask() -> LiveAnswer:
        environment = {**os.environ, "KUBECONFIG": str(control_plane.admin_kubeconfig)}
        async with proxied_api(flags, request_seconds=60, environment=environment) as api:
            session = Session(api, namespace, clock=api.server_time)
            objects = await session.nodes() if resource == NODES else await session.groups()
            return await LiveRequests(session).renew(resource, objects)

    return asyncio.run(ask())


def metadata(control_plane: ControlPlane, path: str) -> dict[str, Any]:
    found: dict[str, Any] = control_plane.request("GET", path)["metadata"]
    return found


def test_who_may_edit_groups_makes_them_live_and_changes_nothing_else(
    control_plane: ControlPlane, namespace: str
) -> None:
    before = control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    state = renew(control_plane, namespace, GROUPS, f"--as={person_with(control_plane, namespace, 'cachemon-edit')}")
    assert state.until is not None
    assert state.remarks == ()
    after = metadata(control_plane, groups_path(namespace, "vm3"))
    assert after["generation"] == before["metadata"]["generation"]
    assert 30 < parse_time(after["annotations"][LIVE_ANNOTATION]) - time.time() <= 61
    assert control_plane.request("GET", groups_path(namespace, "vm3"))["spec"] == before["spec"]
    (entry,) = (item for item in after["managedFields"] if item["manager"] == LIVE_FIELD_MANAGER)
    assert entry["operation"] == "Update"
    assert entry["fieldsV1"] == {"f:metadata": {"f:annotations": {".": {}, f"f:{LIVE_ANNOTATION}": {}}}}
    assert not LIVE_FIELD_MANAGER.startswith(FLUX_TAKES_OVER)


def test_who_may_only_view_groups_reads_which_right_lacks_and_the_command_that_gives_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.request("POST", groups_path(namespace), group_object("vm3"))
    viewer = person_with(control_plane, namespace, "cachemon-view")
    state = renew(control_plane, namespace, GROUPS, f"--as={viewer}")
    assert state.until is None
    (remark,) = state.remarks
    assert f'User "{viewer}" cannot patch resource "cachemonitorgroups"' in remark
    assert remark.startswith(f"namespace {namespace}: figures come at the usual rate: ")
    assert "annotations" not in metadata(control_plane, groups_path(namespace, "vm3"))
    _, _, command = remark.partition("cachemon-edit: kubectl ")
    control_plane.kubectl(*command.split(" "))
    until("the right", lambda: may(control_plane, viewer, "patch", GROUPS, namespace))
    assert renew(control_plane, namespace, GROUPS, f"--as={viewer}").until is not None


@pytest.mark.parametrize("role", ["cachemon-view", "cachemon-live-nodes"])
def test_nodes_need_a_role_of_their_own(control_plane: ControlPlane, namespace: str, role: str) -> None:
    node = f"node-of-{namespace}"
    control_plane.request("POST", nodes_path(), node_object(node))
    person = f"{role}-{namespace}"
    roles = {"cachemon-view", role}
    for its in roles:
        name, who = f"{person}-{its}", f"--user={person}"
        control_plane.kubectl("create", "clusterrolebinding", name, f"--clusterrole={its}", who)
    try:
        verb = "patch" if role == "cachemon-live-nodes" else "list"
        until("the rights", lambda: may(control_plane, person, verb, NODES))
        state = renew(control_plane, namespace, NODES, f"--as={person}")
        if role == "cachemon-view":
            assert state.until is None
            assert f"--clusterrole=cachemon-live-nodes --user={person}" in state.remarks[0]
        else:
            assert LIVE_ANNOTATION in metadata(control_plane, nodes_path(node))["annotations"]
    finally:
        for its in roles:
            control_plane.kubectl("delete", "clusterrolebinding", f"{person}-{its}")
        control_plane.request("DELETE", nodes_path(node))
