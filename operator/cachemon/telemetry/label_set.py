"""Descriptions of metrics, and the label set by which an agent names its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["Family", "HelpTexts", "LabelSet", "Metric"]

Values = Iterable[tuple[Sequence[str], float]]
"""Values of one metric, each with the values of its labels."""


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: as Prometheus shows it, with the `_total` of a counter.
        kind: its type.
        labels: in the order in which their values are given.
        meaning: the help text: one sentence, with the unit.
    """

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    meaning: str

    def empty(self) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric without samples."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return kind(self.name, self.meaning, labels=self.labels)

    def filled(self, values: Values) -> Metric:
        """The metric with a sample for each value."""
        metric = self.empty()
        for labels, value in values:
            metric.add_metric(labels, value)
        return metric


class HelpTexts(NamedTuple):
    """The parts of help texts that differ between a node and a host.

    Attributes:
        holds: who holds the bytes of a group.
        group: one group.
        groups: what is counted by state.
        threads: the threads that a guest's figures count.
    """

    holds: str
    group: str
    groups: str
    threads: str


@dataclass(frozen=True, slots=True)
class LabelSet:
    """How one kind of agent names and labels its metrics.

    Attributes:
        prefix: the first part of every name.
        machine: `node` or `host`, for help texts.
        guest_kind: what a guest is called in names.
        used: the name of the gauge of bytes in use in a cache block.
        place: labels of the machine, which every series has.
        group: labels of a group.
        guest: labels of a guest.
        texts: for help texts.
    """

    prefix: str
    machine: str
    guest_kind: str
    used: str
    place: tuple[str, ...]
    group: tuple[str, ...]
    guest: tuple[str, ...]
    texts: HelpTexts

    def gauge(self, name: str, meaning: str, *labels: str) -> Family:
        """Describe a gauge with the labels of the machine and these."""
        return Family(f"{self.prefix}_{name}", "gauge", (*self.place, *labels), meaning)

    def counter(self, name: str, meaning: str, *labels: str) -> Family:
        """Describe a counter with the labels of the machine and these."""
        return Family(f"{self.prefix}_{name}_total", "counter", (*self.place, *labels), meaning)
