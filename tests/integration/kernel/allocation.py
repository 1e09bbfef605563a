"""The engine where there are control groups as well: a thread's allocation is followed and never changed."""

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.apply import apply_plan
from cachemon.resctrl.tree_writer import Outcome
from tests.integration.kernel.machine import Machine, Vm, carry_out, plan_for
from tests.integration.resctrl.busy_threads import is_alive

A = MonGroupName(ROOT, "cachemon-a")


def test_a_thread_of_another_control_group_is_refused(machine: Machine) -> None:
    gold, tid = machine.make("gold"), machine.threads.start()
    machine.put(gold, tid)
    machine.tree.create(A)
    assert machine.tree.write_tid(A, tid) is Outcome.REFUSED
    assert machine.home_of(tid) == gold
    under_gold = MonGroupName("gold", "cachemon-a")
    machine.tree.create(under_gold)
    assert machine.tree.write_tid(under_gold, tid) is Outcome.MOVED
    assert machine.home_of(tid) == under_gold


def test_groups_under_control_groups_are_observed_with_their_threads(machine: Machine) -> None:
    gold, silver = machine.make("gold"), machine.make("silver")
    ours, foreign = machine.make("gold", "cachemon-a"), machine.make("gold", "libvirt")
    in_ours, in_foreign = machine.threads.start(), machine.threads.start()
    for where, tid in ((gold, in_ours), (gold, in_foreign), (ours, in_ours), (foreign, in_foreign)):
        machine.put(where, tid)
    observed = machine.tree.observe()
    assert observed.mon_groups == {ours: {in_ours}, foreign: {in_foreign}}
    assert observed.control_groups == {gold.control_group: {in_ours, in_foreign}, silver.control_group: set()}


def test_a_cell_gets_a_mon_group_under_every_control_group_that_its_threads_are_in(machine: Machine) -> None:
    gold, vm = machine.make("gold"), Vm(machine, vcpus=3)
    machine.put(gold, vm.tids[0])
    applied = carry_out(machine, vm, "all")
    assert (applied.moved, applied.failed) == (3, {})
    homes = [machine.home_of(tid) for tid in vm.tids[:3]]
    assert [home.control_group for home in homes] == ["gold", ROOT, ROOT]
    assert all(home.is_ours for home in homes)
    assert homes[1] == homes[2]


def test_a_thread_that_was_put_into_another_control_group_is_followed(machine: Machine) -> None:
    gold, vm = machine.make("gold"), Vm(machine, vcpus=2)
    carry_out(machine, vm, "all")
    stayed = machine.home_of(vm.tids[1])
    machine.put(gold, vm.tids[0])
    assert machine.home_of(vm.tids[0]) == gold
    assert carry_out(machine, vm, "all").moved == 1
    moved = machine.home_of(vm.tids[0])
    assert (moved.control_group, moved.is_ours) == ("gold", True)
    assert machine.home_of(vm.tids[1]) == stayed


def test_a_thread_whose_control_group_changes_before_the_write_is_refused_and_followed_next_time(
    machine: Machine,
) -> None:
    gold, vm = machine.make("gold"), Vm(machine, vcpus=2)
    plan = plan_for(machine, vm, "0", "1")
    machine.put(gold, vm.tids[0])
    applied = apply_plan(machine.tree, plan, is_alive)
    assert len(applied.failed) == 1
    assert machine.home_of(vm.tids[0]) == gold
    assert machine.home_of(vm.tids[1]).is_ours
    assert carry_out(machine, vm, "0", "1").failed == {}
    assert machine.home_of(vm.tids[0]).control_group == "gold"
    assert machine.home_of(vm.tids[0]).is_ours


def test_own_orphans_under_control_groups_go_and_their_threads_keep_their_allocation(machine: Machine) -> None:
    gold, vm, tid = machine.make("gold"), Vm(machine, vcpus=1), machine.threads.start()
    orphan, foreign = machine.make("gold", "cachemon-orphan"), machine.make("gold", "theirs")
    machine.put(gold, tid)
    machine.tree.write_tid(orphan, tid)
    carry_out(machine, vm, "0")
    assert orphan not in machine.own_groups()
    assert foreign in machine.tree.observe().mon_groups
    assert machine.home_of(tid) == gold


def test_a_control_group_that_goes_takes_its_mon_groups_along_and_the_next_plan_repairs_it(machine: Machine) -> None:
    gold, vm = machine.make("gold"), Vm(machine, vcpus=1)
    machine.put(gold, vm.tids[0])
    carry_out(machine, vm, "0")
    machine.tree.directory(gold).rmdir()
    assert machine.own_groups() == {}
    carry_out(machine, vm, "0")
    home = machine.home_of(vm.tids[0])
    assert (home.control_group, home.is_ours) == (ROOT, True)
