"""Metrics of the process, as the kernel counts it: CPU time, memory, descriptors, start."""

from collections.abc import Iterable, Iterator

from prometheus_client import PROCESS_COLLECTOR

from cachemon.telemetry.label_set import Family, Metric


def process_metrics() -> Iterable[Metric]:
    """Read them from /proc/self, when a page is rendered: it lists the descriptors of the process (6 ms for 7200).

    Every user may read these files of its own process; one that can't be read gives no metric.
    """
    return PROCESS_COLLECTOR.collect()


def process_families() -> Iterator[Family]:
    """What they are, for the reference."""
    for metric in process_metrics():
        name = metric.samples[0].name
        yield Family(name, "counter" if metric.type == "counter" else "gauge", (), metric.documentation)
