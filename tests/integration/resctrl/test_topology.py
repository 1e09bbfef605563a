"""Cache blocks as the kernel and sysfs have them, and a file system that is not there yet or no longer."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cachemon.engine.layout import GroupState
from cachemon.engine.sampler import Sampler
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads
from tests.integration.resctrl.one_node import ALL, WELL, Node, states, wanting

KEY = GroupKey("uid-of-vm3", "all")


def make_node(emulator: Emulator, proc: Path, threads: BusyThreads) -> Node:
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, proc, threads)
    node.plug("CPU 0/KVM")
    return node


@pytest.mark.pitfall(22)
def test_blocks_with_gaps_in_their_ids_keep_them_with_capacity_and_cpus(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    node = make_node(mount(blocks={0: 32 << 20, 8: 16 << 20, 100: 16 << 20}), tmp_path, threads)
    layout = node.run(wanting(ALL, vcpus=1))
    assert [(b.level, b.id, b.capacity_bytes) for b in layout.node.blocks] == [
        (3, 0, 32 << 20),
        (3, 8, 16 << 20),
        (3, 100, 16 << 20),
    ]
    assert any(block.cpus for block in layout.node.blocks)
    figures = node.sampler.sample(layout)
    assert [figure.block.id for figure in figures.groups[KEY]] == [0, 8, 100]
    node.sampler.close()


@pytest.mark.pitfall(22)
def test_a_block_that_goes_offline_leaves_the_layout_and_returns_to_it(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(blocks={0: 32 << 20, 1: 32 << 20})
    node = make_node(emulator, tmp_path, threads)
    target = wanting(ALL, vcpus=1)
    for online in (True, False, True):
        emulator.control.set_block_online(1, online=online)
        layout = node.run(target)
        assert states(layout) == [WELL]
        assert [block.id for block in layout.node.blocks] == ([0, 1] if online else [0])
        node.sampler.sample(layout)
        figures = node.sampler.sample(layout)
        assert not figures.offline
        assert [figure.block.id for figure in figures.groups[KEY]] == ([0, 1] if online else [0])
    node.sampler.close()


def test_a_block_that_sysfs_lacks_is_there_without_a_capacity(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    (tmp_path / "proc").mkdir()
    node = Node(ResctrlTree(emulator.mountpoint), tmp_path / "no-sysfs", tmp_path / "proc", threads)
    assert node.run().node.blocks == (CacheBlock(3, 0, None, ""), CacheBlock(3, 1, None, ""))
    node.sampler.close()


@pytest.mark.pitfall(22)
@pytest.mark.skipif(
    "more" not in inspect.signature(Emulator).parameters, reason="this emulator has no sub-NUMA clusters"
)
def test_of_sub_numa_clusters_only_the_sum_is_read(
    mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads
) -> None:
    emulator = mount(blocks={0: 32 << 20}, more=["--snc-nodes=2"])
    node = make_node(emulator, tmp_path, threads)
    layout = node.run(wanting(ALL, vcpus=1))
    assert [block.id for block in layout.node.blocks] == [0]
    (where,) = layout.mon_groups
    top = node.tree.directory(where) / "mon_data/mon_L3_00"
    assert len(list(top.glob("mon_sub_L3_*"))) == 2
    vcpu = next(iter(next(iter(node.ours()))))
    threads.burn(vcpu, 0.1)
    emulator.control.freeze()
    (figure,) = node.sampler.sample(layout).groups[KEY]
    assert figure.occupancy == int((top / "llc_occupancy").read_text()) > 0
    node.sampler.close()


@pytest.mark.pitfall(24)
def test_the_nodes_occupancy_is_the_roots_own_number_without_its_groups_again(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    node = make_node(emulator, tmp_path, threads)
    layout = node.run(wanting(ALL, vcpus=1))
    vcpu = next(iter(next(iter(node.ours()))))
    threads.burn(vcpu, 0.1)
    emulator.control.freeze()
    figures = node.sampler.sample(layout)
    for figure in figures.node:
        name = f"mon_L3_{figure.block.id:02d}"
        assert figure.occupancy == int((emulator.mountpoint / "mon_data" / name / "llc_occupancy").read_text())
    node.sampler.close()


@pytest.mark.pitfall(17)
def test_neither_a_sample_nor_a_pass_in_between_reads_a_tasks_file(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    class Counting(ResctrlTree):
        walks = 0

        def tids(self, where: MonGroupName) -> frozenset[int] | None:
            self.walks += 1
            return super().tids(where)

    node = Node(tree := Counting(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    for _ in range(2):
        layout = node.run(target)
    walks = tree.walks
    assert walks > 0
    sampler = Sampler(tree, 10)
    for _ in range(3):
        sampler.sample(layout)
        assert node.reconciler.run([target]) == layout
    assert tree.walks == walks
    for each in (sampler, node.sampler):
        each.close()


@pytest.mark.pitfall(27)
def test_resctrl_that_is_mounted_late_unmounted_and_mounted_again_is_used_each_time(
    tmp_path: Path, threads: BusyThreads
) -> None:
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    place, proc = tmp_path / "place", tmp_path / "proc"
    for directory in (place, place / "resctrl", proc):
        directory.mkdir()
    node = Node(ResctrlTree(place / "resctrl"), place / "sys", proc, threads)
    vcpu = node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    for _ in range(2):
        layout = node.run(target)
        assert states(layout) == [(GroupState.WAITING, "ResctrlNotMounted")]
        assert "mount -t resctrl" in layout.targets[0].groups[0].message
        assert node.sampler.sample(layout).groups == {}
        with Emulator(place, blocks={0: 32 << 20}):
            layout = node.run(target)
            assert states(layout) == [WELL]
            assert node.ours() == {frozenset({vcpu})}
            assert not node.sampler.sample(layout).offline
            node.sampler.close()


@pytest.mark.pitfall(10)
def test_a_group_of_everything_holds_every_thread_of_the_process(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    tids = {node.main, *map(node.plug, ("CPU 0/KVM", "CPU 1/KVM", "IO iothread1", "vhost-1234", "worker"))}
    everything = {"name": "everything", "vcpus": "all", "threads": ["IOThread", "Emulator", "Vhost"]}
    assert states(node.run(wanting(everything, vcpus=2))) == [WELL]
    assert node.ours() == {frozenset(tids)}
    node.sampler.close()


@pytest.mark.pitfall(6)
def test_a_group_that_a_scraper_made_anew_is_filled_again(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    node = make_node(emulator, tmp_path, threads)
    target = wanting(ALL, vcpus=1)
    layout = node.run(target)
    before, (where,) = node.ours(), layout.mon_groups
    node.tree.directory(where).rmdir()
    node.tree.directory(where).mkdir()  # goresctrl makes a directory that it wants to read
    node.tree.directory(MonGroupName(ROOT, "cachemon-stray")).mkdir()
    assert node.ours() == {frozenset()}
    assert states(node.run(target)) == [WELL]
    assert node.ours() == before
    node.sampler.close()
