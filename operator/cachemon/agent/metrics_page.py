"""The page of /metrics: figures and the agent's own health, made of the shared snapshots."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from cachemon.agent.targets import BoundLayout, vmis_of
from cachemon.engine.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC, Figures
from cachemon.engine.layout import GroupState
from cachemon.model.counter_totals import Gap
from cachemon.model.groups import GroupKey
from cachemon.model.reasons import Reason
from cachemon.telemetry import families
from cachemon.telemetry.exposition import render
from cachemon.telemetry.families import Family, Metric

__all__ = ["Health", "MetricsPage"]

_TRAFFIC = {TOTAL_TRAFFIC: families.GROUP_TRAFFIC, LOCAL_TRAFFIC: families.GROUP_LOCAL_TRAFFIC}


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
    """Makes the page of a node.

    Args:
        node_name: for the label `node`.
        snapshot: the newest layout and figures.
        health: the agent's own figures.
    """

    def __init__(
        self,
        node_name: str,
        snapshot: Callable[[], tuple[BoundLayout, Figures]],
        health: Callable[[], Health],
    ) -> None:
        self._node_name = node_name
        self._snapshot = snapshot
        self._health = health

    def prepare(self) -> Callable[[], bytes]:
        """What renders the page of now, once, in whatever thread and later."""
        families_of_now = self.collect()
        return lambda: render(families_of_now)

    def collect(self) -> Iterator[Metric]:
        """All families of now: what they are made of is taken or copied here, and not when they are asked for."""
        (layout, figures), health = self._snapshot(), self._health()
        health = replace(health, gaps=dict(health.gaps), writes=dict(health.writes))
        return self._families(layout, figures, health)

    def _families(self, layout: BoundLayout, figures: Figures, health: Health) -> Iterator[Metric]:
        yield from self._group_families(layout, figures)
        yield from self._vmi_families(layout, figures)
        yield from self._node_families(layout, figures)
        yield from self._own_families(layout, health)

    def _group_families(self, layout: BoundLayout, figures: Figures) -> Iterator[Metric]:
        occupancy, state = families.GROUP_OCCUPANCY.empty(), families.GROUP_MONITORED.empty()
        traffic = {event: family.empty() for event, family in _TRAFFIC.items()}
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

    def _vmi_families(self, layout: BoundLayout, figures: Figures) -> Iterator[Metric]:
        occupancy, traffic = families.VMI_OCCUPANCY.empty(), families.VMI_TRAFFIC.empty()
        for vmi, guest in vmis_of(layout).items():
            for figure in figures.guests.get(guest, ()):
                where = (self._node_name, vmi.namespace, vmi.name, str(figure.block.id))
                if isinstance(figure.occupancy, int):
                    occupancy.add_metric(where, figure.occupancy)
                if TOTAL_TRAFFIC in figure.traffic:
                    traffic.add_metric(where, figure.traffic[TOTAL_TRAFFIC].total_bytes)
        yield from (occupancy, traffic)

    def _node_families(self, layout: BoundLayout, figures: Figures) -> Iterator[Metric]:
        capacity = families.CAPACITY.empty()
        occupancy, monitored = families.NODE_OCCUPANCY.empty(), families.NODE_MONITORED.empty()
        for figure in figures.node:
            where = (self._node_name, str(figure.block.id))
            if figure.block.capacity_bytes is not None:
                capacity.add_metric(where, figure.block.capacity_bytes)
            if isinstance(figure.occupancy, int):
                occupancy.add_metric(where, figure.occupancy)
            if isinstance(figure.monitored, int):
                monitored.add_metric(where, figure.monitored)
        yield from (capacity, occupancy, monitored)
        node = layout.node
        rmids = {"total": node.num_rmids, "ours": node.own_mon_groups, "others": node.other_rmids}
        yield self._by_label(families.RMIDS, () if node.unavailable else rmids.items())
        yield self._single(families.AVAILABLE, node.unavailable is None)
        groups = families.GROUPS.empty()
        stand = Tally((group.state, group.reason or "") for target in layout.targets for group in target.groups)
        if refused := sum(len(target.target.refused) for target in layout.targets):
            stand[GroupState.REFUSED, Reason.TOO_MANY_GROUPS] = refused
        for (state, reason), number in sorted(stand.items()):
            groups.add_metric((self._node_name, state, reason), number)
        yield groups

    def _own_families(self, layout: BoundLayout, health: Health) -> Iterator[Metric]:
        yield self._single(families.SAMPLES, health.samples)
        yield self._single(families.SAMPLE_SECONDS, health.sample_seconds)
        yield self._single(families.OVERRUNS, health.overruns)
        yield self._single(families.RECONCILES, health.reconciles)
        yield self._by_label(families.GAPS, health.gaps.items())
        yield self._by_label(families.WRITES, sorted(health.writes.items()))
        yield self._single(families.OBJECTS, len(layout.targets))

    def _single(self, family: Family, value: float) -> Metric:
        """A metric with the label `node` alone."""
        metric = family.empty()
        metric.add_metric((self._node_name,), value)
        return metric

    def _by_label(self, family: Family, values: Iterable[tuple[str, float]]) -> Metric:
        """A metric with the label `node` and one more."""
        metric = family.empty()
        for label, value in values:
            metric.add_metric((self._node_name, label), value)
        return metric
