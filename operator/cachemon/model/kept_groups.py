"""The groups that a domain has, and what a request may do with them. Pure.

Both back ends of `cpu-resource`, KubeVirt and plain libvirt, use these rules. Messages begin with the RFC's text and
go on to say what to do. The RFC refuses groups that overlap. Here they may, as cells measure them, but not with a
monitor of libvirt's own: its mon_group has the thread, and a thread can be in one only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cachemon.model.cpu_resource_request import CpuResourceRequest, Scope, describe
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import MonitoringGroup
from cachemon.model.vcpus import VcpuSet


class Keeper(StrEnum):
    """Who keeps a group, as it is printed."""

    LIVE = "live"
    CONFIG = "config"
    POLICY = "policy"
    LIBVIRT = "libvirt"


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """A group that a domain has.

    Attributes:
        group: its name and its threads.
        scope: LIVE or CONFIG: the scope of a request that removes it.
        keeper: who keeps it. On a plain host a group of the configuration that the domain started with is LIVE in
            scope and kept by CONFIG.
        home: where it is kept, for people: `domain vm1`, `cachemonitorgroup.cachemon.dev/vm3`.
        state: of its monitoring, where that is known.
        remedy: what to do with a group that this program may not remove; empty for one that it may.
        holds_threads: whether libvirt has a mon_group for it: no other group can then have one of its threads.
    """

    group: MonitoringGroup
    scope: Scope
    keeper: Keeper
    home: str
    state: str = ""
    remedy: str = ""
    holds_threads: bool = False


@dataclass(frozen=True, slots=True)
class DomainGroups:
    """A domain as far as decisions need it.

    Attributes:
        runs: whether it has a QEMU, or is about to.
        kept: every group.
        persistent: whether there is a configuration; a transient domain of libvirt has none.
        config_works_now: whether groups of the configuration are in force while the domain runs (KubeVirt), or from
            its next start (libvirt's way).
        vcpus: how many vCPUs it may have at most, by LIVE and CONFIG; nothing where that is not known.
    """

    runs: bool
    kept: tuple[KeptGroup, ...]
    persistent: bool = True
    config_works_now: bool = False
    vcpus: Mapping[Scope, int] = field(default_factory=dict)

    def of(self, scope: Scope) -> tuple[KeptGroup, ...]:
        """The groups in this scope."""
        if scope.has_live and self.config_works_now:
            return self.kept
        found: dict[tuple[MonitoringGroup, Keeper, str], KeptGroup] = {}
        for kept in self.kept:
            if scope.includes(kept.scope):
                found.setdefault((kept.group, kept.keeper, kept.home), kept)
        return tuple(found.values())


def scope_of(request: CpuResourceRequest, *, runs: bool, persistent: bool = True) -> Scope:
    """The scope of a request for this domain.

    The refusals are those of libvirt's virDomainObjUpdateModificationImpact.

    Raises:
        InvalidInputError: the request is for the running domain, and it does not run; or for a missing configuration.
    """
    if request.scope is None:
        return Scope.LIVE if runs else Scope.CONFIG
    if request.scope.has_live and not runs:
        raise InvalidInputError(
            "Requested operation is not valid: domain is not running; use --config, which works whenever it runs"
        )
    if request.scope.has_config and not persistent:
        raise InvalidInputError(
            "Requested operation is not valid: transient domains do not have any persistent config; use --live"
        )
    return request.scope


def plan_creation(request: CpuResourceRequest, domain: DomainGroups) -> Scope:
    """Where to create the group of a request.

    Raises:
        InvalidInputError: it can't be created there, or conflicts with a group that exists.
    """
    wanted = request.group
    assert wanted is not None
    scope = scope_of(request, runs=domain.runs, persistent=domain.persistent)
    beyond = "; --config keeps the group for when the VM has more" if domain.config_works_now else ""
    _check_vcpus(wanted, [most for state, most in domain.vcpus.items() if scope.includes(state)], beyond)
    existing = domain.of(Scope.BOTH if domain.config_works_now else scope)
    if domain.config_works_now and len(existing) >= MOST_GROUPS:
        raise InvalidInputError(
            f"the VM has {len(existing)} groups, and can have {MOST_GROUPS}; --destroy one that nobody needs first"
        )
    check_threads(wanted, [kept for kept in existing if kept.holds_threads])
    check_new_group(wanted, (kept.group for kept in existing))
    return scope


def _check_vcpus(group: MonitoringGroup, counts: Iterable[int], advice: str) -> None:
    """Refuse vCPUs that libvirt would drop without a message."""
    for count in counts:
        there = VcpuSet.below(count)
        if beyond := (group.vcpus or VcpuSet()) - there:
            raise InvalidInputError(
                f"no vcpus selected for modification: the domain has no vCPU {beyond.named()}, only {there}{advice}"
            )


def check_threads(group: MonitoringGroup, held: Iterable[KeptGroup]) -> None:
    """Refuse a group with a thread that libvirt's own mon_group holds.

    Args:
        group: to create.
        held: groups that hold their threads.

    Raises:
        InvalidInputError: they share some.
    """
    for kept in held:
        if shared := _shared(group, kept.group):
            raise InvalidInputError(
                f"vcpus or group name conflicts with domain settings: {shared} in libvirt's own monitor "
                f"{kept.group.name!r} of {kept.home}, and a thread can be in one mon_group only; choose other vCPUs, "
                f"or {kept.remedy}"
            )


def _shared(one: MonitoringGroup, other: MonitoringGroup) -> str:
    """The threads that are in both, and the verb; empty where there are none."""
    if one.wants_vcpus and other.wants_vcpus:
        if one.all_vcpus and other.all_vcpus:
            return "all vCPUs are"
        shared = (one.vcpus or other.vcpus or VcpuSet()) & (other.vcpus or one.vcpus or VcpuSet())
        if shared:
            return f"vCPU {shared.named()} is"
    threads = sorted(one.threads & other.threads)
    return f"{threads[0]} threads are" if threads else ""


def plan_removal(request: CpuResourceRequest, domain: DomainGroups) -> tuple[KeptGroup, ...]:
    """The groups to remove: those of the given name in the scope of the request.

    Raises:
        InvalidInputError: the scope has none of this name, or it has other vCPUs than were given, or this program
            may not remove it.
    """
    scope = scope_of(request, runs=domain.runs, persistent=domain.persistent)
    assert request.group is not None
    named = [kept for kept in domain.kept if kept.group.name == request.group.name]
    targets = [kept for kept in named if scope.includes(kept.scope) and not kept.remedy]
    found = find_group_to_destroy(request, (kept.group for kept in targets or domain.kept))
    if not targets:
        raise InvalidInputError(_out_of_scope(found.name, named, scope))
    return tuple(kept for kept in targets if not request.checks_vcpus or _same_vcpus(kept.group, found))


def _out_of_scope(name: str, named: Sequence[KeptGroup], scope: Scope) -> str:
    for kept in named:
        if not kept.remedy:
            return (
                f"Cannot remove resource monitoring group: '{name}' is not in the {scope} state of the domain but in "
                f"{kept.home}, which is {kept.scope}; add --{kept.scope}"
            )
    kept = named[0]
    if kept.keeper is Keeper.LIBVIRT:
        return f"group '{name}' is libvirt's own monitor in {kept.home}; {kept.remedy}"
    return f"group '{name}' is in {kept.home}, {kept.remedy}"


def check_new_group(group: MonitoringGroup, there: Iterable[MonitoringGroup]) -> None:
    """Refuse a name that another group has.

    Raises:
        InvalidInputError: a group has this name.
    """
    for other in there:
        if other.name == group.name:
            raise InvalidInputError(
                f"vcpus or group name conflicts with domain settings: group {group.name!r} exists already, "
                f"of {describe(other)}; choose another --group-name, or --destroy that one first"
            )


def find_group_to_destroy(request: CpuResourceRequest, there: Iterable[MonitoringGroup]) -> MonitoringGroup:
    """The group that a request to destroy names.

    Raises:
        InvalidInputError: there is none of this name, or it has other vCPUs than were given.
    """
    wanted = request.group
    assert wanted is not None
    there = tuple(there)
    found = next((group for group in there if group.name == wanted.name), None)
    if found is None:
        names = ", ".join(dict.fromkeys(group.name for group in there)) or "none"
        raise InvalidInputError(
            f"Cannot remove resource monitoring group: no monitoring group '{wanted.name}' found; there is: {names}"
        )
    if request.checks_vcpus and not _same_vcpus(found, wanted):
        raise InvalidInputError(
            f"resource monitoring group id mismatch: group {found.name!r} is of {describe(found)}, not of "
            f"{describe(wanted)}; leave --vcpulist out to remove it all the same"
        )
    return found


def _same_vcpus(one: MonitoringGroup, other: MonitoringGroup) -> bool:
    return (one.vcpus, one.all_vcpus) == (other.vcpus, other.all_vcpus)
