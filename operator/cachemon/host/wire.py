"""Requests and answers on the socket of the host's agent, as values and as JSON. Pure.

Both ends use this module: the agent's server and the client of the commands.

    GET    /v1/domains                  a HostReport
    GET    /v1/status                   how the agent is; see cachemon.host.agent_status
    GET    /v1/history                  the figures of the last hour; see cachemon.host.history_wire
    GET    /v1/verdicts                 which domain disturbs which; see cachemon.host.agent.verdicts_report
    POST   /v1/domains/UUID/live        a group, {"name", "vcpus": "0-3" | "all", "threads": [...]}; answers 201
    DELETE /v1/domains/UUID/live/NAME   answers 204

A refusal has a 4xx status and {"message": ...}, which says what to do next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import fit_text
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport
from cachemon.model.groups import MonitoringGroup, check_name, parse_group, parse_unchecked_group, render_group
from cachemon.model.kept_groups import Keeper
from cachemon.model.readings import VALID

_LONGEST_QUOTE = 128


@dataclass(frozen=True, slots=True)
class BlockUse:
    """What a domain, or one of its groups, has of a cache block.

    Attributes:
        id: the kernel's cache id.
        occupancy_bytes: cache held; None where there is no number.
        bytes_per_second, local_bytes_per_second: traffic with memory; None where it is not counted.
    """

    id: int
    occupancy_bytes: int | None = None
    bytes_per_second: int | None = None
    local_bytes_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class HostBlock:
    """A cache block of the host.

    Attributes:
        id: the kernel's cache id.
        capacity_bytes: its size; None if sysfs does not have it.
        occupancy_bytes: what everything on the host holds; None where there is no number.
        reading: `Valid`, or why there is no occupancy.
    """

    id: int
    capacity_bytes: int | None = None
    occupancy_bytes: int | None = None
    reading: str = VALID


@dataclass(frozen=True, slots=True)
class DomainReport:
    """One running domain.

    Attributes:
        name: as libvirt has it.
        uuid: lower case with dashes.
        pid: its QEMU's, or None where that was not found.
        groups: those in force, libvirt's own last.
        problem: why groups that its metadata should have are not in force, or empty.
        uses: what all its groups have of each cache block; each thread counts once. Empty before they were read.
    """

    name: str
    uuid: str
    pid: int | None
    groups: tuple[GroupReport, ...] = ()
    problem: str = ""
    uses: tuple[BlockUse, ...] = ()


@dataclass(frozen=True, slots=True)
class HostReport:
    """All that the agent knows.

    Attributes:
        domains: the running ones, by name.
        observed_time: RFC 3339, when the figures were read; empty when none were.
        problem: what keeps the agent from its work, or empty.
        blocks: the cache blocks of the host, in the order of their ids.
        period_seconds: how often the figures are read, while the agent keeps up.
    """

    domains: tuple[DomainReport, ...] = ()
    observed_time: str = ""
    problem: str = ""
    blocks: tuple[HostBlock, ...] = ()
    period_seconds: float = 1.0


def render_report(report: HostReport) -> dict[str, Any]:
    """As JSON."""
    return {
        "domains": [
            {
                "name": domain.name,
                "uuid": domain.uuid,
                "pid": domain.pid,
                "groups": [_render_group(group) for group in domain.groups],
                "problem": domain.problem,
                "uses": list(map(_render_use, domain.uses)),
            }
            for domain in report.domains
        ],
        "blocks": [
            {
                "id": block.id,
                "capacityBytes": block.capacity_bytes,
                "occupancyBytes": block.occupancy_bytes,
                "reading": block.reading,
            }
            for block in report.blocks
        ],
        "observedTime": report.observed_time,
        "problem": report.problem,
        "periodSeconds": report.period_seconds,
    }


def parse_report(answer: Any) -> HostReport:
    """From JSON.

    Raises:
        InvalidInputError: this is no report: another program answers, or an agent of another version.
    """
    try:
        return HostReport(
            domains=tuple(
                DomainReport(
                    name=str(item["name"]),
                    uuid=str(item["uuid"]),
                    pid=item["pid"],
                    groups=tuple(map(_parse_group, item["groups"])),
                    problem=str(item["problem"]),
                    uses=tuple(map(_parse_use, item["uses"])),
                )
                for item in answer["domains"]
            ),
            blocks=tuple(
                HostBlock(int(it["id"]), it["capacityBytes"], it["occupancyBytes"], str(it["reading"]))
                for it in answer["blocks"]
            ),
            observed_time=str(answer["observedTime"]),
            problem=str(answer["problem"]),
            period_seconds=float(answer["periodSeconds"]),
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as err:
        raise InvalidInputError(
            f"the answer is no report of cachemon's agent of this version ({err!r}); restart it: "
            "systemctl restart cachemon-host"
        ) from err


def render_group_request(group: MonitoringGroup) -> dict[str, Any]:
    """A group as JSON."""
    return {**render_group(group), "name": group.name}


def parse_group_request(body: Any) -> MonitoringGroup:
    """A group from JSON that anybody may have written.

    Raises:
        InvalidInputError: it is not valid.
    """
    if not isinstance(body, dict):
        raise InvalidInputError("a group must be a JSON object with `name` and `vcpus` or `threads`")
    unknown = sorted(str(key) for key in body.keys() - {"name", "vcpus", "threads"})
    if unknown:
        raise InvalidInputError(
            f"a group has no {fit_text(unknown[0], _LONGEST_QUOTE)!r}; it has `name`, `vcpus` and `threads`"
        )
    name, vcpus, threads = check_name(body.get("name")), body.get("vcpus"), body.get("threads", [])
    if not (vcpus is None or isinstance(vcpus, str)):
        raise InvalidInputError('`vcpus` must be a list in libvirt\'s syntax, as "0-3,^1", or "all"')
    if not isinstance(threads, list) or not all(isinstance(word, str) for word in threads):
        raise InvalidInputError('`threads` must be a list of names, as ["IOThread", "Emulator"]')
    return parse_unchecked_group({"name": name, "vcpus": vcpus, "threads": threads})


def _render_use(use: BlockUse) -> dict[str, int | None]:
    return {
        "id": use.id,
        "occupancyBytes": use.occupancy_bytes,
        "bytesPerSecond": use.bytes_per_second,
        "localBytesPerSecond": use.local_bytes_per_second,
    }


def _parse_use(item: Mapping[str, Any]) -> BlockUse:
    return BlockUse(int(item["id"]), item["occupancyBytes"], item["bytesPerSecond"], item["localBytesPerSecond"])


def _render_group(report: GroupReport) -> dict[str, Any]:
    wanted = render_group_request(report.group)
    return {
        "name": report.group.name,
        "wantedVcpus": wanted.get("vcpus"),
        "vcpus": None if report.vcpus is None else list(report.vcpus),
        "threads": wanted.get("threads", []),
        "kept": str(report.kept),
        "state": report.state,
        "reason": report.reason,
        "message": report.message,
        "blocks": [
            {
                "id": block.id,
                "occupancyBytes": block.occupancy_bytes,
                "localBytes": block.local_bytes,
                "totalBytes": block.total_bytes,
                "reading": block.reading,
                "localBytesPerSecond": block.local_rate,
                "totalBytesPerSecond": block.total_rate,
            }
            for block in report.blocks
        ],
        "packages": [
            {
                "id": package.id,
                "totals": {event: str(total) for event, total in package.totals.items()},
                "reading": package.reading,
            }
            for package in report.packages
        ],
    }


def _parse_group(item: Mapping[str, Any]) -> GroupReport:
    wanted = {"name": item["name"], "vcpus": item["wantedVcpus"], "threads": item["threads"]}
    return GroupReport(
        group=parse_group(wanted),
        vcpus=None if item["vcpus"] is None else tuple(map(int, item["vcpus"])),
        kept=Keeper(item["kept"]),
        state=str(item["state"]),
        reason=str(item["reason"]),
        message=str(item["message"]),
        blocks=tuple(
            BlockReport(
                id=int(block["id"]),
                occupancy_bytes=block["occupancyBytes"],
                local_bytes=block["localBytes"],
                total_bytes=block["totalBytes"],
                reading=str(block["reading"]),
                local_rate=block["localBytesPerSecond"],
                total_rate=block["totalBytesPerSecond"],
            )
            for block in item["blocks"]
        ),
        packages=tuple(
            PackageReport(
                id=int(package["id"]),
                totals={str(event): Decimal(total) for event, total in package["totals"].items()},
                reading=str(package["reading"]),
            )
            for package in item["packages"]
        ),
    )
