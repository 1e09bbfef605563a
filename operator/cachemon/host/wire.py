"""What the agent of a host says over its socket, as values."""

from dataclasses import dataclass
from typing import Literal

from cachemon.model.groups import MonitoringGroup

__all__ = ["BlockReport", "DomainReport", "GroupReport", "Kept", "Report"]

Kept = Literal["live", "config", "libvirt"]
"""Who keeps a group: the agent, the domain's metadata, or libvirt, whose own monitor it is."""


@dataclass(frozen=True, slots=True)
class BlockReport:
    """What a group has of one cache block.

    Attributes:
        id: the kernel's cache id.
        occupancy_bytes: cache held; None where there is no number.
        local_bytes, total_bytes: traffic with memory since the group is monitored; None where there is no number.
        reading: `Valid`, or why there is no number.
    """

    id: int
    occupancy_bytes: int | None
    local_bytes: int | None
    total_bytes: int | None
    reading: str


@dataclass(frozen=True, slots=True)
class GroupReport:
    """A group in force.

    Attributes:
        group: what it is of.
        vcpus: those that the domain has; None for a group of other threads alone.
        kept: who keeps it.
        state: `Monitored`, `Degraded` or `Waiting`.
        reason: one word; empty where there is nothing to say.
        message: the same for people.
        blocks: in the order of their ids.
    """

    group: MonitoringGroup
    vcpus: tuple[int, ...] | None
    kept: Kept
    state: str
    reason: str
    message: str
    blocks: tuple[BlockReport, ...]


@dataclass(frozen=True, slots=True)
class DomainReport:
    """A domain that runs, and its groups."""

    name: str
    uuid: str
    pid: int
    groups: tuple[GroupReport, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything.

    Attributes:
        domains: those that run.
        observed_time: when the figures were read, RFC 3339.
        problem: why there are none at all; empty where all is well.
    """

    domains: tuple[DomainReport, ...]
    observed_time: str
    problem: str
