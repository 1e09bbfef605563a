"""`cpu-resource`, the command of the 2018 RFC "x86 RDT CMT": its options, its rules, its messages. Pure.

    cpu-resource DOMAIN [--group-name NAME] [--vcpulist LIST] [--create | --destroy] [--live] [--config] [--current]

This module checks the options; `kept_groups` checks them against a domain. Messages begin with the RFC's text and go
on to say what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import MonitoringGroup, check_name, default_name
from cachemon.model.vcpus import ALL, VcpuSet, check_list, parse_vcpus

_STEM = default_name("")


class Action(StrEnum):
    """What to do."""

    SHOW = "show"
    CREATE = "create"
    DESTROY = "destroy"


class Scope(StrEnum):
    """The domain as it runs now, the configuration for whenever it runs, or both."""

    LIVE = "live"
    CONFIG = "config"
    BOTH = "live and config"

    @property
    def has_live(self) -> bool:
        """Whether it includes the running domain."""
        return self is not Scope.CONFIG

    @property
    def has_config(self) -> bool:
        """Whether it includes the configuration."""
        return self is not Scope.LIVE

    def includes(self, other: "Scope") -> bool:
        """Whether it includes groups of the other one."""
        return self in (other, Scope.BOTH)


@dataclass(frozen=True, slots=True)
class CpuResourceRequest:
    """A request, checked as far as it can be without the domain.

    Attributes:
        action: what to do.
        group: the group to create; to destroy one, its name and, where given, its vCPUs count. None to show.
        scope: of the options; None for `--current`, which is the default.
        checks_vcpus: whether the vCPUs were given with `--vcpulist`.
    """

    action: Action
    group: MonitoringGroup | None
    scope: Scope | None
    checks_vcpus: bool


def parse_request(
    *,
    group_name: str | None,
    vcpulist: str | None,
    create: bool,
    destroy: bool,
    live: bool,
    config: bool,
    current: bool,
) -> CpuResourceRequest:
    """The options as the RFC defines them.

    Raises:
        InvalidInputError: one of them is not valid, or they contradict each other.
    """
    for one, other, both in (
        ("create", "destroy", create and destroy),
        ("current", "live", current and live),
        ("current", "config", current and config),
    ):
        if both:
            raise InvalidInputError(f"Options --{one} and --{other} are mutually exclusive")
    scope = Scope.BOTH if live and config else Scope.LIVE if live else Scope.CONFIG if config else None
    given = group_name is not None or vcpulist is not None
    if not create and not destroy:
        if given:
            raise InvalidInputError(
                "unsupported action. --group-name and --vcpulist say what to create or destroy: "
                "add --create or --destroy, or leave them out to see all groups"
            )
        return CpuResourceRequest(Action.SHOW, None, scope, checks_vcpus=False)
    if not given:
        if create:
            raise InvalidInputError(
                "Option --create requires at least one of the options --group-name or --vcpulist, "
                "e.g. --create --group-name web --vcpulist 0-3"
            )
        raise InvalidInputError(
            "Cannot remove resource monitoring group: group name is NULL; name it with --group-name"
        )
    group = _wanted_group(group_name, vcpulist, needs_vcpus=create)
    action = Action.CREATE if create else Action.DESTROY
    return CpuResourceRequest(action, group, scope, checks_vcpus=vcpulist is not None)


def _wanted_group(name: str | None, vcpulist: str | None, *, needs_vcpus: bool) -> MonitoringGroup:
    """A name such as `vcpus_0-3` implies its vCPUs, a list its name."""
    if name is not None:
        check_name(name)
    implied = _vcpus_of_name(name)
    if vcpulist is None:
        wanted = implied
    else:
        wanted = _listed(vcpulist)
        if implied is not None and implied != wanted:
            raise InvalidInputError(
                f"resource monitoring group id mismatch: a group of {_vcpus_of(wanted)} must not be called {name!r}"
            )
    if wanted is None and needs_vcpus:
        raise InvalidInputError(
            f"no vcpus selected for modification: group {name!r} needs --vcpulist, e.g. --vcpulist 0-3"
        )
    if wanted == ALL:
        return MonitoringGroup(name or default_name(ALL), None, all_vcpus=True, threads=frozenset())
    vcpus = wanted if isinstance(wanted, VcpuSet) else None
    return MonitoringGroup(name or default_name(str(vcpus or "")), vcpus, all_vcpus=False, threads=frozenset())


def _vcpus_of_name(name: str | None) -> VcpuSet | str | None:
    """The vCPUs that a name such as `vcpus_0-3` implies, or `all`; None where it implies none."""
    if name is None or not name.startswith(_STEM):
        return None
    try:
        return _listed(name.removeprefix(_STEM))
    except InvalidInputError:
        return None


def _listed(text: str) -> VcpuSet | str:
    try:
        check_list(text)
        return ALL if text == ALL else parse_vcpus(text)
    except InvalidInputError as err:
        raise InvalidInputError(f"no vcpus selected for modification: --vcpulist: {err}") from err


def _vcpus_of(vcpus: VcpuSet | str) -> str:
    return "all vCPUs" if isinstance(vcpus, str) else f"vCPU {vcpus.named()}"


def describe(group: MonitoringGroup) -> str:
    """The vCPUs and threads of a group, for people."""
    parts = []
    if group.all_vcpus:
        parts.append(_vcpus_of(ALL))
    elif group.vcpus is not None:
        parts.append(_vcpus_of(group.vcpus))
    return " and ".join([*parts, *(f"{name} threads" for name in sorted(group.threads))])


def render_status(names: Sequence[str]) -> str:
    """The output without --create and --destroy, in the RFC's layout: it has a blank after the colon."""
    if not names:
        return "CPU Resource Monitoring Group Status: no group found"
    return "\n".join(["CPU Resource Monitoring Group Status: ", *(f"    group name: {name}" for name in names)])
