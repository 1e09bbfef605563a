"""Figures of other programs' mon_groups beside a group without figures, on the mounted emulator."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cachemon.agent.foreign_fields import foreign_fields
from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import LOCAL_TRAFFIC, OCCUPANCY, TOTAL_TRAFFIC
from cachemon.engine.foreign_watch import ForeignWatch
from cachemon.engine.layout import GroupState
from cachemon.model.api import CacheMonitorGroup
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from lab.wait import until
from resctrl_emulator.client import Books
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import mkdir
from tests.integration.resctrl.one_node import ALL, POD, WELL, Node, states, wanting
from tests.unit.model.worlds import pod_uid

CONTAINER = MonGroupName(ROOT, "514b34ab-10e8-4c14-ae4a-ca800d5b96c3")
GOLD, IN_GOLD = MonGroupName("gold", ""), MonGroupName("gold", "container-1")
DEFAULT = MonGroupName(ROOT, "")
ONE = {"name": "one", "vcpus": "1"}
HELD = (GroupState.DEGRADED, "ThreadsInForeignGroup")


class WatchedNode(Node):
    """A node whose agent shows others' mon_groups."""

    def restart(self) -> None:
        super().restart()
        pods = PodProcesses(self.proc)
        self.watch = ForeignWatch[CacheMonitorGroup](
            self.reconciler, self.tree, pods.owner_of, clock=lambda: self.now
        )

    def see(self, *groups: Mapping[str, object], vcpus: int = 1) -> BoundLayout:
        """One scan."""
        self.now += 40
        return self.watch.run((wanting(*groups, vcpus=vcpus),))

    def shown(self, layout: BoundLayout, place: int = 0) -> list[dict[str, object]]:
        """One sample: what the status says of others' mon_groups beside one group."""
        return foreign_fields(layout.targets[0].groups[place], self.sampler.sample(layout))

    def stranger(self, pod: str | None = POD) -> int:
        """A thread of another program: of virt-launcher, of another pod or of none."""
        tid = self.threads.start("stranger")
        (self.proc / str(tid)).mkdir()
        cgroup = f"0::/kubepods/pod{pod}/x\n" if pod else "0::/system.slice/sshd.service\n"
        (self.proc / str(tid) / "cgroup").write_text(cgroup)
        return tid


@pytest.fixture
def emulated(mount: Callable[..., Emulator]) -> Emulator:
    return mount(closids=4, rmids=16)


@pytest.fixture
def node(emulated: Emulator, threads: BusyThreads) -> Iterator[WatchedNode]:
    with tempfile.TemporaryDirectory() as proc:
        node = WatchedNode(ResctrlTree(emulated.mountpoint), emulated.sysfs, Path(proc), threads)
        yield node
        node.sampler.close()


def hold(node: Node, where: MonGroupName, *tids: int) -> None:
    mkdir(node.tree, where)
    for tid in tids:
        put_thread(node.tree, where, tid)


def book_of(books: Books, where: MonGroupName) -> dict[int, int]:
    """The occupancy of a mon_group in the emulator's books, by cache block."""
    (book,) = (book for path, book in books.groups.items() if path.endswith(where.path))
    return {block: int(values[OCCUPANCY]) for block, values in book.blocks.items()}


def occupancies(blocks: object) -> dict[int, int]:
    assert isinstance(blocks, list)
    assert all(block["reading"] == "Valid" for block in blocks)
    return {block["id"]: block["occupancyBytes"] for block in blocks}


def test_a_mon_group_of_the_pod_has_its_own_figures_to_the_byte_and_the_group_has_none(
    node: WatchedNode, emulated: Emulator, threads: BusyThreads
) -> None:
    """As nri-plugins' resctrl-mon makes it: with virt-launcher and all that it starts."""
    vcpu, launcher = node.plug("CPU 0/KVM"), node.stranger()
    hold(node, CONTAINER, node.main, vcpu, launcher)
    layout = node.see(ALL)
    node.sampler.sample(layout)
    for tid in (vcpu, launcher):
        threads.burn(tid, 0.1)
    emulated.control.freeze()
    (shown,) = node.shown(layout)
    assert (shown["name"], shown["holds"], shown["threads"]) == (CONTAINER.path, "GroupAndOthers", 3)
    books = emulated.control.books()
    assert occupancies(shown["cacheBlocks"]) == book_of(books, CONTAINER)
    assert sum(book_of(books, CONTAINER).values()) > 0
    assert states(layout) == [HELD]
    figures = node.sampler.sample(layout)
    assert figures.groups.get(GroupKey("uid-of-vm3", "all"), ()) == ()
    assert all(block.monitored == 0 for block in figures.node)
    assert {*figures.foreign[CONTAINER][0].traffic} == {TOTAL_TRAFFIC, LOCAL_TRAFFIC}


@pytest.mark.parametrize(
    ("held", "others", "holds"),
    [
        ((0, 1), 0, "ExactlyTheGroup"),
        ((1,), 0, "PartOfTheGroup"),
        ((0, 1), 1, "GroupAndOthers"),
        ((0,), 2, "PartAndOthers"),
    ],
)
def test_a_mon_group_says_how_it_relates_to_the_group(
    node: WatchedNode, held: tuple[int, ...], others: int, holds: str
) -> None:
    vcpus = [node.plug(f"CPU {number}/KVM") for number in range(2)]
    hold(node, CONTAINER, *(vcpus[number] for number in held), *(node.stranger() for _ in range(others)))
    (shown,) = node.shown(node.see(ALL, vcpus=2))
    assert (shown["holds"], shown["threads"]) == (holds, len(held) + others)


@pytest.mark.parametrize("pod", [None, pod_uid(2)])
def test_a_mon_group_with_a_thread_of_another_pod_or_of_none_shows_no_figures_until_it_leaves(
    node: WatchedNode, pod: str | None
) -> None:
    stranger = node.stranger(pod)
    hold(node, CONTAINER, node.plug("CPU 0/KVM"))
    assert node.shown(node.see(ALL)) != []
    put_thread(node.tree, CONTAINER, stranger)
    layout = node.see(ALL)
    assert node.shown(layout) == []
    assert CONTAINER.path in layout.targets[0].groups[0].message
    put_thread(node.tree, DEFAULT, stranger)
    assert node.shown(node.see(ALL)) != []


@pytest.mark.parametrize(
    ("file", "text"), [("tasks", "{tid}\niommu_group:17\n"), ("cpus_list", "1-2\n"), ("tasks", "{tid}\n4000099\n")]
)
def test_a_mon_group_that_also_counts_devices_cpus_or_an_unknown_thread_shows_no_figures(
    node: WatchedNode, emulated: Emulator, file: str, text: str
) -> None:
    tid = node.plug("CPU 0/KVM")
    hold(node, CONTAINER, tid)
    emulated.control.replace_content(f"{CONTAINER.path}/{file}", text.format(tid=tid))
    assert node.shown(node.see(ALL)) == []
    emulated.control.heal()
    assert node.shown(node.see(ALL)) != []


@pytest.mark.parametrize("file", ["cpus_list", "tasks"])
def test_a_mon_group_whose_content_can_not_be_read_shows_no_figures(
    node: WatchedNode, emulated: Emulator, file: str
) -> None:
    hold(node, CONTAINER, node.plug("CPU 0/KVM"))
    assert node.shown(node.see(ALL)) != []
    emulated.control.fail("open", f"{CONTAINER.path}/{file}", 13, times=None)
    assert node.shown(node.see(ALL)) == []


def test_each_mon_group_is_shown_beside_the_groups_whose_threads_it_holds(node: WatchedNode) -> None:
    first, second = node.plug("CPU 0/KVM"), node.plug("CPU 1/KVM")
    mkdir(node.tree, GOLD)
    put_thread(node.tree, GOLD, second)
    hold(node, CONTAINER, first)
    hold(node, IN_GOLD, second)
    layout = node.see(ALL, ONE, vcpus=2)
    both, one = node.shown(layout), node.shown(layout, 1)
    assert [(each["name"], each["holds"]) for each in both] == [
        (CONTAINER.path, "PartOfTheGroup"),
        (IN_GOLD.path, "PartOfTheGroup"),
    ]
    assert [(each["name"], each["holds"]) for each in one] == [(IN_GOLD.path, "ExactlyTheGroup")]


def test_nothing_is_shown_any_more_when_the_group_has_figures_of_its_own(node: WatchedNode) -> None:
    hold(node, CONTAINER, node.plug("CPU 0/KVM"))
    assert node.shown(node.see(ALL)) != []
    node.tree.directory(CONTAINER).rmdir()
    node.see(ALL)
    layout = node.see(ALL)
    assert states(layout) == [WELL]
    assert node.shown(layout) == []
    assert node.sampler.sample(layout).foreign == {}


def test_a_directory_made_again_after_the_scan_shows_no_figures_before_the_next_one(node: WatchedNode) -> None:
    """Nobody has checked whose threads are in it."""
    vcpu, stranger = node.plug("CPU 0/KVM"), node.stranger(None)
    hold(node, CONTAINER, vcpu)
    layout = node.see(ALL)
    assert node.shown(layout) != []
    node.tree.directory(CONTAINER).rmdir()
    hold(node, CONTAINER, vcpu, stranger)
    for _ in range(3):
        assert not any(has_numbers(mon_group) for mon_group in node.shown(layout))
    assert node.shown(layout) == []
    put_thread(node.tree, DEFAULT, stranger)
    assert node.shown(node.see(ALL)) != []


def test_rates_leave_out_what_was_before_a_change_of_the_threads(node: WatchedNode) -> None:
    hold(node, CONTAINER, node.plug("CPU 0/KVM"))
    target = node.see(ALL)
    node.shown(target)
    assert has_rates(node.shown(target))
    put_thread(node.tree, CONTAINER, node.stranger())
    changed = node.see(ALL)
    assert not has_rates(node.shown(changed))
    until("rates of what comes after", lambda: has_rates(node.shown(changed)))


def has_numbers(mon_group: dict[str, object]) -> bool:
    blocks = mon_group["cacheBlocks"]
    assert isinstance(blocks, list)
    return any("occupancyBytes" in block or "memoryBandwidth" in block for block in blocks)


def has_rates(shown: list[dict[str, object]]) -> bool:
    (mon_group,) = shown
    blocks = mon_group["cacheBlocks"]
    assert isinstance(blocks, list)
    return all("memoryBandwidth" in block for block in blocks)


def test_the_layout_stays_the_same_while_nothing_changes(node: WatchedNode) -> None:
    hold(node, CONTAINER, node.plug("CPU 0/KVM"))
    node.see(ALL)
    target = wanting(ALL, vcpus=1)
    assert node.watch.run((target,)) is node.watch.run((target,))
