"""Mon_groups of other programs that are read for a group, on the mounted emulator."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import OCCUPANCY, TOTAL_TRAFFIC, BlockFigure
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
READ = (GroupState.MONITORED, "ReadFromForeignGroup")
BLOCKED = (GroupState.DEGRADED, "ThreadsInForeignGroup")


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


def occupancies(emulated: Emulator, *mon_groups: MonGroupName) -> dict[int, int]:
    """The sums of the emulator's books, by cache block."""
    groups = emulated.control.books().groups
    books = [next(book for path, book in groups.items() if path.endswith(where.path)) for where in mon_groups]
    return {block: sum(int(book.blocks[block][OCCUPANCY]) for book in books) for block in books[0].blocks}


def message(layout: BoundLayout) -> str:
    return layout.targets[0].groups[0].message


def test_a_mon_group_with_exactly_the_threads_of_a_group_has_its_figures(
    node: Node, emulated: Emulator, threads: BusyThreads
) -> None:
    mkdir(node.tree, CONTAINER)
    held = [node.main, *(node.plug(f"CPU {number}/KVM") for number in range(2))]
    for tid in held:
        put_thread(node.tree, CONTAINER, tid)
    layout = node.run(wanting(QEMU, vcpus=2))
    assert states(layout) == [READ]
    assert CONTAINER.path in message(layout)
    assert (layout.node.own_mon_groups, layout.node.other_rmids) == (0, 2)
    figures_of(node, layout, "qemu")
    threads.burn(held[1], 0.1)
    emulated.control.freeze()
    figures = figures_of(node, layout, "qemu")
    assert {figure.block.id: figure.occupancy for figure in figures} == occupancies(emulated, CONTAINER)
    assert sum(figure.traffic[TOTAL_TRAFFIC].total_bytes for figure in figures) > 0
    assert node.ours() == set()
    assert node.tree.observe().mon_groups == {CONTAINER: set(held)}


def test_the_rest_of_a_group_is_in_our_mon_group_and_the_sum_is_the_figure(
    node: Node, emulated: Emulator, threads: BusyThreads
) -> None:
    mkdir(node.tree, CONTAINER)
    first, second = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    put_thread(node.tree, CONTAINER, first)
    layout = node.run(wanting(ALL, ZERO, ONE, vcpus=2))
    assert states(layout) == [READ, READ, WELL]
    assert node.ours() == {frozenset({second})}
    for tid in (first, second):
        threads.burn(tid, 0.05)
    emulated.control.freeze()
    figures = figures_of(node, layout, "all")
    own = next(name for name in layout.mon_groups if name.is_ours)
    assert {figure.block.id: figure.occupancy for figure in figures} == occupancies(emulated, CONTAINER, own)


def test_a_mon_group_of_the_whole_pod_is_read_for_no_group(node: Node, threads: BusyThreads) -> None:
    """As nri-plugins' resctrl-mon makes it: with virt-launcher and all that it starts."""
    mkdir(node.tree, CONTAINER)
    held = [node.main, node.plug("CPU 0/KVM"), threads.start("virt-launcher")]
    for tid in held:
        put_thread(node.tree, CONTAINER, tid)
    layout = node.run(wanting(QEMU, ALL, vcpus=1))
    assert states(layout) == [BLOCKED, BLOCKED]
    assert CONTAINER.name in message(layout)
    assert figures_of(node, layout, "qemu") == ()
    assert node.tree.observe().mon_groups == {CONTAINER: set(held)}


def test_figures_stop_when_another_thread_joins_and_come_back_when_it_leaves(
    node: Node, threads: BusyThreads
) -> None:
    mkdir(node.tree, CONTAINER)
    put_thread(node.tree, CONTAINER, node.plug("CPU 0/KVM"))
    target = wanting(ALL, vcpus=1)
    assert states(node.run(target)) == [READ]
    stranger = threads.start("stranger")
    put_thread(node.tree, CONTAINER, stranger)
    layout = node.run(target)
    assert states(layout) == [BLOCKED]
    assert figures_of(node, layout, "all") == ()
    put_thread(node.tree, MonGroupName(ROOT, ""), stranger)
    layout = node.run(target)
    assert states(layout) == [READ]
    assert figures_of(node, layout, "all") != ()


def test_a_thread_that_leaves_a_foreign_mon_group_is_counted_by_ours(node: Node) -> None:
    mkdir(node.tree, CONTAINER)
    tid = node.plug("CPU 0/KVM")
    put_thread(node.tree, CONTAINER, tid)
    target = wanting(ALL, vcpus=1)
    assert states(node.run(target)) == [READ]
    node.tree.directory(CONTAINER).rmdir()
    assert node.sampler.sample(node.run(target)).offline is False
    assert states(node.run(target)) == [WELL]
    assert node.ours() == {frozenset({tid})}


@pytest.mark.parametrize(
    ("file", "text"), [("tasks", "{tid}\niommu_group:17\n"), ("cpus_list", "1-2\n"), ("tasks", "{tid}\n4000099\n")]
)
def test_a_mon_group_that_also_counts_devices_or_cpus_is_read_for_no_group(
    node: Node, emulated: Emulator, file: str, text: str
) -> None:
    mkdir(node.tree, CONTAINER)
    tid = node.plug("CPU 0/KVM")
    put_thread(node.tree, CONTAINER, tid)
    emulated.control.replace_content(f"{CONTAINER.path}/{file}", text.format(tid=tid))
    assert states(node.run(wanting(ALL, vcpus=1))) == [BLOCKED]
    emulated.control.heal()
    assert states(node.run(wanting(ALL, vcpus=1))) == [READ]


def test_a_mon_group_of_which_a_file_can_not_be_read_is_read_for_no_group(node: Node, emulated: Emulator) -> None:
    mkdir(node.tree, CONTAINER)
    put_thread(node.tree, CONTAINER, node.plug("CPU 0/KVM"))
    emulated.control.fail("open", f"{CONTAINER.path}/cpus_list", 13, times=None)
    assert states(node.run(wanting(ALL, vcpus=1))) == [BLOCKED]
    emulated.control.heal()
    assert states(node.run(wanting(ALL, vcpus=1))) == [READ]


def test_a_mon_group_below_another_control_group_is_read_there(node: Node) -> None:
    mkdir(node.tree, GOLD, IN_GOLD)
    first, second = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    for where in (GOLD, IN_GOLD):
        put_thread(node.tree, where, first)
    layout = node.run(wanting(ALL, vcpus=2))
    assert states(layout) == [READ]
    assert IN_GOLD in layout.mon_groups
    assert node.ours() == {frozenset({second})}
    assert all(isinstance(figure.occupancy, int) for figure in figures_of(node, layout, "all"))


def test_threads_that_another_program_takes_are_read_where_they_are_and_not_taken_back(node: Node) -> None:
    taken, stays = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    target = wanting(ZERO, ONE, vcpus=2)
    assert states(node.run(target)) == [WELL, WELL]
    mkdir(node.tree, CONTAINER)
    put_thread(node.tree, CONTAINER, taken)
    for _ in range(2):
        assert states(node.run(target)) == [READ, WELL]
    assert node.ours() == {frozenset({stays})}
    put_thread(node.tree, CONTAINER, stays)
    layout = node.run(target)
    assert states(layout) == [BLOCKED, BLOCKED]
    assert node.tree.observe().mon_groups == {CONTAINER: {taken, stays}}
