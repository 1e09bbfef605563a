import secrets
from typing import TYPE_CHECKING

import pytest

from lab.cluster import Cluster
from lab.wait import until
from tests.e2e.blinks import check_no_blink
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch


def test_a_group_waits_for_a_vmi_that_is_not_there_and_picks_it_up(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    watch("vm1")
    message = view.until_condition("vm1", "Ready", "False", "VMINotFound")
    assert "vm1" in message
    start("vm1", "node01")
    view.until_ready("vm1", node="node01")


def test_a_killed_qemu_takes_its_mon_groups_and_figures_along(start: "Start", watch: "Watch", view: "View") -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    vmi.kill()
    until("the mon_groups to go", lambda: not view.own_mon_groups("node01", vmi))
    view.until_condition("vm1", "Ready", "False", "VMINotRunning")
    until("the figures to go", lambda: "summary" not in view.status("vm1"))
    assert view.status("vm1")["nodeName"] == ""
    assert "groups" not in view.status("vm1")


def test_a_qemu_that_dies_before_kubevirt_notices_is_reported_by_the_agent(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    vmi.machine.kill()
    message = view.until_condition("vm1", "Monitored", "False", "QEMUNotFound")
    assert vmi.pod_uid in message
    assert "occupancy" not in view.status("vm1")["summary"]


def test_a_node_without_an_agent_is_named(cluster: Cluster, start: "Start", watch: "Watch", view: "View") -> None:
    cluster.control_plane.add_node("node03")
    start("vm1", "node03")
    watch("vm1")
    message = view.until_condition("vm1", "Ready", "False", "NoAgent")
    assert "node03" in message


def test_vcpus_that_the_vm_does_not_have_degrade_the_group_and_are_named(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1", [{"vcpus": "0-1"}, {"vcpus": "1,6-7"}])
    message = view.until_condition("vm1", "Monitored", "False", "VCPUsNotInVM")
    assert "6-7" in message
    until("figures of what is there", lambda: "cacheBlocks" in view.group("vm1", "vcpus_1,6-7"))
    degraded = view.group("vm1", "vcpus_1,6-7")
    assert (degraded["state"], degraded["vcpus"], degraded["threads"]) == ("Degraded", [1], 1)
    assert view.group("vm1", "vcpus_0-1")["state"] == "Monitored"
    assert view.condition("vm1", "Ready")["status"] == "False"


@pytest.mark.pitfall(28)
@pytest.mark.parametrize("case", ["ResctrlNotMounted", "MonitoringUnsupported"])
def test_a_node_that_can_not_monitor_says_why(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", case: str
) -> None:
    name = f"node-{case.lower()}"
    empty = cluster.folder / f"{name}-tree"
    (empty / "info" if case == "MonitoringUnsupported" else empty).mkdir(parents=True)
    node = cluster.add_node(name, agent_flags=(*agent_flags(), f"--resctrl={empty}"))
    try:
        node.start_agent()
        start("vm1", name)
        watch("vm1")
        message = view.until_condition("vm1", "Bound", "False", "NodeUnsupported")
        assert str(empty) in message
        assert view.condition("vm1", "Ready")["status"] == "False"
        metrics = until("metrics", node.metrics)
        assert f'cachemon_monitoring_available{{node="{name}"}} 0\n' in metrics
    finally:
        node.stop()
        del cluster.nodes[name]


def test_an_agent_that_is_killed_finds_its_groups_again_and_removes_what_nobody_wants_any_more(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    kept, dropped = start("vm1", "node01"), start("vm2", "node01")
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}])
    watch("vm2")
    view.until_ready("vm1")
    view.until_ready("vm2")
    node = cluster.nodes["node01"]
    root = node.emulator.mountpoint / "mon_groups"
    before = {path.name: path.stat().st_ino for path in root.iterdir()}
    node.kill_agent()
    cluster.control_plane.kubectl("delete", "cmg", "vm2", "-n", namespace)
    node.start_agent()
    until("the orphan to go", lambda: not view.own_mon_groups("node01", dropped))
    after = {path.name: path.stat().st_ino for path in root.iterdir()}
    assert after == {name: inode for name, inode in before.items() if dropped.pod_uid not in name}
    assert len(view.own_mon_groups("node01", kept)) == 2
    reported = view.status("vm1")["observedTime"]
    until("the new agent to report", lambda: view.status("vm1")["observedTime"] > reported)


def test_a_silent_agent_makes_ready_unknown_and_the_values_stay(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node02")
    watch("vm1")
    view.until_ready("vm1")
    cluster.nodes["node02"].kill_agent()
    try:
        last = view.status("vm1")["summary"]
        view.until_condition("vm1", "Ready", "Unknown", "AgentNotReporting")
        assert view.status("vm1")["summary"] == last
    finally:
        cluster.nodes["node02"].start_agent()
    view.until_ready("vm1")
    with pytest.raises(AssertionError, match="AgentNotReporting"):
        check_no_blink(view.writes_since_ready("vm1"), "node02")


@pytest.mark.pitfall(29)
@pytest.mark.timeout(200)
def test_sixty_samples_are_taken_without_an_api_server_and_the_status_catches_up(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    name = f"node-{secrets.token_hex(3)}"
    node = cluster.add_node(name, agent_flags=(*agent_flags(), "--sample-period=0.5"))
    try:
        node.start_agent()
        start("vm1", name)
        watch("vm1")
        view.until_ready("vm1", node=name)
        before = node.sampled()
        cluster.control_plane.stop_api_server()
        try:
            until("sixty samples, two a second", lambda: node.sampled() >= before + 60, seconds=60)
        finally:
            cluster.control_plane.start_api_server()
        stale = view.status("vm1")["observedTime"]
        until("the status to catch up", lambda: view.status("vm1")["observedTime"] > stale, seconds=40)
        view.until_ready("vm1", seconds=40)
    finally:
        node.stop()
        del cluster.nodes[name]


def test_groups_that_another_program_removes_are_made_again(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    root = cluster.nodes["node01"].emulator.mountpoint / "mon_groups"
    for name in view.own_mon_groups("node01", vmi):
        (root / name).rmdir()
    until("the mon_group to be made again", lambda: view.own_mon_groups("node01", vmi))
    view.until_ready("vm1")


def test_a_foreign_mon_group_and_the_threads_in_it_are_left_alone(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    theirs = cluster.nodes["node01"].emulator.mountpoint / "mon_groups" / "somebody-elses"
    theirs.mkdir()
    try:
        held = vmi.machine.vcpu_tids[1]
        (theirs / "tasks").write_text(str(held))
        watch("vm1", [{"vcpus": "0"}, {"vcpus": "1"}])
        message = view.until_condition("vm1", "Monitored", "False", "ThreadsInForeignGroup")
        assert "somebody-elses" in message
        assert (theirs / "tasks").read_text().split() == [str(held)]
        until("the other group's figures", lambda: "cacheBlocks" in view.group("vm1", "vcpus_0"))
        assert "cacheBlocks" not in view.group("vm1", "vcpus_1")
        until("its own figures", lambda: "foreignMonGroups" in view.group("vm1", "vcpus_1"))
        (shown,) = view.group("vm1", "vcpus_1")["foreignMonGroups"]
        assert (shown["name"], shown["holds"]) == ("/mon_groups/somebody-elses", "ExactlyTheGroup")
        assert all(block["reading"] == "Valid" for block in shown["cacheBlocks"])
    finally:
        theirs.rmdir()
    view.until_ready("vm1", seconds=45)
