import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.write_budget import LONGEST_PERIOD_SECONDS, stretched_period, stretches

DEMANDS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 1e5), max_size=8)
BUDGETS = st.floats(0.01, 1e4)


def used(demands: dict[str, float], budget: float) -> dict[str, float]:
    factors = stretches(demands, budget)
    return {name: demand / factors[name] for name, demand in demands.items()}


@given(DEMANDS, BUDGETS)
def test_all_together_never_use_more_than_the_budget(demands: dict[str, float], budget: float) -> None:
    assert sum(used(demands, budget).values()) <= budget * (1 + 1e-9)


@given(DEMANDS, BUDGETS)
def test_who_asks_for_no_more_than_an_equal_share_is_not_stretched(demands: dict[str, float], budget: float) -> None:
    factors = stretches(demands, budget)
    assert factors.keys() == demands.keys()
    for name, demand in demands.items():
        if demand <= budget / len(demands) * (1 - 1e-9):
            assert factors[name] == 1


@given(DEMANDS, BUDGETS)
def test_the_greediest_is_stretched_first_and_most(demands: dict[str, float], budget: float) -> None:
    factors = stretches(demands, budget)
    ordered = sorted(demands, key=demands.__getitem__)
    assert all(factors[less] <= factors[more] * (1 + 1e-9) for less, more in pairwise(ordered))


@given(DEMANDS, BUDGETS)
def test_nothing_is_left_over_while_somebody_is_stretched(demands: dict[str, float], budget: float) -> None:
    if any(factor > 1 for factor in stretches(demands, budget).values()):
        assert math.isclose(sum(used(demands, budget).values()), budget, rel_tol=1e-6)


@given(DEMANDS, BUDGETS, st.floats(1, 1e6))
def test_more_groups_of_one_namespace_never_take_from_anothers_equal_share(
    demands: dict[str, float], budget: float, more: float
) -> None:
    demands |= {"greedy": more}
    share = budget / len(demands)
    for name, gets in used(demands, budget).items():
        assert gets >= min(demands[name], share) * (1 - 1e-9)


@given(st.integers(1, 3600), st.floats(1, 1e6))
def test_a_period_in_force_is_whole_long_enough_and_bounded(period: int, factor: float) -> None:
    stretched = stretched_period(period, factor)
    wanted = period * factor
    assert period <= stretched <= max(period, LONGEST_PERIOD_SECONDS)
    assert stretched >= min(wanted, LONGEST_PERIOD_SECONDS) - 1e-6
    assert stretched <= max(wanted + 1, wanted * 1.1) + 1e-6


def test_a_period_that_is_not_stretched_is_the_specs() -> None:
    assert [stretched_period(period, 1.0) for period in (1, 37, 3599)] == [1, 37, 3599]


def test_a_long_period_in_force_has_two_digits() -> None:
    assert [stretched_period(1, factor) for factor in (1.2, 93.75, 101, 1234)] == [2, 94, 110, 1300]


def test_what_floating_point_adds_to_a_period_does_not_lengthen_it() -> None:
    assert 100 * 1.1 > 110
    assert stretched_period(100, 1.1) == 110
