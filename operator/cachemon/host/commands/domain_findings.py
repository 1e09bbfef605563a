"""What `diagnose` finds about domains and their groups. Pure."""

from collections.abc import Iterator, Sequence
from shlex import quote

from cachemon.commands.findings import CheckResult, Finding, limited
from cachemon.host.commands.host_session import HostDomain
from cachemon.host.wire import DomainReport, HostReport
from cachemon.model.group_reports import GroupReport, problems_of

_SHOWN = 10
_MONITORED = "Monitored"


def domain_findings(
    domains: Sequence[HostDomain] | None, report: HostReport | None, program: str
) -> Iterator[Finding]:
    """The findings; none without the agent, which alone knows.

    Args:
        domains: those of libvirt; None when it does not answer.
        report: what the agent says of those that run; None when it does not answer.
        program: how a person calls this program for the same host.
    """
    if report is None:
        return
    groups = [(domain, group) for domain in report.domains for group in domain.groups]
    problems = [*_unknown(domains or (), report), *_of_domains(report)]
    problems += [_of_group(domain, group, program) for domain, group in groups if group.state != _MONITORED]
    if groups and not problems:
        watched = sum(bool(domain.groups) for domain in report.domains)
        yield Finding(CheckResult.WORKS, "groups", f"{len(groups)} of {watched} domains, all {_MONITORED}")
    rest = Finding(CheckResult.FAILS, "groups", "more have a problem", f"{program} domstats")
    yield from limited(problems, _SHOWN, rest)
    notes = [
        Finding(CheckResult.NOTE, f"group {domain.name}/{group.group.name}", text, "docs/conditions.md, Readings")
        for domain, group in groups
        if group.state == _MONITORED
        for text in (
            problem.removeprefix(f"{group.group.name}: ") for problem in problems_of(group.group.name, group)
        )
    ]
    yield from limited(notes, _SHOWN, Finding(CheckResult.NOTE, "groups", "more readings are missing"))
    bare = [_without_groups(domain, program) for domain in report.domains if not (domain.groups or domain.problem)]
    yield from limited(bare, _SHOWN, Finding(CheckResult.NOTE, "domains", "more run without a group"))


def _unknown(domains: Sequence[HostDomain], report: HostReport) -> Iterator[Finding]:
    known = {domain.uuid for domain in report.domains}
    for domain in domains:
        if domain.runs and domain.uuid not in known:
            message = "it runs, and the agent does not know of it: it has started just now, or the agent is another's"
            advice = "try again; --socket says which agent to ask"
            yield Finding(CheckResult.FAILS, f"domain {domain.name}", message, advice)


def _of_domains(report: HostReport) -> Iterator[Finding]:
    for domain in report.domains:
        if domain.problem:
            problem, _, advice = domain.problem.partition("; ")
            yield Finding(CheckResult.FAILS, f"domain {domain.name}", problem, advice)
        if domain.groups and domain.pid is None:
            yield Finding(
                CheckResult.FAILS,
                f"domain {domain.name}",
                "its QEMU is not found by libvirt's pid file",
                "ls /run/libvirt/qemu; the agent's --state-dir says where libvirt keeps its pid files",
            )


def _of_group(domain: DomainReport, group: GroupReport, program: str) -> Finding:
    message, _, advice = group.message.partition("; ")
    text = ": ".join(filter(None, (group.reason or group.state, message)))
    command = f"{program} cpu-resource {quote(domain.name)} -o wide"
    what = f"group {domain.name}/{group.group.name}"
    return Finding(CheckResult.FAILS, what, text, "; ".join(filter(None, (advice, command))))


def _without_groups(domain: DomainReport, program: str) -> Finding:
    create = f"{program} cpu-resource {quote(domain.name)} --create --vcpulist all"
    return Finding(CheckResult.NOTE, f"domain {domain.name}", "it runs without a group: nothing measures it", create)
