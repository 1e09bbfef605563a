"""The figures of a detector, by the names that the bench prints."""

from collections.abc import Iterator, Sequence
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


class Goal(NamedTuple):
    """What a figure should be: at least `least`, at most `most`."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        """NaN meets no goal."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


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


def figures(results: Sequence[Result]) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each figure."""
    confirmed = precision(results, "Confirmed", 0.03)
    found = delays(results, "Likely", 0.10)
    minutes = 60 * sum(result.vm_hours for result in results)
    yield "confirmed_precision_3_low", confirmed.low, "ratio"
    yield "confirmed_precision_10", precision(results, "Confirmed", 0.10).ratio, "ratio"
    yield "likely_recall_20", recall(results, "Likely", 0.20).ratio, "ratio"
    yield "likely_recall_10", recall(results, "Likely", 0.10).ratio, "ratio"
    yield "likely_p50_s", percentile(found, 0.5), "s"
    yield "likely_p90_s", percentile(found, 0.9), "s"
    yield "false_per_100_vm_hours", quiet_per_100_vm_hours(results, "Likely", 0.03), "accusations"
    yield "cpu_only_accusations", cpu_only_accusations(results, "TakingCache", 0.03), "accusations"
    yield "cpu_ms_per_vm_minute", 1000 * sum(result.cpu_seconds for result in results) / minutes, "ms"


def counts(results: Sequence[Result]) -> Iterator[tuple[str, float, str]]:
    """What the figures rest on."""
    yield "episodes", len(results), "episodes"
    yield "vm_hours", sum(result.vm_hours for result in results), "h"
    for level in ("TakingCache", "Likely", "Confirmed"):
        share = precision(results, level, 0.03)
        name = {"TakingCache": "taking_cache"}.get(level, level.lower())
        yield f"{name}_accusations", share.trials, "accusations"
        yield f"{name}_precision_3", share.ratio, "ratio"
        yield f"{name}_precision_10", precision(results, level, 0.10).ratio, "ratio"
    yield "pairs_20", recall(results, "Likely", 0.20).trials, "pairs"
    yield "pairs_10", recall(results, "Likely", 0.10).trials, "pairs"
    yield "confirmed_recall_20", recall(results, "Confirmed", 0.20).ratio, "ratio"
    yield "quiet_per_100_vm_hours", quiet_per_100_vm_hours(results, "Likely"), "accusations"


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
