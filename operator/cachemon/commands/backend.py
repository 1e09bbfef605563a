"""What `cpu-resource` and `domstats` need of the place where domains run: KubeVirt, or a host with plain libvirt."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cachemon.model.cpu_resource_request import CpuResourceRequest, Scope
from cachemon.model.domstats_keys import GroupUse
from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import DomainGroups, KeptGroup

__all__ = ["Created", "DomainUse", "LookUp", "Statistics", "Terminal", "WatchedDomain"]


class Terminal(Protocol):
    """Where a command speaks."""

    def say(self, text: str) -> None:
        """A figure, a row, an object."""

    def remark(self, text: str) -> None:
        """Whatever is no answer."""


class Created(NamedTuple):
    """A group was made.

    Attributes:
        home: where it is kept now, for people.
        remarks: what else to know.
    """

    home: str
    remarks: tuple[str, ...] = ()


class WatchedDomain(Protocol):
    """One domain, looked up for one request."""

    @property
    def groups(self) -> DomainGroups:
        """What decisions are made by."""

    @property
    def detail_headings(self) -> tuple[str, ...]:
        """Columns of `-o wide` that only this back end has."""

    def details(self, kept: KeptGroup) -> tuple[str, ...]:
        """Their cells."""

    def render(self, shown: Sequence[KeptGroup], output: str) -> str:
        """Groups as `-o json|yaml|name` prints them."""

    async def create(self, group: MonitoringGroup, scope: Scope) -> Created:
        """Make a group that the rules let pass."""

    async def destroy(self, kept: KeptGroup) -> None:
        """Remove a group that the rules let go."""


LookUp = Callable[[CpuResourceRequest], Awaitable[WatchedDomain]]


@dataclass(frozen=True, slots=True)
class DomainUse:
    """What there is to print of one domain.

    Attributes:
        name: as it is printed.
        groups: its monitoring groups.
        remarks: what has no value, and why.
    """

    name: str
    groups: tuple[GroupUse, ...]
    remarks: tuple[str, ...]


class Statistics(NamedTuple):
    """The answer to `domstats`.

    Attributes:
        domains: in the order to print them.
        names: what `-o name` prints.
    """

    domains: Sequence[DomainUse]
    names: str
