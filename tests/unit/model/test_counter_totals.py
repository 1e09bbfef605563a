from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cachemon.model.counter_totals import (
    HIGHEST_BYTES_PER_SECOND_PER_BLOCK,
    Counters,
    CounterSnapshot,
    Gap,
    Progress,
    difference,
)
from cachemon.model.readings import Missing, Reading

MOST = float(10**13)
U64 = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 20))


def test_the_first_reading_is_a_base_and_counts_nothing() -> None:
    assert difference(None, 5000, MOST) is None
    assert difference(5000, 5600, MOST) == 600


@pytest.mark.parametrize("now", [999, 10, 0])
@pytest.mark.pitfall(19)
def test_a_counter_that_went_down_counts_nothing_and_is_the_next_base(now: int) -> None:
    assert difference(1000, now, MOST) is Gap.RESTARTED
    assert difference(now, now + 15, MOST) == 15


@pytest.mark.pitfall(19)
def test_a_wrapped_counter_counts_nothing() -> None:
    assert difference(2**64 - 1, 5, MOST) is Gap.RESTARTED


@pytest.mark.pitfall(21)
@pytest.mark.parametrize("spike", [2**64 - 5, 2**63, 10**14])
def test_more_than_a_cache_block_can_move_is_a_gap_and_no_traffic(spike: int) -> None:
    assert difference(0, spike, MOST) is Gap.IMPLAUSIBLE


@pytest.mark.parametrize("why", Missing)
def test_counting_breaks_off_once_with_the_reason_and_goes_on_from_the_next_number(why: Missing) -> None:
    gap = difference(1000, why, MOST)
    assert isinstance(gap, Gap)
    assert gap.value == why.value
    assert difference(why, Missing.ERROR, MOST) is None
    assert difference(why, 3000, MOST) is None


@given(before=st.one_of(st.none(), U64, st.sampled_from(Missing)), reading=st.one_of(U64, st.sampled_from(Missing)))
def test_only_two_numbers_that_go_up_by_what_is_possible_have_a_difference(
    before: Reading | None, reading: Reading
) -> None:
    delta = difference(before, reading, MOST)
    if isinstance(delta, int):
        assert type(before) is type(reading) is int
        assert int(reading) - int(before) == delta
        assert 0 <= delta <= MOST
    elif delta is None:
        assert type(before) is not int
    else:
        assert type(before) is int


@dataclass
class Kernel:
    """Counters of a kernel, and what was really moved."""

    values: list[int]
    inodes: list[int]
    readable: list[bool]
    moved: list[int] = field(default_factory=list)
    lost: list[bool] = field(default_factory=list)

    def move(self, counter: int, amount: int) -> None:
        """Traffic: the counter is one of 64 bits."""
        self.moved[counter] += amount
        self.lost[counter] |= self.values[counter] + amount >= 2**64
        self.values[counter] = (self.values[counter] + amount) % 2**64

    def restart(self, counter: int, residue: int) -> None:
        self.values[counter] = residue
        self.lost[counter] = True

    def readings(self) -> list[Reading]:
        ways = zip(self.values, self.readable, strict=True)
        return [value if readable else Missing.UNAVAILABLE for value, readable in ways]


COUNTERS = 3
WHICH = st.integers(0, COUNTERS - 1)
MOST_AT_ONCE = HIGHEST_BYTES_PER_SECOND_PER_BLOCK // 100
EVENTS = st.one_of(
    st.tuples(st.just("move"), WHICH, st.integers(0, MOST_AT_ONCE)),
    st.tuples(st.just("restart"), WHICH, st.just(0)),
    st.tuples(st.just("make anew"), WHICH, U64),
    st.tuples(st.just("readable"), WHICH, st.integers(0, 1)),
    st.tuples(st.just("sample"), st.just(0), st.integers(1, 50)),
)


@pytest.mark.pitfall(18)
@pytest.mark.pitfall(19)
@given(starts=st.lists(U64, min_size=COUNTERS, max_size=COUNTERS), events=st.lists(EVENTS, max_size=60))
@example([2**64 - 10] * 3, [("sample", 0, 1), ("move", 0, 20), ("sample", 0, 10), ("move", 0, 5), ("sample", 0, 10)])
def test_a_total_is_never_more_than_was_moved_and_just_that_where_counting_never_broke_off(
    starts: list[int], events: list[tuple[str, int, int]]
) -> None:
    kernel = Kernel(list(starts), [11] * COUNTERS, [True] * COUNTERS, [0] * COUNTERS, [False] * COUNTERS)
    counters = Counters(window_seconds=10)
    keys, now, broke_off = tuple(range(COUNTERS)), 0.0, [False] * COUNTERS
    counters.keep(keys, list(kernel.inodes))
    counters.advance(kernel.readings(), now)
    for what, which, amount in [*events, ("sample", 0, 10)]:
        match what:
            case "move":
                kernel.move(which, amount)
            case "restart":
                kernel.restart(which, amount)
            case "make anew":
                kernel.restart(which, amount)
                kernel.inodes[which] += 1
            case "readable":
                kernel.readable[which] = bool(amount)
            case _:
                now += amount / 10
                counters.keep(keys, list(kernel.inodes))
                before = counters.progress.now.totals
                progress = counters.advance(kernel.readings(), now)
                causes = zip(broke_off, kernel.readable, kernel.lost, strict=True)
                broke_off = [already or not readable or lost for already, readable, lost in causes]
                kernel.lost = [False] * COUNTERS
                assert all(new >= old for new, old in zip(progress.now.totals, before, strict=True))
                for counter, counted in enumerate(progress.now.totals):
                    assert counted <= kernel.moved[counter]
                    assert broke_off[counter] or counted == kernel.moved[counter]
                    rate = progress.per_second([counter])
                    assert rate is None or rate >= 0


@dataclass
class OneByOne:
    """The plain way to count: each counter by itself, reading by reading, as `difference` has it."""

    before: list[Reading | None]
    totals: list[int]
    whole: list[int] = field(default_factory=lambda: [0] * COUNTERS)
    gaps: dict[Gap, int] = field(default_factory=lambda: dict.fromkeys(Gap, 0))

    def advance(self, readings: Sequence[Reading], most: float) -> None:
        for counter, reading in enumerate(readings):
            delta = difference(self.before[counter], reading, most)
            if isinstance(delta, int):
                self.totals[counter] += delta
                self.whole[counter] += 1
            else:
                self.whole[counter] = 0
            if isinstance(delta, Gap):
                self.gaps[delta] += 1
            self.before[counter] = reading


MOVES = st.one_of(st.integers(0, 1000), st.integers(0, 2**43), st.sampled_from(Missing), st.just("restart"))
ROWS = st.one_of(
    st.lists(st.integers(0, 2**40), min_size=COUNTERS, max_size=COUNTERS),  # all is well
    st.lists(st.sampled_from(Missing), min_size=COUNTERS, max_size=COUNTERS),
    st.lists(MOVES, min_size=COUNTERS, max_size=COUNTERS),
)


@given(starts=st.lists(U64, min_size=COUNTERS, max_size=COUNTERS), rows=st.lists(ROWS, min_size=1, max_size=30))
def test_counting_all_at_once_comes_to_the_same_as_counting_one_by_one(
    starts: list[int], rows: list[list[int | Missing | str]]
) -> None:
    plain, counters = OneByOne([None] * COUNTERS, [0] * COUNTERS), Counters(window_seconds=60)
    counters.keep(tuple(range(COUNTERS)), [11] * COUNTERS)
    values, window = list(starts), []
    for second, row in enumerate(rows):
        for counter, move in enumerate(row):
            if move == "restart":
                values[counter] = 0
            elif isinstance(move, int):
                values[counter] = (values[counter] + move) % 2**64
        readings = [move if isinstance(move, Missing) else values[place] for place, move in enumerate(row)]
        plain.advance(readings, HIGHEST_BYTES_PER_SECOND_PER_BLOCK * (2.0 if second else 1.0))
        progress = counters.advance(readings, float(second))
        window.append(list(plain.totals))
        assert progress.now.totals == plain.totals
        assert counters.gaps == plain.gaps
        assert progress.moved == [now - then for now, then in zip(plain.totals, window[0], strict=True)]
        for counter, steps in enumerate(plain.whole):
            moved = plain.totals[counter] - window[second - steps][counter]
            assert progress.per_second([counter]) == (round(moved / steps) if steps else None)


class Steady:
    """Counters that are read all with the same number."""

    def __init__(self, window_seconds: float) -> None:
        self.counters = Counters(window_seconds)
        self.counters.keep(("a",), (1,))

    def sample(self, now: float, reading: Reading) -> Progress:
        return self.counters.advance([reading], now)

    @property
    def gaps(self) -> dict[Gap, int]:
        return {gap: number for gap, number in self.counters.gaps.items() if number}


STEPS = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 2**36)), st.floats(0.05, 5)), max_size=40)


@given(STEPS)
def test_totals_never_fall_and_rates_wait_for_two_samples_after_a_gap(steps: list[tuple[int | None, float]]) -> None:
    steady = Steady(window_seconds=3)
    now, value, counted, since_gap = 0.0, 0, 0, 0
    for delta, seconds in steps:
        now += seconds
        value += delta or 0
        counted += (delta or 0) if since_gap else 0
        since_gap = 0 if delta is None else since_gap + 1
        progress = steady.sample(now, Missing.UNAVAILABLE if delta is None else value)
        assert progress.now.totals == [counted]
        rate = progress.per_second([0])
        assert (rate is None) == (since_gap < 2)
        assert rate is None or rate >= 0


@given(st.lists(st.tuples(st.integers(0, 2**36), st.floats(0.001, 5)), min_size=2, max_size=200))
def test_a_rate_is_between_the_slowest_and_the_fastest_step(steps: list[tuple[int, float]]) -> None:
    steady = Steady(window_seconds=4)
    now, value, rates = 0.0, 0, []
    steady.sample(now, value)
    for delta, seconds in steps:
        now, value = now + seconds, value + delta
        progress = steady.sample(now, value)
        rates.append(delta / seconds)
    rate = progress.per_second([0])
    assert rate is not None
    assert min(rates) * 0.999 - 1 <= rate <= max(rates) * 1.001 + 1
    assert len(progress.snapshots) < 70


def test_old_samples_leave_the_window() -> None:
    steady, value = Steady(window_seconds=10), 0
    for second in range(100):
        value += 1000 if second < 50 else 10
        progress = steady.sample(float(second), value)
    assert progress.per_second([0]) == 10


def test_many_samples_in_a_window_are_not_all_kept_and_the_rate_is_the_same() -> None:
    steady = Steady(window_seconds=10)
    for number in range(10_000):
        progress = steady.sample(number / 100, number * 7)
    assert progress.per_second([0]) == 700
    assert len(progress.snapshots) < 70


def test_two_samples_at_the_same_moment_count_and_give_no_rate() -> None:
    steady = Steady(window_seconds=10)
    steady.sample(1.0, 0)
    progress = steady.sample(1.0, 5)
    assert (progress.now.totals, progress.per_second([0])) == ([5], None)


@pytest.mark.pitfall(21)
def test_an_implausible_rate_is_none_with_its_reason_counted_and_counting_goes_on_from_there() -> None:
    steady = Steady(window_seconds=10)
    steady.sample(0.0, 0)
    steady.sample(1.0, 100)
    spike = steady.sample(2.0, 2**64 - 100)
    assert (spike.now.totals, spike.per_second([0])) == ([100], None)
    after = steady.sample(3.0, 2**64 - 60)
    assert (after.now.totals, after.per_second([0])) == ([140], 40)
    assert steady.gaps == {Gap.IMPLAUSIBLE: 1}


def test_what_is_slow_to_read_may_be_of_more_time_than_lies_between_two_samples() -> None:
    steady = Steady(window_seconds=10)
    steady.sample(0.0, 0)
    most = round(HIGHEST_BYTES_PER_SECOND_PER_BLOCK * 1.0009)
    assert steady.sample(0.001, most).now.totals == [most]


def unavailable(number: int) -> Sequence[Reading]:
    return [Missing.UNAVAILABLE] * number


def test_an_interruption_is_one_gap_however_long_it_lasts() -> None:
    steady = Steady(window_seconds=10)
    for second, reading in enumerate([5, *unavailable(6), 9, 12, Missing.ERROR, Missing.OFFLINE, 3, 4]):
        progress = steady.sample(float(second), reading)
    assert steady.gaps == {Gap.UNAVAILABLE: 1, Gap.ERROR: 1}
    assert progress.now.totals == [3 + 1]


def test_counters_that_come_and_go_keep_no_others_past() -> None:
    counters = Counters(window_seconds=10)
    counters.keep(("a", "b"), (1, 2))
    counters.advance([100, 1000], 0.0)
    counters.advance([110, 1100], 1.0)
    counters.keep(("c", "b"), (3, 2))
    progress = counters.advance([5000, 1300], 2.0)
    assert progress.now.totals == [0, 300]
    assert (progress.per_second([0]), progress.per_second([1])) == (None, 150)
    assert progress.previous.totals == [0, 100]
    counters.keep(("a", "b"), (1, 2))
    assert counters.advance([120, 1300], 3.0).now.totals == [0, 300]
    assert not any(counters.gaps.values())


@pytest.mark.pitfall(19)
def test_another_directory_of_the_same_name_counts_nothing_though_its_value_is_higher() -> None:
    counters = Counters(window_seconds=10)
    counters.keep(("a",), (1,))
    counters.advance([1000], 0.0)
    counters.keep(("a",), (2,))
    assert counters.advance([2000], 1.0).now.totals == [0]
    assert counters.gaps[Gap.RECREATED] == 1
    assert counters.advance([2100], 2.0).now.totals == [100]


def test_no_counters_have_no_rate() -> None:
    counters = Counters(window_seconds=10)
    assert counters.advance([], 1.0).per_second([]) is None


def test_as_much_as_is_possible_is_counted() -> None:
    assert difference(0, int(MOST), MOST) == MOST
    assert difference(10**15, 10**15 + 600, MOST) == 600, "however much was counted before"
    assert difference(0, int(MOST) + 1, MOST) is Gap.IMPLAUSIBLE


def test_a_snapshot_counts_from_bases_and_knows_when_each_counter_was_read() -> None:
    snapshot = CounterSnapshot(3, 10.0, [150, 70], [100, 50], [0.5, 2.0])
    assert snapshot.totals == [50, 20]
    assert snapshot.total((0, 1)) == 70
    assert [snapshot.read_at(counter) for counter in (0, 1)] == [10.5, 12.0]
    assert snapshot._replace(late=()).read_at(1) == 10.0


def test_a_counter_has_a_rate_that_counts_from_the_sample_before_the_last() -> None:
    counters = Counters(10)
    counters.keep(["a"], [1])
    first, second, third = (counters.advance([number], float(number)) for number in range(3))
    assert first.rates_from == -1
    assert [it.rates_from for it in (second, third)] == [first.now.number, second.now.number]


@pytest.mark.parametrize(
    ("first_late", "late", "rate"),
    [
        ((0.0, 2.0), (0.0, 7.0), 17),  # 100 in 10 s and 100 in 15 s
        ((), (0.0, 10.0), 15),  # 100 in 10 s and 100 in 20 s
        ((0.0, 5.0), (), 30),  # 100 in 10 s and 100 in 5 s
        ((0.0, 10.0), (), None),  # no time between the two reads of the second
        ((0.0, 11.0), (), None),
    ],
)
def test_each_counter_has_the_rate_of_the_time_between_its_own_reads(
    first_late: tuple[float, ...], late: tuple[float, ...], rate: int | None
) -> None:
    counters = Counters(30)
    counters.keep(["a", "b"], [1, 2])
    counters.advance([0, 0], 100.0, first_late)
    assert counters.advance([100, 100], 110.0, late).per_second((0, 1)) == rate


def test_nothing_has_no_rate() -> None:
    counters = Counters(30)
    counters.keep(["a"], [1])
    assert counters.progress.per_second((0,)) is None
    counters.advance([0], 100.0)
    assert counters.advance([100], 110.0).per_second(()) is None


def test_what_is_possible_follows_from_the_time_since_the_last_sample_however_long_the_machine_runs() -> None:
    counters = Counters(30, highest_per_second=1000)
    counters.keep(["a"], [1])
    counters.advance([0], 1e6)
    possible = 1000 * (10 + 1)  # and a second for a slow sweep
    assert counters.advance([possible], 1e6 + 10).now.totals == [possible]
    assert counters.advance([2 * possible + 1], 1e6 + 20).now.totals == [possible]
    assert counters.gaps[Gap.IMPLAUSIBLE] == 1


def test_a_counter_that_has_just_come_has_no_rate_and_takes_none_from_another() -> None:
    counters = Counters(30)
    counters.keep(["a"], [1])
    counters.advance([0], 100.0)
    counters.advance([100], 110.0)
    counters.keep(["b", "a"], [2, 1])
    rates = [counters.progress.per_second(which) for which in ((0,), (1,), (0, 1))]
    assert rates == [None, 10, None]
