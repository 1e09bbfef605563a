"""RMIDs run short: on the node, in one control group, in limbo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.engine.layout import GroupState
from cachemon.model.errors import OutOfRmidsError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator, limbo
from lab.wait import until
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import WELL, Node, states, wanting

WAITS = (GroupState.WAITING, "OutOfRMIDs")


class ArmLikeTree(ResctrlTree):
    """A control group has a fixed number of PMGs, whatever the node has (resctrl_find_free_rmid, Linux 7.1)."""

    pmgs = 3

    def create(self, where: MonGroupName) -> None:
        groups = self.directory(MonGroupName(where.control_group, "")) / "mon_groups"
        if not self.directory(where).exists() and 1 + len(list(groups.iterdir())) >= self.pmgs:
            raise OutOfRmidsError("ENOSPC (Out of RMIDs)", in_limbo=False)
        super().create(where)


@pytest.fixture
def arm(emulator: Emulator, tmp_path: Path, threads: BusyThreads) -> Iterator[Node]:
    node = Node(ArmLikeTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    yield node
    node.sampler.close()


def test_a_full_control_group_makes_whole_groups_wait_and_the_next_one_that_fits_has_its_turn(arm: Node) -> None:
    vcpus = [arm.plug(f"CPU {n}/KVM") for n in range(4)]
    targets = (
        wanting({"name": "one", "vcpus": "0"}, priority=9),
        wanting({"name": "two", "vcpus": "1"}, {"name": "two-of-it", "vcpus": "1-2"}, name="vm3-b", priority=5),
        wanting({"name": "last", "vcpus": "3"}, name="vm3-c"),
    )
    arm.run(*targets)  # the kernel says no to the third
    layout = arm.reconciler.run(targets)
    assert states(layout) == [WELL, WELL, WAITS, WAITS]
    assert arm.ours() == {frozenset({vcpu}) for vcpu in vcpus[:2]}
    message = layout.targets[1].groups[1].message
    assert "needs 1 RMID in control group default, 0 are free; of the node's 512 RMIDs 2 are cachemon's" in message
    assert arm.reconciler.run(targets) == layout


def test_a_group_of_two_cells_leaves_the_last_rmid_to_one_that_needs_one(arm: Node) -> None:
    vcpus = [arm.plug(f"CPU {n}/KVM") for n in range(4)]
    targets = (
        wanting({"name": "one", "vcpus": "0"}, priority=9),
        wanting({"name": "all", "vcpus": "0-2"}, {"name": "some", "vcpus": "1-3"}, name="vm3-b", priority=5),
        wanting({"name": "last", "vcpus": "3"}, name="vm3-c"),
    )
    for _ in range(3):
        layout = arm.reconciler.run(targets)
    assert states(layout) == [WELL, WELL, WAITS, WAITS]
    assert arm.ours() == {frozenset(vcpus[:1]), frozenset(vcpus[1:3])}


@pytest.fixture
def cramped(mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads) -> Iterator[Node]:
    """Three RMIDs to give, of a kernel that gives a freed one out again only after a second."""
    emulator = mount(blocks={0: 32 << 20}, rmids=4, more=[limbo()])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    yield node
    node.sampler.close()


@pytest.mark.pitfall(1)
def test_own_groups_make_room_and_their_rmids_are_had_as_soon_as_the_kernel_gives_them(cramped: Node) -> None:
    vcpus = [cramped.plug(f"CPU {n}/KVM") for n in range(3)]
    each = [{"name": f"v{n}", "vcpus": str(n)} for n in range(3)]
    assert states(cramped.run(wanting(*each))) == [WELL] * 3
    other = wanting({"name": "all", "vcpus": "0-2"}, {"name": "io", "threads": ["Emulator"]}, name="vm3-b")
    layout = cramped.run(other)
    assert states(layout) == [WELL, WAITS]  # the first took over a mon_group, the second finds the RMIDs in limbo
    assert layout.node.own_mon_groups == len(cramped.ours()) == 1
    assert cramped.reconciler._rmids.may_create
    until("the RMID to leave limbo", lambda: states(cramped.run(other)) == [WELL] * 2, seconds=10)
    assert cramped.ours() == {frozenset(vcpus), frozenset({cramped.main})}


def test_a_budget_holds_while_groups_are_exchanged(cramped: Node) -> None:
    cramped.plug("CPU 0/KVM")
    cramped.plug("CPU 1/KVM")
    cramped.reconciler._budget = 1
    assert states(cramped.run(wanting({"name": "zero", "vcpus": "0"}))) == [WELL]
    layout = cramped.run(wanting({"name": "one", "vcpus": "1"}), wanting({"name": "zero", "vcpus": "0"}, name="b"))
    assert len(cramped.ours()) == 1
    waiting = next(group for target in layout.targets for group in target.groups if group.state == "Waiting")
    assert "needs 1 RMID, 0 are free; of the node's 4 RMIDs" in waiting.message
    assert "the agent may take 1 (--rmid-budget)" in waiting.message


def test_ours_and_others_are_counted_as_they_are_and_limbo_as_neither(cramped: Node) -> None:
    cramped.plug("CPU 0/KVM")
    mkdir(cramped.tree, MonGroupName(ROOT, "theirs"))
    layout = cramped.run(wanting({"name": "zero", "vcpus": "0"}))
    assert (layout.node.num_rmids, layout.node.own_mon_groups, layout.node.other_rmids) == (4, 1, 2)
    cramped.tree.directory(MonGroupName(ROOT, "theirs")).rmdir()
    layout = cramped.run()
    assert (layout.node.own_mon_groups, layout.node.other_rmids) == (0, 1)
