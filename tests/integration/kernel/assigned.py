"""Assignable counters (AMD ABMC) on a real kernel: there are fewer than groups, and one without says so."""

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing, Reading
from tests.integration.kernel.held import reader_of
from tests.integration.kernel.machine import Machine

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")
DEFAULT = MonGroupName(ROOT, "")


def test_the_mode_in_force_is_reported(machine: Machine) -> None:
    mode = machine.root / "info/L3_MON/mbm_assign_mode"
    assert machine.tree.capabilities().assign_mode == "mbm_event"
    mode.write_text("default\n")
    assert machine.tree.capabilities().assign_mode == "default"
    mode.write_text("mbm_event\n")
    assert machine.tree.capabilities().assign_mode == "mbm_event"


def test_a_group_without_a_counter_has_no_traffic_but_occupancy(machine: Machine) -> None:
    assign(machine, DEFAULT, "mbm_total_bytes:*=e")
    machine.tree.create(A)
    for reading in read(machine, A, "mbm_total_bytes"):
        assert reading is Missing.UNASSIGNED
    assert all(isinstance(reading, int) for reading in read(machine, A, "llc_occupancy"))


def test_a_counter_that_another_group_gives_back_can_be_had(machine: Machine) -> None:
    assign(machine, DEFAULT, "mbm_total_bytes:*=_")
    machine.tree.create(A)
    machine.tree.create(B)
    for where, other in ((A, B), (B, A)):
        assign(machine, other, "mbm_total_bytes:*=_")
        with reader_of(machine, where) as reader:
            assign(machine, where, "mbm_total_bytes:*=e")
            blocks = reader.read()[machine.tree.directory(where)].blocks
        assert all(isinstance(events["mbm_total_bytes"], int) for events in blocks.values()), "by kept descriptors"
        assert set(read(machine, other, "mbm_total_bytes")) == {Missing.UNASSIGNED}


def assign(machine: Machine, where: MonGroupName, line: str) -> None:
    """As `echo mbm_total_bytes:*=e > mbm_L3_assignments`."""
    (machine.tree.directory(where) / "mbm_L3_assignments").write_text(f"{line}\n")


def read(machine: Machine, where: MonGroupName, event: str) -> list[Reading]:
    """A counter in each block."""
    with reader_of(machine, where) as reader:
        return [events[event] for events in reader.read()[machine.tree.directory(where)].blocks.values()]
