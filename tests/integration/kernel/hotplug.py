"""Cache blocks that go and come back, on any tree that monitors and where a CPU may be taken offline."""

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing
from tests.integration.kernel.held import reader_of
from tests.integration.kernel.machine import Machine

A = MonGroupName(ROOT, "cachemon-a")


def test_a_cache_block_that_goes_offline_is_reported_and_read_again_when_it_is_back(machine: Machine) -> None:
    machine.tree.create(A)
    with reader_of(machine, A) as reader:
        machine.take_block_offline(1)
        assert machine.tree.block_ids() == (0,)
        blocks = reader.read()[machine.tree.directory(A)].blocks
        assert set(blocks[1].values()) == {Missing.OFFLINE}
        assert all(isinstance(value, int) for value in blocks[0].values())
        machine.bring_blocks_back()
        assert machine.tree.block_ids() == (0, 1)
        assert set(reader.read()[machine.tree.directory(A)].blocks[1].values()) == {Missing.OFFLINE}
        reader.open()
        assert all(isinstance(value, int) for value in reader.read()[machine.tree.directory(A)].blocks[1].values())
