from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.interference.usual import median, reference, spearman

numbers = st.floats(-1e30, 1e30)


@given(st.lists(numbers, min_size=1))
def test_the_median_has_as_many_values_above_as_below(values: list[float]) -> None:
    middle = median(values)
    assert sum(value > middle for value in values) <= len(values) / 2
    assert sum(value < middle for value in values) <= len(values) / 2


def test_gaps_do_not_count() -> None:
    assert median([1.0, nan, 3.0, nan, 8.0]) == 3
    assert isnan(median([nan]))
    assert reference([1.0, nan, 3.0, 8.0]) == reference([1.0, 3.0, 8.0])


def test_a_change_is_clear_when_it_exceeds_noise_and_bursts() -> None:
    usual = reference([10.0, 10.1, 9.9, 10.2, 9.8] * 4)
    assert usual.is_above(10.6, 3)
    assert not usual.is_above(10.2, 3)
    bursts = reference([10.0, 10.1, 9.9, 10.2, 20.0] * 4)
    assert not bursts.is_above(19.0, 3)
    assert bursts.is_above(21.0, 3)
    assert usual.is_below(9.0, 3)
    assert not reference([10.0, 10.1, 9.9, 10.2, 5.0] * 4).is_below(6.0, 3)


def test_noise_is_never_less_than_what_counters_have() -> None:
    usual = reference([10.0] * 20)
    assert not usual.is_above(10.2, 3)
    assert usual.is_above(10.4, 3)


def test_a_rise_is_a_ratio_and_zero_where_nothing_was() -> None:
    assert reference([10.0]).rise(12.0) == pytest.approx(0.2)
    assert reference([0.0]).rise(12.0) == 0


def test_series_that_rise_together_correlate_whatever_their_shape() -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert spearman(rising, [value**3 for value in rising]) == pytest.approx(1)
    assert spearman(rising, [-(value**3) for value in rising]) == pytest.approx(-1)
    assert spearman(rising, [4.0] * 6) == 0


def test_four_places_correlate_with_nothing() -> None:
    assert spearman([1.0, 2.0, 3.0, 4.0, nan], [1.0, 2.0, 3.0, 4.0, 5.0]) == 0


@given(st.lists(st.tuples(numbers, numbers), max_size=40))
def test_a_correlation_is_between_minus_one_and_one_and_symmetric(pairs: list[tuple[float, float]]) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    found = spearman(first, second)
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert spearman(second, first) == pytest.approx(found)
