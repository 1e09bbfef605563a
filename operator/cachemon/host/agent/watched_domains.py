"""The groups wanted on running domains: those of their metadata, and --live groups. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar, Self

from cachemon.engine.guest_windows import WindowGuest
from cachemon.engine.layout import Layout, Target, TargetLayout
from cachemon.libvirt.domain_xml import OwnMonitor
from cachemon.libvirt.running import RunningDomain
from cachemon.model.cpu_resource_request import Scope
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import Keeper, KeptGroup, check_new_group, check_threads


@dataclass(frozen=True, slots=True)
class WatchedDomain:
    """A running domain and its groups: an object of the engine (`cachemon.engine.layout.Wanted`)."""

    uuid: str  # lower case with dashes
    guest_name: str
    vcpu_count: int
    groups: tuple[MonitoringGroup, ...]  # those in force
    live_names: frozenset[str]  # names of the --live groups; the others are in the domain's metadata
    number: int | None
    own_monitors: tuple[OwnMonitor, ...]
    problem: str
    priority: ClassVar[int] = 0  # equal for all domains, as the next
    created: ClassVar[str] = ""
    refused: tuple[MonitoringGroup, ...] = ()  # groups beyond the limit of a domain: the last --live groups

    @property
    def uid(self) -> str:
        """The UUID: each domain is one object."""
        return self.uuid

    @property
    def namespace(self) -> str:
        """The UUID: domains take turns when RMIDs are short."""
        return self.uuid

    def without_news(self) -> Self:
        """The domain itself: every part of it matters."""
        return self

    def kept(self, group: str) -> Keeper:
        """Who keeps a group that is in force."""
        return Keeper.LIVE if group in self.live_names else Keeper.CONFIG


DomainTarget = Target[WatchedDomain]  # for annotations alone, as in cachemon.agent.targets
DomainTargetLayout = TargetLayout[WatchedDomain]
DomainLayout = Layout[WatchedDomain]


def watch(domain: RunningDomain, live: Sequence[MonitoringGroup]) -> WatchedDomain:
    """A domain with its groups; --live groups of this run replace groups of the same name in the metadata."""
    live_names = frozenset(group.name for group in live)
    groups = (*(group for group in domain.groups if group.name not in live_names), *live)
    return WatchedDomain(
        uuid=domain.uuid,
        guest_name=domain.name,
        vcpu_count=domain.vcpu_count,
        groups=groups[:MOST_GROUPS],
        live_names=live_names,
        number=domain.number,
        own_monitors=domain.own_monitors,
        problem=domain.problem,
        refused=groups[MOST_GROUPS:],
    )


def targets_of(
    domains: Iterable[RunningDomain], live: Mapping[str, Sequence[MonitoringGroup]]
) -> tuple[DomainTarget, ...]:
    """The engine's targets: domains with groups or with monitors of libvirt's, by UUID, as the --live groups."""
    watched = (watch(domain, live.get(domain.uuid, ())) for domain in sorted(domains, key=lambda it: it.uuid))
    return tuple(
        Target(it, (it.uuid,), reports=True, refused=it.refused) for it in watched if it.groups or it.own_monitors
    )


def judged_domains(layout: DomainLayout) -> dict[str, WindowGuest]:
    """The domains to judge. One that migrates shows no sign of it here until its threads and groups change."""
    names = [target.object.guest_name for target in layout.targets]
    return {name: WindowGuest(name, is_unsteady=False) for name in names}


def check_live_group(domain: WatchedDomain, group: MonitoringGroup) -> None:
    """Refuse a group that conflicts with those of the domain.

    InvalidInputError when its name is taken, a monitor of libvirt's holds its threads, or there are too many groups.
    """
    if len(domain.groups) >= MOST_GROUPS:
        raise InvalidInputError(
            f"domain {domain.guest_name} has {MOST_GROUPS} groups already, and no domain may have more; "
            "--destroy one first"
        )
    home = f"domain {domain.guest_name}"
    remedy = f"take the <monitor> out with `virsh edit {quote(domain.guest_name)}`"
    theirs = [
        KeptGroup(own.group, Scope.LIVE, Keeper.LIBVIRT, home, remedy=remedy, holds_threads=True)
        for own in domain.own_monitors
        if own.has_mon_group
    ]
    check_threads(group, theirs)
    check_new_group(group, domain.groups)
