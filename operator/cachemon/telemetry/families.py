"""The metrics that a KubeVirt node and a plain libvirt host have in common, by label set, and how values fill them.

docs/reference/metrics.md is made from these descriptions.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from cachemon.engine.cycle import Pulse
from cachemon.engine.figures import (
    LOCAL_TRAFFIC,
    TOTAL_TRAFFIC,
    BlockFigure,
    NodeBlockFigure,
    PackageFigure,
    ShareFigure,
)
from cachemon.engine.layout import GroupLayout, GroupState, NodeFacts
from cachemon.model.counter_totals import Gap
from cachemon.model.reasons import Reason
from cachemon.telemetry.label_set import Family, LabelSet, Metric

_BETWEEN, _SINCE = "Bytes between the cache block and memory", "since the agent started."


class GroupSeries(NamedTuple):
    """One group: the values of its labels and the machine's, its state, and its figures."""

    labels: tuple[str, ...]
    layout: GroupLayout
    figures: Iterable[BlockFigure]
    packages: Iterable[PackageFigure] = ()
    shares: Iterable[ShareFigure] = ()


class GuestSeries(NamedTuple):
    """One guest: the values of its labels, the machine's among them, and its figures."""

    labels: tuple[str, ...]
    figures: Iterable[BlockFigure]
    packages: Iterable[PackageFigure] = ()


class GroupFamilies(NamedTuple):
    """Metrics of each group."""

    occupancy: Family
    traffic: Family
    local_traffic: Family
    monitored: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of groups with these labels."""
        group = (*labels.group, "cache_id")
        return cls(
            labels.gauge("cache_occupancy_bytes", f"Bytes of a cache block that {labels.texts.holds}.", *group),
            labels.counter("memory_traffic_bytes", f"{_BETWEEN} {_SINCE}", *group),
            labels.counter("memory_traffic_local_bytes", f"{_BETWEEN} of its own NUMA node {_SINCE}", *group),
            labels.gauge(
                "group_monitored", f"1 when the whole {labels.texts.group} is monitored, else 0.", *labels.group
            ),
        )

    def filled(self, groups: Iterable[GroupSeries]) -> Iterator[Metric]:
        """The metrics of these groups."""
        occupancy, monitored = self.occupancy.empty(), self.monitored.empty()
        traffic = {TOTAL_TRAFFIC: self.traffic.empty(), LOCAL_TRAFFIC: self.local_traffic.empty()}
        for labels, layout, figures, *_ in groups:
            monitored.add_metric(labels, layout.state is GroupState.MONITORED)
            for figure in figures:
                where = (*labels, str(figure.block.id))
                if isinstance(figure.occupancy, int):
                    occupancy.add_metric(where, figure.occupancy)
                for event, total_bytes in figure.totals:
                    traffic[event].add_metric(where, total_bytes)
        yield from (occupancy, *traffic.values(), monitored)


class GuestFamilies(NamedTuple):
    """Metrics of each guest."""

    occupancy: Family
    traffic: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of guests with these labels."""
        guest, threads = (*labels.guest, "cache_id"), f"all {labels.texts.threads}"
        return cls(
            labels.gauge(
                f"{labels.guest_kind}_cache_occupancy_bytes",
                f"Bytes of a cache block that {threads} hold; groups that overlap count once.",
                *guest,
            ),
            labels.counter(f"{labels.guest_kind}_memory_traffic_bytes", f"{_BETWEEN} by {threads} {_SINCE}", *guest),
        )

    def filled(self, guests: Iterable[GuestSeries]) -> Iterator[Metric]:
        """The metrics of these guests."""
        occupancy, traffic = self.occupancy.empty(), self.traffic.empty()
        for labels, figures, _ in guests:
            for figure in figures:
                where = (*labels, str(figure.block.id))
                if isinstance(figure.occupancy, int):
                    occupancy.add_metric(where, figure.occupancy)
                for event, total_bytes in figure.totals:
                    if event == TOTAL_TRAFFIC:
                        traffic.add_metric(where, total_bytes)
        yield from (occupancy, traffic)


class BlockFamilies(NamedTuple):
    """Metrics of each cache block."""

    capacity: Family
    used: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of cache blocks with these labels."""
        return cls(
            labels.gauge("cache_capacity_bytes", "Size of a cache block in bytes.", "cache_id"),
            labels.gauge(labels.used, "Bytes of a cache block that are in use.", "cache_id"),
        )

    def filled(self, place: Sequence[str], blocks: Sequence[NodeBlockFigure]) -> Iterator[Metric]:
        """The metrics of these blocks."""
        capacities = ((it.block.id, it.block.capacity_bytes) for it in blocks)
        used = ((it.block.id, it.occupancy) for it in blocks)
        for family, values in ((self.capacity, capacities), (self.used, used)):
            yield family.filled(((*place, str(id_)), value) for id_, value in values if isinstance(value, int))


class MonitoringFamilies(NamedTuple):
    """Metrics of what the machine offers for monitoring."""

    rmids: Family
    available: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of a machine with these labels."""
        return cls(
            labels.gauge(
                "rmids", f"RMIDs of the {labels.machine}: `total`, `ours`, and `others` by other programs.", "use"
            ),
            labels.gauge("monitoring_available", f"1 when the {labels.machine}'s cache can be monitored, else 0."),
        )

    def filled(self, place: Sequence[str], node: NodeFacts) -> Iterator[Metric]:
        """The metrics of this machine."""
        rmids = {"total": node.num_rmids, "ours": node.own_mon_groups, "others": node.other_rmids}
        yield self.rmids.filled(() if node.unavailable else (((*place, use), count) for use, count in rmids.items()))
        yield self.available.filled([(place, node.unavailable is None)])


class StateFamily(NamedTuple):
    """The metric of groups by state."""

    groups: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The family of states with these labels."""
        meaning = f"{labels.texts.groups}; `reason` is empty for those that are monitored."
        return cls(labels.gauge("groups", meaning, "state", "reason"))

    def filled(self, place: Sequence[str], groups: Iterable[GroupSeries], refused: int) -> Iterator[Metric]:
        """Count groups by state and reason; `refused` groups have no series of their own."""
        states = Tally((layout.state, layout.reason or "") for _, layout, *_ in groups)
        if refused:
            states[GroupState.REFUSED, Reason.TOO_MANY_GROUPS] = refused
        yield self.groups.filled(((*place, *state), count) for state, count in sorted(states.items()))


class ProcessFamilies(NamedTuple):
    """Metrics of the agent's own health."""

    samples: Family
    sample_seconds: Family
    overruns: Family
    reconciles: Family
    gaps: Family

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of an agent with these labels."""
        gaps = "How often counting traffic broke off: the traffic meanwhile is in no figure."
        return cls(
            labels.counter("agent_samples", "Samples taken."),
            labels.counter("agent_sample_seconds", "Seconds that all samples took together."),
            labels.counter("agent_sample_overruns", "Samples that took longer than their period."),
            labels.counter("agent_reconciles", "Passes of the reconcile loop."),
            labels.counter("agent_traffic_gaps", gaps, "reason"),
        )

    def filled(self, place: Sequence[str], pulse: Pulse, gaps: Mapping[Gap, int]) -> Iterator[Metric]:
        """The metrics of an agent with these loops, and with these gaps by reason."""
        yield self.samples.filled([(place, pulse.samples)])
        yield self.sample_seconds.filled([(place, pulse.sample_seconds)])
        yield self.overruns.filled([(place, pulse.overruns)])
        yield self.reconciles.filled([(place, pulse.reconciles)])
        yield self.gaps.filled(((*place, reason), count) for reason, count in gaps.items())


class AgentFamilies(NamedTuple):
    """The families that both agents have."""

    groups: GroupFamilies
    guests: GuestFamilies
    blocks: BlockFamilies
    monitoring: MonitoringFamilies
    states: StateFamily
    process: ProcessFamilies

    @classmethod
    def of(cls, labels: LabelSet) -> Self:
        """The families of one kind of agent."""
        return cls(
            GroupFamilies.of(labels),
            GuestFamilies.of(labels),
            BlockFamilies.of(labels),
            MonitoringFamilies.of(labels),
            StateFamily.of(labels),
            ProcessFamilies.of(labels),
        )
