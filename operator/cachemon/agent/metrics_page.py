"""The page of /metrics of a node's agent, made from the newest snapshots."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from cachemon import __version__
from cachemon.agent.targets import BoundLayout, vmis_of
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.engine.cycle import Pulse
from cachemon.engine.figures import Figures
from cachemon.model.counter_totals import Gap
from cachemon.model.groups import GroupKey
from cachemon.telemetry.exposition import render
from cachemon.telemetry.families import AgentFamilies, GroupSeries, GuestSeries
from cachemon.telemetry.interference_families import InterferenceFamilies
from cachemon.telemetry.label_set import HelpTexts, LabelSet, Metric
from cachemon.telemetry.numa_families import NumaFamilies
from cachemon.telemetry.package_families import PackageFamilies
from cachemon.telemetry.process_families import process_metrics

_LABELS = LabelSet(
    prefix="cachemon",
    machine="node",
    guest_kind="vmi",
    used="node_cache_occupancy_bytes",
    place=("node",),
    group=("namespace", "name", "object", "group"),
    guest=("namespace", "name"),
    texts=HelpTexts(
        holds="a monitoring group holds",
        group="monitoring group",
        groups="Monitoring groups by state",
        threads="monitored threads of a VMI",
    ),
)
_OF_AGENTS = AgentFamilies.of(_LABELS)
_OF_NUMA_NODES = NumaFamilies.of(_LABELS)
_OF_PACKAGES = PackageFamilies.of(_LABELS)
_OF_VERDICTS = InterferenceFamilies.of(_LABELS, ratio="node_interference_ratio")
_MONITORED = _LABELS.gauge(
    "node_cache_monitored_bytes", "Bytes of a cache block that monitored VMs hold.", "cache_id"
)
_WRITES = _LABELS.counter(
    "agent_api_writes",
    "Writes to the API: `written`, `refused`, `failed`, `gone`, `throttled`, `unreachable`.",
    "result",
)
_BUILD = _LABELS.gauge("build_info", "Always 1; the label has the version.", "version")
_OBJECTS = _LABELS.gauge("agent_objects", "CacheMonitorGroups that this node has a part in.")

FAMILIES = (
    *_OF_AGENTS.groups,
    *_OF_NUMA_NODES,
    *_OF_AGENTS.guests,
    *_OF_PACKAGES,
    *_OF_AGENTS.blocks,
    _MONITORED,
    *_OF_AGENTS.monitoring,
    *_OF_AGENTS.states,
    *_OF_AGENTS.process,
    _WRITES,
    _OBJECTS,
    _BUILD,
    *_OF_VERDICTS,
)


def prepare_page(
    node_name: str,
    layout: BoundLayout,
    figures: Figures,
    *,
    pulse: Pulse,
    gaps: Mapping[Gap, int],
    writes: Mapping[str, int],
    wanted: MetricsFormat = MetricsFormat.TEXT,
) -> Callable[[], bytes]:
    """Copy what changes of the values of now. Returns what renders them, once, in any thread and later."""
    metrics = metrics_of((node_name,), layout, figures, pulse=replace(pulse), gaps=dict(gaps), writes=dict(writes))
    return lambda: render(chain(metrics, process_metrics()), wanted)


def metrics_of(
    place: tuple[str],
    layout: BoundLayout,
    figures: Figures,
    *,
    pulse: Pulse,
    gaps: Mapping[Gap, int],
    writes: Mapping[str, int],
) -> Iterator[Metric]:
    """All metrics of a node: the place is its name, the gaps are those in the counting of traffic."""
    groups = tuple(_groups(place, layout, figures))
    yield from _OF_AGENTS.groups.filled(groups)
    yield from _OF_NUMA_NODES.filled(groups)
    guests = [
        GuestSeries(
            (*place, vmi.namespace, vmi.name), figures.guests.get(guest, ()), figures.guest_packages.get(guest, ())
        )
        for vmi, guest in vmis_of(layout).items()
    ]
    yield from _OF_AGENTS.guests.filled(guests)
    yield from _OF_PACKAGES.filled(groups, guests)
    yield from _OF_AGENTS.blocks.filled(place, figures.node)
    yield _MONITORED.filled(
        ((*place, str(it.block.id)), it.monitored) for it in figures.node if isinstance(it.monitored, int)
    )
    yield from _OF_AGENTS.monitoring.filled(place, layout.node)
    refused = sum(len(target.target.refused) for target in layout.targets)
    yield from _OF_AGENTS.states.filled(place, groups, refused)
    yield from _OF_AGENTS.process.filled(place, pulse, gaps)
    yield _WRITES.filled(((*place, result), count) for result, count in sorted(writes.items()))
    yield _OBJECTS.filled([(place, len(layout.targets))])
    yield _BUILD.filled([((*place, __version__), 1)])
    if figures.verdicts is not None:
        yield from _OF_VERDICTS.filled(place, figures.verdicts, _labels_of_vmi)


def _labels_of_vmi(vm: str) -> tuple[str, str]:
    """Namespace and name; both empty where nobody monitors the suspect."""
    namespace, _, name = vm.partition("/")
    return namespace, name


def _groups(place: tuple[str], layout: BoundLayout, figures: Figures) -> Iterator[GroupSeries]:
    for target in layout.targets:
        obj = target.object
        labels = (*place, obj.name.namespace, obj.vmi_name, obj.name.name)
        for group in target.groups:
            name = group.group.name
            key = GroupKey(target.uid, name)
            packages, shares = figures.packages.get(key, ()), figures.shares.get(key, ())
            yield GroupSeries((*labels, name), group, figures.groups.get(key, ()), packages, shares)
