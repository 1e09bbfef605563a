"""Figures of tuning: `python -m tests.interference.tune [EPISODES_PER_SCENARIO [MODULE:DETECTOR ...]]`.

Only TUNING_SEEDS and model one are for tuning. What is reported comes from other seeds, and from model two as well.
A detector is a class without arguments; its `observe(window)` gives changes of verdicts. Without any, the baselines
run.
"""

import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from cachemon.interference.verdicts import Change, Level
from cachemon.interference.windows import Window
from tests.interference.baselines import BASELINES
from tests.interference.episodes import MODEL_ONE
from tests.interference.figures import GOALS, by_scenario, counts, figures
from tests.interference.judging import Naming, run_all
from tests.interference.scoring import Result

TUNING_SEEDS = range(1000)
REPORTING_SEEDS = range(1_000_000, 1_001_000)


class Changes(Protocol):
    """A detector as the agent has it."""

    def observe(self, window: Window) -> Iterable[Change]: ...


class Named:
    """What a detector of verdicts names, as the judge reads it."""

    def __init__(self, detector: str, *, work: bool = True) -> None:
        self._detector: Changes = pkgutil.resolve_name(detector)()
        self._work = work

    def observe(self, window: Window) -> Iterator[Naming]:
        if not self._work:
            window = replace(window, vms=tuple(replace(vm, cycles=None, uops=None) for vm in window.vms))
        for change in self._detector.observe(window):
            if isinstance(change.step, Level):
                yield Naming(change.verdict.victim, change.verdict.suspect, change.step.value)


def main(argv: Sequence[str]) -> None:
    """Print the figures of detectors."""
    episodes = int(argv[0]) if argv else 8
    detectors = {}
    for name in argv[1:]:
        detectors[name] = partial(Named, name)
        detectors[f"{name} without work"] = partial(Named, name, work=False)
    for name, results in run_all(MODEL_ONE, TUNING_SEEDS[:episodes], detectors or BASELINES).items():
        show(name, results)


def show(name: str, results: Sequence[Result]) -> None:
    """Print all figures of one detector, and which goals it misses."""
    print(f"# {name}")
    for figure, value, unit in (*figures(results), *counts(results)):
        missed = "" if figure not in GOALS or GOALS[figure].met(value) else "  <- not met"
        print(f"{figure} {value:.4g} {unit}{missed}")
    print("\n".join(by_scenario(results)))


if __name__ == "__main__":
    main(sys.argv[1:])
