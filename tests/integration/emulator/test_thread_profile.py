from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.cache_lines import LINE_BYTES
from resctrl_emulator.thread_profile import ThreadProfile, take_turn

MI = 1 << 20
SECOND_NS = 1_000_000_000
shares = st.floats(0, 1)
profiles = st.builds(
    ThreadProfile,
    hot_set_bytes=st.integers(0, 64 * MI),
    accesses_per_second=st.integers(0, 10**9),
    streaming_share=shares,
    sensitivity=st.floats(0, 20),
)
lines = st.floats(0, 2 * MI)


@given(profiles, lines, lines)
def test_more_of_the_hot_set_in_the_cache_never_means_more_misses(
    profile: ThreadProfile, first: float, second: float
) -> None:
    fewer, more = sorted((first, second))
    assert profile.streaming_share <= profile.miss_ratio(more) + 1e-9
    assert profile.miss_ratio(more) <= profile.miss_ratio(fewer) <= 1


@given(profiles, shares, shares)
def test_more_misses_never_mean_more_work(profile: ThreadProfile, first: float, second: float) -> None:
    fewer, more = sorted((first, second))
    assert 0 < profile.speed(more) <= profile.speed(fewer) <= profile.speed(0) == 1


@given(profiles, st.integers(0, 10 * SECOND_NS), lines, st.floats(0, 50))
def test_a_turn_never_works_longer_than_it_runs_nor_misses_more_than_it_looks_up(
    profile: ThreadProfile, cpu_ns: int, held: float, evictions: float
) -> None:
    turn = take_turn(profile, cpu_ns, held, evictions)
    lookups = profile.accesses_per_second * turn.work_ns / SECOND_NS
    assert 0 <= turn.work_ns <= turn.cpu_ns == cpu_ns
    assert cpu_ns <= turn.work_ns * (1 + profile.sensitivity) * (1 + 1e-9)
    assert turn.streamed_lines == pytest.approx(lookups * profile.streaming_share)
    assert 0 <= turn.missed_lines <= lookups * (1 + 1e-9)


@given(profiles, st.integers(0, 10 * SECOND_NS), lines)
def test_without_evictions_a_turn_brings_in_no_more_than_the_hot_set_lacks(
    profile: ThreadProfile, cpu_ns: int, held: float
) -> None:
    lacking = max(profile.hot_lines - held, 0)
    assert take_turn(profile, cpu_ns, held, 0).hot_lines <= lacking * (1 + 1e-6) + 1e-3


@given(profiles, st.integers(0, SECOND_NS), lines, st.floats(0, 5), st.floats(0, 5))
def test_more_evictions_never_mean_more_work(
    profile: ThreadProfile, cpu_ns: int, held: float, first: float, second: float
) -> None:
    fewer, more = sorted((first, second))
    calm, pressed = (take_turn(profile, cpu_ns, held, evictions) for evictions in (fewer, more))
    assert pressed.work_ns <= calm.work_ns * (1 + 1e-9)


@given(st.integers(1, 64 * MI), st.integers(1, 10**9), st.integers(1, 50), st.integers(1, SECOND_NS))
def test_many_short_turns_miss_as_much_as_a_long_one(hot: int, accesses: int, turns: int, cpu_ns: int) -> None:
    profile = ThreadProfile(hot, accesses)
    held = 0.0
    for _ in range(turns):
        held += take_turn(profile, cpu_ns / turns, held, 0).hot_lines
    assert held == pytest.approx(take_turn(profile, cpu_ns, 0, 0).hot_lines, rel=1e-6, abs=1e-3)


def test_a_thread_that_waits_for_every_lookup_does_the_documented_part_of_its_work() -> None:
    profile = ThreadProfile(0, 1000, streaming_share=1, sensitivity=3)
    turn = take_turn(profile, SECOND_NS, 0, 0)
    assert turn.work_ns == SECOND_NS / 4
    assert turn.missed_lines == 250


def test_the_hot_set_is_counted_in_lines() -> None:
    assert ThreadProfile(MI, 1).hot_lines == MI / LINE_BYTES


@pytest.mark.parametrize(
    "wrong",
    [
        {"hot_set_bytes": -1},
        {"hot_set_bytes": 1.5},
        {"accesses_per_second": True},
        {"streaming_share": 1.1},
        {"sensitivity": -0.1},
        {"sensitivity": float("inf")},
        {"cpu_share": 2},
        {"block": -1},
    ],
)
def test_a_value_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ThreadProfile(**{"hot_set_bytes": 1, "accesses_per_second": 1, **wrong})
