"""Figures of tuning: `python -m tests.interference.tune [EPISODES_PER_SCENARIO [DETECTOR ...]]`.

Only TUNING_SEEDS and model one are for tuning. What is reported comes from other seeds, and from model two as well.
"""

import sys
from collections.abc import Sequence

from tests.interference.baselines import BASELINES
from tests.interference.cachemons import DETECTORS
from tests.interference.episodes import MODEL_ONE
from tests.interference.figures import GOALS, by_scenario, extent, figures, summary
from tests.interference.judging import run_all
from tests.interference.scoring import LEVELS, Result

TUNING_SEEDS = range(1000)
REPORTING_SEEDS = range(1_000_000, 1_001_000)
REGRESSION_SEEDS = range(2_000_000, 2_000_010)
"""Of the tests that `make test` runs."""


def main(argv: Sequence[str]) -> None:
    """Print the figures of detectors: those that are named, or cachemon's."""
    episodes = int(argv[0]) if argv else 8
    known = {**DETECTORS, **BASELINES}
    chosen = {name: known[name] for name in argv[1:] or DETECTORS}
    for name, results in run_all(MODEL_ONE, TUNING_SEEDS[:episodes], chosen).items():
        show(name, results)


def show(name: str, results: Sequence[Result]) -> None:
    """Print all figures of one detector, and which goals it misses."""
    print(f"# {name}")
    for figure, value, unit in figures(results):
        print(f"{figure} {value:.4g} {unit}{'' if GOALS[figure].met(value) else '  <- not met'}")
    print(", ".join(f"{value:.0f} {figure}" for figure, value, _ in extent(results)))
    for level in LEVELS:
        print(level, *(f"{figure} {value:.3g}" for figure, value, _ in summary(results, level)), sep="  ")
    print("\n".join(by_scenario(results)))


if __name__ == "__main__":
    main(sys.argv[1:])
