from dataclasses import replace
from itertools import pairwise

import pytest

from cachemon.interference.windows import format_window, parse_window
from tests.interference.episodes import MODELS, Episode, Model, cost
from tests.interference.samples import Run
from tests.interference.scenarios import NEWCOMER, SCENARIOS, Script, write
from tests.interference.scoring import ANY
from tests.interference.wishes import STEPS, all_wishes

EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
SEED = 77


def run(model: Model, scenario: str, seed: int = SEED) -> tuple[Script, Run]:
    script = write(scenario, seed, model.ranges)
    return script, model.simulate(script, all_wishes(script))


def with_newcomer(script: Script, vcpus: int) -> Script:
    actors = tuple(
        replace(actor, profile=replace(actor.profile, vcpus=vcpus)) if actor.name == NEWCOMER else actor
        for actor in script.actors
    )
    return replace(script, actors=actors)


@EVERY_MODEL
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_vms_never_hold_more_than_the_cache(model: Model, scenario: str) -> None:
    script, samples = run(model, scenario)
    held = [sum(steps[step].occupancy_bytes for steps in samples.values()) for step in range(STEPS)]
    assert max(held) <= script.machine.capacity_bytes * (1 + 1e-9)
    assert min(step.occupancy_bytes for steps in samples.values() for step in steps) >= 0
    assert max(held) > script.machine.capacity_bytes * 0.05


@EVERY_MODEL
@pytest.mark.parametrize("scenario", ["nothing", "cpu_contention", "bandwidth_hog"])
def test_vms_never_get_more_cpu_time_than_there_is(model: Model, scenario: str) -> None:
    script, samples = run(model, scenario)
    used = [sum(steps[step].cpus for steps in samples.values()) for step in range(STEPS)]
    assert max(used) <= script.machine.cpus * (1 + 1e-9)


@EVERY_MODEL
def test_the_same_seed_gives_the_same_windows_and_another_one_others(model: Model) -> None:
    first, again, other = (
        [format_window(window) for window in Episode("newcomer_streaming", seed, model).windows()]
        for seed in (SEED, SEED, SEED + 1)
    )
    assert first == again
    assert first != other
    assert len(first) == 210


@EVERY_MODEL
def test_windows_stand_in_the_format_of_the_agents_json_lines(model: Model) -> None:
    for window in Episode("unwatched", SEED, model).windows():
        assert parse_window(format_window(window)) == window


@EVERY_MODEL
def test_what_a_vm_wishes_is_the_same_without_the_suspect(model: Model) -> None:
    script = write("newcomer_streaming", SEED, model.ranges)
    fewer = replace(script, actors=tuple(actor for actor in script.actors if actor.name != NEWCOMER))
    wishes = all_wishes(script)
    assert all_wishes(fewer) == {name: wish for name, wish in wishes.items() if name != NEWCOMER}


@EVERY_MODEL
def test_until_a_suspect_arrives_the_run_is_that_without_it(model: Model) -> None:
    script, samples = run(model, "newcomer_streaming")
    alone = model.simulate(script, all_wishes(script), without={NEWCOMER})
    before = int(script.onsets[0].at / 2)
    assert all(alone[name][:before] == steps[:before] for name, steps in samples.items())
    assert cost(alone[NEWCOMER]) == 0


@EVERY_MODEL
def test_a_vm_that_is_not_there_harms_nobody(model: Model) -> None:
    episode = Episode("nothing", SEED, model)
    assert episode.harm_about(ANY, "", 1000) == 0
    assert Episode("newcomer_streaming", SEED, model).harm_about("tenants/vm0", NEWCOMER, 100) == 0


@EVERY_MODEL
def test_harm_grows_with_the_rate_of_the_aggressor(model: Model) -> None:
    script = write("newcomer_streaming", SEED, model.ranges)
    onset = int(script.onsets[0].at / 2)
    costs = []
    for vcpus in (1, 2, 4, 8):
        busier = with_newcomer(script, vcpus)
        samples = model.simulate(busier, all_wishes(busier))
        costs.append(sum(cost(samples[actor.name][onset:]) for actor in script.actors if actor.name != NEWCOMER))
    assert all(before < after for before, after in pairwise(costs))


@EVERY_MODEL
@pytest.mark.parametrize("scenario", ["benign_newcomer", "coincidence", "smt"])
def test_a_newcomer_without_cache_and_traffic_harms_nobody(model: Model, scenario: str) -> None:
    assert Episode(scenario, SEED, model).harm_about(ANY, NEWCOMER, 1500) < 0.03


@EVERY_MODEL
def test_a_busy_sibling_costs_cycles_and_no_misses(model: Model) -> None:
    script, samples = run(model, "smt")
    alone = model.simulate(script, all_wishes(script), without={NEWCOMER})
    after = slice(int(script.onsets[0].at / 2) + 30, None)

    def cycles_per_uop(of: Run) -> float:
        return sum(step.cycles for step in of["tenants/vm0"][after]) / sum(
            step.uops for step in of["tenants/vm0"][after]
        )

    assert cycles_per_uop(samples) > 1.1 * cycles_per_uop(alone)
    assert cost(samples["tenants/vm0"][after]) == pytest.approx(cost(alone["tenants/vm0"][after]), rel=0.03)


@EVERY_MODEL
def test_cpu_contention_shows_as_run_delay(model: Model) -> None:
    script, samples = run(model, "cpu_contention")
    onset = int(script.onsets[0].at / 2)
    residents = [steps for name, steps in samples.items() if name != NEWCOMER]
    before, after = (
        sum(step.delay for steps in residents for step in steps[span])
        / sum(step.cpus for steps in residents for step in steps[span])
        for span in (slice(onset), slice(onset, None))
    )
    assert after > before + 0.05
