import os
from collections.abc import Callable

import pytest

from cachemon.model.errors import OutOfRmidsError, ResctrlBusyError, ResctrlError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, put_thread
from tests.integration.resctrl.by_hand import fill, held_by_another, mkdir

A = MonGroupName(ROOT, "cachemon-a")


def test_capabilities_are_what_the_kernel_says(tree: ResctrlTree) -> None:
    capabilities = tree.capabilities()
    assert capabilities.num_rmids == 512
    assert capabilities.events == ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
    assert tree.block_ids() == (0, 1)


def test_a_kernel_without_traffic_counters_says_so(mount: Callable[..., Emulator]) -> None:
    tree = ResctrlTree(mount(events=["llc_occupancy"], profile="6.1").mountpoint)
    assert tree.capabilities().events == ("llc_occupancy",)
    assert tree.capabilities().assign_mode is None


def test_a_group_is_made_and_removed_and_both_may_be_so_already(tree: ResctrlTree) -> None:
    tree.create(A)
    tree.create(A)
    assert A in tree.observe().mon_groups
    tree.remove(A)
    tree.remove(A)
    assert tree.observe().mon_groups == {}


@pytest.mark.pitfall(3)
def test_what_is_not_ours_is_never_removed(tree: ResctrlTree) -> None:
    theirs = MonGroupName(ROOT, "theirs")
    mkdir(tree, theirs)
    with pytest.raises(ResctrlError, match="not ours"):
        tree.remove(theirs)
    assert theirs in tree.observe().mon_groups


def test_a_written_thread_is_in_the_group(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid, other = threads.start(), threads.start()
    tree.create(A)
    assert tree.write_tid(A, tid) is Outcome.MOVED
    assert tree.observe().mon_groups[A] == {tid}
    assert tree.write_tid(A, other) is Outcome.MOVED
    assert tree.release_tid(ROOT, tid) is Outcome.MOVED
    assert tree.observe().mon_groups[A] == {other}


def test_a_thread_that_has_ended_is_a_value(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid = threads.start()
    tree.create(A)
    threads.end(tid)
    assert tree.write_tid(A, tid) is Outcome.VANISHED


def test_a_group_that_has_gone_is_a_value(tree: ResctrlTree, threads: BusyThreads) -> None:
    assert tree.write_tid(A, threads.start()) is Outcome.GROUP_GONE
    assert tree.write_tid(MonGroupName("gone", "cachemon-a"), threads.start()) is Outcome.GROUP_GONE


@pytest.mark.pitfall(8)
def test_a_removed_group_with_threads_in_it_leaves_them_to_its_control_group(
    tree: ResctrlTree, threads: BusyThreads
) -> None:
    tid = threads.start()
    tree.create(A)
    tree.write_tid(A, tid)
    tree.remove(A)
    assert tree.observe().mon_groups == {}
    tree.create(A)
    assert tree.observe().mon_groups[A] == set()


@pytest.fixture
def allocating(mount: Callable[..., Emulator]) -> ResctrlTree:
    """With control groups gold and silver."""
    tree = ResctrlTree(mount(closids=4, rmids=16).mountpoint)
    mkdir(tree, MonGroupName("gold", ""), MonGroupName("silver", ""))
    return tree


@pytest.mark.pitfall(5)
def test_a_thread_of_another_control_group_is_refused(allocating: ResctrlTree, threads: BusyThreads) -> None:
    tid = threads.start()
    put_thread(allocating, MonGroupName("gold", ""), tid)
    allocating.create(A)
    assert allocating.write_tid(A, tid) is Outcome.REFUSED
    under_gold = MonGroupName("gold", "cachemon-a")
    allocating.create(under_gold)
    assert allocating.write_tid(under_gold, tid) is Outcome.MOVED


def test_everything_is_observed_ours_and_others(allocating: ResctrlTree, threads: BusyThreads) -> None:
    gold, foreign = MonGroupName("gold", "cachemon-a"), MonGroupName("gold", "libvirt")
    mkdir(allocating, gold, foreign, A)
    in_gold, in_foreign, in_a = threads.start(), threads.start(), threads.start()
    for tid in (in_gold, in_foreign):
        put_thread(allocating, MonGroupName("gold", ""), tid)
    allocating.write_tid(gold, in_gold)
    put_thread(allocating, foreign, in_foreign)
    allocating.write_tid(A, in_a)
    observed = allocating.observe()
    assert observed.mon_groups == {A: {in_a}, gold: {in_gold}, foreign: {in_foreign}}
    assert observed.control_groups == {"gold": {in_gold, in_foreign}, "silver": set()}
    assert observed.rmids_for_us(None) == 16 - 1 - 2 - 1


def test_no_rmid_is_distinguished_from_other_failures(short_of_rmids: ResctrlTree) -> None:
    made = fill(short_of_rmids)
    assert len(made) == 7
    with pytest.raises(OutOfRmidsError, match=r"ENOSPC .*Out of RMIDs"):
        short_of_rmids.create(A)
    short_of_rmids.remove(made[0])  # its RMID is in limbo now
    with pytest.raises(OutOfRmidsError, match="EBUSY"):
        short_of_rmids.create(A)


@pytest.mark.pitfall(15)
@pytest.mark.parametrize("where", [MonGroupName("nowhere", "cachemon-a"), MonGroupName(ROOT, "cachemon-\n")])
def test_what_else_the_kernel_refuses_is_an_error_with_its_errno(tree: ResctrlTree, where: MonGroupName) -> None:
    with pytest.raises(ResctrlError, match=r"ENOENT|EINVAL") as raised:
        tree.create(where)
    assert not isinstance(raised.value, OutOfRmidsError)


def test_a_lock_that_another_process_holds_is_waited_for_and_then_given_up(emulator: Emulator) -> None:
    now = 0.0
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        waits.append(seconds)

    tree = ResctrlTree(emulator.mountpoint, lock_seconds=1.0, clock=lambda: now, sleep=sleep)
    with (
        held_by_another(emulator.mountpoint),
        pytest.raises(ResctrlBusyError, match="another program holds the lock"),
        tree.locked(),
    ):
        pytest.fail("the lock was given twice")
    assert 1.0 <= sum(waits) < 1.1


def test_a_lock_that_is_let_go_is_taken(emulator: Emulator) -> None:
    with held_by_another(emulator.mountpoint) as let_go:
        tree = ResctrlTree(emulator.mountpoint, sleep=lambda _: let_go())
        with tree.locked():
            tree.create(A)
    assert tree.observe().mon_groups.keys() == {A}


def test_the_lock_is_free_again_after_an_error(emulator: Emulator) -> None:
    tree = ResctrlTree(emulator.mountpoint, lock_seconds=0.0)
    with pytest.raises(ZeroDivisionError), tree.locked():
        raise ZeroDivisionError
    with tree.locked():
        tree.create(A)
    assert A in tree.observe().mon_groups


@pytest.mark.pitfall(11)
def test_one_tid_goes_into_one_write_so_that_old_kernels_take_it(
    mount: Callable[..., Emulator], threads: BusyThreads
) -> None:
    tree = ResctrlTree(mount(profile="6.1").mountpoint)
    tree.create(A)
    tids = {threads.start() for _ in range(3)}
    assert {tree.write_tid(A, tid) for tid in tids} == {Outcome.MOVED}
    assert tree.observe().mon_groups[A] == tids


def test_groups_that_vanish_while_observed_are_left_out(tree: ResctrlTree) -> None:
    mkdir(tree, A)
    descriptor = os.open(tree.directory(A), os.O_RDONLY)
    tree.directory(A).rmdir()
    assert tree.observe().mon_groups == {}
    os.close(descriptor)
