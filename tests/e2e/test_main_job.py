import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab.books import booked_occupancy, frozen_status, reported_occupancy, until_cache_is_held, wanted_tids
from lab.cluster import Cluster, program
from lab.wait import until

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

RFC_GROUPS = [{"vcpus": "1"}, {"vcpus": "2"}, {"vcpus": "0,3"}]


def test_the_rfcs_example_fills_the_status_within_seconds(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm3", "node01", vcpus=4, busy_percent=(2, 8, 1, 2))
    watch("vm3", RFC_GROUPS)
    status = view.until_ready("vm3")
    assert [group["name"] for group in status["groups"]] == ["vcpus_1", "vcpus_2", "vcpus_0,3"]
    assert [group["vcpus"] for group in status["groups"]] == [[1], [2], [0, 3]]
    assert [group["threads"] for group in status["groups"]] == [1, 1, 2]
    assert {group["state"] for group in status["groups"]} == {"Monitored"}
    assert status["summary"]["groups"] == "3/3"
    for group in status["groups"]:
        assert [block["id"] for block in group["cacheBlocks"]] == [0, 1]
        assert all(block["capacityBytes"] == 32 * 1024 * 1024 for block in group["cacheBlocks"])
    table = cluster.control_plane.kubectl("get", "cachemonitorgroups", "-n", namespace)
    assert table.splitlines()[0].split() == ["NAME", "VMI", "NODE", "OCCUPANCY", "BANDWIDTH", "READY", "SEEN"]
    assert table.splitlines()[1].split()[:3] == ["vm3", "vm3", "node01"]
    assert table.splitlines()[1].split()[5] == "True"


def test_a_busy_vcpu_moves_more_bytes_than_a_lazy_one(start: "Start", watch: "Watch", view: "View") -> None:
    start("vm1", "node01", vcpus=2, busy_percent=(9, 1))
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}])
    view.until_ready("vm1")

    def rates() -> tuple[int, int]:
        busy, lazy = (
            sum(block["memoryBandwidth"]["totalBytesPerSecond"] for block in view.group("vm1", name)["cacheBlocks"])
            for name in ("vcpus_0", "vcpus_1")
        )
        return busy, lazy

    until("the busy vCPU to stand out", lambda: rates()[0] > 3 * rates()[1] > 0)


def test_overlapping_groups_in_two_objects_are_exact_to_the_byte(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm3", "node01", vcpus=4, busy_percent=(2, 6, 1, 2))
    watch("vm3", RFC_GROUPS)
    watch("vm3", [{"vcpus": "all"}, {"vcpus": "0-1"}, {"name": "odd", "vcpus": "1,3"}], name="vm3-overlap")
    view.until_ready("vm3")
    view.until_ready("vm3-overlap")
    control = cluster.nodes["node01"].emulator.control
    until_cache_is_held(control, vmi.machine.vcpu_tids.values())
    control.freeze()
    try:
        books = control.books()
        for name, group, vcpus in (
            ("vm3", "vcpus_1", {1}),
            ("vm3", "vcpus_2", {2}),
            ("vm3", "vcpus_0,3", {0, 3}),
            ("vm3-overlap", "vcpus_all", {0, 1, 2, 3}),
            ("vm3-overlap", "vcpus_0-1", {0, 1}),
            ("vm3-overlap", "odd", {1, 3}),
        ):
            reported = reported_occupancy(frozen_status(cluster, namespace, name), group)
            assert reported == booked_occupancy(books, wanted_tids(vmi, vcpus)), f"{name}/{group}"
            assert sum(reported.values()) > 0
    finally:
        control.thaw()


def test_a_groups_traffic_counter_is_what_the_emulator_counted(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node02", vcpus=2, busy_percent=(6, 6))
    watch("vm1")
    view.until_ready("vm1")
    node = cluster.nodes["node02"]

    def counted(page: str, block: int) -> int:
        wanted = {
            "cache_id": str(block),
            "group": "vcpus_all",
            "name": "vm1",
            "namespace": namespace,
            "node": "node02",
        }
        families = {family.name: family for family in text_string_to_metric_families(page)}
        samples = families["cachemon_memory_traffic_bytes"].samples
        return next(int(sample.value) for sample in samples if wanted.items() <= sample.labels.items())

    def booked(block: int) -> int:
        groups = node.emulator.control.books().groups
        return sum(int(group.blocks[block]["mbm_total_bytes"]) for path, group in groups.items() if path != "/")

    def both_when_frozen() -> list[tuple[int, int]]:
        node.emulator.control.freeze()
        try:
            frozen_status(cluster, namespace, "vm1")
            page = node.later_metrics()
            return [(counted(page, block), booked(block)) for block in (0, 1)]
        finally:
            node.emulator.control.thaw()

    first = both_when_frozen()
    until("traffic", lambda: sum(counted(node.metrics(), b) for b in (0, 1)) > sum(c for c, _ in first) + 50_000_000)
    for (was_counted, was_booked), (is_counted, is_booked) in zip(first, both_when_frozen(), strict=True):
        assert is_counted - was_counted == is_booked - was_booked


def test_a_plugged_vcpu_joins_the_group_of_all_and_moves_nobody_else(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01", vcpus=2, busy_percent=(2, 2, 2))
    watch("vm1")
    view.until_ready("vm1")
    books = cluster.nodes["node01"].emulator.control.books
    before = {tid: path for path, group in books().groups.items() if path != "/" for tid in group.tids}
    vmi.machine.plug_vcpu()
    until("the group to have vCPU 2", lambda: view.group("vm1", "vcpus_all")["vcpus"] == [0, 1, 2])
    after = {tid: path for path, group in books().groups.items() if path != "/" for tid in group.tids}
    assert {tid: after[tid] for tid in before} == before
    assert after[vmi.machine.vcpu_tids[2]] == before[vmi.machine.vcpu_tids[0]]


@pytest.mark.pitfall(30)
def test_a_deleted_group_leaves_no_mon_group_and_no_series(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}])
    view.until_ready("vm1")
    assert len(view.own_mon_groups("node01", vmi)) == 2
    until("the series", lambda: f'namespace="{namespace}"' in cluster.nodes["node01"].metrics())
    cluster.control_plane.kubectl("delete", "cmg", "vm1", "-n", namespace)
    until("the mon_groups to go", lambda: not view.own_mon_groups("node01", vmi))
    until("the series to go", lambda: f'namespace="{namespace}"' not in cluster.nodes["node01"].metrics())


def test_editing_the_groups_regroups_the_threads(start: "Start", watch: "Watch", view: "View") -> None:
    start("vm1", "node01")
    watch("vm1", [{"vcpus": "0"}])
    view.until_ready("vm1")
    watch("vm1", [{"vcpus": "0-1"}, {"name": "io", "threads": ["IOThread"]}])
    until("both groups", lambda: view.status("vm1")["summary"]["groups"] == "2/2")
    assert {group["name"]: group["threads"] for group in view.status("vm1")["groups"]} == {
        "vcpus_0-1": 2,
        "io": 1,  # `IO iothread1`; `IO mon_iothread` serves QMP and counts as Emulator
    }


def test_the_plugin_prints_the_status_under_the_rfcs_keys(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm3", "node01", vcpus=4, busy_percent=(2, 4, 1, 2))
    watch("vm3", RFC_GROUPS)
    view.until_ready("vm3")
    control = cluster.nodes["node01"].emulator.control
    control.freeze()
    try:
        status = frozen_status(cluster, namespace, "vm3")
        done = subprocess.run(
            [program("kubectl-cachemon"), "domstats", "vm3", "-n", namespace],
            env=os.environ | {"KUBECONFIG": str(cluster.control_plane.admin_kubeconfig)},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        control.thaw()
    expected = ["Domain: 'vm3'"]
    for group, vcpus in (("vcpus_1", "1"), ("vcpus_2", "2"), ("vcpus_0,3", "0,3")):
        expected.append(f"  cpu.cacheoccupancy.{group}.vcpus={vcpus}")
        expected += [
            f"  cpu.cacheoccupancy.{group}.{block}.value={value}"
            for block, value in reported_occupancy(status, group).items()
        ]
    printed = done.stdout.splitlines()
    assert [line for line in printed if "cachemon.age." not in line] == expected
    assert len(printed) == len(expected) + 3, "an age for each group"
    assert not done.stderr


def test_the_node_object_adds_up(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node02", busy_percent=(6, 2))
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}])
    view.until_ready("vm1")
    path = "/apis/cachemon.dev/v1alpha1/cachemonitornodes/node02"

    def mentioned() -> dict[str, object] | None:
        status: dict[str, object] = cluster.control_plane.request("GET", path)["status"]
        return status if namespace in str(status.get("cacheBlocks")) else None

    status = until("node02 to name the group among its heaviest", mentioned)
    assert status["rmids"] == {"total": 64, "ours": 2, "others": 1}
    blocks = status["cacheBlocks"]
    assert isinstance(blocks, list)
    for block in blocks:
        assert block["monitoredBytes"] + block["unattributedBytes"] == block["occupancyBytes"]
        assert block["occupancyBytes"] <= block["capacityBytes"] == 32 * 1024 * 1024
        # A block names nobody where the threads have not run yet: on a busy machine that takes its time.
        of_groups, of_vmis = (
            [item["occupancyBytes"] for item in block.get(heaviest, ()) if item["namespace"] == namespace]
            for heaviest in ("heaviestGroups", "heaviestVMIs")
        )
        assert of_vmis == ([sum(of_groups)] if of_groups else [])
