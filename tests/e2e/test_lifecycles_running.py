"""Starts, ends and all that happens to a VM in between, on one node."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.books import frozen_traffic
from lab.cluster import Cluster
from lab.speed import period
from lab.vms.cgroups import pod_cgroup, writable_home
from lab.vms.launcher import container_id
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.e2e.blinks import check_ready

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch


def until_withdrawn(view: "View", name: str) -> None:
    """Until nothing of the VMI's figures is left."""
    until("the figures to go", lambda: not {"summary", "groups", "observedTime"} & view.status(name).keys())
    assert view.status(name)["nodeName"] == ""
    assert "placements" not in view.status(name)
    assert view.condition(name, "Monitored")["status"] == ""


def check_a_fresh_start(view: "View", vmi: Vmi) -> None:
    """When the group first was this VMI's it had no figures: not those of the VMI before it."""
    first = next(write.status for write in view.writes(vmi.name) if write.status.get("vmiUID") == vmi.uid)
    assert "occupancy" not in first.get("summary", {})
    assert not [group for group in first.get("groups", ()) if "cacheBlocks" in group]


def until_reported_again(view: "View", name: str) -> None:
    """Until a status was written whose figures were read after now."""
    before = view.status(name)["observedTime"]
    until("the next report", lambda: view.status(name)["observedTime"] > before)


def test_vcpu_threads_that_come_one_by_one_are_put_where_they_belong_one_by_one(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1-2"}, {"vcpus": "all"}])

    def those_before_are_held(vcpu: int) -> None:
        def reported() -> bool:
            groups = view.status("vm1").get("groups", ())
            return [group["vcpus"] for group in groups] == [[0], [*range(1, vcpu)], [*range(vcpu)]]

        until(f"the status to have {vcpu} vCPUs", reported)
        condition = view.condition("vm1", "Monitored")
        assert (condition["status"], condition["reason"]) == ("False", "VCPUThreadMissing")
        assert f"vCPU {vcpu}" in condition["message"]
        assert len(view.held("node01")) == vcpu
        assert view.group("vm1", "vcpus_0")["state"] == "Monitored"

    vmi = start("vm1", "node01", vcpus=3, before_plug=those_before_are_held)
    view.until_ready("vm1")
    held = view.held("node01")
    zero, one, two = (held[vmi.machine.vcpu_tids[vcpu]] for vcpu in range(3))
    assert zero != one == two


def test_a_reboot_keeps_the_threads_and_the_figures_go_on(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1", statusPeriodSeconds=period(2))
    view.until_ready("vm1")
    tids, groups = vmi.machine.vcpu_tids, view.own_mon_groups("node01", vmi)
    before = frozen_traffic(cluster.nodes["node01"], vmi)
    vmi.machine.reset()
    until_reported_again(view, "vm1")
    after = frozen_traffic(cluster.nodes["node01"], vmi).since(before)
    assert after.counted == after.booked > 0
    assert vmi.machine.vcpu_tids == tids
    assert view.own_mon_groups("node01", vmi) == groups
    check_ready(view.writes_since_ready("vm1"))


@contextmanager
def virtqemud(vmi: Vmi, program: Path) -> Iterator[None]:
    """A process of that name in the VM's pod, as far as pods have cgroups here."""
    if not program.exists():
        shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "1000"]) as process:
        if home := writable_home():
            (pod_cgroup(home, vmi.pod_uid, container_id(vmi.pod_uid)) / "cgroup.procs").write_text(str(process.pid))
        try:
            yield
        finally:
            process.kill()
            process.wait()


def test_restarts_of_virt_handler_and_virtqemud_change_nothing(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", tmp_path: Path
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1", statusPeriodSeconds=period(2))
    view.until_ready("vm1")
    until_reported_again(view, "vm1")

    def schedulable(*, so: bool) -> None:
        labels = {"kubevirt.io/schedulable": str(so).lower()}  # recorded: false for 3 to 8 s at every restart
        body = {"metadata": {"labels": labels}}
        cluster.control_plane.request(
            "PATCH", "/api/v1/nodes/node01", body, content_type="application/merge-patch+json"
        )

    tids, groups = vmi.machine.vcpu_tids, view.own_mon_groups("node01", vmi)
    writes, before = len(view.writes("vm1")), frozen_traffic(cluster.nodes["node01"], vmi)
    for _ in range(3):
        with virtqemud(vmi, tmp_path / "virtqemud"):
            schedulable(so=False)
            vmi.lose_virtqemud()
            until_reported_again(view, "vm1")
        vmi.find_virtqemud()
        schedulable(so=True)
        until_reported_again(view, "vm1")
    after = frozen_traffic(cluster.nodes["node01"], vmi).since(before)
    assert after.counted == after.booked > 0
    assert vmi.machine.vcpu_tids == tids
    assert view.own_mon_groups("node01", vmi) == groups
    since = view.writes("vm1")[writes:]
    assert len(since) >= 6
    assert {write.writer for write in since} == {"node01"}, "nothing for the operator to write"
    assert len({tuple(sorted(map(str, write.status["conditions"]))) for write in since}) == 1
    assert all(write.has_all_figures for write in since)


def test_a_paused_vm_is_monitored_with_no_traffic_until_it_goes_on(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1", statusPeriodSeconds=period(2))
    view.until_ready("vm1")
    vmi.pause()
    until("the traffic to cease", lambda: view.status("vm1")["summary"]["memoryBandwidth"] == "0")
    until_reported_again(view, "vm1")
    (group,) = view.status("vm1")["groups"]
    assert group["state"] == "Monitored"
    assert {block["reading"] for block in group["cacheBlocks"]} == {"Valid"}
    vmi.unpause()
    until("the traffic to come back", lambda: view.status("vm1")["summary"]["memoryBandwidth"] != "0")
    writes = view.writes_since_ready("vm1")
    check_ready(writes)
    assert all(write.has_all_figures for write in writes)


def test_a_restart_under_the_same_name_withdraws_the_old_figures_and_starts_new_ones(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    old_vmi, old_pod = vmi.uid, vmi.pod_uid
    vmi.shut_down()
    message = view.until_condition("vm1", "Bound", "False", "VMINotRunning")
    assert "Failed" in message
    until_withdrawn(view, "vm1")
    vmi.delete()
    view.until_condition("vm1", "Bound", "False", "VMINotFound")
    vmi.start("node02")
    status = view.until_ready("vm1", node="node02")
    assert status["vmiUID"] == vmi.uid != old_vmi
    until("the old mon_groups to go", lambda: not view.mon_groups("node01", old_pod))
    check_a_fresh_start(view, vmi)


def test_a_vm_that_is_restarted_faster_than_anybody_looks_is_a_new_one(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    old_pod = vmi.pod_uid
    vmi.delete()
    vmi.start("node01")
    until("the new VMI to be bound", lambda: view.status("vm1")["vmiUID"] == vmi.uid)
    view.until_ready("vm1", node="node01")
    until("the old mon_groups to go", lambda: not view.mon_groups("node01", old_pod))
    check_a_fresh_start(view, vmi)
    assert set(view.held("node01")) == set(vmi.machine.vcpu_tids.values())


@pytest.mark.parametrize("crash", [Vmi.kill, Vmi.crash], ids=["QEMU", "virt-launcher"])
def test_a_crash_ends_the_figures_and_the_next_vmi_is_picked_up(
    start: "Start", watch: "Watch", view: "View", crash: Callable[[Vmi], None]
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    old_groups = view.own_mon_groups("node01", vmi)
    crash(vmi)
    view.until_condition("vm1", "Ready", "False", "VMINotRunning")
    until_withdrawn(view, "vm1")
    until("the mon_groups to go", lambda: not view.own_mon_groups("node01", vmi))
    assert old_groups
    vmi.delete()
    vmi.start("node01")
    assert view.until_ready("vm1", node="node01")["vmiUID"] == vmi.uid


def test_a_deleted_vmi_leaves_its_group_unbound_and_nothing_behind(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    vmi.delete()
    message = view.until_condition("vm1", "Bound", "False", "VMINotFound")
    assert "starts when one appears" in message
    until_withdrawn(view, "vm1")
    assert view.status("vm1")["vmiUID"] == ""
    until("the mon_groups to go", lambda: not view.own_mon_groups("node01", vmi))
    until("the series to go", lambda: f'namespace="{namespace}"' not in cluster.nodes["node01"].metrics())


def test_a_group_deleted_while_sampled_does_not_disturb_another_on_the_same_threads(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01", busy_percent=(4, 4))
    watch("vm1", statusPeriodSeconds=period(2))
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}], name="other")
    view.until_ready("vm1")
    view.until_ready("other")
    assert len(view.own_mon_groups("node01", vmi)) == 2
    cluster.control_plane.kubectl("delete", "cmg", "other", "-n", namespace)
    until("one mon_group to be left", lambda: len(view.own_mon_groups("node01", vmi)) == 1)
    until_reported_again(view, "vm1")
    assert set(view.held("node01")) >= set(vmi.machine.vcpu_tids.values())
    check_ready(view.writes_since_ready("vm1"))
    before = frozen_traffic(cluster.nodes["node01"], vmi)
    until_reported_again(view, "vm1")
    after = frozen_traffic(cluster.nodes["node01"], vmi).since(before)
    assert after.counted == after.booked > 0
