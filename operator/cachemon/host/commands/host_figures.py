"""`domstats` on a libvirt host: figures from its agent."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from shlex import quote

from cachemon.commands.backend import DomainStatistics
from cachemon.commands.domstats import print_statistics
from cachemon.host.commands.host_session import HostSession
from cachemon.host.commands.named_domains import named_domain
from cachemon.host.wire import DomainReport, HostReport
from cachemon.model.age import Age, age_of
from cachemon.model.errors import InvalidInputError
from cachemon.model.group_reports import name_groups, problems_of
from cachemon.model.kept_groups import Keeper

_PERIOD_SECONDS = 10.0
"""An agent reads figures every second, more slowly while it is busy."""


async def run(args: Namespace, session: HostSession) -> int:
    """Print the statistics of the named domains, or of all that run.

    Raises:
        AgentUnreachableError: no agent answers.
        InvalidInputError: there is nothing to print.
        DomainNotFoundError: there is no such domain.
    """
    report = await session.agent.domains()
    for remark in _remarks(report, session):
        session.remark(remark)
    domains = [await _named(name, report, session) for name in args.domain] or [
        _statistics(domain, report, session) for domain in report.domains
    ]
    if not domains:
        raise InvalidInputError(
            f"no domain runs that the agent knows of; see `{session.virsh} list --all`, "
            "and `systemctl status cachemon-host` for the agent"
        )
    if args.output == "name":
        session.say("\n".join(domain.name for domain in domains))
        return 0
    print_statistics(domains, args, session, single=len(args.domain) == 1)
    return 0


def _remarks(report: HostReport, session: HostSession) -> Iterator[str]:
    """What is wrong with all figures."""
    if report.problem:
        yield report.problem
    age = _age(report, session)
    if age is not None and age.is_stale:
        yield f"the figures are old: they were read at {report.observed_time}, {round(age.seconds)} s ago"
    if age is not None and age.is_ahead:
        yield age.problem


def _age(report: HostReport, session: HostSession) -> Age | None:
    return age_of(report.observed_time, _PERIOD_SECONDS, session.clock())


async def _named(name: str, report: HostReport, session: HostSession) -> DomainStatistics:
    domain = await named_domain(name, report, session)
    if isinstance(domain, DomainReport):
        return _statistics(domain, report, session)
    return DomainStatistics(domain.name, {}, (f"{domain.name}: domain is not running",))


def _statistics(domain: DomainReport, report: HostReport, session: HostSession) -> DomainStatistics:
    age = _age(report, session)
    # One of libvirt's own monitors is the one to be renamed where a group of ours has its name.
    ours_first = sorted(domain.groups, key=lambda group: group.kept is Keeper.LIBVIRT)
    groups = name_groups(
        (group.kept, replace(group, age_seconds=None if age is None else age.seconds)) for group in ours_first
    )
    remarks = [f"{domain.name}: {domain.problem}"] if domain.problem else []
    remarks += [problem for name, group in groups.items() for problem in problems_of(name, group)]
    if not groups and not remarks:
        remarks.append(
            f"{domain.name}: no group; create one: "
            f"`{session.program} cpu-resource {quote(domain.name)} --create --vcpulist all`"
        )
    return DomainStatistics(domain.name, groups, tuple(remarks))
