"""What `diagnose` of a libvirt host looks at: libvirt, the agent, the kernel. Each may fail, and the others go on."""

import grp
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cachemon.host.agent_status import AgentStatus, parse_status
from cachemon.host.commands.host_session import HostDomain, HostSession
from cachemon.host.commands.kernel_evidence import KernelEvidence, read_kernel
from cachemon.host.commands.service_unit import ServiceUnit, read_unit
from cachemon.host.libvirt_uri import LibvirtHost, host_of_uri
from cachemon.host.wire import HostReport
from cachemon.model.errors import AgentUnreachableError, CachemonError, InvalidInputError

DEFAULT_RESCTRL = Path("/sys/fs/resctrl")
_BINDINGS = "libvirt's Python bindings are not installed; pip install 'cachemon[libvirt]'"


@dataclass(frozen=True, slots=True)
class AgentEvidence:
    """What the agent says.

    Attributes:
        status: of itself; None when it does not answer.
        report: of the domains.
        read_at: when that had been read, seconds since the epoch: a slow answer after it makes no figures old.
        verdicts: its answer about verdicts.
        problem: why it does not answer, and after `; ` what to do; empty while it does.
        socket_group: the group that may use its socket, where that is why; else empty.
        unit: what systemd says, where nobody answers.
    """

    status: AgentStatus | None = None
    report: HostReport = field(default_factory=HostReport)
    read_at: float = 0.0
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    socket_group: str = ""
    unit: ServiceUnit = field(default_factory=ServiceUnit)


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """All that was found.

    Attributes:
        host: which one.
        domains: those of libvirt, running or not; None when it does not answer.
        libvirt_problem: why it does not, and after `; ` what to do.
        agent: what it says.
        kernel: what its files say; None for a host elsewhere.
        resctrl: the mount point.
    """

    host: LibvirtHost
    domains: Sequence[HostDomain] | None
    libvirt_problem: str
    agent: AgentEvidence
    kernel: KernelEvidence | None
    resctrl: Path


@dataclass(frozen=True, slots=True)
class Probes:
    """How the evidence is read of this host.

    Attributes:
        kernel: reads what the kernel offers, by the mount point of resctrl.
        unit: asks systemd.
    """

    kernel: Callable[[Path], KernelEvidence] = read_kernel
    unit: Callable[[], Awaitable[ServiceUnit]] = read_unit


async def collect(session: HostSession, resctrl: Path | None, probes: Probes) -> HostEvidence:
    """Look at all of it.

    Args:
        session: knows libvirt and the agent.
        resctrl: where a person says that it is mounted here; None for where the agent has it, or the usual place of
            a host that is surely this one.
        probes: read what is of this host.
    """
    host = host_of_uri(session.uri)
    domains, libvirt_problem = await _domains(session)
    agent = await _agent(session, host, probes)
    root = resctrl or (Path(agent.status.resctrl) if agent.status else DEFAULT_RESCTRL)
    kernel = probes.kernel(root) if host.is_here or resctrl else None
    return HostEvidence(host, domains, libvirt_problem, agent, kernel, root)


async def _domains(session: HostSession) -> tuple[Sequence[HostDomain] | None, str]:
    try:
        return await session.ask(lambda libvirt: libvirt.domains()), ""
    except CachemonError as err:
        return None, str(err)
    except ModuleNotFoundError as err:
        return None, _BINDINGS if err.name == "libvirt" else f"{err}; pip install 'cachemon[libvirt]'"


async def _agent(session: HostSession, host: LibvirtHost, probes: Probes) -> AgentEvidence:
    agent = session.agent
    try:
        status, report = parse_status(await agent.status()), await agent.domains()
        return AgentEvidence(status, report, session.clock(), await agent.verdicts())
    except AgentUnreachableError as err:
        group = _group_of(agent.socket) if agent.is_denied(err) else ""
        unit = await probes.unit() if host.is_here and not group else ServiceUnit()
        return AgentEvidence(problem=str(err), socket_group=group, unit=unit)
    except (CachemonError, InvalidInputError) as err:
        return AgentEvidence(problem=str(err))


def _group_of(socket: Path) -> str:
    """The group that may use a socket; its number where it has no name, and empty where nobody may see it."""
    try:
        number = socket.stat().st_gid
    except OSError:
        return ""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
