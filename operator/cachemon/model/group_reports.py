"""Monitoring groups as they stand, with their figures: what `domstats` prints and the host's agent reports. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cachemon.model.groups import MonitoringGroup
from cachemon.model.kept_groups import Keeper
from cachemon.model.readings import VALID

_MONITORED = "Monitored"


@dataclass(frozen=True, slots=True)
class BlockReport:
    """One group in one cache block.

    Attributes:
        id: the kernel's cache id.
        occupancy_bytes: cache held; None where there is no number.
        local_bytes, total_bytes: traffic with memory since the group is monitored; None where it is not counted.
        reading: `Valid`, or why there is no occupancy.
        local_rate, total_rate: bytes per second now; None where they are not counted, or not known here.
    """

    id: int
    occupancy_bytes: int | None = None
    local_bytes: int | None = None
    total_bytes: int | None = None
    reading: str = VALID
    local_rate: int | None = None
    total_rate: int | None = None


@dataclass(frozen=True, slots=True)
class PackageReport:
    """The telemetry of one group on one CPU package.

    Attributes:
        id: the kernel's number of the package.
        totals: by event since the group is monitored: joules of `core_energy`, farads of `activity`, else counts.
        reading: `Valid`, or why a counter has no number.
    """

    id: int
    totals: Mapping[str, Decimal]
    reading: str = VALID


@dataclass(frozen=True, slots=True)
class GroupReport:
    """One group as it stands.

    Attributes:
        group: what is wanted.
        vcpus: those of it that have a thread now; None for a group without vCPUs.
        kept: who keeps it.
        state: `Monitored`, `Degraded` or `Waiting`.
        reason: one word for why it is not monitored, or empty.
        message: the same for people.
        blocks: its figures, in the order of the blocks' ids; none before it was read.
        packages: its telemetry, in the order of the packages' ids; none where the kernel has none.
        age_seconds: since its figures were read, for whoever prints them; below zero by clocks that differ.
    """

    group: MonitoringGroup
    vcpus: tuple[int, ...] | None
    kept: Keeper
    state: str
    reason: str = ""
    message: str = ""
    blocks: tuple[BlockReport, ...] = ()
    packages: tuple[PackageReport, ...] = ()
    age_seconds: float | None = None


def name_groups(reports: Iterable[tuple[str, GroupReport]]) -> dict[str, GroupReport]:
    """The groups of a domain by names of their own.

    Args:
        reports: each with what its name starts with where an earlier group has the same name.
    """
    named: dict[str, GroupReport] = {}
    for prefix, report in reports:
        name = report.group.name
        while name in named:
            name = f"{prefix}.{name}"
        named[name] = report
    return named


def problems_of(name: str, report: GroupReport) -> Iterator[str]:
    """Why a group has not all its figures, in sentences that begin with this name."""
    if report.state != _MONITORED:
        yield f"{name}: {report.state}, {report.message or report.reason}"
    for block in report.blocks:
        if block.reading != VALID:
            yield f"{name}: cache block {block.id} reads {block.reading}"
    for package in report.packages:
        if package.reading != VALID:
            yield f"{name}: telemetry of CPU package {package.id} reads {package.reading}"
