"""Sub-NUMA clusters on a real kernel: two nodes share a cache, and the file above theirs has the sum."""

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.topology import read_cache_blocks
from tests.integration.kernel.held import EVENTS, reader_of
from tests.integration.kernel.machine import Machine, Vm, carry_out

A = MonGroupName(ROOT, "cachemon-a")


def test_caches_are_the_blocks_and_nodes_are_not(machine: Machine) -> None:
    inside = machine.root / "mon_data/mon_L3_01"
    assert {path.name for path in inside.iterdir() if path.is_dir()} == {"mon_sub_L3_02", "mon_sub_L3_03"}
    assert machine.tree.block_ids() == (0, 1)
    assert read_cache_blocks(machine.sysfs).keys() == {0, 1}


def test_nodes_share_the_rmids_of_the_cache(machine: Machine) -> None:
    assert machine.tree.capabilities().num_rmids == 514 // 2


def test_each_block_is_read_once_with_all_its_nodes_in_it(machine: Machine) -> None:
    vm = Vm(machine, vcpus=2)
    carry_out(machine, vm, "all")
    where = machine.home_of(vm.tids[0])
    with reader_of(machine, where) as reader:
        blocks = reader.read()[machine.tree.directory(where)].blocks
    assert {block: [*events] for block, events in blocks.items()} == {0: [*EVENTS], 1: [*EVENTS]}
    assert all(isinstance(value, int) for events in blocks.values() for value in events.values())
