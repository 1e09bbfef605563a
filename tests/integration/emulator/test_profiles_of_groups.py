"""Threads with profiles, from the control request to the files of their groups."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resctrl_emulator.thread_profile import ThreadProfile
from resctrl_emulator.workload import EVENTS
from tests.integration.emulator.fakes import MI, SECOND_NS
from tests.integration.emulator.profiled_box import Profiled

READER = ThreadProfile(12 * MI, 10_000_000, streaming_share=0.02, sensitivity=1, cpu_share=0.4, block=1)
STREAMER = ThreadProfile(0, 30_000_000, streaming_share=1, cpu_share=0.4, block=1)


def test_a_streaming_group_takes_the_cache_of_a_reading_one_and_its_work() -> None:
    box = Profiled(cpus=4, packages=2)
    reader, streamer = box.group("reader"), box.group("streamer")
    box.profile(reader, READER)
    box.run_for(20)

    def cycles_per_uop(seconds: int) -> float:
        before = [box.telemetry("/mon_groups/reader", event) for event in ("unhalted_core_cycles", "uops_retired")]
        box.run_for(seconds)
        after = [box.telemetry("/mon_groups/reader", event) for event in ("unhalted_core_cycles", "uops_retired")]
        return (after[0] - before[0]) / (after[1] - before[1])

    alone, held = cycles_per_uop(10), box.number("/mon_groups/reader", "llc_occupancy")
    box.profile(streamer, STREAMER)
    box.run_for(5)
    assert cycles_per_uop(10) > 1.3 * alone
    assert box.number("/mon_groups/reader", "llc_occupancy") < held / 2
    assert box.number("/mon_groups/streamer", "llc_occupancy") > 16 * MI
    box.profile(streamer, None)
    box.run_for(20)
    assert cycles_per_uop(10) == pytest.approx(alone, rel=0.01)


def test_stalls_and_work_of_a_package_make_up_its_cycles(tmp_path: Path) -> None:
    box = Profiled(cpus=4, packages=2)
    tid = box.group("a")
    box.profile(tid, READER)
    box.run_for(10)
    cycles, uops, stalls = (
        box.telemetry("/mon_groups/a", event) for event in ("unhalted_core_cycles", "uops_retired", "stalls_llc_miss")
    )
    assert cycles == 4 * 2_600_000_000
    assert uops / 3_900_000_000 + stalls / 2_600_000_000 == pytest.approx(4, rel=1e-6)
    work = box.books(tmp_path).threads[tid]
    assert work.cpu_ns == 4 * SECOND_NS
    assert work.work_ns == pytest.approx(uops * SECOND_NS / 3_900_000_000, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.none()
            | st.builds(
                ThreadProfile,
                hot_set_bytes=st.integers(0, 40 * MI),
                accesses_per_second=st.integers(0, 10**8),
                streaming_share=st.floats(0, 1),
                sensitivity=st.floats(0, 4),
                cpu_share=st.floats(0, 1) | st.none(),
                block=st.sampled_from((0, 1, None)),
            ),
            st.floats(0, 3),
        ),
        max_size=12,
    )
)
def test_the_files_and_the_books_agree_whatever_profiles_come_and_go(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, ThreadProfile | None, float]]
) -> None:
    box = Profiled()
    tids = [box.group(name) for name in "abc"] + [box.threads.process()]
    last: dict[tuple[str, int, str], int] = {}
    for which, profile, seconds in steps:
        box.profile(tids[which], profile)
        box.threads.burn(tids[which], seconds / 2, cpu=which % 2)
        box.run(seconds)
        box.resctrl.accounting.freeze()
        books = box.books(tmp_path_factory.mktemp("books"))
        for path, group in books.groups.items():
            for block in (0, 1):
                for event in EVENTS:
                    # The file of the default group is the sum with its children.
                    inside = books.groups.values() if path == "/" else [group]
                    booked = sum(int(each.blocks[block][event]) for each in inside)
                    assert box.number("" if path == "/" else path, event, block) == booked
                    if event != "llc_occupancy":
                        assert booked >= last.get((path, block, event), 0)
                        last[path, block, event] = booked
        for block in (0, 1):
            occupied = sum(int(group.blocks[block]["llc_occupancy"]) for group in books.groups.values())
            assert occupied == books.occupancy_bytes[block] <= books.capacity_bytes[block]
        box.resctrl.accounting.thaw()


def test_a_thread_in_no_group_counts_for_the_default_group_alone() -> None:
    box = Profiled()
    box.mkdir("/mon_groups/a")
    before = box.number("", "mbm_total_bytes")
    box.profile(box.threads.process(), STREAMER)
    box.run_for(10)
    # The thread was first seen when it got the profile, a count before the first that charges it.
    moved = box.number("", "mbm_total_bytes") - before
    background = 10 * 32 * MI // 4 * 16
    assert moved == pytest.approx(STREAMER.accesses_per_second * 0.4 * 64 * 10 + background, rel=0.02)
    assert box.number("/mon_groups/a", "mbm_total_bytes") == 0


def test_a_profile_stays_with_a_thread_that_changes_its_group() -> None:
    box = Profiled()
    tid = box.threads.process()
    box.profile(tid, STREAMER)
    box.run_for(5)
    box.mkdir("/mon_groups/a")
    box.write("/mon_groups/a/tasks", str(tid))
    assert box.number("/mon_groups/a", "mbm_total_bytes") == 0
    box.run_for(10)
    assert box.number("/mon_groups/a", "mbm_total_bytes") == pytest.approx(30_000_000 * 0.4 * 64 * 10, rel=0.001)


def test_frozen_counters_miss_the_work_of_that_time() -> None:
    box = Profiled()
    box.profile(box.group("a"), STREAMER)
    box.run_for(1)
    box.resctrl.accounting.freeze()
    before = box.number("/mon_groups/a", "mbm_total_bytes")
    box.run_for(100)
    assert box.number("/mon_groups/a", "mbm_total_bytes") == before
    box.resctrl.accounting.thaw()
    box.run_for(1)
    moved = box.number("/mon_groups/a", "mbm_total_bytes") - before
    assert moved == pytest.approx(30_000_000 * 0.4 * 64, rel=0.001)


def test_a_thread_whose_block_is_offline_runs_on_another() -> None:
    box = Profiled()
    box.profile(box.group("a"), STREAMER)
    box.resctrl.set_block_online(1, online=False)
    box.run_for(1)
    assert box.number("/mon_groups/a", "mbm_total_bytes", block=0) > 0


def test_the_schedstat_of_a_thread_follows_its_cpu_share() -> None:
    box = Profiled()
    tid = box.group("a")
    assert box.ask({"op": "schedstat", "tid": tid}) == {"text": None}
    box.profile(tid, STREAMER)
    box.run_for(10)
    assert box.ask({"op": "schedstat", "tid": tid}) == {"text": f"{4 * SECOND_NS} 0 1000\n"}
