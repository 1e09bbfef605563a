import pytest
from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.workload import (
    LINE_BYTES,
    LLC_OCCUPANCY,
    MBM_LOCAL_BYTES,
    MBM_TOTAL_BYTES,
    TRAFFIC_BYTES_PER_CPU_SECOND,
    BlockBooks,
    fill,
    share_out,
)

SECOND_NS = 1_000_000_000
MI = 1 << 20
lines = st.dictionaries(st.integers(0, 12), st.integers(0, 5000), max_size=8)


@given(st.integers(0, 10**9), st.dictionaries(st.integers(0, 20), st.floats(0, 1e9), min_size=1, max_size=20))
def test_the_parts_sum_up_to_the_total_exactly(total: int, weights: dict[int, float]) -> None:
    parts = share_out(total, weights)
    assert sum(parts.values()) == (total if sum(weights.values()) > 0 else 0)
    assert all(part >= 0 for part in parts.values())


@given(st.integers(0, 10**6), st.dictionaries(st.integers(0, 9), st.integers(1, 1000), min_size=1))
def test_a_larger_weight_never_gets_less(total: int, weights: dict[int, float]) -> None:
    parts = share_out(total, weights)
    assert all(parts[a] >= parts[b] for a in weights for b in weights if weights[a] > weights[b])


@given(lines, lines, st.integers(0, 50_000), st.sets(st.integers(0, 12)))
def test_lines_are_conserved_and_never_exceed_the_capacity(
    held: dict[int, int], new: dict[int, int], room: int, dead: set[int]
) -> None:
    before = sum(held.values())
    capacity = before + room + 1
    after = fill(held, new, capacity, dead)
    assert sum(after.values()) == min(capacity, before + sum(new.values()))
    assert all(count >= 0 for count in after.values())


@given(lines, lines, st.sets(st.integers(0, 12)))
def test_while_there_is_room_nobody_loses_a_line(held: dict[int, int], new: dict[int, int], dead: set[int]) -> None:
    capacity = sum(held.values()) + sum(new.values()) + 1
    after = fill(held, new, capacity, dead)
    assert all(after[rmid] == held.get(rmid, 0) + new.get(rmid, 0) for rmid in after)


@given(st.integers(1, 1000), st.integers(0, 3000))
def test_the_lines_of_a_dead_rmid_go_before_those_of_the_living(mine: int, coming: int) -> None:
    after = fill({1: mine, 2: 1000}, {3: min(coming, 1000)}, mine + 1000, dead={2})
    assert after == {1: mine, 2: 1000 - min(coming, 1000), 3: min(coming, 1000)}


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_in_a_full_cache_who_brings_in_more_comes_to_hold_more(first: int, second: int) -> None:
    after = fill({0: 1000}, {1: first, 2: second}, 1000)
    assert (after[1] >= after[2]) if first >= second else (after[1] <= after[2])


def test_two_threads_share_a_cache_by_how_busy_they_are() -> None:
    books = BlockBooks(32 * MI)
    for _ in range(100):
        books.charge(1, SECOND_NS * 9 // 100)
        books.charge(2, SECOND_NS * 3 // 100)
        books.advance(SECOND_NS // 10, set())
    shares = books.occupancy_bytes(1) / books.occupancy_bytes(2)
    assert shares == pytest.approx(3, rel=0.01)
    assert books.total_occupancy_bytes() == 32 * MI
    assert books.occupancy_bytes(0) < 32 * MI // 5


def test_an_idle_group_loses_its_lines_slowly_to_the_rest_of_the_machine() -> None:
    books = BlockBooks(32 * MI)
    books.charge(1, 10 * SECOND_NS)
    books.advance(0, set())
    assert books.occupancy_bytes(1) == 32 * MI
    books.advance(4 * SECOND_NS, set())
    assert books.occupancy_bytes(1) == pytest.approx(32 * MI / 2.718, rel=0.01)
    assert books.occupancy_bytes(0) == 32 * MI - books.occupancy_bytes(1)


@given(st.lists(st.integers(0, 10**9), max_size=30))
def test_traffic_does_not_depend_on_how_often_it_is_looked_at(slices: list[int]) -> None:
    often, once = BlockBooks(MI), BlockBooks(MI)
    for part in slices:
        often.charge(1, part)
        often.advance(0, set())
    once.charge(1, sum(slices))
    once.advance(0, set())
    assert often.value(1, MBM_TOTAL_BYTES) == once.value(1, MBM_TOTAL_BYTES)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**9)), max_size=30))
def test_values_are_whole_lines_and_local_traffic_is_part_of_the_total(work: list[tuple[int, int]]) -> None:
    books = BlockBooks(MI)
    for rmid, cpu_ns in work:
        books.charge(rmid, cpu_ns)
        books.advance(cpu_ns, set())
    for rmid in range(6):
        values = {event: books.value(rmid, event) for event in (LLC_OCCUPANCY, MBM_TOTAL_BYTES, MBM_LOCAL_BYTES)}
        assert all(value % LINE_BYTES == 0 for value in values.values())
        assert values[MBM_LOCAL_BYTES] <= values[MBM_TOTAL_BYTES]
    assert books.total_occupancy_bytes() <= MI


def test_a_cpu_second_moves_the_documented_number_of_bytes() -> None:
    books = BlockBooks(MI)
    books.charge(1, SECOND_NS)
    assert books.traffic_bytes(1) == TRAFFIC_BYTES_PER_CPU_SECOND


def test_a_new_owner_counts_traffic_from_zero_and_keeps_the_residue() -> None:
    books = BlockBooks(MI)
    books.charge(1, SECOND_NS)
    books.advance(0, set())
    books.reset_traffic(1)
    assert books.value(1, MBM_TOTAL_BYTES) == 0
    assert books.value(1, LLC_OCCUPANCY) == MI
