"""Groups with threads in mon_groups of other programs, on the mounted emulator."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import BlockFigure
from cachemon.engine.layout import GroupState
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import ALL, WELL, Node, states, wanting

CONTAINER = MonGroupName(ROOT, "514b34ab-10e8-4c14-ae4a-ca800d5b96c3")
GOLD, IN_GOLD = MonGroupName("gold", ""), MonGroupName("gold", "container-1")
ZERO, ONE = {"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}
QEMU = {"name": "qemu", "vcpus": "all", "threads": ["Emulator", "IOThread", "Vhost"]}
HELD = (GroupState.DEGRADED, "ThreadsInForeignGroup")


@pytest.fixture
def emulated(mount: Callable[..., Emulator]) -> Emulator:
    return mount(closids=4, rmids=16)


@pytest.fixture
def node(emulated: Emulator, threads: BusyThreads) -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as proc:
        node = Node(ResctrlTree(emulated.mountpoint), emulated.sysfs, Path(proc), threads)
        yield node
        node.sampler.close()


def figures_of(node: Node, layout: BoundLayout, group: str) -> tuple[BlockFigure, ...]:
    return node.sampler.sample(layout).groups.get(GroupKey("uid-of-vm3", group), ())


def message(layout: BoundLayout) -> str:
    return layout.targets[0].groups[0].message


@pytest.mark.parametrize("with_launcher", [False, True])
def test_a_group_has_no_figure_while_another_program_holds_its_threads_whatever_else_it_holds(
    node: Node, threads: BusyThreads, *, with_launcher: bool
) -> None:
    """With virt-launcher, as nri-plugins' resctrl-mon makes it, or with exactly the threads of the group."""
    mkdir(node.tree, CONTAINER)
    held = {node.main, *(node.plug(f"CPU {number}/KVM") for number in range(2))}
    if with_launcher:
        held.add(threads.start("virt-launcher"))
    for tid in held:
        put_thread(node.tree, CONTAINER, tid)
    layout = node.run(wanting(QEMU, vcpus=2))
    assert states(layout) == [HELD]
    assert CONTAINER.path in message(layout)
    assert figures_of(node, layout, "qemu") == ()
    assert (layout.node.own_mon_groups, layout.node.other_rmids) == (0, 2)
    assert node.tree.observe().mon_groups == {CONTAINER: held}


def test_a_thread_that_comes_and_goes_between_two_scans_adds_to_no_figure(
    node: Node, emulated: Emulator, threads: BusyThreads
) -> None:
    """Its cache lines keep the RMID, and `tasks` does not show that it was there."""
    mkdir(node.tree, CONTAINER)
    vcpu, stranger = node.plug("CPU 0/KVM"), threads.start("stranger")
    put_thread(node.tree, CONTAINER, vcpu)
    before = node.run(wanting(ALL, vcpus=1))
    put_thread(node.tree, CONTAINER, stranger)
    threads.burn(stranger, 0.1)
    put_thread(node.tree, MonGroupName(ROOT, ""), stranger)
    layout = node.run(wanting(ALL, vcpus=1))
    books = emulated.control.books().groups
    held = next(book for path, book in books.items() if path.endswith(CONTAINER.path))
    assert sum(int(block["llc_occupancy"]) for block in held.blocks.values()) > 0
    assert node.tree.observe().mon_groups == {CONTAINER: {vcpu}}
    for each in (before, layout):
        assert states(each) == [HELD]
        assert figures_of(node, each, "all") == ()


def test_only_the_groups_of_held_threads_lack_figures_and_they_take_no_rmid(node: Node) -> None:
    mkdir(node.tree, CONTAINER)
    first, second, third = (node.plug(f"CPU {number}/KVM") for number in range(3))
    put_thread(node.tree, CONTAINER, first)
    layout = node.run(wanting(ALL, ZERO, ONE, vcpus=3))
    assert states(layout) == [HELD, HELD, WELL]
    assert node.ours() == {frozenset({second})}
    assert figures_of(node, layout, "one") != ()
    node.tree.directory(CONTAINER).rmdir()
    layout = node.run(wanting(ALL, ZERO, ONE, vcpus=3))
    assert states(layout) == [WELL] * 3
    assert node.ours() == {frozenset({first}), frozenset({second}), frozenset({third})}


def test_every_mon_group_that_holds_threads_of_a_group_is_named(node: Node) -> None:
    mkdir(node.tree, CONTAINER, GOLD, IN_GOLD)
    first, second = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    put_thread(node.tree, CONTAINER, first)
    for where in (GOLD, IN_GOLD):
        put_thread(node.tree, where, second)
    layout = node.run(wanting(ALL, vcpus=2))
    assert states(layout) == [HELD]
    assert f"in {CONTAINER.path}, {IN_GOLD.path};" in message(layout)


def test_threads_that_another_program_takes_are_not_taken_back(node: Node) -> None:
    taken, stays = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    target = wanting(ZERO, ONE, vcpus=2)
    assert states(node.run(target)) == [WELL, WELL]
    mkdir(node.tree, CONTAINER)
    put_thread(node.tree, CONTAINER, taken)
    for _ in range(2):
        assert states(node.run(target)) == [HELD, WELL]
    assert node.ours() == {frozenset({stays})}
