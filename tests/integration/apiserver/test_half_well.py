"""One tenant's objects make the API server fail: the others notice nothing."""

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes.client import ApiException

from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import empty_namespace, make_namespace
from lab.ports import LOOPBACK
from lab.wait import until
from tests.integration.apiserver.examples import MERGE, group_object, groups_path
from tests.integration.apiserver.operated import Operator, Tenant, bound, operator, ready, tenant

__all__ = ["operator", "tenant"]

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
FAILED, LISTS = 'cachemon_operator_writes_total{result="failed"}', 'cachemon_operator_relists_total{result="ok"}'
BROKEN = {"lab.cachemon.dev/webhook": "broken"}
OBJECTS = 40
FEWEST_LABELS, MOST_LABELS = 11_500, 12_500
"""Of 132 bytes each: etcd takes 1.5 MiB."""
STARTED_SECONDS = 60


@pytest.fixture
def broken(control_plane: ControlPlane) -> Iterator[Tenant]:
    """Another tenant, whose namespace the webhooks of these tests select."""
    name = f"broken-{secrets.token_hex(4)}"
    make_namespace(control_plane, name)
    other = Tenant(control_plane, name)
    other.label_namespace(**BROKEN)
    yield other
    empty_namespace(control_plane, name)


@contextmanager
def webhook(control_plane: ControlPlane, port: int, *, seconds: int) -> Iterator[None]:
    """A webhook for all statuses of groups in broken namespaces, at a port where nobody answers."""
    name = f"broken-{secrets.token_hex(4)}"
    rule = {
        "apiGroups": ["cachemon.dev"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["cachemonitorgroups/status"],
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "broken.lab.cachemon.dev",
                "clientConfig": {"url": f"https://{LOOPBACK}:{port}/"},
                "namespaceSelector": {"matchLabels": BROKEN},
                "rules": [rule],
                "failurePolicy": "Fail",
                "timeoutSeconds": seconds,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    control_plane.request("POST", WEBHOOKS, body)
    try:
        yield
    finally:
        control_plane.request("DELETE", f"{WEBHOOKS}/{name}")


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses connections", "hangs"])
def test_a_webhook_that_fails_for_one_tenant_costs_the_others_nothing(
    control_plane: ControlPlane, operator: Operator, tenant: Tenant, broken: Tenant, *, hangs: bool
) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.add_group("before", "vm1")
    tenant.becomes("before", "placed", lambda s: bound(s) == "True/Placed", seconds=STARTED_SECONDS)
    lists, failed = operator.count(LISTS), operator.count(FAILED)
    with socket.socket() as silent:
        silent.bind((LOOPBACK, 0))
        if hangs:
            silent.listen(1000)
        with webhook(control_plane, silent.getsockname()[1], seconds=10):
            for number in range(OBJECTS):
                broken.add_group(f"g{number}", "vm1")
            until("writes to fail", lambda: operator.count(FAILED) >= failed + 3, seconds=60)
            began = time.monotonic()
            for number in range(5):
                tenant.add_group(f"g{number}", "vm1")
                tenant.becomes(f"g{number}", "placed", lambda s: bound(s) == "True/Placed")
            took = time.monotonic() - began
            tenant.agent_reports_group("g0")
            tenant.becomes("g0", "ready", lambda s: ready(s) == "True/FiguresFresh")
            assert all(not broken.status(f"g{number}") for number in range(OBJECTS))
    assert took < 30
    assert operator.count(LISTS) <= lists + 1
    for number in range(OBJECTS):
        broken.becomes(f"g{number}", "judged", lambda s: bound(s) == "False/VMINotFound", seconds=60)


def as_large_as_can_be(control_plane: ControlPlane, namespace: str, name: str) -> None:
    """A group with as many labels as the API server takes."""
    body = group_object(name, {"vmiName": "vm1"})
    path = groups_path(namespace)
    fits, too_many = FEWEST_LABELS, MOST_LABELS
    while too_many - fits > 1:  # one label is smaller than a status
        count = (fits + too_many) // 2
        body["metadata"]["labels"] = {f"{number:06d}{'x' * 57}": "x" * 63 for number in range(count)}
        try:
            control_plane.request("POST", f"{path}?fieldManager=somebody", body)
        except ApiException as err:
            if "too large" not in message_of(err):
                raise
            too_many = count
        else:
            fits = count
            control_plane.request("DELETE", f"{path}/{name}")
    body["metadata"]["labels"] = {f"{number:06d}{'x' * 57}": "x" * 63 for number in range(fits)}
    control_plane.request("POST", f"{path}?fieldManager=somebody", body)


@pytest.mark.timeout(300)
def test_an_object_that_is_too_large_for_a_status_costs_nobody_else_anything(
    control_plane: ControlPlane, operator: Operator, tenant: Tenant, broken: Tenant
) -> None:
    tenant.agent_reports_node(tenant.node(1))
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.add_group("before", "vm1")
    tenant.becomes("before", "placed", lambda s: bound(s) == "True/Placed", seconds=STARTED_SECONDS)
    lists = operator.count(LISTS)
    as_large_as_can_be(control_plane, broken.namespace, "large")
    until("the log to name it", lambda: f"{broken.namespace}/large" in operator.log.read_text(), seconds=60)
    tenant.agent_reports_node(tenant.node(1))
    began = time.monotonic()
    for number in range(5):
        tenant.add_group(f"g{number}", "vm1")
        tenant.becomes(f"g{number}", "placed", lambda s: bound(s) == "True/Placed")
    assert time.monotonic() - began < 30
    assert operator.count(LISTS) <= lists + 1
    small: dict[str, Any] = {"metadata": {"labels": None}}
    control_plane.request("PATCH", groups_path(broken.namespace, "large"), small, content_type=MERGE)
    broken.becomes("large", "judged", lambda s: bound(s) == "False/VMINotFound", seconds=100)
