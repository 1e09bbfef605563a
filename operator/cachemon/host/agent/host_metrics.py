"""The page of /metrics of a host's agent, made from the newest samples."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from cachemon import __version__
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.engine.cycle import Pulse
from cachemon.host.agent.report import HostSample
from cachemon.model.counter_totals import Gap
from cachemon.telemetry.exposition import render
from cachemon.telemetry.families import AgentFamilies, GroupSeries, GuestSeries
from cachemon.telemetry.interference_families import InterferenceFamilies
from cachemon.telemetry.label_set import HelpTexts, LabelSet, Metric
from cachemon.telemetry.numa_families import NumaFamilies
from cachemon.telemetry.package_families import PackageFamilies
from cachemon.telemetry.process_families import process_metrics

_LABELS = LabelSet(
    prefix="cachemon_host",
    machine="host",
    guest_kind="domain",
    used="cache_used_bytes",
    place=(),
    group=("domain", "group", "kept"),
    guest=("domain",),
    texts=HelpTexts(
        holds="a group of a domain holds; `kept` is `live`, `config`, or `libvirt` for its own",
        group="group",
        groups="Groups by state, libvirt's own among them",
        threads="threads of a domain in groups of ours",
    ),
)
_OF_AGENTS = AgentFamilies.of(_LABELS)
_OF_NUMA_NODES = NumaFamilies.of(_LABELS)
_OF_PACKAGES = PackageFamilies.of(_LABELS)
_OF_VERDICTS = InterferenceFamilies.of(_LABELS, ratio="interference_ratio")
_BUILD = _LABELS.gauge("build_info", "Always 1; the label has the version.", "version")
_LIBVIRT = _LABELS.gauge("libvirt_connected", "1 while libvirt answers, else 0.")

FAMILIES = (
    *_OF_AGENTS.groups,
    *_OF_NUMA_NODES,
    *_OF_AGENTS.states,
    *_OF_AGENTS.guests,
    *_OF_PACKAGES,
    *_OF_AGENTS.blocks,
    *_OF_AGENTS.monitoring,
    _LIBVIRT,
    *_OF_AGENTS.process,
    _BUILD,
    *_OF_VERDICTS,
)


def prepare_page(
    snapshot: HostSample,
    pulse: Pulse,
    gaps: Mapping[Gap, int],
    *,
    is_connected: bool,
    wanted: MetricsFormat = MetricsFormat.TEXT,
) -> Callable[[], bytes]:
    """Copy what changes of the values of now. Returns what renders them, in any thread and later."""
    pulse, gaps = replace(pulse), dict(gaps)
    metrics = _metrics(snapshot, pulse, gaps, is_connected=is_connected)
    return lambda: render(chain(metrics, process_metrics()), wanted)


def _metrics(snapshot: HostSample, pulse: Pulse, gaps: Mapping[Gap, int], *, is_connected: bool) -> Iterator[Metric]:
    groups = tuple(
        GroupSeries(
            (it.domain.guest_name, it.layout.group.name, it.kept), it.layout, it.figures, it.packages, it.shares
        )
        for it in snapshot.groups
    )
    yield from _OF_AGENTS.groups.filled(groups)
    yield from _OF_NUMA_NODES.filled(groups)
    refused = sum(len(target.object.refused) for target in snapshot.layout.targets)
    yield from _OF_AGENTS.states.filled((), groups, refused)
    of_packages = snapshot.figures.guest_packages
    guests = [GuestSeries((name,), it, of_packages.get(name, ())) for name, it in snapshot.figures.guests.items()]
    yield from _OF_AGENTS.guests.filled(guests)
    yield from _OF_PACKAGES.filled(groups, guests)
    yield from _OF_AGENTS.blocks.filled((), snapshot.figures.node)
    yield from _OF_AGENTS.monitoring.filled((), snapshot.layout.node)
    yield _LIBVIRT.filled([((), is_connected)])
    yield from _OF_AGENTS.process.filled((), pulse, gaps)
    yield _BUILD.filled([((__version__,), 1)])
    if snapshot.figures.verdicts is not None:
        yield from _OF_VERDICTS.filled((), snapshot.figures.verdicts, lambda domain: (domain,))
