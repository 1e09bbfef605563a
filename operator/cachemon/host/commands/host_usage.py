"""Who uses how much of a libvirt host's caches: rows for `top`, from the agent's report. Pure.

The agent sums up domains: it knows which mon_groups lie in which, libvirt's own included.
"""

from dataclasses import dataclass

from cachemon.commands.usage_rows import GroupRow, GuestRow, Identity, UsageRow, sum_known
from cachemon.host.wire import DomainReport, HostBlock, HostReport
from cachemon.model.age import Age, age_of
from cachemon.model.group_reports import GroupReport
from cachemon.model.readings import VALID
from cachemon.model.reasons import Reason
from cachemon.model.times import read_time

NO_GROUP = "NoGroup"
"""The reason of a domain that no group watches."""

NO_SUM = "NoSum"
"""The reason of a domain whose groups overlap so that no sum is right."""

_BUSY_PERIOD_SECONDS = 10.0
"""An agent reads figures every second, more slowly while it is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBlockRow(UsageRow):
    """One cache block of the host.

    Attributes:
        id: the kernel's cache id.
        largest: the domain that holds most of it, and its bytes; None without one.
    """

    id: int
    largest: tuple[str, int] | None

    @property
    def identity(self) -> Identity:
        """As it is shown."""
        return (self.id,)


def report_age(report: HostReport, now: float) -> Age | None:
    """How old the figures of a report are; None where there are none.

    Args:
        report: of the agent.
        now: seconds since the epoch.
    """
    return age_of(report.observed_time, max(_BUSY_PERIOD_SECONDS, report.period_seconds), now)


class HostUsage:
    """The rows of one report.

    Args:
        report: of the agent.
        now: seconds since the epoch: figures that are old by then are not shown.
    """

    def __init__(self, report: HostReport, now: float) -> None:
        self._report = report
        self._age = report_age(report, now)
        self._observed = None if self._age is None else read_time(report.observed_time)
        self._stale = Reason.AGENT_NOT_REPORTING if self._age is not None and self._age.is_stale else ""
        self._capacities = {block.id: block.capacity_bytes for block in report.blocks}

    @property
    def groups(self) -> list[GroupRow]:
        """Every group of the running domains."""
        return [self._group(domain, group) for domain in self._report.domains for group in domain.groups]

    @property
    def domains(self) -> list[GuestRow]:
        """Every running domain, also one without groups."""
        return list(map(self._domain, self._report.domains))

    @property
    def blocks(self) -> list[HostBlockRow]:
        """Every cache block."""
        return list(map(self._block, self._report.blocks))

    def _group(self, domain: DomainReport, group: GroupReport) -> GroupRow:
        blocks = () if self._stale else group.blocks
        return GroupRow(
            guest=domain.name,
            source=str(group.kept),
            group=group.group.name,
            occupancy=sum_known(block.occupancy_bytes for block in blocks),
            capacity=sum_known(self._capacities.get(block.id) for block in group.blocks),
            bandwidth=sum_known(block.total_rate for block in blocks),
            local=sum_known(block.local_rate for block in blocks),
            age=self._age if group.blocks else None,
            observed=self._observed if group.blocks else None,
            reason=self._stale or _reason(group),
            threads=frozenset(),
        )

    def _domain(self, domain: DomainReport) -> GuestRow:
        uses = () if self._stale else domain.uses
        occupancy = sum_known(use.occupancy_bytes for use in uses)
        reason = next(filter(None, map(_reason, domain.groups)), "")
        if not domain.groups:
            reason = NO_GROUP
        elif uses and occupancy is None and not reason:
            reason = NO_SUM
        return GuestRow(
            guest=domain.name,
            occupancy=occupancy,
            capacity=sum_known(self._capacities.get(use.id) for use in domain.uses),
            bandwidth=sum_known(use.bytes_per_second for use in uses),
            local=sum_known(use.local_bytes_per_second for use in uses),
            age=self._age if domain.uses else None,
            observed=self._observed if domain.uses else None,
            reason=(self._stale if domain.uses else "") or reason,
            at_least=occupancy is not None and not all(group.blocks for group in domain.groups),
        )

    def _block(self, block: HostBlock) -> HostBlockRow:
        held = [
            (use.occupancy_bytes, domain.name)
            for domain in self._report.domains
            for use in domain.uses
            if use.id == block.id and use.occupancy_bytes is not None
        ]
        most = max(held, default=None)
        return HostBlockRow(
            id=block.id,
            occupancy=None if self._stale else block.occupancy_bytes,
            capacity=block.capacity_bytes,
            age=self._age,
            observed=self._observed,
            reason=self._stale or ("" if block.reading == VALID else block.reading),
            largest=None if self._stale or most is None else (most[1], most[0]),
        )


def _reason(group: GroupReport) -> str:
    if group.state != Reason.MONITORED:
        return group.reason or group.state
    return next((block.reading for block in group.blocks if block.reading != VALID), "")
