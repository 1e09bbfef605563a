"""Assignable counters (AMD ABMC), on an emulator that has them."""

import inspect
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.layout import GroupState
from cachemon.engine.sampler import Sampler
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing
from cachemon.resctrl.mbm_assignments import parse_assignments
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import WELL, Node, states, wanting

pytestmark = pytest.mark.skipif(
    "more" not in inspect.signature(Emulator).parameters, reason="this emulator has no assignable counters"
)

NO_COUNTER = (GroupState.DEGRADED, "NoBandwidthCounter")
KEY = GroupKey("uid-of-vm3", "zero")
TOTAL, LOCAL = "mbm_total_bytes", "mbm_local_bytes"
ZERO, ONE = {"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}


@pytest.fixture
def node(mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads) -> Iterator[Node]:
    """Five counters in each of two cache blocks; the default group has two of them from the mount on."""
    emulator = mount(blocks={0: 32 << 20, 1: 32 << 20}, rmids=16, more=["--mbm-counters=5"])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    for number in range(2):
        node.plug(f"CPU {number}/KVM")
    yield node
    node.sampler.close()


def assigned(node: Node, where: MonGroupName) -> frozenset[tuple[str, int]]:
    return parse_assignments((node.tree.directory(where) / "mbm_L3_assignments").read_text())


def cell_of(layout: BoundLayout, target: int, group: int = 0) -> MonGroupName:
    (cell,) = layout.targets[target].groups[group].mon_groups
    return cell


def everywhere(*events: str) -> set[tuple[str, int]]:
    return {(event, block) for event in events for block in (0, 1)}


def test_a_group_without_a_counter_is_degraded_and_says_which(node: Node) -> None:
    layout = node.run(wanting(ZERO, vcpus=2, priority=1), wanting(ONE, name="later", vcpus=2))
    assert states(layout) == [WELL, NO_COUNTER]
    assert assigned(node, cell_of(layout, 0)) == everywhere(TOTAL, LOCAL)
    assert assigned(node, cell_of(layout, 1)) == everywhere(TOTAL)
    message = layout.targets[1].groups[0].message
    assert message.startswith("no counter is left for mbm_local_bytes in cache block 0, 1; of the node's 10 MBM")


def command_of(layout: BoundLayout) -> str:
    """The command at the end of the message."""
    _, found, rest = layout.targets[0].groups[0].message.partition("free them on the node: ")
    assert found
    return rest.partition("; ")[0]


@pytest.mark.parametrize("counters", [1, 2])
def test_the_command_of_the_message_frees_the_counters_of_the_default_group(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads, counters: int
) -> None:
    emulator = mount(blocks={0: 32 << 20, 1: 32 << 20}, rmids=16, more=[f"--mbm-counters={counters}"])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    node.plug("CPU 0/KVM")
    target = wanting(ZERO, vcpus=1)
    layout = node.run(target)
    assert states(layout) == [NO_COUNTER]
    message = layout.targets[0].groups[0].message
    assert "use fewer groups" not in message, "that would free nothing"
    subprocess.run(["/bin/sh", "-c", command_of(layout)], check=True)
    layout = node.run(target)
    assert TOTAL in {event for event, _ in assigned(node, cell_of(layout, 0))}
    assert states(layout) == [WELL if counters == 2 else NO_COUNTER]
    if counters == 1:
        assert "free them" not in layout.targets[0].groups[0].message
        assert "use fewer groups" in layout.targets[0].groups[0].message


def test_a_better_group_that_comes_later_takes_counters_of_ours_and_none_of_others(node: Node) -> None:
    theirs = MonGroupName(ROOT, "theirs")
    mkdir(node.tree, theirs)
    worse = wanting(ZERO, vcpus=2)
    first = node.run(worse)
    assert states(first) == [NO_COUNTER]
    assert assigned(node, cell_of(first, 0)) == everywhere(TOTAL)
    second = node.run(worse, wanting(ONE, name="better", vcpus=2, priority=9))
    assert states(second) == [NO_COUNTER] * 2
    assert assigned(node, cell_of(second, 1)) >= everywhere(TOTAL)
    assert assigned(node, cell_of(second, 0)) == frozenset()
    assert assigned(node, theirs) == everywhere(TOTAL, LOCAL)


def test_counters_that_come_free_are_assigned_and_the_group_is_well_again(node: Node) -> None:
    theirs = MonGroupName(ROOT, "theirs")
    mkdir(node.tree, theirs)
    target = wanting(ZERO, vcpus=2)
    assert states(node.run(target)) == [NO_COUNTER]
    node.tree.directory(theirs).rmdir()
    layout = node.run(target)
    assert states(layout) == [WELL]
    assert assigned(node, cell_of(layout, 0)) == everywhere(TOTAL, LOCAL)


def test_a_group_without_counters_has_occupancy_and_no_bandwidth(node: Node) -> None:
    mkdir(node.tree, MonGroupName(ROOT, "theirs"), MonGroupName(ROOT, "theirs-too"))
    layout = node.run(wanting(ZERO, vcpus=2))
    assert states(layout) == [NO_COUNTER]
    sampler = Sampler(node.tree, 10)
    for _ in range(2):
        figures = sampler.sample(layout)
    sampler.close()
    assert not figures.offline
    for figure in figures.groups[KEY]:
        assert isinstance(figure.occupancy, int)
        assert figure.traffic[TOTAL].bytes_per_second is None


def test_a_counter_that_another_program_takes_is_seen_by_the_next_sample(node: Node) -> None:
    layout = node.run(wanting(ZERO, vcpus=2))
    for _ in range(2):
        assert not node.sampler.sample(layout).lost_counter
    (node.tree.directory(cell_of(layout, 0)) / "mbm_L3_assignments").write_text(f"{TOTAL}:*=_\n")
    assert node.sampler.sample(layout).lost_counter
    assert not node.sampler.sample(layout).lost_counter


def test_a_group_without_counters_is_no_gap_at_every_sample(node: Node) -> None:
    mkdir(node.tree, MonGroupName(ROOT, "theirs"), MonGroupName(ROOT, "theirs-too"))
    layout = node.run(wanting(ZERO, vcpus=2))
    assert states(layout) == [NO_COUNTER]
    figures = [node.sampler.sample(layout) for _ in range(5)]
    assert {figure.occupancy is Missing.UNASSIGNED for figure in figures[-1].groups[KEY]} == {False}
    assert sum(node.sampler.gaps.values()) == 0


def test_the_mode_is_switched_and_the_next_pass_has_noticed(node: Node) -> None:
    mode = node.tree.root / "info/L3_MON/mbm_assign_mode"
    (node.tree.root / "info/L3_MON/mbm_assign_on_mkdir").write_text("0\n")
    mode.write_text("default\n")
    target = wanting(ZERO, vcpus=2)
    layout = node.run(target)
    node.reconciler.run([target])  # sees that all is done
    mode.write_text("mbm_event\n")
    assert states(node.reconciler.run([target])) == [WELL]  # no time has gone by, so nothing else is looked at anew
    assert assigned(node, cell_of(layout, 0)) == everywhere(TOTAL, LOCAL)


def test_in_default_mode_no_counter_is_asked_for(node: Node) -> None:
    (node.tree.root / "info/L3_MON/mbm_assign_mode").write_text("default\n")
    layout = node.run(wanting(ZERO, vcpus=2, priority=1), wanting(ONE, name="later", vcpus=2))
    assert states(layout) == [WELL] * 2


def test_counters_are_assigned_where_mkdir_assigns_none(node: Node) -> None:
    (node.tree.root / "info/L3_MON/mbm_assign_on_mkdir").write_text("0\n")
    layout = node.run(wanting(ZERO, vcpus=2))
    assert states(layout) == [WELL]
    assert assigned(node, cell_of(layout, 0)) == everywhere(TOTAL, LOCAL)
