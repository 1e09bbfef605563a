"""/metrics: figures and the agent's own health, made anew from the shared snapshots at every scrape."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cachemon.agent.exposition import render
from cachemon.agent.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC, Figures
from cachemon.agent.layout import GroupState, Layout
from cachemon.model.counters import Gap
from cachemon.model.groups import GroupKey

__all__ = ["Health", "MetricsPage"]

_GROUP_LABELS = ("node", "namespace", "name", "object", "group", "cache_id")
_TRAFFIC = {
    TOTAL_TRAFFIC: (
        "cachemon_memory_traffic_bytes",
        "Bytes between the cache block and memory since the agent started.",
    ),
    LOCAL_TRAFFIC: (
        "cachemon_memory_traffic_local_bytes",
        "Bytes between the cache block and memory of its own node since the agent started.",
    ),
}


@dataclass(slots=True)
class Health:
    """What the agent knows about itself.

    Attributes:
        samples: samples taken.
        sample_seconds: time that all samples took together.
        overruns: samples that began late because the one before was slow.
        gaps: how often the counting of traffic broke off, by reason.
        reconciles: passes of the reconcile loop.
        writes: writes to the API by result.
    """

    samples: int
    sample_seconds: float
    overruns: int
    gaps: Mapping[Gap, int]
    reconciles: int
    writes: dict[str, int]


class MetricsPage:
    """Answers scrapes.

    Args:
        node_name: for the label `node`.
        snapshot: the newest layout and figures.
        health: the agent's own figures.
    """

    def __init__(
        self,
        node_name: str,
        snapshot: Callable[[], tuple[Layout, Figures]],
        health: Callable[[], Health],
    ) -> None:
        self._node_name = node_name
        self._snapshot = snapshot
        self._health = health

    def render(self) -> bytes:
        """The page in the text format of Prometheus."""
        return render(self.collect())

    def collect(self) -> Iterator[Metric]:
        """All families."""
        layout, figures = self._snapshot()
        yield from self._group_families(layout, figures)
        yield from self._node_families(layout, figures)
        yield from self._own_families(layout)

    def _group_families(self, layout: Layout, figures: Figures) -> Iterator[Metric]:
        occupancy = GaugeMetricFamily(
            "cachemon_cache_occupancy_bytes",
            "Bytes of a cache block that a monitoring group holds.",
            labels=_GROUP_LABELS,
        )
        traffic = {event: CounterMetricFamily(*family, labels=_GROUP_LABELS) for event, family in _TRAFFIC.items()}
        state = GaugeMetricFamily(
            "cachemon_group_monitored",
            "1 when the whole monitoring group is monitored, else 0.",
            labels=_GROUP_LABELS[:-1],
        )
        for target in layout.targets:
            obj = target.target.object
            for group in target.groups:
                labels = (self._node_name, obj.name.namespace, obj.vmi_name, obj.name.name, group.group.name)
                state.add_metric(labels, group.state is GroupState.MONITORED)
                for figure in figures.groups.get(GroupKey(target.uid, group.group.name), ()):
                    where = (*labels, str(figure.block.id))
                    if isinstance(figure.occupancy, int):
                        occupancy.add_metric(where, figure.occupancy)
                    for event, amount in figure.traffic.items():
                        traffic[event].add_metric(where, amount.total_bytes)
        yield occupancy
        yield from traffic.values()
        yield state

    def _node_families(self, layout: Layout, figures: Figures) -> Iterator[Metric]:
        labels = ("node", "cache_id")
        capacity = GaugeMetricFamily("cachemon_cache_capacity_bytes", "Size of a cache block.", labels=labels)
        occupancy = GaugeMetricFamily(
            "cachemon_node_cache_occupancy_bytes", "Bytes of a cache block that are in use.", labels=labels
        )
        monitored = GaugeMetricFamily(
            "cachemon_node_cache_monitored_bytes", "Bytes of a cache block that monitored VMs hold.", labels=labels
        )
        for figure in figures.node:
            where = (self._node_name, str(figure.block.id))
            if figure.block.capacity_bytes is not None:
                capacity.add_metric(where, figure.block.capacity_bytes)
            if isinstance(figure.occupancy, int):
                occupancy.add_metric(where, figure.occupancy)
            if isinstance(figure.monitored, int):
                monitored.add_metric(where, figure.monitored)
        rmids = GaugeMetricFamily("cachemon_rmids", "RMIDs of the node by use.", labels=("node", "use"))
        node = layout.node
        if not node.unavailable:
            for use, number in (
                ("total", node.num_rmids),
                ("ours", node.own_mon_groups),
                ("others", node.other_rmids),
            ):
                rmids.add_metric((self._node_name, use), number)
        supported = GaugeMetricFamily(
            "cachemon_monitoring_available", "1 when the node's cache can be monitored, else 0.", labels=("node",)
        )
        supported.add_metric((self._node_name,), node.unavailable is None)
        yield from (capacity, occupancy, monitored, rmids, supported)

    def _own_families(self, layout: Layout) -> Iterator[Metric]:
        health = self._health()
        node = (self._node_name,)
        for name, explanation, value in (
            ("cachemon_agent_samples", "Samples taken.", health.samples),
            ("cachemon_agent_sample_seconds", "Time that all samples took together.", health.sample_seconds),
            ("cachemon_agent_sample_overruns", "Samples begun late: the one before was slow.", health.overruns),
            ("cachemon_agent_reconciles", "Passes of the reconcile loop.", health.reconciles),
        ):
            family = CounterMetricFamily(name, explanation, labels=("node",))
            family.add_metric(node, value)
            yield family
        gaps = CounterMetricFamily(
            "cachemon_agent_counter_gaps", "How often counting traffic broke off.", labels=("node", "reason")
        )
        for reason, number in health.gaps.items():
            gaps.add_metric((self._node_name, reason), number)
        yield gaps
        writes = CounterMetricFamily(
            "cachemon_agent_api_writes", "Writes to the API by result.", labels=("node", "result")
        )
        for result, number in sorted(health.writes.items()):
            writes.add_metric((self._node_name, result), number)
        yield writes
        objects = GaugeMetricFamily(
            "cachemon_agent_objects", "Objects that this node has a part in.", labels=("node",)
        )
        objects.add_metric(node, len(layout.targets))
        yield objects
