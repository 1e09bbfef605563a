"""What no file system in user space can show: inheritance, unmounting, the tree's own mark."""

import ctypes
import errno
import os
import threading
from pathlib import Path

from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing
from cachemon.resctrl.agent_lock import AgentLock
from cachemon.resctrl.membership import Memberships
from tests.integration.kernel.held import reader_of
from tests.integration.kernel.machine import Machine, Vm, carry_out, raised

A = MonGroupName(ROOT, "cachemon-a")
DEFAULT = MonGroupName(ROOT, "")


def test_this_is_a_resctrl_of_the_kernel(machine: Machine) -> None:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert [kind for _, target, kind, *_ in mounts if target == str(machine.root)] == ["resctrl"]


def test_a_thread_is_born_into_the_mon_group_of_its_maker_and_the_next_plan_puts_it_right(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    carry_out(machine, vm, "all")
    machine.put(machine.home_of(vm.tids[0]), threading.get_native_id())
    helper = machine.threads.start("worker")
    machine.tree.release_tid(ROOT, threading.get_native_id())
    assert machine.home_of(helper) == machine.home_of(vm.tids[0])
    vm.tids.append(helper)
    carry_out(machine, vm, "all")
    assert machine.home_of(helper) == DEFAULT
    assert machine.home_of(vm.tids[0]).is_ours


def test_a_child_process_is_born_into_the_mon_group_of_its_maker(machine: Machine) -> None:
    machine.tree.create(A)
    machine.tree.write_tid(A, threading.get_native_id())
    ended, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ended, 1)
        os._exit(0)
    machine.tree.release_tid(ROOT, threading.get_native_id())
    try:
        assert machine.home_of(child) == A
    finally:
        os.write(end, b".")
        os.waitpid(child, 0)
        os.close(end)
        os.close(ended)


def test_threads_agree_with_the_tasks_files_and_are_believed_then(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    memberships = Memberships(Path("/proc"), machine.tree.calls)
    memberships.observe(machine.tree, vm.tids)
    assert {memberships.where_is(tid) for tid in vm.tids} == {None}, "agreement about nothing is worth nothing"
    carry_out(machine, vm, "0", "all")
    memberships.observe(machine.tree, vm.tids)
    assert memberships.trusted
    for tid in vm.tids:
        assert memberships.where_is(tid) == machine.home_of(tid)
    asked, read = memberships.observe(machine.tree, vm.tids), machine.tree.observe()
    assert {where: tids & set(vm.tids) for where, tids in read.mon_groups.items()} == dict(asked.mon_groups)
    machine.end(vm.tids[0])
    assert memberships.where_is(vm.tids[0]) is None
    assert memberships.observe(machine.tree, vm.tids).mon_groups.keys() == read.mon_groups.keys()
    assert memberships.trusted, "a thread that has ended is no reason to doubt the others"


def test_after_another_program_unmounted_and_mounted_resctrl_the_next_plan_starts_from_nothing(
    machine: Machine,
) -> None:
    vm = Vm(machine, vcpus=1)
    carry_out(machine, vm, "0")
    where = machine.home_of(vm.tids[0])
    libc = ctypes.CDLL(None, use_errno=True)
    with reader_of(machine, where) as reader:
        detach = 2  # MNT_DETACH: descriptors are held
        assert libc.umount2(os.fsencode(machine.root), detach) == 0
        with raised(ResctrlUnavailableError, "not mounted"):
            machine.tree.observe()
    mounted = libc.mount(b"resctrl", os.fsencode(machine.root), b"resctrl", 0, None)
    assert mounted == 0, os.strerror(ctypes.get_errno())
    assert machine.own_groups() == {}
    assert machine.home_of(vm.tids[0]) == DEFAULT
    with reader_of(machine, where) as reader:
        gone = reader.read()[machine.tree.directory(where)].blocks[0]
        assert set(gone.values()) == {Missing.OFFLINE}
        assert carry_out(machine, vm, "0").moved == 1
        reader.open()
        values = reader.read()[machine.tree.directory(where)].blocks[0]
        assert Missing.OFFLINE not in values.values()


def test_one_agent_at_a_time_has_the_tree_and_lets_it_go_when_it_is_unmounted(machine: Machine) -> None:
    first, second = AgentLock(machine.root), AgentLock(machine.root)
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    libc = ctypes.CDLL(None, use_errno=True)
    detach = 2  # MNT_DETACH
    assert libc.umount2(os.fsencode(machine.root), detach) == 0
    assert libc.mount(b"resctrl", os.fsencode(machine.root), b"resctrl", 0, None) == -1
    assert ctypes.get_errno() == errno.EBUSY, "there is one resctrl, and its directory is still open"
    assert first.hold(), "nothing is mounted"
    assert libc.mount(b"resctrl", os.fsencode(machine.root), b"resctrl", 0, None) == 0
    assert second.hold()
    assert not first.hold()
    second.release()
    assert first.hold()
    first.release()


def test_a_hundred_groups_are_read_value_by_value(machine: Machine) -> None:
    groups = [MonGroupName(ROOT, f"cachemon-{number}") for number in range(100)]
    for where in groups:
        machine.tree.create(where)
    with reader_of(machine, *groups) as reader:
        answers = reader.read()
    values = [value for answer in answers.values() for events in answer.blocks.values() for value in events.values()]
    assert len(values) == 100 * 2 * 3
    assert all(isinstance(value, int) for value in values)
