"""Comparisons on simulated nodes. The simulator knows what an aggressor costs that was there from the start."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cachemon.interference.comparisons import Stay, before_migration, same_template
from cachemon.interference.typical import Typical, TypicalMinutes
from tests.interference.episodes import MODELS, Model, cost
from tests.interference.samples import Run, windows_of
from tests.interference.scenarios import Script, write
from tests.interference.wishes import all_wishes

EVERY_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
AGGRESSOR = "guests/steady"
GREAT_HARM = 0.2
SEEDS = range(300, 306)


def usual(script: Script, run: Run) -> Mapping[str, Typical]:
    minutes = TypicalMinutes("Xeon")
    for window in windows_of(script, run):
        minutes.add(window)
    return minutes.typical


def stays(model: Model, script: Script, node: int, *, without: str = "") -> Mapping[str, Stay]:
    """Those of a script's VMs on one node, with noise of its own."""
    there = replace(script, seed=script.seed + 1000 * node)
    run = model.simulate(there, all_wishes(there), without={without})
    return {name: Stay(f"node{node:02}", name, typical) for name, typical in usual(there, run).items()}


def harms(model: Model, script: Script) -> Mapping[str, float]:
    """What the aggressor costs each VM: additional cycles for the same work."""
    wishes = all_wishes(script)
    hurt, alone = model.simulate(script, wishes), model.simulate(script, wishes, without={AGGRESSOR})
    return {name: cost(hurt[name]) / cost(alone[name]) - 1 for name in hurt if name != AGGRESSOR}


@EVERY_MODEL
def test_a_vm_that_leaves_an_aggressor_does_better_after_the_migration(model: Model) -> None:
    hurt = better = 0
    for seed in SEEDS:
        script = write("from_start", seed, model.ranges)
        before, after = stays(model, script, 0), stays(model, script, 1, without=AGGRESSOR)
        for name, harm in harms(model, script).items():
            if harm >= GREAT_HARM and name in before and name in after:
                found = before_migration(after[name], before[name])
                assert found is None or found.ratio < 1
                hurt += 1
                better += found is not None
    assert hurt >= 10
    assert better / hurt >= 0.4  # the others wait for CPUs there, or have another load: it says nothing of them


@EVERY_MODEL
def test_of_equal_vms_on_quiet_nodes_it_says_nothing_in_95_of_100_cases(model: Model) -> None:
    cases = named = 0
    for seed in SEEDS:
        script = write("nothing", seed, model.ranges)
        nodes = [stays(model, script, node) for node in range(3)]
        for name in set.intersection(*map(set, nodes)):
            own, *others = (node[name] for node in nodes)
            cases += 2
            named += before_migration(own, replace(others[0], vmi_uid=own.vmi_uid)) is not None
            named += same_template(own, others) is not None
    assert cases >= 90
    assert named / cases <= 0.05
