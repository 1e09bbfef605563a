"""What each pod needs beyond the level `restricted`, as the API server itself judges it."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import ApiException

from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import empty_namespace
from tests.integration.chart.rendering import one, render

# What Pod Security calls it -> the line of the manifest that it is about.
EXCEPTIONS = {
    "host namespaces": "hostPID: true",
    "runAsNonRoot != true": "runAsNonRoot: false",
    "runAsUser=0": "runAsUser: 0",
    "seLinuxOptions": "seLinuxOptions:",
    "unrestricted capabilities": "add: [DAC_OVERRIDE]",
    "restricted volume types": "hostPath:",
}
MOUNT = {"agent.resctrl.mount": True}
PRIVILEGED = {
    "privileged": "privileged: true",
    "allowPrivilegeEscalation != false": "privileged: true",
}


@pytest.fixture
def restricted(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace where Pod Security enforces `restricted`."""
    name = f"restricted-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    yield name
    empty_namespace(control_plane, name)


def complaints(control_plane: ControlPlane, namespace: str, workload: dict[str, Any]) -> dict[str, str]:
    """From each control of Pod Security that the workload's pod would break to its message."""
    template = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
    spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
    pod = {"metadata": {"name": "tried", "labels": template["metadata"]["labels"]}, "spec": spec}
    try:
        control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict", pod)
    except ApiException as refused:
        message = message_of(refused).partition('violates PodSecurity "restricted:latest": ')[2]
        if not message:
            raise
        return dict(re.findall(r"([^,(][^(]*?) \(((?:[^()]|\([^()]*\))*)\)(?:, |$|\")", message))
    return {}


@pytest.mark.parametrize("kind", ["Deployment", "Job", "Pod"])
def test_the_operator_and_the_hooks_need_nothing_beyond_restricted(
    control_plane: ControlPlane, restricted: str, kind: str
) -> None:
    assert complaints(control_plane, restricted, one(kind)) == {}
    openshift = {"openshift.enabled": True}
    assert complaints(control_plane, restricted, one(kind, openshift)) == {}


def test_the_agent_needs_the_named_exceptions_and_no_others(control_plane: ControlPlane, restricted: str) -> None:
    found = complaints(control_plane, restricted, one("DaemonSet"))
    assert found.keys() == EXCEPTIONS.keys()
    assert found["host namespaces"] == "hostPID=true"
    assert found["unrestricted capabilities"] == (
        'container "agent" must not include "DAC_OVERRIDE" in securityContext.capabilities.add'
    )
    assert found["restricted volume types"] == 'volume "resctrl" uses restricted volume type "hostPath"'


def test_without_selinux_there_is_one_exception_less(control_plane: ControlPlane, restricted: str) -> None:
    daemon_set = one("DaemonSet", {"agent.seLinuxOptions": {"type": None}})
    assert complaints(control_plane, restricted, daemon_set).keys() == EXCEPTIONS.keys() - {"seLinuxOptions"}


def test_to_mount_takes_a_privileged_container_and_nothing_else(control_plane: ControlPlane, restricted: str) -> None:
    found = complaints(control_plane, restricted, one("DaemonSet", MOUNT))
    assert found.keys() == EXCEPTIONS.keys() | PRIVILEGED.keys()
    assert found["privileged"] == 'container "mount-resctrl" must not set securityContext.privileged=true'


@pytest.mark.parametrize(("what", "line"), {**EXCEPTIONS, **PRIVILEGED}.items(), ids=lambda text: text)
def test_an_exception_is_explained_beside_it(what: str, line: str) -> None:
    del what
    lines = [text.strip() for text in render(MOUNT)["agent.yaml"].splitlines()]
    at = lines.index(line) - 1
    while not lines[at].startswith("#"):  # the comment of a block stands above its first line
        assert at > lines.index(line) - 4
        at -= 1
    while lines[at - 1].startswith("#"):
        at -= 1
    comment = " ".join(text.lstrip("# ") for text in lines[at : lines.index(line)] if text.startswith("#"))
    assert "EXCEPTION: " in comment


def test_nothing_is_called_an_exception_that_is_none() -> None:
    explained = render(MOUNT)["agent.yaml"].count("EXCEPTION: ")
    # runAsNonRoot and runAsUser are one, and so are privileged and what comes with it
    assert explained == len(EXCEPTIONS) - 1 + len(PRIVILEGED) - 1
