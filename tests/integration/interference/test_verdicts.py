"""cachemon's detector on one simulated episode of each scenario; `make bench NAME=verdict` has the figures."""

import pytest

from cachemon.interference.detector import Detector
from cachemon.interference.verdicts import OTHERS, Outcome
from tests.bench.__main__ import main
from tests.bench.bench_verdict import NODE_GOALS
from tests.interference.cachemons import Cachemon, CachemonWithoutWork, CachemonWithPerf
from tests.interference.episodes import MODEL_ONE, Episode
from tests.interference.figures import GOALS
from tests.interference.judging import judge, sought_in
from tests.interference.scenarios import NEWCOMER, SCENARIOS
from tests.interference.scoring import Result, found_after
from tests.interference.tune import REGRESSION_SEEDS

FIRST = REGRESSION_SEEDS[0]
HARMFUL = {
    "newcomer_streaming": FIRST + 3,
    "newcomer_hot_set": FIRST + 3,
    "two_newcomers": FIRST + 1,
    "ramp": FIRST + 2,
    "own_streaming": FIRST + 1,
    "bandwidth_hog": FIRST + 3,
    "migrates_away": FIRST + 2,
}
"""Seeds of episodes in which a suspect costs a VM more than 20 %."""
HARMLESS = (
    "own_phase",
    "own_load",
    "benign_newcomer",
    "coincidence",
    "smt",
    "cpu_contention",
    "nothing",
    "from_start",
)


def judged(episode: Episode, detector: type[Cachemon] = Cachemon) -> Result:
    return judge(episode, detector(), episode.windows(), sought_in(episode))


def test_every_scenario_is_here() -> None:
    assert {*HARMFUL, *HARMLESS, "unwatched"} == SCENARIOS.keys()


@pytest.mark.parametrize(("scenario", "seed"), HARMFUL.items())
@pytest.mark.parametrize("detector", [Cachemon, CachemonWithPerf])
def test_who_costs_a_vm_a_fifth_is_named(scenario: str, seed: int, detector: type[Cachemon]) -> None:
    result = judged(Episode(scenario, seed, MODEL_ONE), detector)
    worst = max(result.sought, key=lambda each: each.harm)
    assert worst.harm >= 0.20
    assert found_after(worst, result.accusations, "Likely")


@pytest.mark.parametrize("scenario", HARMLESS)
@pytest.mark.parametrize("detector", [Cachemon, CachemonWithoutWork, CachemonWithPerf])
def test_nobody_is_accused_where_nobody_harms(scenario: str, detector: type[Cachemon]) -> None:
    accusations = judged(Episode(scenario, FIRST, MODEL_ONE), detector).accusations
    assert [each for each in accusations if each.level == "Confirmed"] == []


def test_a_suspect_that_leaves_verifies_the_verdict() -> None:
    episode = Episode("migrates_away", HARMFUL["migrates_away"], MODEL_ONE)
    leaves = next(actor.leaves for actor in episode.script.actors if actor.name == NEWCOMER)
    detector = Detector()
    changes = [change for window in episode.windows() for change in detector.observe(window)]
    ends = [change for change in changes if isinstance(change.step, Outcome) and change.time > leaves]
    assert Outcome.VERIFIED in [change.step for change in ends if change.verdict.suspect == NEWCOMER]
    assert all(change.time < leaves + 300 for change in ends if change.verdict.suspect == NEWCOMER)


def test_a_suspect_without_figures_is_named_others_or_not_at_all() -> None:
    accusations = judged(Episode("unwatched", FIRST, MODEL_ONE)).accusations
    assert accusations
    assert [each for each in accusations if each.suspect != OTHERS and each.harm < 0.03] == []


def test_without_a_source_of_work_a_verdict_never_says_hurts() -> None:
    levels = {
        each.level
        for scenario, seed in HARMFUL.items()
        for each in judged(Episode(scenario, seed, MODEL_ONE), CachemonWithoutWork).accusations
    }
    assert levels == {"TakingCache"}


def test_the_bench_prints_each_figure_that_has_a_goal_and_the_rules_of_others_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["verdict"], divisor=80) == 0
    about, *figures = capsys.readouterr().out.splitlines()
    assert " / " in about
    names = [figure.split()[1] for figure in figures]
    assert names[: len(GOALS) + len(NODE_GOALS)] == [f"verdict.{name}" for name in (*GOALS, *NODE_GOALS)]
    for model in ("one", "two"):
        for rule in ("cachemon.confirmed", "cachemon_without_work", "watcher", "cpi2", "cache_hog", "chance"):
            assert f"verdict.{model}.{rule}.accusations" in names
