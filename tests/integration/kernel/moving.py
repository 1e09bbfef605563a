"""Counters that move, on a real kernel whose monitoring registers the module rdtmove stands in for."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing, Reading
from cachemon.resctrl.topology import read_cache_blocks
from lab.wait import until
from tests.integration.kernel.engine import traffic
from tests.integration.kernel.held import Held, reader_of
from tests.integration.kernel.machine import Machine

A, B = MonGroupName(ROOT, "cachemon-a"), MonGroupName(ROOT, "cachemon-b")
DEFAULT = MonGroupName(ROOT, "")
MB = 1_000_000
WRAP_BYTES = 1 << 26
"""The counter of these guests has 25 bits (24, and 1 by CPUID 0xF.1 EAX) of 2 bytes each (EBX)."""

_PARAMETERS = Path("/sys/module/rdtmove/parameters")


def test_traffic_follows_the_cpu_time_of_the_threads_in_the_group(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    with reader_of(machine, A) as reader:
        before = traffic(reader, machine, A)
        machine.threads.burn(tid, 0.5)
        moved = traffic(reader, machine, A) - before
    expected = 0.5 * rate() * MB
    assert 0.9 * expected < moved < 3 * expected, "another process of the host may hold the emulated CPU meanwhile"


def test_traffic_and_occupancy_are_counted_in_the_block_of_the_cpu_that_runs_the_thread(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    for block, other in ((1, 0), (0, 1)):
        os.sched_setaffinity(tid, cpus_of(machine, block))
        with reader_of(machine, A) as reader:
            before = values(reader, machine, A)
            machine.threads.burn(tid, 0.2)
            after = values(reader, machine, A)
        moved = {number: after[number]["mbm_total_bytes"] - before[number]["mbm_total_bytes"] for number in (0, 1)}
        assert moved[block] > 20 * moved[other] + MB, moved
        assert after[block]["llc_occupancy"] > 0


def test_occupancy_fades_when_the_threads_rest(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    with reader_of(machine, A) as reader:
        machine.threads.burn(tid, 0.2)
        assert sum(events["llc_occupancy"] for events in values(reader, machine, A).values()) > 0
        until(
            "the lines to be replaced",
            lambda: sum(events["llc_occupancy"] for events in values(reader, machine, A).values()) == 0,
        )


def test_local_traffic_is_a_part_of_the_total(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    machine.threads.burn(tid, 0.2)
    with reader_of(machine, A) as reader:
        counted = values(reader, machine, A)
    local = sum(events["mbm_local_bytes"] for events in counted.values())
    assert 0 < local < sum(events["mbm_total_bytes"] for events in counted.values())


def test_a_hardware_counter_that_wraps_loses_nothing(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    os.sched_setaffinity(tid, cpus_of(machine, 1))
    with parameter("rate", 30), reader_of(machine, A) as reader:
        machine.threads.burn(tid, 0.01)
        before = traffic(reader, machine, A)
        machine.threads.burn(tid, 4.0)
        moved = traffic(reader, machine, A) - before
    assert moved > 0.9 * 4.0 * 30 * MB > WRAP_BYTES


def test_the_roots_counter_drops_when_a_busy_group_goes(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    with reader_of(machine, A, DEFAULT) as reader:
        machine.threads.burn(tid, 2.0)
        child, whole = traffic(reader, machine, A), traffic(reader, machine, DEFAULT)
        assert whole >= child
        machine.tree.remove(A)
        assert traffic(reader, machine, DEFAULT) < whole


def test_a_group_that_is_made_again_starts_at_zero(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    machine.threads.burn(tid, 0.5)
    with reader_of(machine, A) as reader:
        before = traffic(reader, machine, A)
    machine.tree.remove(A)
    machine.tree.create(A)
    with reader_of(machine, A) as reader:
        assert traffic(reader, machine, A) == 0 < before


def test_a_block_that_comes_back_starts_at_zero(machine: Machine) -> None:
    tid = busy_thread_in(machine, A)
    os.sched_setaffinity(tid, cpus_of(machine, 1))
    machine.threads.burn(tid, 0.5)
    with reader_of(machine, A) as reader:
        before = values(reader, machine, A)[1]["mbm_total_bytes"]
    os.sched_setaffinity(tid, cpus_of(machine, 0))
    machine.take_block_offline(1)
    machine.bring_blocks_back()
    with reader_of(machine, A) as reader:
        assert values(reader, machine, A)[1]["mbm_total_bytes"] < before // 2


def test_a_value_that_the_hardware_does_not_have_is_reported_and_others_are_read(machine: Machine) -> None:
    with mounted_with_debug(machine):
        machine.tree.create(A)
        machine.tree.create(B)
        rmid = int((machine.tree.directory(A) / "mon_hw_id").read_text())
        with reader_of(machine, A, B) as reader:
            for name, reason in (("unavailable_rmid", Missing.UNAVAILABLE), ("error_rmid", Missing.ERROR)):
                with parameter(name, rmid):
                    answers = reader.read()
                    assert set(readings(answers[machine.tree.directory(A)].blocks)) == {reason}
                    others = readings(answers[machine.tree.directory(B)].blocks)
                    assert all(isinstance(value, int) for value in others)
                assert values(reader, machine, A).keys() == {0, 1}, "the kept descriptors give numbers again"


def busy_thread_in(machine: Machine, where: MonGroupName) -> int:
    """A thread in a new group."""
    tid = machine.threads.start()
    machine.tree.create(where)
    machine.tree.write_tid(where, tid)
    return tid


def values(reader: Held, machine: Machine, where: MonGroupName) -> dict[int, dict[str, int]]:
    """What a group's files say, which must be numbers."""
    blocks = reader.read()[machine.tree.directory(where)].blocks
    assert not any(isinstance(value, Missing) for value in readings(blocks)), blocks
    return {block: {event: int(value) for event, value in events.items()} for block, events in blocks.items()}


def readings(blocks: object) -> list[Reading]:
    """All of a group's, without their places."""
    assert isinstance(blocks, dict)
    return [value for events in blocks.values() for value in events.values()]


def cpus_of(machine: Machine, block: int) -> set[int]:
    """CPUs of a cache block; in these guests a plain range."""
    first, _, last = read_cache_blocks(machine.sysfs)[block].cpus.partition("-")
    return {*range(int(first), int(last or first) + 1)}


def rate() -> int:
    """MB/s of a busy CPU."""
    return int((_PARAMETERS / "rate").read_text())


@contextmanager
def parameter(name: str, value: int) -> Iterator[None]:
    """The module has this value of a parameter meanwhile."""
    file = _PARAMETERS / name
    before = file.read_text()
    file.write_text(str(value))
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def mounted_with_debug(machine: Machine) -> Iterator[None]:
    """With files that show the RMIDs (since Linux 6.7)."""
    remount(machine, b"debug")
    try:
        yield
    finally:
        remount(machine, b"")


def remount(machine: Machine, options: bytes) -> None:
    """Unmount and mount: every group is gone."""
    libc, target = ctypes.CDLL(None, use_errno=True), os.fsencode(machine.root)
    assert libc.umount2(target, 0) == 0, os.strerror(ctypes.get_errno())
    assert libc.mount(b"resctrl", target, b"resctrl", 0, options) == 0, os.strerror(ctypes.get_errno())
