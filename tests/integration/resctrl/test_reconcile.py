"""One pass of the agent after the other: real threads, the mounted emulator, and a /proc with one QEMU in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.engine.figures import TOTAL_TRAFFIC, Figures
from cachemon.engine.layout import GroupState
from cachemon.model.counter_totals import Gap
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.readings import Missing
from cachemon.model.threads import MOST_QEMUS
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator, limbo
from lab.wait import until
from tests.integration.resctrl.busy_threads import BusyThreads, StandInQemu, put_thread
from tests.integration.resctrl.by_hand import held_by_another, mkdir
from tests.integration.resctrl.one_node import ALL, LOW, PID, POD, WELL, Node, states, wanting
from tests.unit.agent.builders import make_object, make_target
from tests.unit.model.worlds import pod_uid

EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")


@pytest.fixture
def node(emulator: Emulator, tmp_path: Path, threads: BusyThreads) -> Iterator[Node]:
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    yield node
    node.sampler.close()


def test_groups_of_two_objects_overlap_and_their_sums_agree_with_the_books(
    node: Node, emulator: Emulator, threads: BusyThreads
) -> None:
    vcpus = [node.plug(f"CPU {n}/KVM") for n in range(4)]
    targets = (wanting(LOW, ALL), wanting({"name": "two", "vcpus": "2"}, name="vm3-more"))
    layout = node.run(*targets)
    assert states(layout) == [WELL] * 3
    assert node.ours() == {frozenset(vcpus[:2]), frozenset(vcpus[2:3]), frozenset(vcpus[3:])}
    assert not layout.incomplete
    node.sampler.sample(layout)
    for tid in vcpus[:3]:
        threads.burn(tid, 0.1)
    emulator.control.freeze()
    figures = node.sampler.sample(layout)
    books = {name.rpartition("/")[2]: group for name, group in emulator.control.books().groups.items()}
    for uid, group in (("uid-of-vm3", "low"), ("uid-of-vm3", "all"), ("uid-of-vm3-more", "two")):
        cells = next(g.mon_groups for t in layout.targets for g in t.groups if (t.uid, g.group.name) == (uid, group))
        for figure in figures.groups[GroupKey(uid, group)]:
            own = [books[cell.name].blocks[figure.block.id] for cell in cells]
            assert figure.occupancy == sum(int(events["llc_occupancy"]) for events in own)
    assert sum(f.traffic[TOTAL_TRAFFIC].total_bytes for f in figures.groups[GroupKey("uid-of-vm3", "low")]) > 0
    assert figures.node[0].occupancy >= figures.node[0].monitored  # type: ignore[operator]


def test_a_second_pass_changes_nothing(node: Node) -> None:
    node.plug("CPU 0/KVM")
    before = node.run(wanting(ALL, vcpus=1))
    inodes = {path: path.stat().st_ino for path in (node.tree.root / "mon_groups").iterdir()}
    assert node.run(wanting(ALL, vcpus=1)) == before
    assert {path: path.stat().st_ino for path in (node.tree.root / "mon_groups").iterdir()} == inodes


def test_a_vm_that_starts_is_incomplete_until_its_last_vcpu_is_there(node: Node) -> None:
    node.plug("CPU 0/KVM")
    layout = node.run(wanting(ALL, vcpus=2))
    assert states(layout) == [(GroupState.WAITING, "VCPUThreadMissing")]
    assert layout.incomplete
    node.plug("CPU 1/KVM")
    assert states(node.run(wanting(ALL, vcpus=2))) == [WELL]


@pytest.mark.pitfall(13)
def test_threads_that_a_group_bred_are_put_where_they_belong(node: Node) -> None:
    io = {"name": "io", "threads": ["Emulator"]}
    first = node.plug("CPU 0/KVM")
    node.run(wanting(io, ALL, vcpus=1))
    of_main = next(name for name, tids in node.tree.observe().mon_groups.items() if node.main in tids)
    plugged = [node.plug(f"CPU {n}/KVM") for n in (1, 2)]
    for tid in plugged:
        node.tree.write_tid(of_main, tid)  # as the kernel does with a thread that the main thread makes
    assert states(node.run(wanting(io, ALL, vcpus=3))) == [WELL] * 2
    assert node.tree.observe().mon_groups[of_main] == {node.main}
    assert node.ours() == {frozenset({node.main}), frozenset({first, *plugged})}


@pytest.mark.pitfall(7)
def test_after_a_restart_groups_are_adopted_with_their_counters(node: Node, emulator: Emulator) -> None:
    node.plug("CPU 0/KVM")
    before = node.run(wanting(ALL, vcpus=1))
    (where,) = before.mon_groups
    emulator.control.set_value(f"/mon_groups/{where.name}", 0, "mbm_total_bytes", 12345)
    mkdir(node.tree, MonGroupName(ROOT, "cachemon-orphan"), MonGroupName(ROOT, "theirs"))
    node.restart()
    assert node.run(wanting(ALL, vcpus=1)).targets == before.targets
    assert node.tree.observe().mon_groups.keys() == {where, MonGroupName(ROOT, "theirs")}
    assert (node.tree.directory(where) / "mon_data/mon_L3_00/mbm_total_bytes").read_text() == "12345\n"


@pytest.mark.pitfall(2)
def test_groups_that_somebody_wiped_are_made_again_and_the_gap_adds_nothing(node: Node) -> None:
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    layout = node.run(target)
    (where,) = layout.mon_groups
    node.sampler.sample(layout)
    node.tree.directory(where).rmdir()
    wiped = node.sampler.sample(layout)
    assert wiped.offline
    assert {figure.occupancy for figure in wiped.groups[GroupKey("uid-of-vm3", "all")]} == {Missing.OFFLINE}
    node.reconciler.forget()  # as the agent does then
    layout = node.reconciler.run([target])
    assert states(layout) == [WELL]
    figures: Figures = node.sampler.sample(layout)
    assert not figures.offline
    assert [f.traffic[TOTAL_TRAFFIC] for f in figures.groups[GroupKey("uid-of-vm3", "all")]] == [(0, None)] * 2
    assert node.sampler.gaps[Gap.OFFLINE] > 0


@pytest.mark.pitfall(4)
def test_threads_in_another_programs_group_are_left_there(node: Node) -> None:
    tid = node.plug("CPU 0/KVM")
    theirs = MonGroupName(ROOT, "libvirt")
    mkdir(node.tree, theirs)
    put_thread(node.tree, theirs, tid)
    layout = node.run(wanting(ALL, {"name": "io", "threads": ["Emulator"]}, vcpus=1))
    assert states(layout) == [(GroupState.DEGRADED, "ThreadsInForeignGroup"), WELL]
    assert node.tree.observe().mon_groups[theirs] == {tid}
    assert layout.node.other_rmids == 2


@pytest.mark.pitfall(14)
def test_when_qemu_ends_its_groups_go(node: Node) -> None:
    vcpu = node.plug("CPU 0/KVM")
    node.run(wanting(ALL, vcpus=1))
    for tid in (vcpu, node.main):
        node.qemu.drop(tid)
    layout = node.run(wanting(ALL, vcpus=1))
    assert states(layout) == [(GroupState.WAITING, "QEMUNotFound")]
    assert node.ours() == set()
    assert layout.incomplete


def test_without_targets_no_group_is_left(node: Node) -> None:
    node.plug("CPU 0/KVM")
    node.run(wanting(ALL, vcpus=1))
    assert node.run().targets == ()
    assert node.ours() == set()


def test_a_lock_held_by_another_degrades_only_what_had_to_change(node: Node) -> None:
    node.plug("CPU 0/KVM")
    node.plug("CPU 1/KVM")
    tree = node.tree
    node.run(wanting({"name": "zero", "vcpus": "0"}, vcpus=2))
    node.reconciler._tree = ResctrlTree(tree.root, lock_seconds=0)
    with held_by_another(tree.root):
        layout = node.run(wanting({"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}, vcpus=2))
    assert states(layout) == [WELL, (GroupState.DEGRADED, "ResctrlRefused")]
    layout = node.run(wanting({"name": "zero", "vcpus": "0"}, {"name": "one", "vcpus": "1"}, vcpus=2))
    assert states(layout) == [WELL] * 2


@pytest.fixture
def crowded(mount: Callable[..., Emulator], tmp_path: Path, threads: BusyThreads) -> Iterator[Node]:
    """A node with seven RMIDs to give."""
    emulator = mount(blocks={0: 32 << 20}, rmids=8, more=[limbo()])
    node = Node(ResctrlTree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    yield node
    node.sampler.close()


@pytest.mark.pitfall(1)
def test_without_rmids_groups_wait_by_rank_and_get_theirs_when_some_come_free(crowded: Node) -> None:
    for number in range(2):
        crowded.plug(f"CPU {number}/KVM")
    theirs = [MonGroupName(ROOT, f"theirs-{n}") for n in range(6)]
    mkdir(crowded.tree, *theirs)
    targets = (
        wanting({"name": "zero", "vcpus": "0"}, vcpus=2),
        wanting({"name": "one", "vcpus": "1"}, name="urgent", vcpus=2, priority=5),
    )
    layout = crowded.run(*targets)
    assert states(layout) == [(GroupState.WAITING, "OutOfRMIDs"), WELL]
    assert (layout.node.own_mon_groups, layout.node.other_rmids) == (1, 7)
    crowded.tree.directory(theirs[0]).rmdir()
    assert states(crowded.run(*targets)) == [(GroupState.WAITING, "OutOfRMIDs"), WELL]  # the freed one is in limbo
    until("the RMID to leave limbo", lambda: states(crowded.run(*targets)) == [WELL] * 2, seconds=10)
    assert len(crowded.ours()) == 2


@pytest.mark.pitfall(27)
def test_a_node_whose_resctrl_goes_away_says_so_and_recovers(node: Node, emulator: Emulator, tmp_path: Path) -> None:
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    assert states(node.run(target)) == [WELL]
    node.reconciler._tree = ResctrlTree(tmp_path / "unmounted")
    layout = node.run(target)
    assert states(layout) == [(GroupState.WAITING, "ResctrlNotMounted")]
    node.reconciler._tree = ResctrlTree(emulator.mountpoint)
    assert states(node.run(target)) == [WELL]


@pytest.mark.pitfall(15)
def test_a_proc_that_can_not_be_read_is_the_reason_of_every_group_until_it_can(node: Node) -> None:
    node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    away = node.proc.rename(node.proc.with_name(f"{node.proc.name}-away"))
    layout = node.run(target)
    assert states(layout) == [(GroupState.WAITING, "ProcUnreadable")]
    assert layout.node.unavailable
    assert layout.node.unavailable.reason == "ProcUnreadable"
    away.rename(node.proc)
    assert states(node.run(target)) == [WELL]


def test_a_pod_that_says_it_runs_anothers_guest_gets_nothing_and_costs_the_other_nothing(
    node: Node, threads: BusyThreads
) -> None:
    vcpu = node.plug("CPU 0/KVM")
    target = wanting(ALL, vcpus=1)
    before = node.run(target)
    impostor = StandInQemu(node.proc, PID + 1, pod_uid(2), "tenant-a_vm3")
    impostor.add(threads.start("CPU 0/KVM"))
    stranger = StandInQemu(node.proc, PID + 2, POD, "tenant-b_vm3")
    stranger.add(threads.start("CPU 0/KVM"))
    assert node.run(target).targets == before.targets
    assert node.ours() == {frozenset({vcpu})}


@pytest.mark.pitfall(14)
def test_a_qemu_that_starts_while_the_one_before_still_ends_counts_with_it(node: Node, threads: BusyThreads) -> None:
    first = node.plug("CPU 0/KVM")
    second = threads.start("CPU 0/KVM")
    StandInQemu(node.proc, PID + 1, POD, "tenant-a_vm3").add(second)
    layout = node.run(wanting(ALL, vcpus=1))
    assert states(layout) == [WELL]
    assert len(layout.targets[0].groups[0].mon_groups) == 2
    assert node.ours() == {frozenset({first}), frozenset({second})}


@pytest.mark.pitfall(14)
def test_of_two_pods_of_one_vmi_on_the_node_the_one_that_has_ended_costs_nothing(node: Node) -> None:
    vcpu = node.plug("CPU 0/KVM")
    placements = [
        {"nodeName": "node01", "podUID": uid, "role": role}
        for uid, role in ((pod_uid(7), "MigrationTarget"), (POD, "Active"))
    ]
    status = {"vcpuCount": 1, "placements": placements}
    layout = node.run(make_target(make_object(spec={"vmiName": "vm3", "groups": [ALL]}, status=status)))
    assert states(layout) == [WELL]
    assert node.ours() == {frozenset({vcpu})}


def test_a_pod_full_of_qemus_takes_no_rmids_and_its_neighbour_is_monitored(node: Node, threads: BusyThreads) -> None:
    vcpu = node.plug("CPU 0/KVM")
    for number in range(2, 2 + MOST_QEMUS + 3):
        StandInQemu(node.proc, PID + number, pod_uid(2), "tenant-a_vm4").add(threads.start("CPU 0/KVM"))
    placements = [{"nodeName": "node01", "podUID": pod_uid(2), "role": "Active"}]
    spec = {"vmiName": "vm4", "groups": [ALL]}
    hostile = make_target(make_object("vm4", spec=spec, status={"vcpuCount": 1, "placements": placements}))
    layout = node.run(hostile, wanting(ALL, vcpus=1))
    assert states(layout) == [(GroupState.WAITING, "TooManyQEMUs"), WELL]
    assert node.ours() == {frozenset({vcpu})}


def test_cache_blocks_are_those_of_the_kernel_with_the_sizes_of_sysfs(node: Node) -> None:
    layout = node.run()
    assert [(block.id, block.capacity_bytes) for block in layout.node.blocks] == [(0, 32 << 20), (1, 32 << 20)]
    assert layout.node.events == EVENTS


def test_threads_that_end_between_two_scans_get_no_mon_group_and_no_figures_of_nobody(
    emulator: Emulator, tmp_path: Path, threads: BusyThreads
) -> None:
    between: list[Callable[[], None]] = []

    class Tree(ResctrlTree):
        def observe(self) -> Observed:
            while between:
                between.pop()()
            return super().observe()

    node = Node(Tree(emulator.mountpoint), emulator.sysfs, tmp_path, threads)
    tid = node.plug("CPU 0/KVM")
    assert states(node.run(wanting(ALL, vcpus=1))) == [WELL]

    def end() -> None:
        threads.end(tid)
        node.qemu.drop(tid)
        until("the mon_group to be empty", lambda: node.ours() == {frozenset()})

    between.append(end)
    layout = node.run(wanting(ALL, vcpus=1))
    assert not between
    assert states(layout) == [(GroupState.WAITING, "VCPUThreadMissing")]
    assert node.ours() == set()
    node.sampler.close()
