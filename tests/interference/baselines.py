"""Rules that others have, on the same windows.

Watcher's strategy "noisy neighbor" (OpenStack): occupancy of two periods of 100 s. CPI2 (Zhang and others, EuroSys
2013) with a job's own history, and micro-operations for instructions. CachemonCacheHog, an alert that cachemon had.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from random import Random
from statistics import fmean, stdev

from cachemon.interference.windows import Window
from tests.interference.judging import Detector, Naming
from tests.interference.samples import WINDOW_SECONDS
from tests.interference.scoring import ANY

LEVEL = "Confirmed"
"""A baseline knows one level; it counts in every figure."""


FIRST_SECONDS = 600
"""Before, a rule with a reference says nothing, so chance does not either."""


class Watcher:
    """The victim holds 35 % less than in the period before, and another VM holds 35 % more."""

    WINDOWS = 10
    SHARE = 0.35

    def __init__(self) -> None:
        self._now: list[dict[str, float]] = []
        self._before: dict[str, float] = {}

    def observe(self, window: Window) -> Iterator[Naming]:
        self._now.append({vm.vm: (vm.occupancy_bytes or 0.0) for vm in window.vms})
        if len(self._now) < self.WINDOWS:
            return
        held = {vm: fmean(each.get(vm, 0.0) for each in self._now) for vm in set().union(*self._now)}
        changes = {vm: held[vm] / before - 1 for vm, before in sorted(self._before.items()) if before and vm in held}
        self._now, self._before = [], held
        if not changes:
            return
        suspect = max(changes, key=lambda vm: changes[vm])
        if changes[suspect] >= self.SHARE:
            yield from (Naming(vm, suspect, LEVEL) for vm, change in changes.items() if change <= -self.SHARE)


class Cpi2:
    """Cycles per instruction beyond two standard deviations, three times in five minutes; one sample a minute."""

    SAMPLE_SECONDS = 60
    MINUTES = 5
    OUTLIERS = 3
    FEWEST_CPUS = 0.25
    FEWEST_SAMPLES = 8
    CORRELATION = 0.35
    KEPT = 10

    def __init__(self) -> None:
        self._history: dict[str, list[float]] = {}
        self._samples: deque[dict[str, tuple[float, float]]] = deque(maxlen=self.KEPT)
        self._outliers: dict[str, deque[bool]] = {}
        self._due = 0.0

    def observe(self, window: Window) -> Iterator[Naming]:
        if window.time < self._due:
            return
        self._due = window.time + self.SAMPLE_SECONDS
        sample = {
            vm.vm: ((vm.cycles or 0.0) / vm.uops, (vm.cpu_seconds or 0.0) / WINDOW_SECONDS)
            for vm in window.vms
            if vm.uops
        }
        self._samples.append(sample)
        for victim, (cpi, cpus) in sample.items():
            history = self._history.setdefault(victim, [])
            if len(history) >= self.FEWEST_SAMPLES and cpus >= self.FEWEST_CPUS:
                threshold = fmean(history) + 2 * stdev(history)
                recent = self._outliers.setdefault(victim, deque(maxlen=self.MINUTES))
                recent.append(cpi > threshold)
                if sum(recent) >= self.OUTLIERS:
                    yield from self._suspect(victim, threshold)
            history.append(cpi)

    def _suspect(self, victim: str, threshold: float) -> Iterator[Naming]:
        names = {vm for sample in self._samples for vm in sample} - {victim}
        found = {vm: self._correlation(victim, vm, threshold) for vm in sorted(names)}
        if found and (suspect := max(found, key=lambda vm: found[vm])) and found[suspect] >= self.CORRELATION:
            yield Naming(victim, suspect, LEVEL)

    def _correlation(self, victim: str, suspect: str, threshold: float) -> float:
        """How far the suspect's CPU use goes with the victim's cycles per instruction, -1 to 1."""
        pairs = [
            (sample[victim][0], sample.get(suspect, (0.0, 0.0))[1]) for sample in self._samples if victim in sample
        ]
        used = sum(cpus for _, cpus in pairs) or 1.0
        return sum(
            cpus / used * (1 - threshold / cpi if cpi > threshold else cpi / threshold - 1) for cpi, cpus in pairs
        )


class CacheHog:
    """One VM holds more than three quarters of a shared cache for a quarter of an hour. It names no victim."""

    SHARE = 0.75
    SECONDS = 900

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def observe(self, window: Window) -> Iterator[Naming]:
        holding = {
            vm.vm
            for vm in window.vms
            if (vm.occupancy_bytes or 0.0) > self.SHARE * window.capacity_bytes and len(window.vms) > 1
        }
        for vm in list(self._since):
            if vm not in holding:
                del self._since[vm]
        for vm in sorted(holding):
            since = self._since.setdefault(vm, window.time)
            if window.time - since >= self.SECONDS:
                yield Naming(ANY, vm, LEVEL)


class Chance:
    """Names a random pair now and then: what precision is worth when it knows nothing."""

    def __init__(self) -> None:
        self._random = Random(1)

    def observe(self, window: Window) -> Iterator[Naming]:
        names = [vm.vm for vm in window.vms]
        if self._random.random() < 0.01 and window.time > FIRST_SECONDS:
            victim, suspect = self._random.sample(names, 2)
            yield Naming(victim, suspect, LEVEL)


BASELINES: Mapping[str, Callable[[], Detector]] = {
    "watcher": Watcher,
    "cpi2": Cpi2,
    "cache_hog": CacheHog,
    "chance": Chance,
}
