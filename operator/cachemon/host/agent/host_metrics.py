"""The page of /metrics of a host's agent, made of the shared snapshots."""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from cachemon.engine.cycle import Pulse
from cachemon.engine.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC
from cachemon.engine.layout import GroupState
from cachemon.host.agent.report import Snapshot
from cachemon.model.counter_totals import Gap
from cachemon.model.reasons import Reason
from cachemon.telemetry import host_families as families
from cachemon.telemetry.exposition import render
from cachemon.telemetry.families import Family, Metric

__all__ = ["HostMetrics"]

_TRAFFIC = {TOTAL_TRAFFIC: families.GROUP_TRAFFIC, LOCAL_TRAFFIC: families.GROUP_LOCAL_TRAFFIC}


class HostMetrics:
    """Makes the page of a host.

    Args:
        snapshot: the newest.
        pulse: how the agent's loops are.
        gaps: how often the counting of traffic broke off, by reason.
        is_connected: whether libvirt answers.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        pulse: Callable[[], Pulse],
        gaps: Callable[[], Mapping[Gap, int]],
        is_connected: Callable[[], bool],
    ) -> None:
        self._snapshot = snapshot
        self._pulse = pulse
        self._gaps = gaps
        self._is_connected = is_connected

    def prepare(self) -> Callable[[], bytes]:
        """What renders the page of now, in whatever thread and later: all that it reads is taken or copied here."""
        snapshot, pulse, gaps = self._snapshot(), replace(self._pulse()), dict(self._gaps())
        is_connected = self._is_connected()
        return lambda: render(_families(snapshot, pulse, gaps, is_connected=is_connected))


def _families(snapshot: Snapshot, pulse: Pulse, gaps: Mapping[Gap, int], *, is_connected: bool) -> Iterator[Metric]:
    yield from _group_families(snapshot)
    yield from _domain_families(snapshot)
    yield from _host_families(snapshot)
    yield _single(families.LIBVIRT, is_connected)
    yield _single(families.SAMPLES, pulse.samples)
    yield _single(families.SAMPLE_SECONDS, pulse.sample_seconds)
    yield _single(families.OVERRUNS, pulse.overruns)
    yield _single(families.RECONCILES, pulse.reconciles)
    yield _by_label(families.GAPS, gaps)


def _group_families(snapshot: Snapshot) -> Iterator[Metric]:
    occupancy, monitored = families.GROUP_OCCUPANCY.empty(), families.GROUP_MONITORED.empty()
    traffic = {event: family.empty() for event, family in _TRAFFIC.items()}
    refused = sum(len(target.target.object.refused) for target in snapshot.layout.targets)
    states: Tally[tuple[str, str]] = Tally({(GroupState.REFUSED, Reason.TOO_MANY_GROUPS): refused} if refused else ())
    for domain, group, kept, figures in snapshot.groups:
        labels = (domain.guest_name, group.group.name, kept)
        monitored.add_metric(labels, group.state is GroupState.MONITORED)
        states[group.state, group.reason or ""] += 1
        for figure in figures:
            where = (*labels, str(figure.block.id))
            if isinstance(figure.occupancy, int):
                occupancy.add_metric(where, figure.occupancy)
            for event, amount in figure.traffic.items():
                traffic[event].add_metric(where, amount.total_bytes)
    yield occupancy
    yield from traffic.values()
    yield monitored
    groups = families.GROUPS.empty()
    for (state, reason), number in sorted(states.items()):
        groups.add_metric((state, reason), number)
    yield groups


def _domain_families(snapshot: Snapshot) -> Iterator[Metric]:
    occupancy, traffic = families.DOMAIN_OCCUPANCY.empty(), families.DOMAIN_TRAFFIC.empty()
    for name, figures in snapshot.figures.guests.items():
        for figure in figures:
            where = (name, str(figure.block.id))
            if isinstance(figure.occupancy, int):
                occupancy.add_metric(where, figure.occupancy)
            if TOTAL_TRAFFIC in figure.traffic:
                traffic.add_metric(where, figure.traffic[TOTAL_TRAFFIC].total_bytes)
    yield from (occupancy, traffic)


def _host_families(snapshot: Snapshot) -> Iterator[Metric]:
    capacity, occupancy = families.CAPACITY.empty(), families.OCCUPANCY.empty()
    for figure in snapshot.figures.node:
        where = (str(figure.block.id),)
        if figure.block.capacity_bytes is not None:
            capacity.add_metric(where, figure.block.capacity_bytes)
        if isinstance(figure.occupancy, int):
            occupancy.add_metric(where, figure.occupancy)
    yield from (capacity, occupancy)
    node = snapshot.layout.node
    rmids = {"total": node.num_rmids, "ours": node.own_mon_groups, "others": node.other_rmids}
    yield _by_label(families.RMIDS, {} if node.unavailable else rmids)
    yield _single(families.AVAILABLE, node.unavailable is None)


def _single(family: Family, value: float) -> Metric:
    """A metric without labels."""
    metric = family.empty()
    metric.add_metric((), value)
    return metric


def _by_label(family: Family, values: Mapping[str, float] | Mapping[Gap, int]) -> Metric:
    """A metric with one label."""
    metric = family.empty()
    for label, value in values.items():
        metric.add_metric((str(label),), value)
    return metric
