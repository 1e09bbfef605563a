from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachemon.controller.vmi import Migration, parse_pod, parse_vmi
from cachemon.model.api import ObjectName
from cachemon.model.vmi_vcpus import MAX_VCPUS
from tests.unit.controller.builders import pod_object

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def objects_with(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have fields of these names anywhere, and anything in them."""
    values = st.recursive(
        ANYTHING,
        lambda inner: st.dictionaries(st.sampled_from(names), inner, max_size=6),
        max_leaves=20,
    )
    return st.dictionaries(st.sampled_from(names), values, max_size=6)


def vcpus(spec: dict[str, Any], status: dict[str, Any] | None = None) -> int:
    return parse_vmi({"metadata": {}, "spec": spec, "status": status or {}}).vcpu_count


def test_the_vcpus_that_a_vm_has_now_count_more_than_those_of_its_spec() -> None:
    spec = {"domain": {"cpu": {"sockets": 3, "cores": 1, "threads": 1}}}
    assert vcpus(spec, {"currentCPUTopology": {"sockets": 2, "cores": 1, "threads": 1}}) == 2
    assert vcpus(spec) == 3


def test_sockets_cores_and_threads_multiply_and_absent_ones_count_as_one() -> None:
    assert vcpus({"domain": {"cpu": {"sockets": 2, "cores": 4, "threads": 2}}}) == 16
    assert vcpus({"domain": {"cpu": {"cores": 4}}}) == 4


@pytest.mark.parametrize(
    ("quantity", "count"),
    [("4", 4), (4, 4), ("100m", 1), ("2500m", 3), ("1.5", 2), ("2k", 2000), ("odd", 0), (None, 0), ("-3", 0)],
)
def test_without_a_topology_the_cpu_limit_is_rounded_up(quantity: object, count: int) -> None:
    assert vcpus({"domain": {"resources": {"limits": {"cpu": quantity}}}}) == (count or 1)


def test_the_limit_goes_before_the_request() -> None:
    resources = {"limits": {"cpu": "3"}, "requests": {"cpu": "2"}}
    assert vcpus({"domain": {"cpu": {"model": "host-model"}, "resources": resources}}) == 3
    assert vcpus({"domain": {"resources": {"requests": {"cpu": "2"}}}}) == 2


def test_a_vm_that_says_nothing_has_one_vcpu_and_one_without_a_domain_an_unknown_number() -> None:
    assert vcpus({"domain": {"devices": {}}}) == 1
    assert vcpus({}) == 0


def test_more_vcpus_than_the_schema_takes_are_cut() -> None:
    assert vcpus({"domain": {"cpu": {"sockets": 10**9}}}) == MAX_VCPUS


def test_a_migration_state_is_read_and_null_times_are_none() -> None:
    state: dict[str, Any] = {
        "sourcePod": "p1",
        "targetPod": "p2",
        "targetNode": "b",
        "startTimestamp": "2026-11-23T01:10:23Z",
        "targetNodeDomainReadyTimestamp": None,
    }
    obj = {"metadata": {"name": "vm"}, "status": {"migrationState": state}}
    assert parse_vmi(obj).migration == Migration("p1", "p2", target_runs_guest=False, over=False)
    state |= {"targetNodeDomainReadyTimestamp": "2026-11-23T01:10:26Z", "failed": True}
    assert parse_vmi(obj).migration == Migration("p1", "p2", target_runs_guest=True, over=True)


def test_a_pod_belongs_to_the_vmi_that_controls_it_and_runs_where_its_spec_says() -> None:
    obj = pod_object(node="b")
    obj["metadata"]["labels"] = {"kubevirt.io/nodeName": "a"}
    parsed = parse_pod(obj)
    assert (parsed.node_name, parsed.vmi_name, parsed.vmi_uid) == ("b", "vm", "vmi-1")


@pytest.mark.parametrize(
    "owner",
    [
        {"apiVersion": "apps/v1", "kind": "VirtualMachineInstance", "name": "vm", "uid": "x", "controller": True},
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": "x", "controller": True},
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm", "uid": "x"},
    ],
)
def test_a_pod_with_another_owner_belongs_to_no_vmi(owner: dict[str, Any]) -> None:
    obj = pod_object()
    obj["metadata"]["ownerReferences"] = [owner]
    assert parse_pod(obj).vmi_uid == ""


@pytest.mark.parametrize(
    ("phase", "live"), [("Pending", True), ("Running", True), ("Unknown", True), ("Failed", False)]
)
def test_a_pod_is_live_until_its_containers_have_ended(phase: str, live: bool) -> None:  # noqa: FBT001
    assert parse_pod(pod_object(phase=phase)).is_live is live


@settings(max_examples=30)
@given(
    objects_with(
        "metadata", "name", "uid", "spec", "domain", "cpu", "sockets", "resources", "limits", "status",
        "migrationState", "currentCPUTopology", "targetPod", "completed",
    )
)  # fmt: skip
def test_no_vmi_is_too_odd_to_be_read(obj: dict[str, Any]) -> None:
    parsed = parse_vmi(obj)
    assert isinstance(parsed.name, ObjectName)
    assert 0 <= parsed.vcpu_count <= MAX_VCPUS


@settings(max_examples=30)
@given(
    objects_with("metadata", "ownerReferences", "uid", "spec", "nodeName", "status", "phase", "kind", "controller")
)
def test_no_pod_is_too_odd_to_be_read(obj: dict[str, Any]) -> None:
    parsed = parse_pod(obj)
    assert all(isinstance(value, str) for value in (parsed.uid, parsed.node_name, parsed.phase, parsed.vmi_uid))
