"""Make the report of the agent's socket from a sample. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.engine.figures import (
    LOCAL_TRAFFIC,
    TOTAL_TRAFFIC,
    BlockFigure,
    Figures,
    NodeBlockFigure,
    PackageFigure,
    ShareFigure,
)
from cachemon.engine.layout import GroupLayout, GroupState, Layout
from cachemon.host.agent.domain_sums import domain_sums, rate_of
from cachemon.host.agent.watched_domains import DomainLayout, DomainTargetLayout, WatchedDomain
from cachemon.host.wire import BlockUse, DomainReport, HostBlock, HostReport
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.kept_groups import Keeper
from cachemon.model.readings import VALID, Missing
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import exact_decimal
from cachemon.model.times import format_time
from cachemon.qemu.domain_processes import Run

_NOT_YET = "the agent has not handled it yet; it does so within a second"


@dataclass(frozen=True, slots=True)
class HostSample:
    """One sample of a host: of our groups, and of libvirt's own monitors."""

    layout: DomainLayout = Layout()  # noqa: RUF009  # immutable
    figures: Figures = Figures()  # noqa: RUF009
    their_layout: DomainLayout = Layout()  # noqa: RUF009
    their_figures: Figures = Figures()  # noqa: RUF009

    @property
    def groups(self) -> Iterator["HostGroup"]:
        """Every group of every domain with its state and figures; libvirt's own come last."""
        for target in self.layout.targets:
            for group in target.groups:
                yield _host_group(target, group, target.object.kept(group.group.name), self.figures)
        for target in self.their_layout.targets:
            for group in target.groups:
                yield _host_group(target, group, Keeper.LIBVIRT, self.their_figures)

    @property
    def sums(self) -> Mapping[str, tuple[BlockUse, ...]]:
        """What each domain has of each cache block, by its name."""
        return domain_sums(self.layout, self.figures, self.their_layout, self.their_figures)


class HostGroup(NamedTuple):
    """A group of a domain with its state and figures."""

    domain: WatchedDomain
    layout: GroupLayout
    kept: Keeper
    figures: tuple[BlockFigure, ...]
    packages: tuple[PackageFigure, ...]
    shares: tuple[ShareFigure, ...]


def report_of(
    domains: Iterable[WatchedDomain],
    sample: HostSample,
    runs: Mapping[str, Run],
    problem: str,
    period_seconds: float = 1.0,
) -> HostReport:
    """The report about the running domains, which may be newer than the sample.

    Args:
        domains: those that run.
        sample: the newest one.
        runs: the QEMUs that are found, by UUID.
        problem: what keeps the agent from its work, or empty.
        period_seconds: between two samples.
    """
    found: dict[tuple[str, MonitoringGroup, Keeper], GroupReport] = {}
    for each in sample.groups:
        found[each.domain.uuid, each.layout.group, each.kept] = _group(each)
    wall_time, sums = sample.figures.wall_time, sample.sums
    return HostReport(
        domains=tuple(
            DomainReport(
                name=domain.guest_name,
                uuid=domain.uuid,
                pid=runs[domain.uuid].pid if domain.uuid in runs else None,
                groups=tuple(_wanted(domain, found)),
                problem=domain.problem,
                uses=sums.get(domain.guest_name, ()),
            )
            for domain in sorted(domains, key=lambda it: it.guest_name)
        ),
        observed_time=format_time(wall_time) if wall_time else "",
        problem=problem or (str(sample.layout.node.unavailable) if sample.layout.node.unavailable else ""),
        blocks=tuple(map(_host_block, sample.figures.node)),
        period_seconds=period_seconds,
    )


def _wanted(
    domain: WatchedDomain, found: Mapping[tuple[str, MonitoringGroup, Keeper], GroupReport]
) -> Iterator[GroupReport]:
    """Every group that the domain should have, even one that is newer than the sample."""
    wanted: list[tuple[MonitoringGroup, Keeper]] = [(group, domain.kept(group.name)) for group in domain.groups]
    wanted += [(own.group, Keeper.LIBVIRT) for own in domain.own_monitors]
    for group in domain.refused:
        yield GroupReport(
            group,
            () if group.wants_vcpus else None,
            domain.kept(group.name),
            GroupState.REFUSED,
            Reason.TOO_MANY_GROUPS,
            f"a domain has at most {MOST_GROUPS} groups, those of its metadata first; destroy one that nobody needs",
        )
    for group, kept in wanted:
        not_yet = GroupReport(group, () if group.wants_vcpus else None, kept, GroupState.WAITING, "", _NOT_YET)
        yield found.get((domain.uuid, group, kept), not_yet)


def _host_group(target: DomainTargetLayout, group: GroupLayout, kept: Keeper, figures: Figures) -> HostGroup:
    key = GroupKey(target.uid, group.group.name)
    return HostGroup(
        target.object,
        group,
        kept,
        figures.groups.get(key, ()),
        figures.packages.get(key, ()),
        figures.shares.get(key, ()),
    )


def _group(group: HostGroup) -> GroupReport:
    layout = group.layout
    return GroupReport(
        group=layout.group,
        vcpus=layout.vcpus if layout.group.wants_vcpus else None,
        kept=group.kept,
        state=layout.state,
        reason=layout.reason or "",
        message=layout.message,
        blocks=tuple(map(_block, group.figures)),
        packages=tuple(map(_package, group.packages)),
    )


def _package(figure: PackageFigure) -> PackageReport:
    totals = {event: exact_decimal(count.total) for event, count in figure.counts.items()}
    return PackageReport(figure.package.id, totals, str(figure.missing or VALID))


def _block(figure: BlockFigure) -> BlockReport:
    occupancy, totals = figure.occupancy, dict(figure.totals)
    return BlockReport(
        id=figure.block.id,
        occupancy_bytes=None if isinstance(occupancy, Missing) else occupancy,
        local_bytes=totals.get(LOCAL_TRAFFIC),
        total_bytes=totals.get(TOTAL_TRAFFIC),
        reading=str(occupancy) if isinstance(occupancy, Missing) else VALID,
        local_rate=rate_of(figure, LOCAL_TRAFFIC),
        total_rate=rate_of(figure, TOTAL_TRAFFIC),
    )


def _host_block(figure: NodeBlockFigure) -> HostBlock:
    occupancy = figure.occupancy
    if isinstance(occupancy, Missing):
        return HostBlock(figure.block.id, figure.block.capacity_bytes, reading=str(occupancy))
    return HostBlock(figure.block.id, figure.block.capacity_bytes, occupancy)
