from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import judged_guests
from cachemon.interference.windows import VmWindow, Window, format_window, parse_window
from cachemon.model.groups import GroupKey
from cachemon.qemu.perf_calls import Counted
from tests.unit.agent.builders import mon_group
from tests.unit.engine.node_bench import CAPACITY, WALL_OFFSET, Guest, NodeBench
from tests.unit.qemu.fake_perf import FakePerf

GAP = (None, None, None)


@pytest.fixture
def db() -> Guest:
    return Guest("db", 1, held=8 << 20, traffic=2_000_000, running=1.5, waiting=0.25)


@pytest.fixture
def web() -> Guest:
    return Guest("web", 2)


@pytest.fixture
def bench(tmp_path: Path, db: Guest, web: Guest) -> NodeBench:
    """A node whose first window has begun, with all counters known."""
    bench = NodeBench(tmp_path, db, web)
    bench.sample(1)
    assert bench.window() is None
    return bench


def of(window: Window | None, guest: Guest) -> VmWindow:
    assert window is not None
    return next(vm for vm in window.vms if vm.vm == guest.vm)


def figures(vm: VmWindow) -> tuple[float | None, ...]:
    """What a gap takes away: traffic, CPU time and cycles."""
    return vm.traffic_bytes, vm.cpu_seconds, vm.cycles


def test_a_window_has_what_each_guest_did_since_the_last_one(bench: NodeBench, db: Guest, web: Guest) -> None:
    window = bench.window()
    assert window is not None
    assert window.others_traffic_bytes == pytest.approx(5_000_000)
    assert replace(window, others_traffic_bytes=None) == Window(
        WALL_OFFSET + bench.now,
        0,
        CAPACITY,
        40_000_000_000,
        (
            VmWindow(db.vm, 8 << 20, 20_000_000, 15.0, 2.5, 20_000_000_000, 40_000_000_000),
            VmWindow(web.vm, 1 << 20, 10_000_000, 10.0, 0.0, 20_000_000_000, 40_000_000_000),
        ),
    )
    assert parse_window(format_window(window)) == window


def test_samples_within_a_window_end_none(bench: NodeBench, db: Guest) -> None:
    assert [bench.window(1) for _ in range(9)] == [None] * 9
    assert of(bench.window(1), db).traffic_bytes == pytest.approx(20_000_000)


def test_without_telemetry_there_are_no_cycles(tmp_path: Path, db: Guest) -> None:
    bench = NodeBench(tmp_path, db, has_telemetry=False)
    bench.window()
    bench.window()
    entry = of(bench.window(), db)
    assert (entry.cycles, entry.uops, entry.cpu_seconds) == (None, None, 15.0)


class CountingPerf(FakePerf):
    """Every thread does the same in a window."""

    def read(self, leader: int, events: int) -> Counted:
        super().read(leader, events)
        return Counted(10**10, 10**10, (20_000_000_000, 30_000_000_000))


def test_perf_gives_the_work_of_one_window_in_six(tmp_path: Path, db: Guest) -> None:
    perf = CountingPerf()
    bench = NodeBench(tmp_path, db, has_telemetry=False, perf=perf)
    bench.window()
    work = [(it.cycles, it.uops) for it in (of(bench.window(), db) for _ in range(8))]
    whole, none = (pytest.approx(40_000_000_000), pytest.approx(60_000_000_000)), (None, None)
    assert work == [whole, *[none] * 5, whole, none]
    assert {tid for tid, _, _ in perf.seen} == {101, 102}


def test_perf_stays_closed_where_telemetry_counts(tmp_path: Path, db: Guest) -> None:
    perf = CountingPerf()
    bench = NodeBench(tmp_path, db, perf=perf)
    bench.window()
    bench.window()
    assert of(bench.window(), db).cycles == pytest.approx(20_000_000_000)
    assert perf.opens == 0


def test_perf_counts_no_guest_that_migrates(tmp_path: Path, db: Guest, web: Guest) -> None:
    perf = CountingPerf()
    db.is_migrating = True
    bench = NodeBench(tmp_path, db, web, has_telemetry=False, perf=perf)
    bench.window()
    assert {tid for tid, _, _ in perf.seen} == {201, 202}


def test_no_counter_of_perf_is_open_once_counting_is_stopped(tmp_path: Path, db: Guest) -> None:
    perf = CountingPerf()
    bench = NodeBench(tmp_path, db, has_telemetry=False, perf=perf)
    bench.window()
    assert perf.open_events
    bench.windows.stop_counting()
    assert perf.open_events == {}
    assert of(bench.window(), db).cycles is None


def test_another_mon_group_is_a_gap(bench: NodeBench, db: Guest, web: Guest) -> None:
    db.number = 3
    window = bench.window()
    assert figures(of(window, db)) == GAP
    assert None not in figures(of(window, web))
    assert None not in figures(of(bench.window(), db))


def test_a_counter_without_a_number_in_a_sample_between_is_a_gap(bench: NodeBench, db: Guest) -> None:
    group = bench.root / "mon_groups" / mon_group(1).name
    bench.pass_time(0)
    layout = bench.layout()
    (group / "mon_data/mon_L3_00/mbm_total_bytes").write_text("Unavailable")
    bench.sampler.sample(layout)
    entry = of(bench.window(), db)
    assert (entry.traffic_bytes, entry.cpu_seconds) == (None, 15.0)
    assert of(bench.window(), db).traffic_bytes == 20_000_000


def test_a_hot_plugged_vcpu_is_a_gap_of_the_cpu_time(bench: NodeBench, db: Guest) -> None:
    db.threads = 1
    assert of(bench.window(), db).cpu_seconds == pytest.approx(7.5)
    db.threads = 2
    assert of(bench.window(), db).cpu_seconds is None
    assert of(bench.window(), db).cpu_seconds == 15.0


def test_threads_that_no_group_measures_do_not_count(bench: NodeBench, db: Guest) -> None:
    db.threads = 3
    assert of(bench.window(), db).cpu_seconds == 15.0, "the group has vCPUs 0 and 1"


@pytest.mark.parametrize("content", ["", "garbage", "0 0 0"])
def test_a_guest_whose_run_times_are_not_known_has_none(bench: NodeBench, db: Guest, content: str) -> None:
    bench.pass_time(10)
    (bench.proc / "100/task/102/schedstat").write_text(content)
    layout = bench.layout()
    ended = bench.windows.end(layout, bench.sampler.sample(layout), judged_guests(layout))
    assert of(ended[0], db).cpu_seconds is None
    assert of(ended[0], db).traffic_bytes == 20_000_000


def test_a_guest_that_migrates_is_a_gap(bench: NodeBench, db: Guest) -> None:
    db.is_migrating = True
    assert of(bench.window(), db) == VmWindow(db.vm, None, None, None, None)


def test_a_guest_that_holds_and_moves_nothing_is_not_on_the_block(bench: NodeBench, db: Guest, web: Guest) -> None:
    db.held = db.traffic = 0
    window = bench.window()
    assert window is not None
    assert [vm.vm for vm in window.vms] == [web.vm]


def test_a_new_guest_is_a_gap_and_then_a_neighbour(bench: NodeBench) -> None:
    new = Guest("new", 5)
    bench.guests.append(new)
    assert figures(of(bench.window(), new)) == GAP
    assert None not in figures(of(bench.window(), new))


def test_the_traffic_of_others_is_unknown_while_groups_change(bench: NodeBench, web: Guest) -> None:
    bench.guests.remove(web)
    bench.ended = web.counted["traffic"]
    window = bench.window()
    assert window is not None
    assert window.others_traffic_bytes is None
    after = bench.window()
    assert after is not None
    assert after.others_traffic_bytes == pytest.approx(5_000_000)


def test_the_traffic_of_others_is_unknown_where_guests_have_more_than_the_node(bench: NodeBench) -> None:
    bench.others = -2_000_000
    window = bench.window()
    assert window is not None
    assert window.others_traffic_bytes is None


def test_guests_that_are_read_a_moment_later_than_the_node_leave_no_traffic_below_zero(bench: NodeBench) -> None:
    bench.others = -100_000
    window = bench.window()
    assert window is not None
    assert window.others_traffic_bytes == 0


def test_a_block_without_a_limit_or_a_capacity(bench: NodeBench) -> None:
    bench.limits = {}
    window = bench.window()
    assert window is not None
    assert window.bandwidth_limit_bytes_per_second is None
    bench.facts = replace(bench.facts, blocks=(replace(bench.facts.blocks[0], capacity_bytes=None),))
    assert bench.window() is None


def test_a_sample_whose_reads_have_no_known_time_ends_no_window(bench: NodeBench) -> None:
    layout, sampled = bench.sample(30)
    untimed = replace(sampled, moment=sampled.moment._replace(is_known=False))
    assert bench.windows.is_over(sampled)
    assert not bench.windows.is_over(untimed)
    assert layout.targets
    assert GroupKey("uid-of-db", "all") in sampled.groups


def test_a_sample_that_is_a_little_early_ends_a_window_that_is_as_long(bench: NodeBench) -> None:
    """Samples may be as far apart as windows are long, and never come exactly on time."""
    windows = [bench.window(seconds) for seconds in (10.004, 9.997, 10.002, 9.991, 10.0)]
    assert all(windows)


def test_samples_within_a_window_do_not_end_it(bench: NodeBench) -> None:
    ended = [bench.window(1.0) is not None for _ in range(20)]
    assert ended == [False] * 9 + [True] + [False] * 9 + [True]
