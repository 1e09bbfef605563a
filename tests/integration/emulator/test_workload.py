import pytest
from hypothesis import given
from hypothesis import strategies as st

from resctrl_emulator.cache_lines import LINE_BYTES
from resctrl_emulator.workload import (
    LLC_OCCUPANCY,
    MBM_LOCAL_BYTES,
    MBM_TOTAL_BYTES,
    TRAFFIC_BYTES_PER_CPU_SECOND,
    BlockBooks,
)

SECOND_NS = 1_000_000_000
MI = 1 << 20


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
