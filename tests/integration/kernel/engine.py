"""The engine on any tree that monitors: a real kernel's and the emulator's."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from cachemon.model.errors import ResctrlBusyError, ResctrlError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.plan import Create, Move, Plan, Remove
from cachemon.model.readings import Missing
from cachemon.resctrl.apply import apply_plan
from cachemon.resctrl.thread_only_groups import read_thread_only
from cachemon.resctrl.topology import read_cache_blocks
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree
from tests.integration.kernel.held import EVENTS, Held, reader_of
from tests.integration.kernel.machine import Machine, Vm, carry_out, plan_for, raised
from tests.integration.resctrl.busy_threads import as_thread, is_alive

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")
DEFAULT = MonGroupName(ROOT, "")
HOLD = (
    "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); "
    "print('held', flush=True); sys.stdin.read()"
)


def test_capabilities_and_topology_are_what_the_kernel_says(machine: Machine) -> None:
    capabilities = machine.tree.capabilities()
    assert capabilities.events == EVENTS
    assert capabilities.num_rmids > 2
    assert machine.tree.block_ids() == (0, 1)
    blocks = read_cache_blocks(machine.sysfs)
    assert blocks.keys() == {0, 1}
    assert all(block.capacity_bytes and block.cpus for block in blocks.values())
    assert blocks[0].cpus != blocks[1].cpus


def test_a_group_is_made_and_removed_and_both_may_be_so_already(machine: Machine) -> None:
    tree = machine.tree
    tree.create(A)
    tree.create(A)
    assert machine.own_groups() == {A: frozenset()}
    tree.remove(A)
    tree.remove(A)
    assert machine.own_groups() == {}


def test_a_group_that_cant_be_made_is_an_error_with_its_errno(machine: Machine) -> None:
    with raised(ResctrlError, "ENOENT"):
        machine.tree.create(MonGroupName("nowhere", "cachemon-a"))
    with raised(ResctrlError, "EINVAL"):
        machine.tree.create(MonGroupName(ROOT, "cachemon-\n"))


def test_every_thread_is_where_it_was_written_and_nowhere_else(machine: Machine) -> None:
    tree, start = machine.tree, machine.threads.start
    in_a, also_in_a, in_b, elsewhere = start(), start(), start(), start()
    tree.create(A)
    tree.create(B)
    for where, tid in ((A, in_a), (A, also_in_a), (B, in_b)):
        assert tree.write_tid(where, tid) is Outcome.MOVED
    homes = {tid: machine.home_of(tid) for tid in (in_a, also_in_a, in_b, elsewhere)}
    assert homes == {in_a: A, also_in_a: A, in_b: B, elsewhere: DEFAULT}
    assert machine.own_groups() == {A: {in_a, also_in_a}, B: {in_b}}
    assert tree.release_tid(ROOT, in_a) is Outcome.MOVED
    assert machine.home_of(in_a) == DEFAULT
    tree.remove(B)
    assert machine.home_of(in_b) == DEFAULT


def test_a_thread_or_a_group_that_has_gone_is_an_outcome(machine: Machine) -> None:
    tid = machine.threads.start()
    assert machine.tree.write_tid(A, tid) is Outcome.GROUP_GONE
    machine.tree.create(A)
    machine.end(tid)
    assert machine.tree.write_tid(A, tid) is Outcome.VANISHED


def test_overlapping_groups_become_cells_and_every_thread_is_in_its_own(machine: Machine) -> None:
    vm = Vm(machine, vcpus=4)
    applied = carry_out(machine, vm, "0-3", "0-1", "2")
    assert (applied.moved, applied.vanished, applied.failed, applied.without_rmid) == (4, 0, {}, set())
    cpu0, cpu1, cpu2, cpu3, io_thread = vm.tids
    assert set(machine.own_groups().values()) == {frozenset({cpu0, cpu1}), frozenset({cpu2}), frozenset({cpu3})}
    homes = [machine.home_of(tid) for tid in vm.tids]
    assert homes[0] == homes[1]
    assert len({*homes}) == 4
    assert homes[4] == machine.home_of(io_thread) == DEFAULT


def test_an_agent_that_starts_again_adopts_what_it_finds_and_writes_nothing(machine: Machine) -> None:
    vm = Vm(machine, vcpus=3)
    carry_out(machine, vm, "0-1", "1-2")
    assert plan_for(machine, vm, "0-1", "1-2").actions == ()
    assert not carry_out(machine, vm, "0-1", "1-2").changed


def test_another_group_moves_no_thread_whose_cell_stays(machine: Machine) -> None:
    vm = Vm(machine, vcpus=3)
    carry_out(machine, vm, "0", "1")
    before = {tid: machine.home_of(tid) for tid in vm.tids[:2]}
    inodes = {where: machine.tree.directory(where).stat().st_ino for where in before.values()}
    assert carry_out(machine, vm, "0", "1", "2").moved == 1
    assert {tid: machine.home_of(tid) for tid in vm.tids[:2]} == before
    assert {where: machine.tree.directory(where).stat().st_ino for where in inodes} == inodes


def test_a_plugged_vcpu_joins_the_group_of_all(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    carry_out(machine, vm, "all")
    plugged = vm.plug()
    assert carry_out(machine, vm, "all").moved == 1
    assert machine.home_of(plugged) == machine.home_of(vm.tids[0]) != DEFAULT


def test_own_orphans_go_and_what_others_made_stays(machine: Machine) -> None:
    theirs = machine.make(ROOT, "libvirt-1")
    machine.tree.create(A)
    tid, their_tid = machine.threads.start(), machine.threads.start()
    machine.tree.write_tid(A, tid)
    machine.put(theirs, their_tid)
    vm = Vm(machine, vcpus=1)
    carry_out(machine, vm, "0")
    assert A not in machine.own_groups()
    assert machine.home_of(tid) == DEFAULT
    assert machine.home_of(their_tid) == theirs
    carry_out(machine, vm)
    assert machine.tree.observe().mon_groups == {theirs: {their_tid}}


def test_a_thread_in_anothers_mon_group_is_left_there_and_reported(machine: Machine) -> None:
    theirs = machine.make(ROOT, "theirs")
    vm = Vm(machine, vcpus=2)
    machine.put(theirs, vm.tids[0])
    plan = plan_for(machine, vm, "0", "1")
    assert set(plan.foreign.values()) == {(theirs,)}
    apply_plan(machine.tree, plan, is_alive)
    assert machine.home_of(vm.tids[0]) == theirs
    assert machine.home_of(vm.tids[1]).is_ours


def test_anothers_mon_group_is_read_only_while_it_counts_nothing_but_threads(machine: Machine) -> None:
    theirs, tid = machine.make(ROOT, "theirs"), machine.threads.start()
    machine.put(theirs, tid)
    found = read_thread_only(machine.tree, theirs)
    assert found
    assert found.tids == {tid}
    directory = machine.tree.directory(theirs)
    (directory / "cpus_list").write_text("0\n")
    assert read_thread_only(machine.tree, theirs) is None
    directory.rmdir()
    assert read_thread_only(machine.tree, theirs) is None
    machine.make(ROOT, "theirs")
    again = read_thread_only(machine.tree, theirs)
    assert again
    assert again.tids == frozenset()
    assert again.identity != found.identity


def test_a_thread_that_ends_before_the_write_stops_nothing(machine: Machine) -> None:
    vm = Vm(machine, vcpus=3)
    plan = plan_for(machine, vm, "all")
    machine.end(vm.tids[1])
    applied = apply_plan(machine.tree, plan, is_alive)
    assert (applied.moved, applied.vanished, applied.failed) == (2, 1, {})
    assert [*machine.own_groups().values()] == [{vm.tids[0], vm.tids[2]}]


def test_a_tid_that_means_another_thread_by_now_is_left_where_it_is(machine: Machine) -> None:
    theirs, tid = machine.make(ROOT, "theirs"), machine.threads.start()
    machine.put(theirs, tid)
    earlier = replace(as_thread(tid), start_time=as_thread(tid).start_time - 1)
    applied = apply_plan(machine.tree, Plan((Create(A), Move(A, (earlier,))), {}, {}, {}), is_alive)
    assert (applied.moved, applied.vanished) == (0, 1)
    assert machine.home_of(tid) == theirs


def test_a_group_that_another_program_removes_is_made_anew_by_the_next_plan(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    carry_out(machine, vm, "0", "1")
    before = machine.home_of(vm.tids[0])
    machine.tree.directory(before).rmdir()
    assert machine.home_of(vm.tids[0]) == DEFAULT
    assert carry_out(machine, vm, "0", "1").moved == 1
    assert machine.home_of(vm.tids[0]).is_ours


def test_counters_are_read_by_kept_descriptors(machine: Machine) -> None:
    busy, lazy = machine.threads.start(), machine.threads.start()
    for where, tid in ((A, busy), (B, lazy)):
        machine.tree.create(where)
        machine.tree.write_tid(where, tid)
    with reader_of(machine, A, B) as reader:
        before = traffic(reader, machine, A), traffic(reader, machine, B)
        machine.threads.burn(busy, 0.5)
        after = traffic(reader, machine, A), traffic(reader, machine, B)
    if machine.moving:
        assert after[0] - before[0] > 10 * (after[1] - before[1]) + 1_000_000
    else:
        assert (before, after) == ((0, 0), (0, 0))


def test_values_of_every_block_and_event_are_numbers(machine: Machine) -> None:
    machine.tree.create(A)
    with reader_of(machine, A) as reader:
        answer = reader.read()[machine.tree.directory(A)]
    assert answer.identity == machine.tree.directory(A).stat().st_ino
    assert {block: [*events] for block, events in answer.blocks.items()} == {0: [*EVENTS], 1: [*EVENTS]}
    assert all(isinstance(value, int) for events in answer.blocks.values() for value in events.values())


def test_a_removed_group_answers_enodev_to_a_kept_descriptor(machine: Machine) -> None:
    machine.tree.create(A)
    descriptor = os.open(machine.tree.directory(A) / "mon_data/mon_L3_00/llc_occupancy", os.O_RDONLY)
    with reader_of(machine, A) as reader:
        identity = reader.read()[machine.tree.directory(A)].identity
        machine.tree.remove(A)
        machine.tree.create(A)
        with raised(OSError, rf"Errno {errno.ENODEV}"):
            os.pread(descriptor, 64, 0)
        os.close(descriptor)
        gone = reader.read()[machine.tree.directory(A)]
        assert {value for events in gone.blocks.values() for value in events.values()} == {Missing.OFFLINE}
        reader.open()
        again = reader.read()[machine.tree.directory(A)]
        assert again.identity not in (0, identity)
        assert isinstance(again.blocks[1]["mbm_total_bytes"], int)


def test_a_lock_that_another_process_holds_is_given_up_and_taken_when_it_is_free(machine: Machine) -> None:
    impatient = ResctrlTree(machine.root, lock_seconds=0.1)
    plan = Plan((Create(A),), {}, {}, {})
    with lock_held(machine), raised(ResctrlBusyError, "another program holds the lock"):
        apply_plan(impatient, plan, is_alive)
    assert machine.own_groups() == {}
    apply_plan(machine.tree, plan, is_alive)
    assert machine.own_groups() == {A: frozenset()}


class CrashError(Exception):
    """Stands for the agent's sudden end."""


class Mortal(ResctrlTree):
    """A tree whose user dies before the given change of it."""

    def __init__(self, machine: Machine, lives: int) -> None:
        super().__init__(machine.root)
        self.lives = lives

    def _live(self) -> None:
        if self.lives == 0:
            raise CrashError
        self.lives -= 1

    def create(self, where: MonGroupName) -> None:
        self._live()
        super().create(where)

    def remove(self, where: MonGroupName) -> None:
        self._live()
        super().remove(where)

    def write_tid(self, where: MonGroupName, tid: int) -> Outcome:
        self._live()
        return super().write_tid(where, tid)

    def release_tid(self, control_group: str, tid: int) -> Outcome:
        self._live()
        return super().release_tid(control_group, tid)


def test_a_crash_before_any_change_is_repaired_by_the_next_plan(machine: Machine) -> None:
    vm = Vm(machine, vcpus=5)
    theirs, their_tid = machine.make(ROOT, "theirs"), machine.threads.start()
    machine.put(theirs, their_tid)
    cpu0, cpu1, cpu2, cpu3, cpu4, _ = vm.tids
    before, after = ("0", "1", "2-4"), ("0-1", "3", "4")
    for change in count():
        carry_out(machine, vm, *before)
        crashed = dies(Mortal(machine, change), plan_for(machine, vm, *after))
        carry_out(machine, vm, *after)
        assert {*machine.own_groups().values()} == {frozenset({cpu0, cpu1}), frozenset({cpu3}), frozenset({cpu4})}
        assert machine.home_of(cpu2) == DEFAULT
        assert machine.home_of(their_tid) == theirs
        assert plan_for(machine, vm, *after).actions == ()
        if not crashed:
            break
    assert change == 5, "a group made, two threads moved, one released, a group removed"


def dies(tree: Mortal, plan: Plan) -> bool:
    """Apply a plan; whether it was cut short."""
    try:
        apply_plan(tree, plan, is_alive)
    except CrashError:
        return True
    return False


def test_what_is_not_ours_is_never_removed(machine: Machine) -> None:
    theirs = machine.make(ROOT, "theirs")
    applied = apply_plan(machine.tree, Plan((Remove(theirs),), {}, {}, {}), is_alive)
    assert "not ours" in applied.failed[theirs]
    assert theirs in machine.tree.observe().mon_groups


def traffic(reader: Held, machine: Machine, where: MonGroupName) -> int:
    """Bytes of a group in all cache blocks."""
    blocks = reader.read()[machine.tree.directory(where)].blocks.values()
    values = [events["mbm_total_bytes"] for events in blocks]
    assert all(isinstance(value, int) for value in values), values
    return sum(int(value) for value in values)


@contextmanager
def lock_held(machine: Machine) -> Iterator[None]:
    """Another process holds the tree's lock meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", HOLD, str(machine.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()
