from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.binding import Binding, bind, locate_vmi
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.report_times import AgentReport
from cachemon.controller.vmi import LauncherPod, Vmi
from cachemon.model.age import ALLOWANCE_SECONDS
from cachemon.model.api import ObjectName
from tests.unit.controller.builders import NOW, agent, migration, pod, roles, vmi

WANTED = ObjectName("tenant", "vm")
AGENTS = {"a": agent(), "b": agent()}


def bound(
    machine: Vmi | None, *pods: LauncherPod, agents: dict[str, NodeAgent] = AGENTS, now: float = NOW
) -> Binding:
    return bind(WANTED, machine, pods, agents, now)


def test_a_group_without_a_vmi_is_bound_to_nothing_and_says_what_it_waits_for() -> None:
    binding = bound(None)
    assert (binding.node_name, binding.vmi_uid, binding.placements) == ("", "", ())
    assert (binding.bound.status, binding.bound.reason) == ("False", "VMINotFound")
    assert "`vm` in namespace `tenant`; the group starts when one appears" in binding.bound.message


@pytest.mark.parametrize("phase", ["", "Pending", "Succeeded", "Failed", "Unknown", "WaitingForSync"])
def test_a_vmi_that_does_not_run_binds_to_nothing(phase: str) -> None:
    binding = bound(vmi(phase=phase), pod("p1", "a"))
    assert (binding.node_name, binding.placements, binding.vmi_uid) == ("", (), "vmi-1")
    assert (binding.bound.status, binding.bound.reason) == ("False", "VMINotRunning")
    assert "starts when it runs" in binding.bound.message


def test_a_group_is_bound_before_its_vmi_has_a_node_because_qemu_comes_first() -> None:
    binding = bound(vmi(phase="Scheduling", node_name=""), pod("p1", "a", phase="Pending"))
    assert (binding.node_name, roles(binding.placements)) == ("a", [("uid-p1", "Active")])
    assert binding.bound.reason == "Placed"


def test_a_pod_without_a_node_is_no_place() -> None:
    assert bound(vmi(phase="Scheduling", node_name=""), pod("p1", "")).bound.reason == "VMINotRunning"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_vmi_whose_pod_has_ended_does_not_run(phase: str) -> None:
    binding = bound(vmi(), pod("p1", "a", phase=phase))
    assert (binding.node_name, binding.bound.reason) == ("", "VMINotRunning")
    assert "no running virt-launcher pod" in binding.bound.message


def test_of_several_pods_on_the_node_the_newest_live_one_is_active() -> None:
    pods = (pod("p1", "a", 0), pod("p2", "a", 5), pod("p3", "a", 9, phase="Failed"))
    assert roles(bound(vmi(), *pods).placements) == [("uid-p2", "Active")]


def test_pods_of_an_earlier_vmi_of_the_same_name_do_not_count() -> None:
    assert bound(vmi(uid="vmi-2"), pod("p1", "a")).bound.reason == "VMINotRunning"
    assert bound(vmi(uid=""), pod("p1", "a", vmi_uid="")).bound.reason == "VMINotRunning"


def test_a_newer_pod_elsewhere_is_the_migration_target_even_before_the_vmi_names_it() -> None:
    binding = bound(vmi(), pod("p1", "a"), pod("p2", "b", 60, phase="Pending"))
    assert (binding.node_name, binding.migration_target_node_name) == ("a", "b")
    assert roles(binding.placements) == [("uid-p1", "Active"), ("uid-p2", "MigrationTarget")]


def test_after_the_flip_the_source_has_no_place() -> None:
    moved = vmi(node_name="b", migration=migration("p2", runs=True))
    binding = bound(moved, pod("p1", "a"), pod("p2", "b", 60))
    assert (binding.node_name, binding.migration_target_node_name) == ("b", "")
    assert roles(binding.placements) == [("uid-p2", "Active")]


def test_the_migration_distinguishes_pods_made_in_the_same_second() -> None:
    pods = (pod("p1", "a"), pod("p2", "b"))
    assert bound(vmi(migration=migration("p2")), *pods).migration_target_node_name == "b"
    moved = vmi(node_name="b", migration=migration("p2", runs=True, over=True))
    assert roles(bound(moved, *pods).placements) == [("uid-p2", "Active")]


def test_the_target_is_active_as_soon_as_the_guest_runs_there_though_the_vmi_still_names_the_source() -> None:
    post_copy = vmi(migration=migration("p2", runs=True))
    binding = bound(post_copy, pod("p1", "a"), pod("p2", "b", 60))
    assert (binding.node_name, roles(binding.placements)) == ("b", [("uid-p2", "Active")])


def test_the_target_of_a_migration_that_failed_has_no_place_though_its_pod_lives_on_for_seconds() -> None:
    failed = vmi(migration=migration("p2", runs=True, over=True))
    binding = bound(failed, pod("p1", "a"), pod("p2", "b", 60))
    assert (binding.node_name, binding.migration_target_node_name) == ("a", "")
    assert roles(binding.placements) == [("uid-p1", "Active")]


def test_a_second_migration_is_seen_while_the_state_is_still_that_of_the_first() -> None:
    moved = vmi(node_name="b", migration=migration("p2", runs=True, over=True))
    pods = (pod("p1", "a", phase="Succeeded"), pod("p2", "b", 60), pod("p3", "a", 120, phase="Pending"))
    binding = bound(moved, *pods)
    assert roles(binding.placements) == [("uid-p2", "Active"), ("uid-p3", "MigrationTarget")]


def test_a_node_without_an_agent_is_named_so_that_one_that_comes_starts_at_once() -> None:
    binding = bound(vmi(), pod("p1", "a"), agents={})
    assert (binding.bound.status, binding.bound.reason) == ("False", "NoAgent")
    assert (binding.node_name, roles(binding.placements)) == ("a", [("uid-p1", "Active")])
    assert "node `a`" in binding.bound.message


def test_an_agent_silent_for_three_of_its_periods_is_no_agent() -> None:
    agents = {"a": agent(period=10)}
    silent = NOW + 30 + ALLOWANCE_SECONDS
    before = bound(vmi(), pod("p1", "a"), agents=agents, now=silent - 0.1)
    assert (before.bound.reason, before.changes_at) == ("Placed", silent)
    after = bound(vmi(), pod("p1", "a"), agents=agents, now=silent)
    assert (after.bound.reason, after.changes_at, after.node_name) == ("NoAgent", None, "a")
    assert "silent since" in after.bound.message


def test_an_agent_that_never_reported_is_no_agent() -> None:
    binding = bound(vmi(), pod("p1", "a"), agents={"a": NodeAgent(AgentReport(""), 60, None)})
    assert binding.bound.reason == "NoAgent"


def test_a_node_that_cannot_be_monitored_passes_its_reason_on() -> None:
    binding = bound(vmi(), pod("p1", "a"), agents={"a": agent(ready="False")})
    assert (binding.bound.status, binding.bound.reason) == ("False", "NodeUnsupported")
    assert "NotMounted: mount resctrl" in binding.bound.message
    assert binding.node_name == "a"


def test_no_message_is_longer_than_the_schema_takes() -> None:
    long = agent(ready="False")
    assert long.ready is not None
    long = replace(long, ready=type(long.ready)("Ready", "False", "Why", "x" * 4096))
    assert len(bound(vmi(), pod("p1", "a"), agents={"a": long}).bound.message) <= 4096


PODS = st.lists(
    st.builds(
        pod,
        st.sampled_from(["p1", "p2", "p3", "p4"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.integers(0, 3),
        phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
        vmi_uid=st.sampled_from(["vmi-1", "vmi-0", ""]),
    ),
    max_size=5,
    unique_by=lambda item: item.name,
)
MIGRATIONS = st.none() | st.builds(
    migration,
    st.sampled_from(["p1", "p2", "p3", ""]),
    source=st.sampled_from(["p1", "p2", ""]),
    runs=st.booleans(),
    over=st.booleans(),
)
VMIS = st.builds(
    vmi,
    phase=st.sampled_from(["Pending", "Scheduling", "Running", "Failed"]),
    node_name=st.sampled_from(["", "a", "b", "c"]),
    migration=MIGRATIONS,
)


@given(VMIS, PODS)
def test_at_most_one_pod_is_active_and_at_most_one_other_on_another_node_is_the_target(
    machine: Vmi, pods: list[LauncherPod]
) -> None:
    place = locate_vmi(machine, pods)
    chosen = [item for item in (place.active, place.migration_target) if item is not None]
    assert place.active is not None or place.migration_target is None
    assert len({item.node_name for item in chosen}) == len(chosen) == len(place.placements)
    assert all(item in pods and item.is_live and item.vmi_uid == machine.uid for item in chosen)


@given(VMIS, PODS, st.randoms(use_true_random=False))
def test_the_place_does_not_depend_on_the_order_of_the_pods(
    machine: Vmi, pods: list[LauncherPod], random: object
) -> None:
    shuffled = list(pods)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert locate_vmi(machine, shuffled) == locate_vmi(machine, pods)
