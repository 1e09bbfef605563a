"""The engine where a freed RMID never comes back."""

import time

from cachemon.model.errors import OutOfRmidsError
from cachemon.model.mon_groups import ROOT, MonGroupName
from lab.wait import until
from tests.integration.kernel.machine import Machine, Vm, carry_out, raised
from tests.integration.kernel.rmids import can_create

LIMBO_SECONDS = 2.5  # more than twice the period at which the kernel looks whether freed RMIDs are clean


def test_freed_rmids_stay_busy_and_groups_that_have_one_go_on(machine: Machine) -> None:
    num_rmids = machine.tree.capabilities().num_rmids
    vm = Vm(machine, vcpus=2)
    carry_out(machine, vm, "0")
    kept = machine.home_of(vm.tids[0])
    names = [MonGroupName(ROOT, f"cachemon-{number}") for number in range(num_rmids - 2)]
    assert all(can_create(machine.tree, where) for where in names)
    assert not can_create(machine.tree, MonGroupName(ROOT, "cachemon-one-too-many"))
    applied = carry_out(machine, vm, "0", "1")
    assert set(names) - machine.own_groups().keys(), "the orphans are removed"
    assert applied.failed == {}
    since = time.monotonic()
    until("two rounds of the limbo worker", lambda: time.monotonic() > since + LIMBO_SECONDS)
    again = carry_out(machine, vm, "0", "1")
    assert len(again.without_rmid) == 1
    assert (again.failed, again.moved) == ({}, 0)
    with raised(OutOfRmidsError, "EBUSY"):
        machine.tree.create(MonGroupName(ROOT, "cachemon-a"))
    assert machine.home_of(vm.tids[0]) == kept
    assert machine.home_of(vm.tids[1]) == MonGroupName(ROOT, "")
