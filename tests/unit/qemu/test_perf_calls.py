"""The real system calls: a software event, which every kernel with perf counts, and those of the CPU where it can."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cachemon.qemu.perf_calls import CYCLES, INSTRUCTIONS, Event, PerfCalls

TASK_CLOCK = Event(1, 1)  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK: nanoseconds
PAGE_FAULTS = Event(1, 2)  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS
BURNED_NS = 20_000_000
NO_PERF = (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV, errno.ENOSYS, errno.EACCES, errno.EPERM)


@pytest.fixture
def calls() -> PerfCalls:
    return PerfCalls()


@pytest.fixture
def opened(calls: PerfCalls) -> Iterator[list[int]]:
    descriptors: list[int] = []
    yield descriptors
    for descriptor in reversed(descriptors):
        calls.close(descriptor)


def open_group(calls: PerfCalls, opened: list[int], events: tuple[Event, ...], tid: int) -> int:
    for event in events:
        try:
            opened.append(calls.open(event, tid, opened[0] if opened else None))
        except OSError as err:
            if err.errno in NO_PERF:
                pytest.skip(f"perf does not count {event} here: {err}")
            raise
    return opened[0]


def burn() -> int:
    """Use CPU time; how much this thread used, in nanoseconds."""
    began = time.thread_time_ns()
    while (used := time.thread_time_ns() - began) < BURNED_NS:
        pass
    return used


def test_a_group_counts_from_its_start_on(calls: PerfCalls, opened: list[int]) -> None:
    leader = open_group(calls, opened, (TASK_CLOCK, PAGE_FAULTS), threading.get_native_id())
    burn()
    before = calls.read(leader, 2)
    assert (before.enabled, before.running, before.values) == (0, 0, (0, 0))
    calls.start(leader)
    used = burn()
    after = calls.read(leader, 2)
    assert after.values[0] >= used
    assert after.enabled == after.running
    assert after.enabled == pytest.approx(after.values[0], rel=0.2)


def test_it_counts_the_thread_alone(calls: PerfCalls, opened: list[int]) -> None:
    """Not the threads that it starts, and not the others of its process."""
    leader = open_group(calls, opened, (TASK_CLOCK,), threading.get_native_id())
    calls.start(leader)
    other = threading.Thread(target=burn)
    other.start()
    other.join()
    assert calls.read(leader, 1).values[0] < BURNED_NS / 2


def test_descriptors_are_closed_by_exec(calls: PerfCalls, opened: list[int]) -> None:
    assert not os.get_inheritable(open_group(calls, opened, (TASK_CLOCK,), threading.get_native_id()))


def test_a_thread_that_has_gone_is_esrch(calls: PerfCalls) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(OSError, match="No such process") as caught:
        calls.open(TASK_CLOCK, gone.pid, None)
    assert caught.value.errno == errno.ESRCH


def test_the_count_of_a_thread_that_ends_stays(calls: PerfCalls, opened: list[int]) -> None:
    may_burn = threading.Event()

    def wait_and_burn() -> None:
        may_burn.wait()
        burn()

    thread = threading.Thread(target=wait_and_burn)
    thread.start()
    leader = open_group(calls, opened, (TASK_CLOCK,), thread.native_id or 0)
    calls.start(leader)
    may_burn.set()
    thread.join()
    assert calls.read(leader, 1).values[0] >= BURNED_NS


def test_an_event_that_no_kernel_has_is_an_error(calls: PerfCalls) -> None:
    with pytest.raises(OSError, match="perf_event_open"):
        calls.open(Event(1, 10**6), threading.get_native_id(), None)


def test_cycles_and_instructions_of_the_cpu(calls: PerfCalls, opened: list[int]) -> None:
    leader = open_group(calls, opened, (CYCLES, INSTRUCTIONS), threading.get_native_id())
    calls.start(leader)
    burn()
    count = calls.read(leader, 2)
    assert all(value > BURNED_NS / 1000 for value in count.values), "a thousandth of a cycle in a nanosecond"
    assert 0 < count.running <= count.enabled
