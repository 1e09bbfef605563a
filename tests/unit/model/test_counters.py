from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.counters import CounterBase, TrafficTotal
from cachemon.model.readings import Missing, Reading


@dataclass(frozen=True)
class Seen:
    """One look at a counter file."""

    reading: Reading
    inode: int


LOOKS = st.lists(
    st.builds(
        Seen,
        reading=st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 20), st.sampled_from(Missing)),
        inode=st.sampled_from([11, 12]),
    ),
    max_size=40,
)


def test_the_first_reading_is_a_base_and_counts_nothing() -> None:
    base = CounterBase()
    assert base.advance(5000, 1) is None
    assert base.advance(5600, 1) == 600


def test_a_counter_that_went_down_counts_nothing_and_is_the_next_base() -> None:
    base = CounterBase(identity=1, value=1000)
    assert base.advance(10, 1) is None
    assert base.advance(25, 1) == 15


def test_a_wrapped_counter_counts_nothing() -> None:
    base = CounterBase(identity=1, value=2**64 - 1)
    assert base.advance(5, 1) is None


def test_another_directory_of_the_same_name_counts_nothing_though_its_value_is_higher() -> None:
    base = CounterBase(identity=1, value=1000)
    assert base.advance(2000, 2) is None
    assert base.advance(2100, 2) == 100


def test_a_reading_that_is_missing_makes_the_next_one_a_base() -> None:
    base = CounterBase(identity=1, value=1000)
    assert base.advance(Missing.UNAVAILABLE, 1) is None
    assert base.advance(3000, 1) is None
    assert base.advance(3001, 1) == 1


@given(LOOKS)
def test_only_differences_between_two_good_looks_in_a_row_count(looks: list[Seen]) -> None:
    base = CounterBase()
    deltas = [base.advance(look.reading, look.inode) for look in looks]
    for number, (look, delta) in enumerate(zip(looks, deltas, strict=True)):
        before = looks[number - 1] if number else Seen(Missing.OFFLINE, 0)
        comparable = (
            not isinstance(before.reading, Missing)
            and not isinstance(look.reading, Missing)
            and before.inode == look.inode
            and before.reading <= look.reading
        )
        if comparable:
            assert delta == int(look.reading) - int(before.reading)
        else:
            assert delta is None


STEPS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 2**40)), st.floats(0.05, 5)), max_size=40)


@given(STEPS)
def test_totals_never_fall_and_rates_wait_for_two_samples_after_a_gap(steps: list[tuple[int | None, float]]) -> None:
    traffic = TrafficTotal(window_seconds=3)
    now, counted, samples_since_gap = 0.0, 0, 0
    for delta, seconds in steps:
        now += seconds
        before = traffic.total_bytes
        traffic.add(delta or 0, now, gap=delta is None)
        counted += delta or 0
        samples_since_gap = 1 if delta is None else samples_since_gap + 1
        assert traffic.total_bytes == counted >= before
        rate = traffic.bytes_per_second
        assert (rate is None) == (samples_since_gap < 2)
        assert rate is None or rate >= 0


@given(st.lists(st.tuples(st.integers(0, 2**40), st.floats(0.05, 5)), min_size=2, max_size=40))
def test_a_rate_is_between_the_slowest_and_the_fastest_step(steps: list[tuple[int, float]]) -> None:
    traffic = TrafficTotal(window_seconds=4)
    now, rates = 0.0, []
    traffic.add(0, now, gap=True)
    for delta, seconds in steps:
        now += seconds
        traffic.add(delta, now, gap=False)
        rates.append(delta / seconds)
    assert traffic.bytes_per_second is not None
    assert min(rates) * 0.999 - 1 <= traffic.bytes_per_second <= max(rates) * 1.001 + 1


def test_old_samples_leave_the_window() -> None:
    traffic = TrafficTotal(window_seconds=10)
    for second in range(100):
        traffic.add(1000 if second < 50 else 10, float(second), gap=False)
    assert traffic.bytes_per_second == 10


def test_a_gap_is_counted_and_adds_nothing_by_itself() -> None:
    traffic = TrafficTotal(window_seconds=10)
    traffic.add(0, 0.0, gap=True)
    traffic.add(100, 1.0, gap=False)
    assert traffic.gaps == 0
    traffic.add(0, 2.0, gap=True)
    assert (traffic.gaps, traffic.total_bytes, traffic.bytes_per_second) == (1, 100, None)


def test_two_samples_at_the_same_moment_give_no_rate() -> None:
    traffic = TrafficTotal(window_seconds=10)
    traffic.add(0, 1.0, gap=True)
    traffic.add(5, 1.0, gap=False)
    assert traffic.bytes_per_second is None


@pytest.mark.parametrize("partial", [0, 70])
def test_what_could_be_counted_in_a_gap_stays_in_the_total(partial: int) -> None:
    traffic = TrafficTotal(window_seconds=10)
    traffic.add(0, 0.0, gap=True)
    traffic.add(partial, 1.0, gap=True)
    assert traffic.total_bytes == partial
