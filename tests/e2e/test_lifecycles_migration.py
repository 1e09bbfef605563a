"""Live migrations, with both QEMUs and a real copy of the guest's memory between them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from lab.books import booked_occupancy, frozen_status, frozen_traffic, reported_occupancy
from lab.cluster import Cluster
from lab.speed import period
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.e2e.blinks import check_no_blink

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch


class Leaving:
    """A VMI on node01, about to leave for node02."""

    def __init__(self, cluster: Cluster, view: "View", vmi: Vmi) -> None:
        self.vmi = vmi
        self.source_tids = set(vmi.machine.vcpu_tids.values())
        self.source_groups = view.own_mon_groups("node01", vmi)
        assert self.source_groups
        self._view = view
        self._target = cluster.nodes["node02"]
        vmi.begin_migration("node02")

    def until_prepared(self) -> None:
        """Until the target's threads are held and counted, while the source still reports."""
        view, vmi = self._view, self.vmi

        def target_is_held() -> bool:
            status = view.status(vmi.name)
            roles = {placement["role"]: placement["nodeName"] for placement in status["placements"]}
            groups = view.held("node02").values()
            return (
                status["nodeName"] == "node01"
                and status["migrationTargetNodeName"] == "node02"
                and roles == {"Active": "node01", "MigrationTarget": "node02"}
                and sum(vmi.pod_uid_on("node02") in path for path in groups) == len(self.source_tids)
            )

        until("the target to hold the threads before the switch", target_is_held)
        enough = self._target.sampled() + 5
        until("the target to have a rate", lambda: self._target.sampled() >= enough)


Prepare = Callable[[], Leaving]


@pytest.fixture
def prepare(cluster: Cluster, start: "Start", watch: "Watch", view: "View") -> Prepare:
    def prepared() -> Leaving:
        vmi = start("vm1", "node01", busy_percent=(4, 2))
        watch("vm1", statusPeriodSeconds=period(2))
        view.until_ready("vm1", node="node01")
        leaving = Leaving(cluster, view, vmi)
        leaving.until_prepared()
        return leaving

    return prepared


def until_settled(view: "View", vmi: Vmi, node: str) -> None:
    """Until the group is Ready there and nowhere else."""
    view.until_ready(vmi.name, node=node)
    only = [{"nodeName": node, "podUID": vmi.pod_uid, "role": "Active"}]
    until("the binding to settle", lambda: view.status(vmi.name).get("placements") == only)
    assert view.status(vmi.name)["migrationTargetNodeName"] == ""


def until_written_without_a_blink(view: "View", name: str, *nodes: str) -> None:
    """Until one node's agent after the other's has written, and never was there a moment without figures."""

    def all_have_written() -> bool:
        return {write.writer for write in view.writes_since_ready(name)} - {""} == set(nodes)

    until(f"the agents of {', '.join(nodes)} to have written", all_have_written)
    check_no_blink(view.writes_since_ready(name), *nodes)


def test_a_live_migration_is_prepared_followed_and_cleaned_up_without_a_blink_and_exact_to_the_byte(
    cluster: Cluster, namespace: str, prepare: Prepare, view: "View"
) -> None:
    leaving = prepare()
    vmi, source, target = leaving.vmi, cluster.nodes["node01"], cluster.nodes["node02"]
    mon_groups = source.emulator.mountpoint / "mon_groups"

    def source_noticed() -> bool:
        return not leaving.source_groups & {path.name for path in mon_groups.iterdir()}

    before = frozen_traffic(target, vmi)
    vmi.complete_migration(before_the_flip=lambda: until("the source to notice that QEMU is gone", source_noticed))
    until_settled(view, vmi, "node02")
    until_written_without_a_blink(view, "vm1", "node01", "node02")
    until("the source's series to go", lambda: f'namespace="{namespace}"' not in source.metrics())
    after = frozen_traffic(target, vmi).since(before)
    assert after.counted == after.booked > 0
    control = target.emulator.control
    control.freeze()
    try:
        reported = reported_occupancy(frozen_status(cluster, namespace, "vm1"), "vcpus_all")
        assert reported == booked_occupancy(control.books(), set(vmi.machine.vcpu_tids.values()))
        assert sum(reported.values()) > 0
    finally:
        control.thaw()


@pytest.mark.parametrize("end", ["failed", "aborted"])
def test_a_migration_that_comes_to_nothing_does_not_disturb_the_source_and_the_next_one_succeeds(
    cluster: Cluster, prepare: Prepare, view: "View", end: str
) -> None:
    leaving = prepare()
    vmi = leaving.vmi
    target_pod = vmi.pod_uid_on("node02")
    before = frozen_traffic(cluster.nodes["node01"], vmi)
    if end == "failed":
        vmi.fail_migration()
    else:
        vmi.abort_migration()
    until_settled(view, vmi, "node01")
    until("the target's mon_groups to go", lambda: target_pod not in str(view.held("node02")))
    vmi.end_target_pod("Failed" if end == "failed" else "Succeeded")
    after = frozen_traffic(cluster.nodes["node01"], vmi).since(before)
    assert after.counted == after.booked > 0
    assert set(vmi.machine.vcpu_tids.values()) == leaving.source_tids
    assert view.own_mon_groups("node01", vmi) == leaving.source_groups
    until_written_without_a_blink(view, "vm1", "node01")
    Leaving(cluster, view, vmi).until_prepared()
    vmi.complete_migration()
    until_settled(view, vmi, "node02")
    until_written_without_a_blink(view, "vm1", "node01", "node02")


def test_in_post_copy_the_target_reports_while_the_vmi_still_names_the_source(
    cluster: Cluster, prepare: Prepare, view: "View"
) -> None:
    leaving = prepare()
    vmi = leaving.vmi
    before = frozen_traffic(cluster.nodes["node02"], vmi)
    vmi.switch_to_post_copy()
    view.until_ready("vm1", node="node02")
    assert vmi.named_node == "node01"
    until_written_without_a_blink(view, "vm1", "node01", "node02")
    until("the source's mon_groups to go", lambda: not leaving.source_tids & view.held("node01").keys())
    assert vmi.source_is_there, "the source's QEMU still has memory to send"
    vmi.complete_migration()
    until_settled(view, vmi, "node02")
    until_written_without_a_blink(view, "vm1", "node01", "node02")
    after = frozen_traffic(cluster.nodes["node02"], vmi).since(before)
    assert after.counted == after.booked > 0


def test_a_vcpu_that_is_plugged_after_the_flip_joins_before_the_vmi_counts_it(prepare: Prepare, view: "View") -> None:
    vmi = prepare().vmi
    vmi.ask_for_vcpus(3)

    def plugged() -> None:
        vmi.machine.plug_vcpu()
        until("the group to have vCPU 2", lambda: view.group("vm1", "vcpus_all").get("vcpus") == [0, 1, 2])
        assert view.status("vm1")["vcpuCount"] == 2
        held = view.held("node02")
        assert len({held[tid] for tid in vmi.machine.vcpu_tids.values()}) == 1

    vmi.complete_migration(after_the_flip=plugged)
    vmi.report_vcpus()
    until("the VMI's vCPUs to be counted", lambda: view.status("vm1")["vcpuCount"] == 3)
    until_settled(view, vmi, "node02")
    until_written_without_a_blink(view, "vm1", "node01", "node02")


def test_a_drained_node_hands_over_all_its_vms(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    names = ("vm1", "vm2", "vm3")
    vmis = [start(name, "node01", busy_percent=(2, 1)) for name in names]
    for name in names:
        watch(name, statusPeriodSeconds=period(3))  # three guests are copied at once: figures may be late
    for name in names:
        view.until_ready(name, node="node01")
    leaving = [Leaving(cluster, view, vmi) for vmi in vmis]
    for each in leaving:
        each.until_prepared()
    for each in leaving:
        each.vmi.complete_migration()
    for each in leaving:
        until_settled(view, each.vmi, "node02")
    gone = {tid for each in leaving for tid in each.source_tids}
    until("the source to be clean", lambda: not gone & view.held("node01").keys())
    for name in names:
        until_written_without_a_blink(view, name, "node01", "node02")
