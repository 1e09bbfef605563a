"""A libvirt host as far as the commands know it, in memory; tests/integration/libvirt uses the real libvirt."""

import asyncio
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cachemon import __version__
from cachemon.engine.layout import NodeFacts
from cachemon.host.agent_status import AgentStatus, render_status
from cachemon.host.commands.agent_client import AgentClient
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_session import Connect, HostDomain, HostSession
from cachemon.host.commands.main import COMMANDS, load
from cachemon.host.history_wire import HostHistory
from cachemon.host.libvirt_uri import DEFAULT_URI, host_of_uri
from cachemon.host.wire import BlockUse, DomainReport, HostBlock, HostReport
from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.metadata import NAMESPACE, read_metadata, render_metadata
from cachemon.model.errors import (
    AgentRefusedError,
    AgentUnreachableError,
    CachemonError,
    DomainNotFoundError,
    LibvirtRefusedError,
)
from cachemon.model.group_reports import BlockReport, GroupReport
from cachemon.model.groups import MonitoringGroup, parse_group
from cachemon.model.kept_groups import Keeper

NOW = 1_790_000_000.0
THEN = "2026-09-21T14:13:18Z"
"""Two seconds before NOW."""

UUID = "c7a5fdbd-cdaf-9455-926a-d65c16db18%02d"

Keeps = dict[str, tuple[MonitoringGroup, ...]]


@dataclass(frozen=True)
class FakeDomain:
    """A domain; one that runs has the number that virsh shows as its id."""

    name: str
    uuid: str
    id: int | None
    live_xml: bytes | None
    config_xml: bytes | None

    @property
    def runs(self) -> bool:
        return self.live_xml is not None

    @property
    def persistent(self) -> bool:
        return self.config_xml is not None


def domain_xml(name: str, cputune: str = "", groups: Sequence[MonitoringGroup] = (), vcpus: int = 4) -> bytes:
    metadata = ""
    if groups:
        element = render_metadata(groups).replace("<groups", f'<groups xmlns="{NAMESPACE}"')
        metadata = f"<metadata>{element}</metadata>"
    tune = f"<cputune>{cputune}</cputune>" if cputune else ""
    return f"<domain><name>{name}</name>{metadata}<vcpu>{vcpus}</vcpu>{tune}</domain>".encode()


def with_groups(xml: bytes, groups: Sequence[MonitoringGroup]) -> bytes:
    text = xml.decode()
    name = text.partition("<name>")[2].partition("</name>")[0]
    cputune = text.partition("<cputune>")[2].partition("</cputune>")[0]
    return domain_xml(name, cputune, groups, int(text.partition("<vcpu>")[2].partition("</vcpu>")[0]))


class FakeLibvirt:
    """Domains by name.

    Attributes:
        opened: for every connection whether it is read-only.
        writes: (state, domain) of every write.
        refuses: raised by the next write.
    """

    def __init__(self) -> None:
        self.all: dict[str, FakeDomain] = {}
        self.opened: list[bool] = []
        self.closed = 0
        self.writes: list[tuple[str, str]] = []
        self.refuses: CachemonError | None = None

    def put(
        self,
        name: str = "vm3",
        *,
        runs: bool = True,
        persistent: bool = True,
        cputune: str = "",
        groups: Sequence[MonitoringGroup] = (),
        vcpus: int = 4,
    ) -> FakeDomain:
        xml = domain_xml(name, cputune, groups, vcpus)
        number = len(self.all) + 1
        self.all[name] = FakeDomain(
            name, UUID % number, number if runs else None, xml if runs else None, xml if persistent else None
        )
        return self.all[name]

    def connect(self, *, read_only: bool) -> "FakeConnection":
        self.opened.append(read_only)
        return FakeConnection(self, read_only=read_only)

    def restart(self, name: str) -> None:
        """The domain ends and is started again, from its configuration."""
        self.all[name] = replace(self.all[name], live_xml=self.all[name].config_xml)


class FakeConnection:
    """As cachemon.libvirt.connection.Connection."""

    def __init__(self, host: FakeLibvirt, *, read_only: bool) -> None:
        self._host = host
        self._read_only = read_only

    def domains(self) -> Sequence[FakeDomain]:
        return tuple(self._host.all.values())

    def domain(self, named: str, /) -> FakeDomain:
        for domain in self._host.all.values():
            if named == str(domain.id) or named.lower() == domain.uuid:
                return domain
        try:
            return self._host.all[named]
        except KeyError:
            raise DomainNotFoundError(f"{DEFAULT_URI} has no domain {named!r}") from None

    def write_config(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        domain = self._written(uuid, "config")
        if domain.config_xml is None:
            raise LibvirtRefusedError("transient domains do not have any persistent config")
        self._host.all[domain.name] = replace(domain, config_xml=with_groups(domain.config_xml, groups))

    def write_live(self, uuid: str, groups: Sequence[MonitoringGroup]) -> None:
        domain = self._written(uuid, "live")
        if domain.live_xml is None:
            raise LibvirtRefusedError("domain is not running")
        self._host.all[domain.name] = replace(domain, live_xml=with_groups(domain.live_xml, groups))

    def _written(self, uuid: str, state: str) -> FakeDomain:
        if self._read_only:
            raise LibvirtRefusedError("operation forbidden for read only access")
        if self._host.refuses:
            raise self._host.refuses
        domain = self.domain(uuid)
        self._host.writes.append((state, domain.name))
        return domain

    def close(self) -> None:
        self._host.closed += 1


class FakeAgent(AgentClient):
    """The client of an agent of this host.

    Args:
        libvirt: the domains that it watches.

    Attributes:
        live: the groups it keeps, by UUID of the domain.
        blocks: figures, by name of the group.
        states: (state, reason, message) by name of the group.
        away: whether nobody answers.
        problem, problem_of_domains: what keeps it from its work.
        refuses: why it makes no group.
        knows: whether it knows of any domain; that of another host would not.
        judged: its answer about verdicts.
        before_verdicts: called before that answer.
        status_of_itself: its answer about itself.
        denied: whether this user may not use its socket.
        listens_at: its socket.
        uses: what domains have of the cache blocks, by name.
        host_blocks: the cache blocks.
        kept: the hour that it has kept.
    """

    def __init__(self, libvirt: Callable[[], Iterable[HostDomain]]) -> None:
        self._domains = libvirt
        self.live: Keeps = {}
        self.blocks: dict[str, tuple[BlockReport, ...]] = {}
        self.states: dict[str, tuple[str, str, str]] = {}
        self.away = False
        self.knows = True
        self.observed_time = THEN
        self.problem = ""
        self.problem_of_domains = ""
        self.refuses = ""
        self.judged: Mapping[str, Any] = {"isJudging": False}
        self.status_of_itself = AgentStatus(
            __version__,
            "kvm1",
            DEFAULT_URI,
            "/sys/fs/resctrl",
            "",
            2,
            NodeFacts(
                num_rmids=64,
                events=("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"),
                own_mon_groups=2,
                other_rmids=1,
            ),
        )
        self.denied = False
        self.listens_at = Path("/run/cachemon/host.sock")
        self.uses: dict[str, tuple[BlockUse, ...]] = {}
        self.host_blocks: tuple[HostBlock, ...] = ()
        self.kept = HostHistory()
        self.before_verdicts: Callable[[], None] = lambda: None

    @property
    def socket(self) -> Path:
        return self.listens_at

    def is_denied(self, err: AgentUnreachableError) -> bool:
        return self.denied and bool(err.args)

    async def status(self) -> Mapping[str, Any]:
        self._answers()
        return render_status(self.status_of_itself)

    async def verdicts(self) -> Mapping[str, Any]:
        self._answers()
        self.before_verdicts()
        return self.judged

    async def domains(self) -> HostReport:
        self._answers()
        found = [self._domain(domain) for domain in self._domains() if domain.runs and self.knows]
        return HostReport(tuple(found), self.observed_time, self.problem, self.host_blocks)

    async def history(self, domain: str = "", seconds: float = 3600.0) -> HostHistory:
        del seconds  # what it has kept is short
        self._answers()
        wanted = (it for it in self.kept.series if (it.key.domain == domain if domain else not it.key.group))
        return replace(self.kept, series=tuple(wanted))

    def _domain(self, domain: HostDomain) -> DomainReport:
        assert domain.live_xml is not None
        kept: list[tuple[MonitoringGroup, Keeper]] = []
        kept += [(group, Keeper.CONFIG) for group in read_metadata(domain.live_xml)]
        kept += [(group, Keeper.LIVE) for group in self.live.get(domain.uuid, ())]
        kept += [(own.group, Keeper.LIBVIRT) for own in read_domain(domain.live_xml).own_monitors]
        groups = (self._group(group, keeper) for group, keeper in kept)
        return DomainReport(
            domain.name, domain.uuid, 4000, tuple(groups), self.problem_of_domains, self.uses.get(domain.name, ())
        )

    def _group(self, group: MonitoringGroup, kept: Keeper) -> GroupReport:
        vcpus = (0, 1, 2, 3) if group.all_vcpus else None if group.vcpus is None else tuple(group.vcpus)
        state = self.states.get(group.name, ("Monitored", "", ""))
        return GroupReport(group, vcpus, kept, *state, self.blocks.get(group.name, ()))

    async def create_live(self, uuid: str, group: MonitoringGroup) -> None:
        self._answers()
        if self.refuses:
            raise AgentRefusedError(self.refuses)
        if group.name in {other.name for other in self.live.get(uuid, ())}:
            raise AgentRefusedError(f"group {group.name!r} is there already")
        self.live[uuid] = (*self.live.get(uuid, ()), group)

    async def destroy_live(self, uuid: str, name: str) -> None:
        self._answers()
        self.live[uuid] = tuple(group for group in self.live.get(uuid, ()) if group.name != name)

    def _answers(self) -> None:
        if self.away:
            raise AgentUnreachableError("nobody answers at /run/cachemon/host.sock")


def elsewhere(uri: str) -> AgentClient:
    """The client of an agent whose socket nobody has forwarded."""
    return AgentClient(None, host_of_uri(uri), own_folder=lambda: Path("/run/user/7"))


@dataclass
class Done:
    """The end of a command: its exit code and its output."""

    code: int
    out: str
    err: str


def run(
    arguments: Sequence[str], connect: Connect, agent: AgentClient, uri: str = DEFAULT_URI, stdin: str = ""
) -> Done:
    """`cachemon host` with these arguments."""
    return asyncio.run(run_here(arguments, connect, agent, uri, stdin))


async def run_here(
    arguments: Sequence[str], connect: Connect, agent: AgentClient, uri: str = DEFAULT_URI, stdin: str = ""
) -> Done:
    """The same in the loop that there is."""
    args = build_parser().parse_args(["host", *arguments])
    out, err = io.StringIO(), io.StringIO()
    session = HostSession(connect, agent, uri, out=out, err=err, stdin=io.StringIO(stdin), clock=lambda: NOW)
    assert args.command in COMMANDS
    try:
        code = await load(args.command)(args, session)
    except CachemonError as error:
        return Done(1, out.getvalue(), f"{err.getvalue()}error: {error}\n")
    finally:
        await session.close()
    return Done(code, out.getvalue(), err.getvalue())


@dataclass
class Host:
    """The program `cachemon host` on a host, as a person types it."""

    libvirt: FakeLibvirt = field(default_factory=FakeLibvirt)
    agent: FakeAgent = field(init=False)
    uri: str = DEFAULT_URI
    other_agent: Callable[[], AgentClient] | None = None

    def __post_init__(self) -> None:
        self.agent = FakeAgent(self.libvirt.all.values)

    def run(self, *arguments: str, stdin: str = "") -> Done:
        agent = self.other_agent() if self.other_agent else self.agent
        return run(arguments, self.libvirt.connect, agent, self.uri, stdin)

    def config(self, name: str = "vm3") -> list[str]:
        """Names of the groups of the configuration."""
        xml = self.libvirt.all[name].config_xml
        return [group.name for group in read_metadata(xml)] if xml else []

    def started_with(self, name: str = "vm3") -> list[str]:
        """Names of the groups in the live XML."""
        xml = self.libvirt.all[name].live_xml
        return [group.name for group in read_metadata(xml)] if xml else []

    def live(self, name: str = "vm3") -> list[str]:
        """Names of the groups that the agent keeps."""
        return [group.name for group in self.agent.live.get(self.libvirt.all[name].uuid, ())]


def group(name: str, vcpus: str | None = None, threads: Sequence[str] = ()) -> MonitoringGroup:
    return parse_group({"name": name, "vcpus": vcpus, "threads": threads})


def block(id_: int, occupancy: int | None, local: int | None = None, total: int | None = None) -> BlockReport:
    return BlockReport(id_, occupancy, local, total, "Valid" if occupancy is not None else "Unavailable")
