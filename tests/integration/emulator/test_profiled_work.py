from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resctrl_emulator.cache_lines import LINE_BYTES, Pool
from resctrl_emulator.profiled_work import ProfiledWork
from resctrl_emulator.thread_profile import ThreadProfile
from resctrl_emulator.workload import DEFAULT_GROUP_SECONDS, BlockBooks

MI = 1 << 20
SECOND_NS = 1_000_000_000
CAPACITY = 32 * MI
TICK_NS = SECOND_NS // 10
READER = ThreadProfile(12 * MI, 10_000_000, streaming_share=0.02, sensitivity=1)
STREAMER = ThreadProfile(0, 30_000_000, streaming_share=1)
profiles = st.builds(
    ThreadProfile,
    hot_set_bytes=st.integers(0, 2 * MI),
    accesses_per_second=st.integers(0, 10**8),
    streaming_share=st.floats(0, 1),
    sensitivity=st.floats(0, 5),
)
work = st.dictionaries(
    st.builds(Pool, st.integers(0, 3), st.integers(1, 3)), st.tuples(profiles, st.integers(0, SECOND_NS)), max_size=5
)
others = st.dictionaries(st.builds(Pool, st.integers(0, 5)), st.integers(0, 30_000), max_size=4)


class Watched:
    """A reader and a streamer in one cache block."""

    def __init__(self, tick_ns: int = TICK_NS) -> None:
        self.books = BlockBooks(CAPACITY)
        self._tick_ns = tick_ns

    def run(self, seconds: float, streamer: ThreadProfile | None = None) -> tuple[float, float]:
        """The reader's speed, and the bytes that it moves in a second."""
        before, cpu, done = self.books.traffic_bytes(1), 0.0, 0.0
        for _ in range(int(seconds * SECOND_NS / self._tick_ns)):
            self.books.charge_profiled(1, 11, READER, self._tick_ns * 2 // 5)
            if streamer:
                self.books.charge_profiled(2, 22, streamer, self._tick_ns * 2 // 5)
            turn = self.books.advance(self._tick_ns, set())[Pool(1, 11)]
            cpu, done = cpu + turn.cpu_ns, done + turn.work_ns
        return done / cpu, (self.books.traffic_bytes(1) - before) / seconds


@given(st.lists(st.tuples(work, others), max_size=5), st.integers(1, 60_000), st.sets(st.integers(0, 5)))
def test_every_missed_line_is_held_or_evicts_one_and_none_exceeds_the_capacity(
    rounds: list[tuple[dict[Pool, tuple[ThreadProfile, int]], dict[Pool, int]]], capacity: int, dead: set[int]
) -> None:
    counted = ProfiledWork(capacity)
    held: dict[Pool, int] = {}
    for charges, new in rounds:
        for pool, (profile, cpu_ns) in charges.items():
            counted.charge(pool, profile, cpu_ns)
        missed = sum(counted.missed_lines(rmid) for rmid in range(4))
        before = sum(held.values())
        held, turns = counted.advance(held, new, dead)
        coming = sum(counted.missed_lines(rmid) for rmid in range(4)) - missed + sum(new.values())
        assert sum(held.values()) == min(capacity, before + coming)
        assert all(lines >= 0 for lines in held.values())
        assert turns.keys() == charges.keys()


@given(work)
def test_missed_lines_are_those_of_the_turns_to_the_line(charges: dict[Pool, tuple[ThreadProfile, int]]) -> None:
    counted = ProfiledWork(10_000)
    for pool, (profile, cpu_ns) in charges.items():
        counted.charge(pool, profile, cpu_ns)
    _, turns = counted.advance({}, {}, set())
    for rmid in range(4):
        exact = [turn.missed_lines for pool, turn in turns.items() if pool.rmid == rmid]
        assert counted.missed_lines(rmid) == pytest.approx(sum(exact), abs=2 * len(exact) + 1e-3, rel=1e-9)


def test_a_thread_alone_keeps_its_hot_set_and_works_at_nearly_full_speed() -> None:
    watched = Watched()
    watched.run(10)
    speed, _ = watched.run(10)
    assert watched.books.hot_bytes(1, 11) == pytest.approx(READER.hot_set_bytes, rel=0.05)
    assert 0.94 < speed < 1


def test_a_streaming_neighbour_takes_the_cache_and_slows_the_thread_until_it_stops() -> None:
    watched = Watched()
    watched.run(10)
    speed, traffic = watched.run(10)
    held = watched.books.hot_bytes(1, 11)
    slower, more_traffic = watched.run(10, STREAMER)
    assert watched.books.hot_bytes(1, 11) < held / 2
    assert watched.books.occupancy_bytes(2) > CAPACITY / 2
    assert more_traffic > 2 * traffic
    assert slower < speed / 1.3
    watched.run(10)
    assert watched.run(10)[0] == pytest.approx(speed, rel=0.01)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 200_000_000), min_size=2, max_size=4, unique=True))
def test_a_heavier_neighbour_never_leaves_more_cache_or_more_work(rates: list[int]) -> None:
    outcomes = []
    for rate in sorted(rates):
        watched = Watched()
        watched.run(3)
        speed, _ = watched.run(3, ThreadProfile(0, rate, streaming_share=1))
        outcomes.append((speed, watched.books.hot_bytes(1, 11)))
    for (speed, held), (slower, less) in pairwise(outcomes):
        assert slower <= speed * 1.001
        assert less <= held * 1.001


def test_the_hot_set_settles_where_its_misses_balance_its_evictions() -> None:
    watched = Watched()
    watched.run(10, STREAMER)
    speed, traffic = watched.run(10, STREAMER)
    held = watched.books.hot_bytes(1, 11) / LINE_BYTES
    lookups = READER.accesses_per_second * 0.4 * speed
    streamed = STREAMER.accesses_per_second * 0.4
    capacity = CAPACITY / LINE_BYTES
    inflow = traffic / LINE_BYTES + streamed + capacity / DEFAULT_GROUP_SECONDS
    hot_misses = lookups * (1 - READER.streaming_share) * (1 - held / READER.hot_lines)
    assert hot_misses == pytest.approx(inflow / capacity * held, rel=0.02)
    assert traffic / LINE_BYTES == pytest.approx(lookups * READER.miss_ratio(held), rel=0.02)


@pytest.mark.parametrize("tick_ns", [SECOND_NS // 100, SECOND_NS // 2])
def test_figures_hardly_depend_on_how_often_it_is_counted(tick_ns: int) -> None:
    usual, other = Watched(), Watched(tick_ns)
    usual.run(5)
    other.run(5)
    speed, traffic = usual.run(10, STREAMER)
    same_speed, same_traffic = other.run(10, STREAMER)
    assert same_speed == pytest.approx(speed, rel=0.01)
    assert same_traffic == pytest.approx(traffic, rel=0.01)
    assert other.books.occupancy_bytes(1) == pytest.approx(usual.books.occupancy_bytes(1), rel=0.01)


def test_the_hot_set_of_an_ended_thread_goes_and_leaves_no_trace() -> None:
    watched = Watched()
    watched.run(1)
    for _ in range(10):
        watched.books.advance(10 * SECOND_NS, set())
    assert watched.books.occupancy_bytes(1) == 0
    assert Pool(1, 11) not in watched.books._pools
    assert watched.books.total_occupancy_bytes() == CAPACITY
