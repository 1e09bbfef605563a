"""The figures of a detector, by the names that the bench prints."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.interference.scoring import (
    Result,
    cpu_only_accusations,
    delays,
    percentile,
    precision,
    quiet_per_100_vm_hours,
    recall,
)


class Measured(NamedTuple):
    """One figure, without the name of what it is about."""

    name: str
    value: float
    unit: str


class Goal(NamedTuple):
    """What a figure should be: at least `least`, at most `most`."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        """NaN meets no goal."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def worst(self, values: Iterable[float]) -> float:
        """The value that is furthest from the goal; NaN is."""
        return max(values, key=self._lack)

    def _lack(self, value: float) -> float:
        if math.isnan(value):
            return math.inf
        return value if self.least is None else -value

    def __str__(self) -> str:
        return f"at most {self.most:g}" if self.least is None else f"at least {self.least:g}"


GOALS = {
    "confirmed_precision_3_low": Goal(least=0.93),
    "confirmed_precision_10": Goal(least=0.80),
    "likely_recall_20": Goal(least=0.90),
    "likely_recall_10": Goal(least=0.70),
    "likely_p50_s": Goal(most=150),
    "likely_p90_s": Goal(most=480),
    "false_per_100_vm_hours": Goal(most=1),
    "cpu_only_accusations": Goal(most=0),
    "cpu_ms_per_vm_minute": Goal(most=1),
}


def figures(results: Sequence[Result]) -> Iterator[Measured]:
    """The figures that have goals."""
    confirmed = precision(results, "Confirmed", 0.03)
    found = delays(results, "Likely", 0.10)
    minutes = 60 * sum(result.vm_hours for result in results)
    yield Measured("confirmed_precision_3_low", confirmed.low, "ratio")
    yield Measured("confirmed_precision_10", precision(results, "Confirmed", 0.10).ratio, "ratio")
    yield Measured("likely_recall_20", recall(results, "Likely", 0.20).ratio, "ratio")
    yield Measured("likely_recall_10", recall(results, "Likely", 0.10).ratio, "ratio")
    yield Measured("likely_p50_s", percentile(found, 0.5), "s")
    yield Measured("likely_p90_s", percentile(found, 0.9), "s")
    yield Measured("false_per_100_vm_hours", quiet_per_100_vm_hours(results, "Likely", 0.03), "accusations")
    yield Measured("cpu_only_accusations", cpu_only_accusations(results, "TakingCache", 0.03), "accusations")
    yield Measured("cpu_ms_per_vm_minute", 1000 * sum(result.cpu_seconds for result in results) / minutes, "ms")


def summary(results: Sequence[Result], level: str) -> Iterator[Measured]:
    """What a rule is worth at one level or a surer one; no precision without accusations."""
    share = precision(results, level, 0.03)
    yield Measured("accusations", share.trials, "accusations")
    if share.trials:
        yield Measured("precision_3", share.ratio, "ratio")
        yield Measured("precision_10", precision(results, level, 0.10).ratio, "ratio")
    yield Measured("recall_20", recall(results, level, 0.20).ratio, "ratio")
    yield Measured("recall_10", recall(results, level, 0.10).ratio, "ratio")
    yield Measured("false_per_100_vm_hours", quiet_per_100_vm_hours(results, level, 0.03), "accusations")
    yield Measured("quiet_per_100_vm_hours", quiet_per_100_vm_hours(results, level), "accusations")
    yield Measured("cpu_only_accusations", cpu_only_accusations(results, level, 0.03), "accusations")


def extent(results: Sequence[Result]) -> Iterator[Measured]:
    """What all figures of a model rest on."""
    yield Measured("episodes", len(results), "episodes")
    yield Measured("vm_hours", sum(result.vm_hours for result in results), "h")
    for harm in (0.20, 0.10):
        yield Measured(f"pairs_{harm:.0%}".rstrip("%"), recall(results, "Likely", harm).trials, "pairs")


def by_scenario(results: Sequence[Result]) -> Iterator[str]:
    """A table of the accusations and the pairs found in each scenario."""
    yield f"{'scenario':20} {'Likely':>7} {'of harm':>8} {'Confirmed':>9} {'of harm':>8} {'found of pairs':>15}"
    for scenario in sorted({result.scenario for result in results}):
        those = [result for result in results if result.scenario == scenario]
        likely, confirmed = precision(those, "Likely", 0.03), precision(those, "Confirmed", 0.03)
        found = recall(those, "Likely", 0.20)
        yield (
            f"{scenario:20} {likely.trials:7} {likely.hits:8} {confirmed.trials:9} {confirmed.hits:8} "
            f"{found.hits:7} /{found.trials:6}"
        )
