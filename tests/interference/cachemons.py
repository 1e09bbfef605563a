"""cachemon's own detector as the judge reads it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from cachemon.interference.detector import Detector
from cachemon.interference.history import HELD_WINDOWS
from cachemon.interference.verdicts import Change, Level
from cachemon.interference.windows import Window
from tests.interference.judging import Detector as Judged
from tests.interference.judging import Naming


def _without_work(window: Window) -> Window:
    return replace(window, vms=tuple(replace(vm, cycles=None, uops=None) for vm in window.vms))


class Changes(Protocol):
    """A detector as the agent has it."""

    def observe(self, window: Window) -> Iterable[Change]: ...


class Cachemon:
    """Names whom a verdict names, at the level that it has or rises to."""

    def __init__(self, detector: Changes | None = None) -> None:
        self._detector = detector or Detector()

    def observe(self, window: Window) -> Iterator[Naming]:
        for change in self._detector.observe(window):
            if isinstance(change.step, Level):
                yield Naming(change.verdict.victim, change.verdict.suspect, change.step.value)


class CachemonWithoutWork(Cachemon):
    """The same on a node that counts no cycles and no micro-operations, as nearly all of today."""

    def observe(self, window: Window) -> Iterator[Naming]:
        return super().observe(_without_work(window))


class CachemonWithPerf(Cachemon):
    """The same where perf counts work: in one window of six."""

    def __init__(self, detector: Changes | None = None) -> None:
        super().__init__(detector)
        self._windows = 0

    def observe(self, window: Window) -> Iterator[Naming]:
        self._windows += 1
        return super().observe(window if self._windows % (1 + HELD_WINDOWS) == 0 else _without_work(window))


DETECTORS: Mapping[str, Callable[[], Judged]] = {
    "cachemon": Cachemon,
    "cachemon_without_work": CachemonWithoutWork,
    "cachemon_with_perf": CachemonWithPerf,
}
