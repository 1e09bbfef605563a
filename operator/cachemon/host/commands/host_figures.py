"""`domstats` on a libvirt host: the figures that its agent has."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from shlex import quote

from cachemon.commands.backend import DomainUse, Statistics
from cachemon.commands.domstats import print_statistics
from cachemon.host.commands.host_session import HostSession, unknown_to_agent
from cachemon.host.wire import DomainReport, GroupReport, Report
from cachemon.model.age import Age, age_of
from cachemon.model.domstats_keys import BlockUse, GroupUse
from cachemon.model.errors import InvalidInputError
from cachemon.model.readings import VALID

__all__ = ["run"]

_PERIOD_SECONDS = 10.0
"""An agent reads figures every second or so, and may be busy."""


async def run(args: Namespace, session: HostSession) -> int:
    """Print the statistics of the named domains, or of all that run.

    Raises:
        AgentUnreachableError: nobody has figures.
        InvalidInputError: there is nothing to print.
        DomainNotFoundError: there is no such domain.
    """
    report = await session.agent.domains()
    for remark in _remarks(report, session):
        session.remark(remark)
    domains = [await _named(name, report, session) for name in args.domain] or [
        _use(domain, report, session) for domain in report.domains
    ]
    if not domains:
        raise InvalidInputError(
            f"no domain runs that the agent knows of; see `{session.virsh} list --all`, "
            "and `systemctl status cachemon-host` for the agent"
        )
    names = "\n".join(domain.name for domain in domains)
    print_statistics(Statistics(domains, names), args, session, single=len(args.domain) == 1)
    return 0


def _remarks(report: Report, session: HostSession) -> Iterator[str]:
    """What is wrong with all figures."""
    if report.problem:
        yield report.problem
    age = _age(report, session)
    if age is not None and age.is_stale:
        yield f"the figures are old: they were read at {report.observed_time}, {round(age.seconds)} s ago"
    if age is not None and age.is_ahead:
        yield age.problem


def _age(report: Report, session: HostSession) -> Age | None:
    return age_of(report.observed_time, _PERIOD_SECONDS, session.clock())


async def _named(name: str, report: Report, session: HostSession) -> DomainUse:
    """By id, UUID or name, in this order as virsh has it; only libvirt knows ids."""
    if not name.isdecimal():
        found = next((domain for domain in report.domains if name.lower() == domain.uuid), None)
        found = found or next((domain for domain in report.domains if name == domain.name), None)
        if found:
            return _use(found, report, session)
    domain = await session.ask(lambda libvirt: libvirt.domain(name))
    found = next((told for told in report.domains if told.uuid == domain.uuid), None)
    if found:
        return _use(found, report, session)
    if not domain.runs:
        return DomainUse(domain.name, (), (f"{domain.name}: domain is not running",))
    raise InvalidInputError(unknown_to_agent(domain, session))


def _use(domain: DomainReport, report: Report, session: HostSession) -> DomainUse:
    age = _age(report, session)
    groups: list[GroupUse] = []
    remarks = [f"{domain.name}: {domain.problem}"] if domain.problem else []
    seen: set[str] = set()
    for told in _ours_first(domain.groups):
        name = told.group.name if told.group.name not in seen else f"{told.kept}.{told.group.name}"
        seen.add(name)
        remarks += _problems(name, told)
        blocks = (
            BlockUse(block.id, block.occupancy_bytes, block.local_bytes, block.total_bytes) for block in told.blocks
        )
        groups.append(GroupUse(name, told.vcpus, tuple(blocks), None if age is None else age.seconds))
    if not groups and not remarks:
        remarks.append(
            f"{domain.name}: no group; make one: "
            f"`{session.program} cpu-resource {quote(domain.name)} --create --vcpulist all`"
        )
    return DomainUse(domain.name, tuple(groups), tuple(remarks))


def _ours_first(groups: Sequence[GroupReport]) -> list[GroupReport]:
    """One of libvirt's own monitors that has the name of a group of ours is the one to be called otherwise."""
    return sorted(groups, key=lambda told: told.kept == "libvirt")


def _problems(name: str, told: GroupReport) -> Iterator[str]:
    if told.state != "Monitored":
        yield f"{name}: {told.state}, {told.message or told.reason}"
    for block in told.blocks:
        if block.reading != VALID:
            yield f"{name}: cache block {block.id} reads {block.reading}"
