import errno
import os
import re
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.qemu.perf_calls import Counted, PerfCalls
from cachemon.qemu.run_times import ThreadKey
from cachemon.qemu.work_counts import Work, WorkCounts, begins_count, work_of
from tests.unit.qemu.fake_perf import FakePerf

WINDOW = 10.0
VM1 = (ThreadKey(60, 61, 5), ThreadKey(60, 62, 5))
VM2 = (ThreadKey(70, 71, 9),)
GUESTS = {"vm1": VM1, "vm2": VM2}
SECOND = 10**9


@pytest.fixture
def perf() -> FakePerf:
    counts = {thread.tid: Counted(SECOND, SECOND, (3_000, 1_000)) for thread in (*VM1, *VM2)}
    return FakePerf(counts=counts)


@pytest.fixture
def refusals() -> list[str]:
    """The last one holds."""
    return [""]


@pytest.fixture
def work(perf: FakePerf, refusals: list[str]) -> WorkCounts:
    return WorkCounts(perf, lambda: refusals[-1], window_seconds=WINDOW, most_threads=4)


def test_a_guests_work_is_the_sum_of_its_threads(work: WorkCounts) -> None:
    assert work.advance(GUESTS, 0) == {}
    assert work.advance(GUESTS, 10) == {"vm1": Work(6_000, 2_000), "vm2": Work(3_000, 1_000)}


def test_one_window_in_six_is_counted_and_nothing_is_open_between(work: WorkCounts, perf: FakePerf) -> None:
    seen = []
    for window in range(14):
        found = work.advance(GUESTS, window * 10.4)
        seen.append((bool(perf.open_events), bool(found)))
    begun, ended, idle = (True, False), (False, True), (False, False)
    assert seen == [begun, ended, *[idle] * 4, begun, ended, *[idle] * 4, begun, ended]


@pytest.mark.parametrize("seconds", [9.6, 9.99, 10.0, 10.4, 25.0, 59.0, 60.0, 61.0, 90.0])
def test_one_window_in_six_is_counted_however_long_windows_are(
    work: WorkCounts, perf: FakePerf, seconds: float
) -> None:
    counted = []
    for window in range(60):
        work.advance(GUESTS, window * seconds + (0.2 if window % 2 else 0.0))
        counted.append(bool(perf.open_events))
    assert sum(counted) == 10


@given(st.lists(st.floats(min_value=WINDOW, max_value=3 * WINDOW), min_size=1, max_size=60))
def test_of_any_55_seconds_one_window_at_most_is_counted(lengths: list[float]) -> None:
    now, last, counted = 0.0, None, []
    for length in lengths:
        if begins_count(last, now, WINDOW):
            last = now
            counted.append(now)
        now += length
    assert all(later - earlier >= 5.5 * WINDOW for earlier, later in pairwise(counted))


def test_a_count_that_others_interrupted_is_scaled() -> None:
    assert work_of([Counted(1000, 800, (80, 40)), Counted(500, 500, (7, 3))]) == Work(107, 53)


def test_a_thread_that_was_counted_for_too_short_a_time_has_no_number() -> None:
    assert work_of([Counted(1000, 499, (80, 40)), Counted(500, 500, (7, 3))]) is None
    assert work_of([Counted(1000, 0, (0, 0))]) is None


def test_a_thread_that_did_not_run_did_nothing() -> None:
    assert work_of([Counted(0, 0, (0, 0)), Counted(500, 500, (7, 3))]) == Work(7, 3)


def test_threads_that_changed_meanwhile_have_no_number(work: WorkCounts) -> None:
    work.advance(GUESTS, 0)
    plugged = ThreadKey(60, 63, 8)
    replaced = ThreadKey(70, 71, 10)
    assert work.advance({"vm1": (*VM1, plugged), "vm2": (replaced,)}, 10) == {"vm1": None, "vm2": None}


def test_a_thread_that_has_vanished_costs_its_guest_alone(work: WorkCounts, perf: FakePerf) -> None:
    perf.errors[VM1[1].tid] = errno.ESRCH
    work.advance(GUESTS, 0)
    assert {tid for tid, _, _ in perf.open_events.values()} == {VM2[0].tid}
    assert work.advance(GUESTS, 10) == {"vm2": Work(3_000, 1_000)}
    assert perf.open_events == {}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EACCES, "needs the capability PERFMON"),
        (errno.EPERM, "seccomp profile that permits perf_event_open"),
        (errno.EOPNOTSUPP, "KVM's mediated PMU has it"),
        (errno.ENOENT, "has no PMU that perf can use"),
        (errno.ENODEV, "has no PMU that perf can use"),
        (errno.ENOSYS, "perf can use"),
        (errno.EINVAL, "perf can use"),
    ],
)
def test_after_a_refusal_it_rests_and_says_why_once(
    work: WorkCounts, perf: FakePerf, caplog: pytest.LogCaptureFixture, code: int, advice: str
) -> None:
    perf.errors[VM1[0].tid] = code
    for window in range(14):
        assert "vm1" not in work.advance(GUESTS, window * WINDOW)
        assert perf.open_events == {}
    (record,) = caplog.records
    assert advice in record.getMessage()
    assert os.strerror(code) in record.getMessage()
    assert perf.opens == 2, "of the guest before, and none after the refusal"
    assert advice in work.problem, "it rests, and that stays the reason"


def test_a_shortage_costs_what_is_left_of_the_minute(
    work: WorkCounts, perf: FakePerf, caplog: pytest.LogCaptureFixture
) -> None:
    perf.errors[VM1[1].tid] = errno.EMFILE
    assert work.problem == ""
    work.advance(GUESTS, 0)
    assert work.advance(GUESTS, 10) == {"vm2": Work(3_000, 1_000)}
    assert os.strerror(errno.EMFILE) in work.problem
    perf.errors.clear()
    work.advance(GUESTS, 60)
    assert work.problem == "", "all are counted again"
    assert work.advance(GUESTS, 70).keys() == {"vm1", "vm2"}
    assert os.strerror(errno.EMFILE) in caplog.text


def test_a_mediated_pmu_is_looked_for_before_every_count(
    work: WorkCounts, perf: FakePerf, refusals: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    refusals.append("kvm has the PMU")
    for window in range(14):
        assert work.advance(GUESTS, window * WINDOW) == {}
    assert perf.opens == 0
    assert [record.getMessage() for record in caplog.records] == ["no cycles of VMs by perf: kvm has the PMU"]
    refusals.append("")
    work.advance(GUESTS, 180)
    assert work.advance(GUESTS, 190).keys() == {"vm1", "vm2"}


def test_the_largest_guests_go_without_beyond_the_limit_of_threads(
    work: WorkCounts, perf: FakePerf, caplog: pytest.LogCaptureFixture
) -> None:
    huge = tuple(ThreadKey(80, tid, 3) for tid in range(81, 84))
    guests = {"huge": huge, **GUESTS}
    for window in range(14):
        assert "huge" not in work.advance(guests, window * WINDOW)
    assert perf.most == 2 * len((*VM1, *VM2))
    (record,) = caplog.records
    assert "only 4 vCPU threads are counted at a time" in record.getMessage()


def test_without_guests_the_next_window_with_some_is_counted(work: WorkCounts, perf: FakePerf) -> None:
    assert work.advance({}, 0) == {}
    work.advance(GUESTS, 10)
    assert perf.open_events
    assert work.advance({}, 20) == {"vm1": None, "vm2": None}
    assert perf.open_events == {}


@pytest.mark.parametrize("guests", [GUESTS, {"vm1": ()}])
def test_closing_leaves_no_counter_open(
    work: WorkCounts, perf: FakePerf, guests: dict[str, tuple[ThreadKey]]
) -> None:
    work.advance(guests, 0)
    work.close()
    assert perf.open_events == {}
    assert work.advance(guests, 10) == {}


def test_a_counter_that_cannot_be_read_or_started_has_no_number(
    work: WorkCounts, perf: FakePerf, caplog: pytest.LogCaptureFixture
) -> None:
    work.advance(GUESTS, 0)
    perf.failing_reads = errno.EIO
    assert work.advance(GUESTS, 10) == {"vm1": None, "vm2": None}
    perf.failing_reads, perf.failing_starts = 0, errno.EIO
    work.advance(GUESTS, 60)
    assert perf.open_events == {}
    assert work.advance(GUESTS, 70) == {}
    assert len(caplog.records) == 2


def test_the_real_kernel_counts_or_says_why_not(caplog: pytest.LogCaptureFixture) -> None:
    work = WorkCounts(PerfCalls(), str, window_seconds=WINDOW)
    own = {"vm1": [ThreadKey(os.getpid(), threading.get_native_id(), 0)]}
    work.advance(own, 0)
    found = work.advance(own, 10)
    if caplog.records:
        assert found == {}
        assert re.search("PERFMON|no PMU", caplog.text)
    else:
        counted = found["vm1"]
        assert counted is None or min(counted) > 0
