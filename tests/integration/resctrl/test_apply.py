from collections.abc import Sequence

import pytest

from cachemon.model.errors import ResctrlBusyError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.plan import Action, Create, Move, Plan, Release, Remove
from cachemon.model.threads import Thread
from cachemon.resctrl.apply import apply_plan
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.resctrl.busy_threads import BusyThreads, as_thread, is_alive, put_thread
from tests.integration.resctrl.by_hand import fill, held_by_another, mkdir

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")


def plan(*actions: Action) -> Plan:
    return Plan(actions, {}, {}, {})


def move(where: MonGroupName, tids: Sequence[int]) -> Move:
    return Move(where, tuple(map(as_thread, tids)))


def test_a_plan_is_carried_out(tree: ResctrlTree, threads: BusyThreads) -> None:
    first, second = threads.start(), threads.start()
    mkdir(tree, B)
    applied = apply_plan(tree, plan(Create(A), move(A, [first, second]), Remove(B)), is_alive)
    assert tree.observe().mon_groups == {A: {first, second}}
    assert (applied.changed, applied.moved, applied.vanished) == (True, 2, 0)
    assert not applied.failed
    assert not applied.without_rmid


def test_nothing_to_do_needs_no_lock(emulator: Emulator) -> None:
    tree = ResctrlTree(emulator.mountpoint, lock_seconds=0)
    with held_by_another(emulator.mountpoint):
        assert not apply_plan(tree, plan(), is_alive).changed
        with pytest.raises(ResctrlBusyError):
            apply_plan(tree, plan(Create(A)), is_alive)
    assert tree.observe().mon_groups == {}


@pytest.mark.pitfall(11)
def test_a_thread_that_ended_meanwhile_does_not_stop_the_rest(tree: ResctrlTree, threads: BusyThreads) -> None:
    tids = [threads.start() for _ in range(3)]
    actions = move(A, tids)
    threads.end(tids[1])
    applied = apply_plan(tree, plan(Create(A), actions), is_alive)
    assert tree.observe().mon_groups[A] == {tids[0], tids[2]}
    assert (applied.moved, applied.vanished, applied.failed) == (2, 1, {})


@pytest.mark.pitfall(12)
def test_a_tid_that_was_reused_before_the_write_is_not_written(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid = threads.start()
    theirs = MonGroupName(ROOT, "theirs")
    mkdir(tree, theirs)
    put_thread(tree, theirs, tid)
    applied = apply_plan(tree, plan(Create(A), move(A, [tid])), lambda _: False)
    assert tree.observe().mon_groups == {A: set(), theirs: {tid}}
    assert (applied.moved, applied.vanished) == (0, 1)


@pytest.mark.pitfall(12)
def test_a_tid_that_was_reused_during_the_write_is_put_back(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid = threads.start()
    answers = [True, False]
    applied = apply_plan(tree, plan(Create(A), move(A, [tid])), lambda _: answers.pop(0))
    assert tree.observe().mon_groups[A] == set()
    assert (applied.moved, applied.vanished, answers) == (0, 1, [])


@pytest.mark.pitfall(12)
def test_a_reused_tid_is_not_released_out_of_its_group(tree: ResctrlTree, threads: BusyThreads) -> None:
    tid, ours = threads.start(), threads.start()
    mkdir(tree, A)
    for each in (tid, ours):
        tree.write_tid(A, each)
    stale = Thread(tid, as_thread(tid).start_time - 1, as_thread(tid).thread_class, None)
    apply_plan(tree, plan(Release(ROOT, (stale, as_thread(ours)))), is_alive)
    assert tree.observe().mon_groups[A] == {tid}


@pytest.mark.pitfall(15)
def test_a_thread_that_the_kernel_does_not_know_but_proc_shows_means_another_pid_namespace(
    tree: ResctrlTree, threads: BusyThreads
) -> None:
    tid = threads.start()
    gone = move(A, [tid])
    threads.end(tid)
    applied = apply_plan(tree, plan(Create(A), gone), lambda _: True)
    assert "hostPID" in applied.failed[A]


@pytest.mark.pitfall(2)
def test_a_group_that_another_program_removed_is_reported(tree: ResctrlTree, threads: BusyThreads) -> None:
    applied = apply_plan(tree, plan(move(A, [threads.start()])), is_alive)
    assert "removed by another program" in applied.failed[A]
    assert applied.moved == 0


@pytest.mark.pitfall(1)
def test_without_rmids_the_rest_of_the_plan_goes_on(short_of_rmids: ResctrlTree, threads: BusyThreads) -> None:
    tree = short_of_rmids
    made = fill(tree)
    tid, other = threads.start(), threads.start()
    actions = (Create(A), move(A, [tid]), move(made[0], [other]), Remove(made[1]))
    applied = apply_plan(tree, plan(*actions), is_alive)
    assert applied.without_rmid == {A}
    observed = tree.observe().mon_groups
    assert observed[made[0]] == {other}
    assert made[1] not in observed
    assert applied.moved == 1


def test_while_mkdir_would_fail_it_is_not_tried(tree: ResctrlTree, threads: BusyThreads) -> None:
    mkdir(tree, B)
    applied = apply_plan(
        tree, plan(Create(A), move(A, [threads.start()]), move(B, [threads.start()])), is_alive, may_create=False
    )
    assert applied.without_rmid == {A}
    assert tree.observe().mon_groups.keys() == {B}
    assert len(tree.observe().mon_groups[B]) == 1


def test_a_group_that_cant_be_made_fails_alone(tree: ResctrlTree, threads: BusyThreads) -> None:
    nowhere = MonGroupName("gone", "cachemon-a")
    tid = threads.start()
    applied = apply_plan(tree, plan(Create(nowhere), move(nowhere, [tid]), Create(A), move(A, [tid])), is_alive)
    assert applied.failed.keys() == {nowhere}
    assert tree.observe().mon_groups == {A: {tid}}
