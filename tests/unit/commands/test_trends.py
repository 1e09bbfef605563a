from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.sparklines import ASCII, UNICODE
from cachemon.commands.trends import POINTS, Point, Trends, change, trend_text, with_gaps
from tests.unit.commands.made_rows import MIB, guest

POINT_LISTS = st.lists(
    st.tuples(st.floats(0.5, 400), st.none() | st.integers(0, 2**40)), min_size=1, max_size=POINTS
).map(
    lambda steps: [
        Point(sum(step for step, _ in steps[: place + 1]), 60, value) for place, (_, value) in enumerate(steps)
    ]
)


def chart_of(*rows: tuple[float, float, int | None]) -> list[int | None]:
    """The chart after tables with one VM, each by (when it was read, its age, its occupancy)."""
    trends, newest = Trends(), guest()
    for observed, seconds, occupancy in rows:
        newest = guest(occupancy=occupancy, seconds=seconds, observed=observed)
        trends.add([newest], 1)
    return trends.chart(newest)


def test_a_table_that_is_drawn_again_adds_no_point() -> None:
    assert chart_of((100, 0, 5), (100, 5, 5), (100, 10, 5), (160, 1, 7)) == [5, 7]


def test_renewals_that_were_missed_are_gaps_and_never_a_line() -> None:
    assert chart_of((100, 0, 5), (280, 0, 7)) == [5, None, None, 7]


def test_figures_that_are_not_renewed_any_more_end_in_a_gap() -> None:
    assert chart_of((100, 0, 5), (160, 0, 7), (160, 130, 7)) == [5, 7, None]
    assert chart_of((100, 0, 5), (160, 0, 7), (160, 200, None)) == [5, 7, None, None]


def test_a_reading_that_had_no_number_is_a_gap() -> None:
    assert chart_of((100, 0, 5), (160, 0, None), (220, 0, 6)) == [5, None, 6]


def test_a_sum_that_changes_between_renewals_has_its_newest_value() -> None:
    assert chart_of((100, 0, 5), (100, 5, 6)) == [6]


def test_a_period_that_gets_shorter_or_longer_makes_no_gap() -> None:
    trends = Trends()
    for observed, period in ((100, 60), (160, 60), (162, 2), (164, 2), (224, 60)):
        trends.add([guest(occupancy=1, seconds=0, observed=observed, period=period)], 1)
    assert trends.chart(guest(seconds=0)) == [1] * 5


def test_what_nobody_looked_at_is_no_gap() -> None:
    trends = Trends()
    for observed in (100, 105, 110):
        trends.add([guest(occupancy=1, seconds=0, observed=observed, period=1)], 5)
    assert trends.chart(guest(seconds=4)) == [1, 1, 1]


def test_times_of_whole_seconds_make_no_gap_of_figures_that_are_renewed_each_second() -> None:
    trends = Trends()
    for observed in (100, 101, 103, 104):
        trends.add([guest(occupancy=1, seconds=1.9, observed=observed, period=10)], 1, 1)
    assert trends.chart(guest(seconds=1.9)) == [1] * 4
    assert trends.chart(guest(seconds=6)) == [1, 1, 1, 1, None, None, None]


def test_a_clock_that_is_set_back_begins_the_chart_anew() -> None:
    assert chart_of((1000, 0, 5), (100, 0, 7), (160, 0, 8)) == [7, 8]


def test_a_vm_that_has_gone_is_forgotten() -> None:
    trends = Trends()
    trends.add([guest("a"), guest("b")], 1)
    trends.add([guest("b")], 1)
    assert trends.chart(guest("a")) == []
    assert trends.chart(guest("b")) == [MIB]


def test_a_vm_without_figures_has_no_chart() -> None:
    trends = Trends()
    trends.add([guest(occupancy=None, seconds=None, observed=None)], 1)
    assert trends.chart(guest()) == []


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_a_chart_has_the_newest_points_and_no_more_than_fit(values: list[int]) -> None:
    chart = chart_of(*((60.0 * place, 0.0, value) for place, value in enumerate(values)))
    assert chart == values[-POINTS:]


@given(POINT_LISTS)
def test_every_point_keeps_its_value_and_its_distance(points: list[Point]) -> None:
    values = with_gaps(points)
    place = 0
    for before, after in pairwise(points):
        missed = min(round((after.observed - before.observed - 2) / 60), POINTS + 1) - 1
        assert values[place] == before.occupancy
        place += 1 + max(0, missed)
    assert values[place:] == [points[-1].occupancy]


def test_a_trend_says_by_how_much_the_occupancy_has_changed() -> None:
    assert trend_text([0, 5 * MIB, 10 * MIB], UNICODE) == "▁▄▇ +10Mi"
    assert trend_text([10 * MIB, None, 7 * MIB], ASCII) == "9 6 -3.0Mi"
    assert trend_text([4, 4], UNICODE) == "▇▇ +0"


def test_a_trend_says_nothing_of_one_point_and_no_change_up_to_a_gap() -> None:
    assert trend_text([], UNICODE) == ""
    assert trend_text([5], UNICODE) == ""
    assert trend_text([5, 5, None], ASCII) == "99"
    assert change([None, 5]) is None
    assert change([5, None]) is None
