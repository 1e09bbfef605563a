import errno
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.run_times import RunTimes, ThreadKey, VcpuRunTimes, parse_schedstat

VCPUS = (ThreadKey(60, 61, 5), ThreadKey(60, 62, 5))
OTHER = (ThreadKey(70, 71, 9),)


class Schedstats:
    """The content of schedstat by thread; an errno instead of a text is the error of the read."""

    def __init__(self) -> None:
        self.contents: dict[ThreadKey, str | int] = {}
        self.reads = 0

    def read(self, path: str, most: int) -> bytes:
        self.reads += 1
        for thread, content in self.contents.items():
            if path == f"/proc/{thread.pid}/task/{thread.tid}/schedstat":
                if isinstance(content, int):
                    raise OSError(content, os.strerror(content), path)
                return content.encode()[:most]
        raise OSError(errno.ENOENT, "gone", path)

    def ran(self, thread: ThreadKey, running: int, waiting: int) -> None:
        self.contents[thread] = f"{running} {waiting} 12\n"


@pytest.fixture
def kernel() -> Schedstats:
    kernel = Schedstats()
    for thread in (*VCPUS, *OTHER):
        kernel.ran(thread, 1000, 100)
    return kernel


@pytest.fixture
def times(kernel: Schedstats) -> VcpuRunTimes:
    """The values of all threads are known from an earlier window."""
    times = VcpuRunTimes(ProcFiles(Path("/proc"), kernel.read))
    assert times.advance({"vm1": VCPUS, "vm2": OTHER}) == {"vm1": None, "vm2": None}
    return times


def test_a_guests_times_are_the_sum_of_what_its_threads_did_since_the_last_window(
    kernel: Schedstats, times: VcpuRunTimes
) -> None:
    kernel.ran(VCPUS[0], 1700, 130)
    kernel.ran(VCPUS[1], 1050, 100)
    assert times.advance({"vm1": VCPUS, "vm2": OTHER}) == {"vm1": RunTimes(750, 30), "vm2": RunTimes(0, 0)}
    assert times.advance({"vm1": VCPUS}) == {"vm1": RunTimes(0, 0)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "garbage",
        "1 2",
        "1 2 3 4",
        "-1 2 3",
        "0 0 0",
        "9" * 5000,
        errno.ENOENT,
        errno.ESRCH,
        errno.EACCES,
        errno.EIO,
        errno.EMFILE,
    ],
    ids=str,
)
def test_a_thread_without_numbers_is_a_gap_of_its_guest_alone(
    kernel: Schedstats, times: VcpuRunTimes, content: str | int
) -> None:
    kernel.contents[VCPUS[1]] = content
    assert times.advance({"vm1": VCPUS, "vm2": OTHER}) == {"vm1": None, "vm2": RunTimes(0, 0)}
    kernel.ran(VCPUS[1], 2000, 100)
    assert times.advance({"vm1": VCPUS}) == {"vm1": None}, "the window before has no value to compare with"
    assert times.advance({"vm1": VCPUS}) == {"vm1": RunTimes(0, 0)}


def test_a_thread_that_starts_again_at_zero_is_a_gap(kernel: Schedstats, times: VcpuRunTimes) -> None:
    kernel.ran(VCPUS[1], 3, 100)
    assert times.advance({"vm1": VCPUS}) == {"vm1": None}


def test_another_thread_of_the_same_number_is_a_new_one(kernel: Schedstats, times: VcpuRunTimes) -> None:
    kernel.ran(OTHER[0], 5000, 100)
    assert times.advance({"vm2": [OTHER[0]._replace(start_time=10)]}) == {"vm2": None}


def test_a_hot_plugged_vcpu_is_a_gap_for_one_window(kernel: Schedstats, times: VcpuRunTimes) -> None:
    more = (*VCPUS, ThreadKey(60, 63, 8))
    kernel.ran(more[2], 7, 0)
    assert times.advance({"vm1": more}) == {"vm1": None}
    assert times.advance({"vm1": more}) == {"vm1": RunTimes(0, 0)}


def test_a_guest_without_threads_has_no_times(times: VcpuRunTimes) -> None:
    assert times.advance({"vm3": ()}) == {"vm3": None}


def test_beyond_the_bound_the_guests_with_most_threads_go_without(kernel: Schedstats) -> None:
    times = VcpuRunTimes(ProcFiles(Path("/proc"), kernel.read), most_threads=2)
    for _ in range(2):
        found = times.advance({"vm1": VCPUS, "vm2": OTHER})
    assert found == {"vm1": None, "vm2": RunTimes(0, 0)}
    assert kernel.reads == 2


@given(st.text())
def test_any_text_has_times_or_none(text: str) -> None:
    found = parse_schedstat(text)
    assert found is None or (found.running >= 0 and found.waiting >= 0)


def test_this_kernels_file_is_read() -> None:
    me = ThreadKey(os.getpid(), os.getpid(), 0)
    text = Path(f"/proc/{me.pid}/task/{me.tid}/schedstat").read_text(encoding="ascii")
    if not any(map(int, text.split())):
        pytest.skip("this kernel counts no run times")
    times = VcpuRunTimes(ProcFiles(Path("/proc")))
    times.advance({"us": [me]})
    ran, deadline = 0, time.monotonic() + 10
    while not ran and time.monotonic() < deadline:  # the kernel counts at a tick, and this loop runs until one
        found = times.advance({"us": [me]})["us"]
        assert found is not None
        ran += found.running
    assert 0 < ran < 20 * 10**9
