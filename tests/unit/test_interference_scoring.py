import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interference.figures import GOALS, Goal, figures
from tests.interference.scoring import (
    ANY,
    Accusation,
    Result,
    Sought,
    cpu_only_accusations,
    delays,
    firsts,
    found_after,
    percentile,
    precision,
    quiet_per_100_vm_hours,
    recall,
    wilson_low,
)
from tests.interference.tune import REGRESSION_SEEDS, REPORTING_SEEDS, TUNING_SEEDS

SOUGHT = Sought("a/victim", "a/suspect", onset=900, end=2000, harm=0.25)
QUIET = Result("nothing", vm_hours=5, quiet=True, cpu_only=False, accusations=(), sought=())


def accuse(at: float = 1000, level: str = "Likely", victim: str = "a/victim", harm: float = 0.2) -> Accusation:
    return Accusation(victim, "a/suspect", level, at, harm)


def loud(*accusations: Accusation, sought: tuple[Sought, ...] = (SOUGHT,)) -> Result:
    return replace(QUIET, quiet=False, accusations=accusations, sought=sought)


def test_tuning_never_sees_a_seed_that_is_reported() -> None:
    assert set(TUNING_SEEDS).isdisjoint(REPORTING_SEEDS)
    assert set(REGRESSION_SEEDS).isdisjoint(REPORTING_SEEDS)


@pytest.mark.parametrize(("hits", "trials", "low"), [(0, 10, 0.0), (10, 10, 0.7225), (90, 100, 0.8256), (0, 0, 0.0)])
def test_wilsons_lower_bound_is_that_of_the_books(hits: int, trials: int, low: float) -> None:
    assert wilson_low(hits, trials) == pytest.approx(low, abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilsons_lower_bound_is_below_the_ratio_and_nears_it_with_more_trials(counted: tuple[int, int]) -> None:
    hits, trials = counted
    assert 0 <= wilson_low(hits, trials) <= hits / trials + 1e-12
    assert wilson_low(hits, trials) <= wilson_low(hits * 10, trials * 10) + 1e-12


def test_a_verdict_that_rises_counts_once_at_each_level() -> None:
    rising = loud(accuse(1000, "Likely"), accuse(1060, "Confirmed"))
    assert (precision([rising], "Likely", 0.1).hits, precision([rising], "Likely", 0.1).trials) == (1, 1)
    assert precision([rising], "Confirmed", 0.1).trials == 1


def test_an_accusation_that_lasts_counts_once_and_one_after_a_pause_of_ten_minutes_again() -> None:
    times = [1000, 1500, 2050, 2650]
    assert [each.at for each in firsts([accuse(at) for at in times], "Likely")] == [1000, 2650]


def test_precision_asks_for_the_harm_about_the_accusation() -> None:
    results = [loud(accuse(harm=0.2), accuse(victim="a/other", harm=0.02))]
    assert precision(results, "Likely", 0.10).ratio == 0.5
    assert math.isnan(precision(results, "Confirmed", 0.10).ratio)


@pytest.mark.parametrize(
    ("accusation", "seconds"),
    [
        (accuse(1000), 100),
        (accuse(1000, "Confirmed"), 100),
        (accuse(1000, victim=ANY), 100),
        (accuse(1000, "TakingCache"), None),
        (accuse(900), None),
        (accuse(2001), None),
        (accuse(1000, victim="a/other"), None),
        (replace(accuse(1000), suspect="a/other"), None),
    ],
)
def test_a_pair_is_found_by_an_accusation_of_this_pair_after_the_onset_while_both_are_there(
    accusation: Accusation, seconds: float | None
) -> None:
    assert found_after(SOUGHT, [accusation], "Likely") == seconds


def test_recall_and_delay_are_those_of_pairs_with_this_harm() -> None:
    weak = replace(SOUGHT, victim="a/weak", harm=0.12)
    results = [loud(accuse(1200), accuse(1100), sought=(SOUGHT, weak))]
    assert recall(results, "Likely", 0.2).ratio == 1
    assert recall(results, "Likely", 0.1).ratio == 0.5
    assert delays(results, "Likely", 0.1) == [200]


def test_a_percentile_is_the_least_value_not_below_the_share() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([1, 2, 3, 4], 0.9) == 4
    assert math.isnan(percentile([], 0.5))


def test_accusations_per_vm_hour_count_in_quiet_episodes_only() -> None:
    results = [
        loud(accuse()),
        replace(QUIET, accusations=(accuse(harm=0.01), accuse(victim="a/other", harm=0.2))),
    ]
    assert quiet_per_100_vm_hours(results, "Likely") == 40
    assert quiet_per_100_vm_hours(results, "Likely", below_harm=0.03) == 20
    assert math.isnan(quiet_per_100_vm_hours([loud()], "Likely"))


def test_a_culprit_named_when_only_cpu_delay_changed_counts_at_any_level() -> None:
    contended = replace(loud(accuse(level="TakingCache", harm=-0.05)), cpu_only=True)
    assert cpu_only_accusations([contended, loud(accuse(harm=0))], "TakingCache", 0.03) == 1


def test_every_goal_has_a_figure_and_no_figure_meets_a_goal_without_data() -> None:
    found = {measured.name: measured.value for measured in figures([QUIET])}
    assert found.keys() == GOALS.keys()
    assert not GOALS["confirmed_precision_10"].met(found["confirmed_precision_10"])
    assert [Goal(least=1, most=2).met(value) for value in (0.9, 1, 2, 2.1)] == [False, True, True, False]


def test_the_figure_of_two_models_is_the_worse_and_no_data_is_the_worst() -> None:
    assert Goal(least=0.9).worst([0.5, 0.95]) == 0.5
    assert Goal(most=150).worst([90, 200]) == 200
    assert math.isnan(Goal(least=0.9).worst([0.5, math.nan]))
