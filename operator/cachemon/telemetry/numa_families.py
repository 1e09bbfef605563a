"""The metrics of NUMA nodes of cache blocks (Intel SNC), by monitoring group.

They have names of their own: a sum over cache blocks must not count the parts beside the whole.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from cachemon.engine.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC
from cachemon.telemetry.families import GroupSeries
from cachemon.telemetry.label_set import Family, LabelSet, Metric

_PART = "the part of a cache block that one NUMA node has"
_TRAFFIC = f"Bytes between {_PART} and memory"
_SINCE = "since the agent started; only with sub-NUMA clusters."


class NumaFamilies(NamedTuple):
    """Metrics of each group on each NUMA node of a cache block, where the kernel has these."""

    occupancy: Family
    traffic: Family
    local_traffic: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families with these labels."""
        group = (*labels.group, "cache_id", "numa_node")
        return cls(
            labels.gauge(
                "numa_cache_occupancy_bytes",
                f"Bytes of {_PART} that {labels.texts.holds}; only with sub-NUMA clusters.",
                *group,
            ),
            labels.counter("numa_memory_traffic_bytes", f"{_TRAFFIC} {_SINCE}", *group),
            labels.counter("numa_memory_traffic_local_bytes", f"{_TRAFFIC} of that NUMA node {_SINCE}", *group),
        )

    def filled(self, groups: Iterable[GroupSeries]) -> Iterator[Metric]:
        """The metrics of these groups."""
        occupancy = self.occupancy.empty()
        traffic = {TOTAL_TRAFFIC: self.traffic.empty(), LOCAL_TRAFFIC: self.local_traffic.empty()}
        for group in groups:
            for figure in group.shares:
                where = (*group.labels, str(figure.share.block_id), str(figure.share.numa_node))
                if isinstance(figure.occupancy, int):
                    occupancy.add_metric(where, figure.occupancy)
                for event, total_bytes in figure.totals:
                    traffic[event].add_metric(where, total_bytes)
        yield from (occupancy, *traffic.values())
