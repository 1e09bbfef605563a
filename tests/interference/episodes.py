"""Episodes: what a node would see, and the truth about it.

The truth about a suspect is the same run with the same random numbers without it. Harm is what that costs the victim:
additional cycles for each unit of its work, 0.2 for 20 %. Cycles that a busy sibling thread costs do not count, as a
verdict is about cache and memory.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachemon.interference.verdicts import OTHERS
from cachemon.interference.windows import Window
from tests.interference import proportional, recency
from tests.interference.machines import Ranges
from tests.interference.samples import Run, Sample, windows_of
from tests.interference.scenarios import Actor, Script, write
from tests.interference.scoring import ANY
from tests.interference.wishes import STEP_SECONDS, Wish, all_wishes

ABOUT_SECONDS = 180
"""Time before and after an accusation in which harm counts for it."""


class Simulate(Protocol):
    """A model."""

    def __call__(
        self, script: Script, wishes: Mapping[str, Sequence[Wish]], without: Collection[str] = ()
    ) -> Run: ...


@dataclass(frozen=True, slots=True)
class Model:
    """A way to run episodes, and the parameters of those that it runs."""

    name: str
    simulate: Simulate
    ranges: Ranges


MODEL_ONE = Model("one", proportional.simulate, proportional.RANGES)
MODEL_TWO = Model("two", recency.simulate, recency.RANGES)
"""For reporting only: nothing is tuned on it."""
MODELS = (MODEL_ONE, MODEL_TWO)


class Episode:
    """One run, and on demand those without a suspect."""

    def __init__(self, scenario: str, seed: int, model: Model) -> None:
        self.script = write(scenario, seed, model.ranges)
        self._simulate = model.simulate
        self._wishes = all_wishes(self.script)
        self._actors = {actor.name: actor for actor in self.script.actors}
        self._run = model.simulate(self.script, self._wishes)
        self._without: dict[frozenset[str], Run] = {}

    def windows(self) -> Iterator[Window]:
        """What the node reads."""
        return windows_of(self.script, self._run)

    def harm(self, victim: str, suspect: str, begin: float, end: float) -> float:
        """Harm while both are there, between two seconds of the episode; 0 if they never are."""
        suspects = self._suspects(suspect)
        if victim == ANY:
            return max(self.harm(actor.name, suspect, begin, end) for actor in self._others_than(suspects))
        together = [self._actors[victim], *suspects]
        begin = max(begin, self._actors[victim].arrives, min((actor.arrives for actor in suspects), default=begin))
        end = min(end, *(actor.leaves for actor in together))
        if not suspects or begin >= end:
            return 0.0
        span = slice(int(begin / STEP_SECONDS), int(end / STEP_SECONDS))
        alone = cost(self._run_without(suspects)[victim][span])
        return cost(self._run[victim][span]) / alone - 1 if alone else 0.0

    def harm_about(self, victim: str, suspect: str, second: float) -> float:
        """Harm about the time of an accusation."""
        return self.harm(victim, suspect, second - ABOUT_SECONDS, second + ABOUT_SECONDS)

    def _suspects(self, name: str) -> list[Actor]:
        return [
            actor for actor in self.script.actors if (not actor.watched if name == OTHERS else actor.name == name)
        ]

    def _others_than(self, suspects: Collection[Actor]) -> list[Actor]:
        return [actor for actor in self.script.actors if actor not in suspects and actor.watched]

    def _run_without(self, suspects: Collection[Actor]) -> Run:
        names = frozenset(actor.name for actor in suspects)
        if names not in self._without:
            self._without[names] = self._simulate(self.script, self._wishes, without=names)
        return self._without[names]


def cost(steps: Sequence[Sample]) -> float:
    """Cycles for each micro-operation, without what a busy sibling costs; 0 without work."""
    work = sum(step.uops for step in steps)
    return sum(step.memory_cycles for step in steps) / work if work else 0.0
