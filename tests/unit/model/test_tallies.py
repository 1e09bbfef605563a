from cachemon.model.counter_totals import Counters
from cachemon.model.readings import Missing, Reading
from cachemon.model.tallies import Moment, Tally, tally_of


def tally(counters: Counters, readings: list[Reading], now: float, late: tuple[float, ...] = ()) -> Tally:
    progress = counters.advance(readings, now, late)
    return tally_of(progress, (0, 1), progress.now.total((0, 1)), 0)


def two_counters() -> Counters:
    counters = Counters(10)
    counters.keep(["a", "b"], [1, 2])
    return counters


def test_the_rate_is_that_of_both_counters_between_the_tallies() -> None:
    counters = two_counters()
    before, _, now = (tally(counters, [100 * n, 50 * n], 10.0 * n) for n in range(3))
    assert now.per_second(before) == 15


def test_each_tally_has_the_time_of_its_last_read() -> None:
    counters = two_counters()
    before, now = tally(counters, [0, 0], 10.0), tally(counters, [300, 300], 20.0, (1.0, 2.0))
    assert now.per_second(before) == 50


def test_a_break_between_the_tallies_leaves_no_rate() -> None:
    counters = two_counters()
    before = tally(counters, [100, 100], 10.0)
    broken = tally(counters, [200, Missing.UNAVAILABLE], 20.0)
    back, after = tally(counters, [300, 300], 30.0), tally(counters, [400, 400], 40.0)
    assert [it.per_second(before) for it in (broken, back, after)] == [None] * 3
    assert after.per_second(back) == 20


def test_without_an_older_tally_or_time_between_there_is_no_rate() -> None:
    counters = two_counters()
    only = tally(counters, [100, 100], 10.0)
    assert only.per_second(None) is None
    assert only.per_second(only) is None


def test_counters_that_came_together_later_leave_no_rate() -> None:
    counters = two_counters()
    before = tally(counters, [100, 100], 10.0)
    progress = counters.advance([200, 200], 20.0)
    assert tally_of(progress, (0, 1), 400, since=progress.now.number).per_second(before) is None


def test_nothing_that_counts_has_no_rate() -> None:
    progress = two_counters().advance([1, 1], 1.0)
    empty = tally_of(progress, (), 0, 0)
    assert empty.per_second(empty._replace(number=0, time=0.0)) is None


def test_a_sample_has_an_age_and_none_has_not() -> None:
    assert Moment(3, 10.0, is_known=True).age_seconds(14.5) == 4.5
    assert Moment().age_seconds(14.5) == 0
    assert not Moment().is_known
