"""Who hurts whom: cachemon's detector and the rules of others, on simulated episodes that no tuning saw."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cachemon.interference.detector import Detector
from cachemon.interference.windows import Window
from tests.bench.measure import Bench, Figure
from tests.interference.baselines import BASELINES
from tests.interference.cachemons import DETECTORS
from tests.interference.episodes import MODEL_ONE, MODELS, Episode
from tests.interference.figures import GOALS, Goal, Measured, extent, figures, summary
from tests.interference.judging import run_all
from tests.interference.machines import MIB
from tests.interference.samples import WINDOW_SECONDS
from tests.interference.scoring import Result
from tests.interference.tune import REPORTING_SEEDS

EPISODES = 12
"""Of each scenario and model."""
LEVELS_OF = {
    "cachemon": ("Likely", "Confirmed"),
    "cachemon_with_perf": ("Likely", "Confirmed"),
    "cachemon_without_work": ("TakingCache",),
}
"""Levels that figures are printed of; the rules of others have one."""
BLOCKS = 2
VMS = 50
NODE_GOALS = {"cpu_ms_per_vm_minute_of_50": Goal(most=1), "memory_mib_of_50": Goal(most=2.5)}
"""Of a node with BLOCKS cache blocks, and VMS on each."""


def run(divisor: int) -> Iterator[Figure]:
    """The worse of both models for each goal, then all figures of each model and rule."""
    rules = {**DETECTORS, **BASELINES}
    results = {model.name: run_all(model, REPORTING_SEEDS[:EPISODES], rules, every=divisor) for model in MODELS}
    found = (*worst({name: those["cachemon"] for name, those in results.items()}), *of_a_node(max(VMS // divisor, 8)))
    for name, value, unit in found:
        goal = (GOALS | NODE_GOALS)[name]
        if not goal.met(value):
            print(f"bench verdict: verdict.{name} is {value:.4g}; it must be {goal}", file=sys.stderr)
        yield Figure(f"verdict.{name}", value, unit)
    for model, those in results.items():
        yield from (
            Figure(f"verdict.{model}.{each.name}", each.value, each.unit) for each in extent(those["cachemon"])
        )
        for rule, judged in those.items():
            levels = LEVELS_OF.get(rule, ("Confirmed",))
            for level in levels:
                start = f"verdict.{model}.{rule}" + (f".{level.lower()}" if len(levels) > 1 else "")
                yield from (Figure(f"{start}.{each.name}", each.value, each.unit) for each in summary(judged, level))


def worst(results: Mapping[str, Sequence[Result]]) -> Iterator[Measured]:
    """Each figure that has a goal, from the model on which it is worse."""
    by_model = [{measured.name: measured for measured in figures(those)} for those in results.values()]
    for name, goal in GOALS.items():
        value = goal.worst([found[name].value for found in by_model])
        yield Measured(name, value, by_model[0][name].unit)


def of_a_node(vms: int) -> Iterator[Measured]:
    """CPU time and memory of the detectors of two blocks that all VMs use."""
    model = replace(MODEL_ONE, ranges=replace(MODEL_ONE.ranges, vms=(vms, vms)))
    windows = list(Episode("newcomer_streaming", REPORTING_SEEDS[0], model).windows())
    began = time.process_time()
    detect(windows)
    seconds = time.process_time() - began
    minutes = sum(len(window.vms) for window in windows) * WINDOW_SECONDS / 60
    yield Measured("cpu_ms_per_vm_minute_of_50", 1000 * seconds / minutes, "ms")
    tracemalloc.start()
    detectors = detect(windows)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if not all(detector.judgements for detector in detectors):
        raise AssertionError("the detectors saw no VM")
    yield Measured("memory_mib_of_50", held / MIB, "MiB")


def detect(windows: Sequence[Window]) -> list[Detector]:
    """Let the detector of each block see all windows."""
    detectors = [Detector() for _ in range(BLOCKS)]
    for window in windows:
        for detector in detectors:
            detector.observe(window)
    return detectors


BENCH = Bench(
    "verdict",
    "verdicts on simulated episodes that no tuning saw, the worse of two models: accusations that are true / "
    "accusations; victims named / victims; seconds until then; then each figure by model and rule, those of others "
    "beside cachemon's",
    run,
)
