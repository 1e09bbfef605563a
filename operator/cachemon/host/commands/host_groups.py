"""`cpu-resource` on a libvirt host: the domain's metadata keeps groups of `--config`, the agent those of `--live`.

A running domain has the groups in the metadata of its live XML, which it was started with, and those that the agent
keeps. libvirt's own monitors are shown and never changed.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from shlex import quote

from cachemon.commands.backend import Created
from cachemon.commands.cpu_resource import handle, request_of
from cachemon.commands.output import render_data
from cachemon.host.commands.host_session import HostDomain, HostSession, unknown_to_agent
from cachemon.host.wire import DomainReport
from cachemon.libvirt.domain_xml import read_domain
from cachemon.libvirt.metadata import read_metadata
from cachemon.model.cpu_resource_request import Action, CpuResourceRequest, Scope
from cachemon.model.errors import AgentUnreachableError, CachemonError, InvalidInputError
from cachemon.model.group_reports import GroupReport
from cachemon.model.groups import MonitoringGroup, render_group
from cachemon.model.kept_groups import DomainGroups, Keeper, KeptGroup, scope_of


async def run(args: Namespace, session: HostSession) -> int:
    """Show, create or destroy monitoring groups of a domain.

    Raises:
        InvalidInputError: the options contradict each other, or do not fit this domain.
    """

    async def find(request: CpuResourceRequest) -> _LibvirtBackend:
        return await _find(args.domain, request, session)

    return await handle(request_of(args), find, args.output, session)


async def _find(named: str, request: CpuResourceRequest, session: HostSession) -> "_LibvirtBackend":
    domain = await session.ask(lambda libvirt: libvirt.domain(named))
    scope = scope_of(request, runs=domain.runs, persistent=domain.persistent)
    report = await _report(domain, request, scope, session) if domain.runs else None
    kept: list[KeptGroup] = []
    vcpus: dict[Scope, int] = {}
    for state, xml in ((Scope.LIVE, domain.live_xml), (Scope.CONFIG, domain.config_xml)):
        if xml is None:
            continue
        try:
            found, vcpus[state] = _kept_in_xml(domain, state, xml, report, session)
            kept += found
        except InvalidInputError as err:
            advice = f"{err}: `{session.virsh} edit {quote(domain.name)}`"
            if scope.includes(state) and request.action is not Action.SHOW:
                raise InvalidInputError(advice) from err
            session.remark(f"domain {domain.name}, {state}: {advice}")
    kept += _kept_by_agent(domain, report)
    return _LibvirtBackend(
        domain, DomainGroups(domain.runs, tuple(kept), persistent=domain.persistent, vcpus=vcpus), session
    )


async def _report(
    domain: HostDomain, request: CpuResourceRequest, scope: Scope, session: HostSession
) -> DomainReport | None:
    """The agent's report of the domain; None where it is not needed.

    Changes of groups that work now need the agent. Without it the groups that libvirt knows are shown, unless
    --live asks for all.
    """
    if not scope.has_live and request.action is not Action.DESTROY:
        return None
    try:
        report = await session.agent.domains()
    except AgentUnreachableError as err:
        if scope.has_live and (request.action is not Action.SHOW or request.scope is not None):
            raise
        if scope.has_live:
            session.remark(f"groups made with --live are not shown: {err}")
        return None
    found = next((found for found in report.domains if found.uuid == domain.uuid), None)
    if scope.has_live and found is None:
        session.remark(f"{unknown_to_agent(domain, session)}. Groups made with --live are not seen")
    elif scope.has_live and (problem := report.problem or (found.problem if found else "")):
        session.remark(problem)
    return found


def _kept_in_xml(
    domain: HostDomain, scope: Scope, xml: bytes, report: DomainReport | None, session: HostSession
) -> tuple[list[KeptGroup], int]:
    """The groups in an XML, ours and libvirt's, and how many vCPUs a domain of it may have."""
    reports = {(each.group.name, each.kept): each for each in report.groups} if report and scope is Scope.LIVE else {}
    home = _home(domain)
    ours = [
        KeptGroup(group, scope, Keeper.CONFIG, home, _state(reports.get((group.name, Keeper.CONFIG))))
        for group in read_metadata(xml)
    ]
    remedy = f"take the <monitor> out with `{session.virsh} edit {quote(domain.name)}`"
    read = read_domain(xml)
    libvirts = [
        KeptGroup(
            own.group,
            scope,
            Keeper.LIBVIRT,
            home,
            _state(reports.get((own.group.name, Keeper.LIBVIRT))),
            remedy,
            holds_threads=own.has_mon_group,
        )
        for own in read.own_monitors
    ]
    return ours + libvirts, read.max_vcpus


def _kept_by_agent(domain: HostDomain, report: DomainReport | None) -> Iterator[KeptGroup]:
    for each in report.groups if report else ():
        if each.kept is Keeper.LIVE:
            yield KeptGroup(each.group, Scope.LIVE, Keeper.LIVE, _home(domain), _state(each))


def _state(report: GroupReport | None) -> str:
    return "" if report is None else report.reason or report.state


def _home(domain: HostDomain) -> str:
    return f"domain {domain.name}"


class _LibvirtBackend:
    """A domain and its groups.

    Args:
        domain: as libvirt has it.
        groups: all that it has, of both states.
        session: where libvirt and the agent are.
    """

    detail_headings: tuple[str, ...] = ()

    def __init__(self, domain: HostDomain, groups: DomainGroups, session: HostSession) -> None:
        self._domain = domain
        self._session = session
        self.groups = groups

    def details(self, _: KeptGroup) -> tuple[str, ...]:
        """None."""
        return ()

    def render(self, shown: Sequence[KeptGroup], output: str) -> str:
        """The domain with its groups; by name one group a line."""
        if output == "name":
            return "\n".join(kept.group.name for kept in shown)
        groups = [
            {
                "name": kept.group.name,
                **render_group(kept.group),
                "kept": str(kept.keeper),
                **({"state": kept.state} if kept.state else {}),
            }
            for kept in shown
        ]
        return render_data({"domain": self._domain.name, "uuid": self._domain.uuid, "groups": groups}, output)

    async def create(self, group: MonitoringGroup, scope: Scope) -> Created:
        """Ask the agent first: it may be away, or have no RMID."""
        if scope.has_live:
            await self._session.agent.create_live(self._domain.uuid, group)
        if scope.has_config:
            try:
                await self._write(Scope.CONFIG, [*self._of_metadata(Scope.CONFIG), group])
            except CachemonError:
                if scope.has_live:  # both or nothing
                    await self._session.agent.destroy_live(self._domain.uuid, group.name)
                raise
        remarks: tuple[str, ...] = ()
        if self._domain.runs and not scope.has_live:
            remarks = (f"domain {self._domain.name} has the group from its next start; --live creates one at once",)
        return Created(_home(self._domain), remarks)

    async def destroy(self, kept: KeptGroup) -> None:
        """Remove the group from the agent, or from the metadata of one of both XMLs."""
        if kept.keeper is Keeper.LIVE:
            await self._session.agent.destroy_live(self._domain.uuid, kept.group.name)
        else:
            left = [group for group in self._of_metadata(kept.scope) if group.name != kept.group.name]
            await self._write(kept.scope, left)

    def _of_metadata(self, scope: Scope) -> list[MonitoringGroup]:
        return [kept.group for kept in self.groups.kept if kept.keeper is Keeper.CONFIG and kept.scope is scope]

    async def _write(self, scope: Scope, groups: Sequence[MonitoringGroup]) -> None:
        uuid = self._domain.uuid
        if scope is Scope.LIVE:
            await self._session.ask(lambda libvirt: libvirt.write_live(uuid, groups), writes=True)
        else:
            await self._session.ask(lambda libvirt: libvirt.write_config(uuid, groups), writes=True)
