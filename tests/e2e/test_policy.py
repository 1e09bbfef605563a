import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from lab.books import booked_occupancy, frozen_status, reported_occupancy, until_cache_is_held, wanted_tids
from lab.cluster import Cluster
from lab.wait import until

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

MERGE = "application/merge-patch+json"
POLICIES = "/apis/cachemon.dev/v1alpha1/cachemonitorpolicies"

Policy = Callable[..., str]


@pytest.fixture
def policy(cluster: Cluster, namespace: str) -> Iterator[Policy]:
    """Applies a policy for labelled VMIs of the namespace: `policy([{"vcpus": "0"}])`; returns its name."""
    name = f"gold-{secrets.token_hex(3)}"

    def apply(groups: list[dict[str, Any]]) -> str:
        cluster.control_plane.apply(
            {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorPolicy",
                "metadata": {"name": name},
                "spec": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "vmiSelector": {"matchLabels": {"tier": "gold"}},
                    "template": {"groups": groups, "statusPeriodSeconds": 1},
                },
            }
        )
        return name

    yield apply
    cluster.control_plane.kubectl("delete", "cmp", name, "--ignore-not-found")


def relabel(cluster: Cluster, namespace: str, vmi: str, tier: str | None) -> None:
    path = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{vmi}"
    body = {"metadata": {"labels": {"tier": tier}}}
    cluster.control_plane.request("PATCH", path, body, content_type=MERGE)


def until_gone(cluster: Cluster, namespace: str, name: str) -> None:
    def gone() -> bool:
        try:
            cluster.group(namespace, name)
        except ApiException as error:
            return bool(error.status == 404)
        return False

    until(f"{name} to go", gone, seconds=20)


def until_stamped(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        try:
            return cluster.group(namespace, name)
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    return until(f"{name} to be stamped", there, seconds=20)


def test_a_policy_gives_vms_figures_and_takes_them_away_and_a_persons_group_never_notices(
    *, cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View", policy: Policy
) -> None:
    vmi = start("vm1", "node01", vcpus=2, busy_percent=(6, 2))
    watch("vm1", [{"vcpus": "all"}, {"vcpus": "1"}], name="mine")
    view.until_ready("mine")
    mine = cluster.group(namespace, "mine")
    own_mon_groups = view.own_mon_groups("node01", vmi)
    stamped = f"vm1.{policy([{'vcpus': '0'}])}"
    relabel(cluster, namespace, "vm1", "gold")
    until_stamped(cluster, namespace, stamped)
    view.until_ready(stamped)

    control = cluster.nodes["node01"].emulator.control
    until_cache_is_held(control, vmi.machine.vcpu_tids.values())
    control.freeze()
    try:
        books = control.books()
        for name, group, vcpus in (
            ("mine", "vcpus_all", {0, 1}),
            ("mine", "vcpus_1", {1}),
            (stamped, "vcpus_0", {0}),
        ):
            reported = reported_occupancy(frozen_status(cluster, namespace, name), group)
            assert reported == booked_occupancy(books, wanted_tids(vmi, vcpus)), f"{name}/{group}"
            assert sum(reported.values()) > 0
    finally:
        control.thaw()

    policy([{"name": "both", "vcpus": "0-1"}])

    def has_rolled_through() -> bool:
        status = view.status(stamped)
        return [group["name"] for group in status.get("groups", ())] == ["both"] and view.group(stamped, "both")[
            "vcpus"
        ] == [0, 1]

    until("the edit to roll through to the figures", has_rolled_through, seconds=20)

    relabel(cluster, namespace, "vm1", None)
    until_gone(cluster, namespace, stamped)
    relabel(cluster, namespace, "vm1", "gold")
    until_stamped(cluster, namespace, stamped)
    view.until_ready(stamped)

    cluster.control_plane.kubectl("delete", "cmp", stamped.removeprefix("vm1."))
    until_gone(cluster, namespace, stamped)
    until("only the person's mon_groups", lambda: view.own_mon_groups("node01", vmi) == own_mon_groups)
    view.until_ready("mine")
    after = cluster.group(namespace, "mine")
    assert after["spec"] == mine["spec"]
    for field in ("uid", "generation", "labels", "annotations", "ownerReferences"):
        assert after["metadata"].get(field) == mine["metadata"].get(field)


def test_a_vm_that_starts_with_the_label_is_monitored_without_anybody_asking(
    cluster: Cluster, namespace: str, start: "Start", view: "View", policy: Policy
) -> None:
    name = policy([{"vcpus": "all"}])
    vmi = start("vm1", "node02", labels={"tier": "gold"})
    status = view.until_ready(f"vm1.{name}", node="node02")
    assert status["vmiUID"] == vmi.uid
    vmi.delete()
    until_gone(cluster, namespace, f"vm1.{name}")
