"""Groups of other programs that are odd or can't be read, on the mounted emulator."""

import errno
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.engine.layout import GroupState
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import ALL, WELL, Node, states, wanting

GOLD = MonGroupName("gold", "")
HIDDEN = MonGroupName("gold", "hidden")
THEIRS = MonGroupName(ROOT, "theirs")
ZERO, ONE = {"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}
DEGRADED = (GroupState.DEGRADED, "ForeignGroupUnreadable")


@pytest.fixture
def emulated(mount: Callable[..., Emulator]) -> Emulator:
    return mount(closids=4, rmids=64)


@pytest.fixture
def node(emulated: Emulator, threads: BusyThreads) -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as proc:
        node = Node(ResctrlTree(emulated.mountpoint), emulated.sysfs, Path(proc), threads)
        yield node
        node.sampler.close()


@pytest.mark.parametrize("odd", ["iommu_group:17", "\udcff\udcfe", "9" * 5000, "-1", "1_0", "0x7b"])
def test_a_line_of_a_tasks_file_that_is_no_number_is_no_thread_and_is_logged_once(
    node: Node, emulated: Emulator, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    mkdir(node.tree, GOLD)
    first = node.plug("CPU 0/KVM")
    (node.tree.directory(GOLD) / "tasks").write_text(str(first))
    emulated.control.replace_content("/gold/tasks", f"{first}\n{odd}\n")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert states(node.run(wanting(ALL, vcpus=1))) == [WELL]
    assert node.tree.observe().control_groups == {"gold": {first}}
    assert node.ours() == {frozenset({first})}
    assert sum("lines that are not TIDs" in message for message in caplog.messages) == 1


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        *(("open", number) for number in (errno.EACCES, errno.EIO, errno.ENOENT)),
        *(("readdir", number) for number in (errno.EACCES, errno.EIO)),
    ],
)
def test_a_control_group_that_can_not_be_read_costs_one_rmid_and_nobody_else(
    node: Node, emulated: Emulator, caplog: pytest.LogCaptureFixture, operation: str, number: int
) -> None:
    mkdir(node.tree, GOLD)
    node.plug("CPU 0/KVM")
    path = "/gold/tasks" if operation == "open" else "/gold/mon_groups"
    emulated.control.fail(operation, path, number, times=None)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            layout = node.run(wanting(ALL, vcpus=1))
            assert states(layout) == [WELL]
    assert layout.node.other_rmids == 2
    assert sum("can't be" in message and "gold" in message for message in caplog.messages) == 1


def test_threads_that_an_unreadable_mon_group_may_hold_are_not_taken_from_it(node: Node, emulated: Emulator) -> None:
    mkdir(node.tree, THEIRS)
    held, free = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    (node.tree.directory(THEIRS) / "tasks").write_text(str(held))
    emulated.control.fail("open", "/mon_groups/theirs/tasks", errno.EACCES, times=None)
    layout = node.run(wanting(ZERO, ONE, vcpus=2))
    assert states(layout) == [DEGRADED] * 2
    assert "/mon_groups/theirs" in layout.targets[0].groups[0].message
    assert layout.node.other_rmids == 2
    emulated.control.heal()
    assert states(node.run(wanting(ZERO, ONE, vcpus=2))) == [(GroupState.DEGRADED, "ThreadsInForeignGroup"), WELL]
    assert node.tree.observe().mon_groups[THEIRS] == {held}
    assert node.ours() == {frozenset({free})}


def test_threads_of_a_control_group_whose_mon_groups_can_not_be_listed_are_left_there(
    node: Node, emulated: Emulator
) -> None:
    mkdir(node.tree, GOLD, HIDDEN)
    held, free = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    for where in (GOLD, HIDDEN):
        (node.tree.directory(where) / "tasks").write_text(str(held))
    emulated.control.fail("readdir", "/gold/mon_groups", errno.EIO, times=None)
    assert states(node.run(wanting(ZERO, ONE, vcpus=2))) == [DEGRADED, WELL]
    emulated.control.heal()
    assert node.tree.observe().mon_groups[HIDDEN] == {held}
    assert node.ours() == {frozenset({free})}


def test_a_thread_whose_proc_file_names_its_group_counts_in_that_group(node: Node, emulated: Emulator) -> None:
    mkdir(node.tree, THEIRS)
    held, free = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    (node.tree.directory(THEIRS) / "tasks").write_text(str(held))
    for tid, name in ((held, "theirs"), (free, ""), (node.main, "")):
        (node.proc / str(tid)).mkdir(exist_ok=True)
        (node.proc / str(tid) / "cpu_resctrl_groups").write_text(f"res:/\nmon:{name}\n")
    emulated.control.fail("open", "/mon_groups/theirs/tasks", errno.EACCES, times=None)
    layout = node.run(wanting(ZERO, ONE, vcpus=2))
    assert states(layout) == [(GroupState.DEGRADED, "ThreadsInForeignGroup"), WELL]
    emulated.control.heal()
    assert node.tree.observe().mon_groups[THEIRS] == {held}
    assert node.ours() == {frozenset({free})}


def test_a_pseudo_locked_region_counts_for_nobody(node: Node, emulated: Emulator) -> None:
    mkdir(node.tree, GOLD)
    node.plug("CPU 0/KVM")
    emulated.control.replace_content("/gold/mode", "pseudo-locked\n")
    for path in ("/gold/tasks", "/gold/cpus"):
        emulated.control.fail("open", path, errno.EACCES, times=None)
    layout = node.run(wanting(ALL, vcpus=1))
    assert states(layout) == [WELL]
    assert (layout.node.control_groups, layout.node.other_rmids) == ((), 2)


@pytest.mark.parametrize("text", ["many", "", "9" * 5000, "\udcff\udcff", "-1"])
def test_a_number_of_rmids_that_is_no_number_is_reported(node: Node, emulated: Emulator, text: str) -> None:
    emulated.control.replace_content("/info/L3_MON/num_rmids", text)
    node.plug("CPU 0/KVM")
    assert states(node.run(wanting(ALL, vcpus=1))) == [(GroupState.WAITING, "ResctrlUnreadable")]
    emulated.control.heal()
    assert states(node.run(wanting(ALL, vcpus=1))) == [WELL]
