"""Who hurts whom: cachemon's detector and the rules of others, on recorded memory accesses of real programs."""

import math
from collections.abc import Iterator

from lab.program_cache import BinariesError
from tests.bench.bench_verdict import LEVELS_OF
from tests.bench.measure import Bench, CannotRunError, Figure
from tests.interference.baselines import BASELINES
from tests.interference.cachemons import DETECTORS
from tests.interference.figures import extent, figures, summary
from tests.interference.traced_episodes import NEWCOMERS, TracedJob, run_all_traced
from tests.interference.traced_programs import traces
from tests.interference.tune import REPORTING_SEEDS

NAME = "verdict.traced"
EPISODES = 8
"""Of each scenario."""


def run(divisor: int) -> Iterator[Figure]:
    """All figures of each rule that the episodes have something for."""
    try:
        traces()
    except BinariesError as error:
        raise CannotRunError(str(error)) from error
    rules = {**DETECTORS, **BASELINES}
    jobs = [TracedJob(scenario, seed, rules) for seed in REPORTING_SEEDS[:EPISODES] for scenario in NEWCOMERS]
    results = run_all_traced(jobs[::divisor])
    found = [(each.name, each) for part in (extent, figures) for each in part(results["cachemon"])]
    for rule, those in results.items():
        for level in LEVELS_OF.get(rule, ("Confirmed",)):
            found += [(f"{rule}.{level.lower()}.{each.name}", each) for each in summary(those, level)]
    for name, each in found:
        if not math.isnan(each.value) and not name.endswith("cpu_only_accusations"):
            yield Figure(f"{NAME}.{name}", each.value, each.unit)


BENCH = Bench(
    NAME,
    "verdicts on programs that share a simulated cache by their recorded accesses: accusations that are true / "
    "accusations; victims named / victims; seconds until then; those of others beside cachemon's",
    run,
)
