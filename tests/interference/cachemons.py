"""cachemon's own detector as the judge reads it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from cachemon.interference.detector import Detector
from cachemon.interference.verdicts import Change, Level
from cachemon.interference.windows import Window
from tests.interference.judging import Detector as Judged
from tests.interference.judging import Naming


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
        blind = tuple(replace(vm, cycles=None, uops=None) for vm in window.vms)
        return super().observe(replace(window, vms=blind))


DETECTORS: Mapping[str, Callable[[], Judged]] = {"cachemon": Cachemon, "cachemon_without_work": CachemonWithoutWork}
