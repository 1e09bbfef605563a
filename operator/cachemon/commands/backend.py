"""What `cpu-resource` and `domstats` need of KubeVirt, or of a host with plain libvirt."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cachemon.model.cpu_resource_request import CpuResourceRequest, Scope
from cachemon.model.group_reports import GroupReport
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import DomainGroups, KeptGroup


class Terminal(Protocol):
    """Where a command prints."""

    def say(self, text: str) -> None:
        """Print a figure, a row, an object."""

    def remark(self, text: str) -> None:
        """Print what is no answer."""


class Created(NamedTuple):
    """The outcome of creating a group.

    Attributes:
        home: where it is kept now, for people.
        remarks: what else a person should know.
    """

    home: str
    remarks: tuple[str, ...] = ()


class DomainBackend(Protocol):
    """One domain and its groups, looked up for one request."""

    @property
    def groups(self) -> DomainGroups:
        """What decisions depend on."""

    @property
    def detail_headings(self) -> tuple[str, ...]:
        """Columns of `-o wide` that only this back end has."""

    def details(self, kept: KeptGroup) -> tuple[str, ...]:
        """The values in these columns."""

    def render(self, shown: Sequence[KeptGroup], output: str) -> str:
        """Groups as `-o json|yaml|name` prints them."""

    async def create(self, group: MonitoringGroup, scope: Scope) -> Created:
        """Create a group that the rules allow."""

    async def destroy(self, kept: KeptGroup) -> None:
        """Remove a group that the rules allow to remove."""


FindDomain = Callable[[CpuResourceRequest], Awaitable[DomainBackend]]


@dataclass(frozen=True, slots=True)
class DomainStatistics:
    """What `domstats` prints of one domain.

    Attributes:
        name: as it is printed.
        groups: its monitoring groups by their printed names.
        remarks: what has no value, and why.
    """

    name: str
    groups: Mapping[str, GroupReport]
    remarks: tuple[str, ...]
