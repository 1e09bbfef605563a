"""The engine when there are no RMIDs left, on any tree where freed ones come back."""

import errno
import os

from cachemon.model.errors import OutOfRmidsError
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.plan import Create, Move, Plan
from cachemon.resctrl.apply import apply_plan
from cachemon.resctrl.tree_reader import TreeReader
from lab.wait import until
from tests.integration.kernel.machine import Machine, Vm, carry_out, plan_for, raised
from tests.integration.resctrl.busy_threads import as_thread, is_alive

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")


def test_without_rmids_mkdir_says_enospc_and_while_freed_ones_rest_ebusy(machine: Machine) -> None:
    made = take_every_rmid(machine)
    assert len(made) == machine.tree.capabilities().num_rmids - 1
    with raised(OutOfRmidsError, "ENOSPC.*Out of RMIDs"):
        machine.tree.create(A)
    machine.tree.remove(made[0])
    with raised(OutOfRmidsError, "EBUSY"):
        machine.tree.create(A)
    until("the freed RMID to be given again", lambda: can_create(machine.tree, A), seconds=10)
    with raised(OutOfRmidsError, "ENOSPC"):
        machine.tree.create(B)


def test_what_gets_no_rmid_waits_and_the_rest_of_the_plan_goes_on(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    spare, last = take_every_rmid(machine)[-2:]
    adopted, tid = vm.tids[:2]
    machine.tree.write_tid(last, adopted)
    plan = Plan((Create(A), Move(A, (as_thread(tid),)), Move(spare, (as_thread(tid),))), {}, {}, {})
    applied = apply_plan(machine.tree, plan, is_alive)
    assert applied.without_rmid == {A}
    assert machine.home_of(tid) == spare
    assert machine.home_of(adopted) == last


def test_when_others_took_the_rmids_later_groups_wait_whole(machine: Machine) -> None:
    vm = Vm(machine, vcpus=3)
    until("an RMID", lambda: not carry_out(machine, vm, "0").without_rmid, seconds=10)
    until("all other RMIDs to be taken", lambda: take_for_others(machine, leave=1), seconds=10)
    plan = plan_for(machine, vm, "0", "1-2", "2")
    assert {key.group for key in plan.waiting} == {"vcpus_2"}
    until("the one RMID", lambda: not carry_out(machine, vm, "0", "1-2", "2").without_rmid, seconds=10)
    homes = [machine.home_of(tid) for tid in vm.tids[:3]]
    assert homes[1] == homes[2]
    assert homes[0].is_ours
    assert homes[1].is_ours
    assert homes[0] != homes[1]


def take_every_rmid(machine: Machine) -> list[MonGroupName]:
    """Make groups of ours until there are no RMIDs left; those that tests before have freed come back in a second."""
    wanted = [MonGroupName(ROOT, f"cachemon-{number}") for number in range(machine.tree.capabilities().num_rmids - 1)]
    until("every RMID to be given", lambda: all(can_create(machine.tree, where) for where in wanted), seconds=10)
    return wanted


def take_for_others(machine: Machine, *, leave: int) -> bool:
    """Make groups of another program until this number of RMIDs is left; False when the kernel gives none yet."""
    free = machine.tree.capabilities().num_rmids - 1 - len(machine.tree.observe().mon_groups) - leave
    names = [MonGroupName(ROOT, f"theirs-{os.urandom(4).hex()}") for _ in range(free)]
    return all(can_create(machine.tree, where) for where in names)


def can_create(tree: TreeReader, where: MonGroupName) -> bool:
    """Make any group, as other programs do; False when there is no RMID for it."""
    try:
        tree.directory(where).mkdir(exist_ok=True)
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EBUSY):
            raise
        return False
    return True
