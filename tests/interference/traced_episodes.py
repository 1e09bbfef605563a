"""Episodes of real programs on one cache: what a node would see, and the truth about it.

The cache has 1 MiB, and time is short too: a window of two million cycles stands for 10 s in which the programs go on
in the same way. So rates are those of a real CPU, and the detector has its usual times.

The truth about a suspect is the same run without it. Harm is what it costs the victim: additional cycles for the same
part of the victim's trace.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from random import Random
from typing import NamedTuple

from cachemon.interference.windows import VmWindow, Window
from lab.traces.recording import Program
from tests.interference.judging import PROCESSES, Detector
from tests.interference.machines import LINE_BYTES, between
from tests.interference.samples import BLOCK, WINDOW_SECONDS
from tests.interference.scoring import ANY, Accusation, Result, Sought
from tests.interference.traced_cache import CAPACITY_BYTES, WINDOW_CYCLES, Counted, Guest, simulate
from tests.interference.traced_programs import BENIGN, LARGE, REUSING, STREAMING, traces

WINDOWS = 105
ARRIVES = 48
"""Window in which the newcomer arrives: after the longest reference that a verdict needs."""
MISS_CYCLES = (60.0, 150.0)
"""Memory of 90 ns at 2.5 GHz, with 1.5 to 4 misses under way at the same time."""
NEWCOMERS_VCPUS = (1, 2, 4)
ABOUT_WINDOWS = 18
"""Windows before and after an accusation in which harm counts for it: three minutes."""
HERTZ = 2.5e9
STANDS_FOR = WINDOW_SECONDS * HERTZ / WINDOW_CYCLES
"""What is counted in a window happens this often in the 10 s that the window stands for."""
NEWCOMERS: Mapping[str, Sequence[Program]] = {
    "traced_streaming": STREAMING,
    "traced_hot_set": LARGE,
    "traced_reusing": REUSING,
    "traced_benign": BENIGN,
    "traced_nothing": (),
}
"""Who arrives in each scenario."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who runs in an episode, and what a miss costs there."""

    residents: tuple[Guest, ...]
    newcomer: Guest | None
    miss_cycles: float


def draw_cast(scenario: str, seed: int) -> Cast:
    """Draw an episode of a scenario of NEWCOMERS."""
    random = Random(f"{scenario} {seed}")
    drawn = random.sample(REUSING, random.randint(3, 5))
    others = [program for program in NEWCOMERS[scenario] if program not in drawn]
    newcomer = random.choice(others).name if others else None
    leaves = random.choice((WINDOWS, random.randint(75, 90)))
    vcpus = random.choice(NEWCOMERS_VCPUS)
    return Cast(
        tuple(Guest(program.name, random.random(), 0, WINDOWS) for program in drawn),
        Guest(newcomer, random.random(), ARRIVES, leaves, vcpus) if newcomer else None,
        between(random, MISS_CYCLES),
    )


class TracedEpisode:
    """One run, and on demand those without a suspect."""

    def __init__(self, cast: Cast) -> None:
        self._guests = {guest.program: guest for guest in (*cast.residents, cast.newcomer) if guest}
        self._newcomer = cast.newcomer
        self._miss_cycles = cast.miss_cycles
        self.run = self._run_without("")
        self._without: dict[str, Mapping[str, Sequence[Counted]]] = {}

    def windows(self) -> Iterator[Window]:
        """What the node reads."""
        for number in range(WINDOWS):
            vms = [
                _reading(guest, self.run[name][number])
                for name, guest in self._guests.items()
                if guest.arrives <= number < guest.leaves
            ]
            yield Window(float((number + 1) * WINDOW_SECONDS), BLOCK, CAPACITY_BYTES, None, tuple(vms), 0.0)

    def harm(self, victim: str, suspect: str, begin: int, end: int) -> float:
        """Harm while both are there, between two windows; 0 if they never are."""
        if victim == ANY:
            return max(self.harm(name, suspect, begin, end) for name in self._guests if name != suspect)
        together = [self._guests[victim], self._guests[suspect]]
        begin = max(begin, *(guest.arrives for guest in together))
        end = min(end, *(guest.leaves for guest in together))
        if begin >= end:
            return 0.0
        if suspect not in self._without:
            self._without[suspect] = self._run_without(suspect)
        alone, seen = self._without[suspect][victim], self.run[victim]
        work = [sum(each.instructions for each in seen[:number]) for number in (begin, end)]
        cycles = sum(each.cycles for each in seen[begin:end])
        return cycles / (_cycles_until(alone, work[1]) - _cycles_until(alone, work[0])) - 1

    def harm_about(self, victim: str, suspect: str, second: float) -> float:
        """Harm about the time of an accusation."""
        window = round(second / WINDOW_SECONDS)
        return self.harm(victim, suspect, window - ABOUT_WINDOWS, window + ABOUT_WINDOWS)

    def sought(self) -> Iterator[Sought]:
        """Every resident with the newcomer."""
        if self._newcomer:
            suspect, leaves = self._newcomer.program, self._newcomer.leaves
            onset, end = float(ARRIVES * WINDOW_SECONDS), float(leaves * WINDOW_SECONDS)
            for victim in self._guests:
                if victim != suspect:
                    yield Sought(victim, suspect, onset, end, self.harm(victim, suspect, ARRIVES, leaves))

    def _run_without(self, suspect: str) -> Mapping[str, Sequence[Counted]]:
        guests = [guest for name, guest in self._guests.items() if name != suspect]
        return simulate(guests, cached_traces(), WINDOWS, self._miss_cycles)


cached_traces = cache(traces)


def _reading(guest: Guest, counted: Counted) -> VmWindow:
    return VmWindow(
        vm=guest.program,
        occupancy_bytes=counted.lines * LINE_BYTES,
        traffic_bytes=counted.misses * LINE_BYTES * STANDS_FOR,
        cpu_seconds=float(guest.vcpus * WINDOW_SECONDS),
        run_delay_seconds=0.0,
        cycles=counted.cycles * STANDS_FOR,
        uops=counted.instructions * STANDS_FOR,
    )


def _cycles_until(run: Sequence[Counted], work: float) -> float:
    """The cycles after which so much of the work is done; the last window goes on where the run is too short."""
    cycles = done = 0.0
    worked = [each for each in run if each.instructions]
    for each in worked[:-1]:
        if done + each.instructions >= work:
            break
        cycles, done = cycles + each.cycles, done + each.instructions
    else:
        each = worked[-1]
    return cycles + (work - done) * each.cycles / each.instructions


class TracedJob(NamedTuple):
    """One episode for all detectors."""

    scenario: str
    seed: int
    detectors: Mapping[str, Callable[[], Detector]]


def run_traced(job: TracedJob) -> dict[str, Result]:
    """Run one episode; the result of each detector by its name."""
    episode = TracedEpisode(draw_cast(job.scenario, job.seed))
    windows, sought = list(episode.windows()), tuple(episode.sought())
    hours = sum(len(window.vms) for window in windows) * WINDOW_SECONDS / 3600
    results = {}
    for name, make in job.detectors.items():
        detector, began, accusations = make(), time.process_time(), []
        for window in windows:
            accusations += [(naming, window.time) for naming in detector.observe(window)]
        seconds = time.process_time() - began
        true = tuple(
            Accusation(*naming, at=at, harm=episode.harm_about(naming.victim, naming.suspect, at))
            for naming, at in accusations
        )
        results[name] = Result(
            scenario=job.scenario,
            vm_hours=hours,
            quiet=not sought,
            cpu_only=False,
            accusations=true,
            sought=sought,
            cpu_seconds=seconds,
        )
    return results


def run_all_traced(jobs: Iterable[TracedJob]) -> dict[str, list[Result]]:
    """Run episodes in processes; the results of each detector by its name."""
    results: dict[str, list[Result]] = {}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("forkserver")) as pool:
        for found in pool.map(run_traced, jobs):
            for name, result in found.items():
                results.setdefault(name, []).append(result)
    return results
