"""Let a detector see episodes, and compare what it says with the truth."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple, Protocol

from cachemon.interference.windows import Window
from tests.interference.episodes import Episode, Model
from tests.interference.scenarios import SCENARIOS
from tests.interference.scoring import Accusation, Result, Sought

PROCESSES = 2


class Naming(NamedTuple):
    """A detector says at the end of a window that one VM disturbs another."""

    victim: str
    suspect: str
    level: str


class Detector(Protocol):
    """A rule that reads windows in order."""

    def observe(self, window: Window) -> Iterable[Naming]:
        """Read one window.

        Returns:
            what it says at the end of this window for the first time, or at a surer level.
        """
        ...


class Job(NamedTuple):
    """One episode for all detectors."""

    scenario: str
    seed: int
    model: Model
    detectors: Mapping[str, Callable[[], Detector]]


def judge(episode: Episode, detector: Detector, windows: Iterable[Window], sought: Iterable[Sought]) -> Result:
    """Let one detector see the windows of an episode, and compare with the truth."""
    named: list[tuple[float, Naming]] = []
    seconds = vm_seconds = 0.0
    last = 0.0
    for window in windows:
        vm_seconds += (window.time - last) * len(window.vms)
        last = window.time
        began = time.process_time()
        namings = list(detector.observe(window))
        seconds += time.process_time() - began
        named += [(last, naming) for naming in namings]
    script = episode.script
    accusations = [
        Accusation(*naming, at=at, harm=episode.harm_about(naming.victim, naming.suspect, at)) for at, naming in named
    ]
    return Result(
        scenario=script.scenario,
        vm_hours=vm_seconds / 3600,
        quiet=not script.newcomer and not script.onsets,
        cpu_only=script.cpu_only,
        accusations=tuple(accusations),
        sought=tuple(sought),
        cpu_seconds=seconds,
    )


def sought_in(episode: Episode) -> Iterable[Sought]:
    """Every watched VM that is there when a suspect begins, with this suspect."""
    actors = {actor.name: actor for actor in episode.script.actors}
    for onset in episode.script.onsets:
        suspect = actors[onset.suspect]
        for victim in actors.values():
            if victim.watched and victim is not suspect and victim.arrives <= onset.at:
                end = min(victim.leaves, suspect.leaves)
                harm = episode.harm(victim.name, suspect.name, onset.at, end)
                yield Sought(victim.name, suspect.name, onset.at, end, harm)


def run_job(job: Job) -> dict[str, Result]:
    """Run one episode; the result of each detector by its name."""
    episode = Episode(job.scenario, job.seed, job.model)
    windows, sought = list(episode.windows()), list(sought_in(episode))
    return {name: judge(episode, make(), windows, sought) for name, make in job.detectors.items()}


def run_all(
    model: Model, seeds: Iterable[int], detectors: Mapping[str, Callable[[], Detector]], every: int = 1
) -> dict[str, list[Result]]:
    """Run all scenarios with each seed; the results of each detector by its name.

    Args:
        model: runs the episodes.
        seeds: of each scenario.
        detectors: rules by their names; they must be picklable.
        every: runs one episode of this number, for a quick try.
    """
    jobs = [Job(scenario, seed, model, detectors) for seed in seeds for scenario in SCENARIOS][::every]
    results: dict[str, list[Result]] = {name: [] for name in detectors}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("forkserver")) as pool:
        for found in pool.map(run_job, jobs, chunksize=2):
            for name, result in found.items():
                results[name].append(result)
    return results
