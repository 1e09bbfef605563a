"""What works on a libvirt host, what does not, and what to type next. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote

from cachemon import __version__
from cachemon.commands.findings import CheckResult, Finding, limited
from cachemon.commands.machine_findings import machine_findings
from cachemon.commands.telemetry_needs import Platform
from cachemon.host.commands.domain_findings import domain_findings
from cachemon.host.commands.host_evidence import HostEvidence
from cachemon.host.commands.judging_findings import judging_findings
from cachemon.model.age import age_of
from cachemon.model.errors import MonitoringUnavailableError
from cachemon.model.reasons import Reason

_FIGURES_SECONDS = 10.0
_OTHERS_SHOWN = 10
_OF_LIBVIRT = "qemu-"
_LET_OTHERS_ASK = "or let others ask: docs/guides/plain-libvirt-host.md"

_ADVICE: Mapping[str, str] = {
    Reason.RESCTRL_NOT_MOUNTED: "sudo mount -t resctrl resctrl /sys/fs/resctrl; add it to /etc/fstab",
    Reason.RESCTRL_UNREADABLE: "sudo cachemon host diagnose",
    Reason.MONITORING_UNSUPPORTED: "switch RDT (Intel), QoS (AMD) on in the firmware; pass it through if it is a VM",
    Reason.KERNEL_UNSUPPORTED: "boot a kernel that has /sys/fs/resctrl/info/L3_MON/mon_features",
    Reason.PROC_HIDDEN: "sudo mount -o remount,hidepid=0 /proc",
}
"""What to do where nothing can be monitored."""


def examine(evidence: HostEvidence, program: str) -> list[Finding]:
    """Findings, causes before their effects.

    Args:
        evidence: what was found.
        program: how a person calls this program for the same host.
    """
    return [
        *_libvirt(evidence),
        *_agent(evidence, program),
        *_kernel(evidence),
        *_others(evidence),
        *domain_findings(evidence.domains, evidence.agent.report if evidence.agent.status else None, program),
        *judging_findings(evidence.agent, program),
    ]


def _libvirt(evidence: HostEvidence) -> Iterator[Finding]:
    if evidence.domains is None:
        problem, _, advice = evidence.libvirt_problem.partition("; ")
        yield Finding(CheckResult.FAILS, "libvirt", problem, advice)
        return
    run = sum(domain.runs for domain in evidence.domains)
    message = f"it answers: {run} of {len(evidence.domains)} domains run"
    yield Finding(CheckResult.WORKS, "libvirt", message)


def _agent(evidence: HostEvidence, program: str) -> Iterator[Finding]:
    agent = evidence.agent
    if agent.status is None:
        problem, _, advice = agent.problem.partition("; ")
        if agent.socket_group:
            yield Finding(CheckResult.FAILS, "agent", problem, _rights(agent.socket_group, program))
        else:
            yield agent.unit.finding(problem, advice)
        return
    if agent.status.version != __version__:
        message = f"it is version {agent.status.version}, and this program is {__version__}"
        yield Finding(CheckResult.NOTE, "agent", message, "sudo systemctl restart cachemon-host")
    age = age_of(agent.report.observed_time, _FIGURES_SECONDS, agent.read_at)
    read = "no figures yet" if age is None else f"figures read {age.label} ago"
    if agent.status.problem and not agent.status.node.unavailable:
        problem, _, advice = agent.status.problem.partition("; ")
        yield Finding(CheckResult.FAILS, "agent", problem, advice or "journalctl -u cachemon-host -n 50")
    elif age is not None and age.problem:
        yield Finding(CheckResult.FAILS, "agent", age.problem, "journalctl -u cachemon-host -n 50")
    else:
        yield Finding(CheckResult.WORKS, "agent", f"version {agent.status.version}, {read}")


def _rights(group: str, program: str) -> str:
    as_root = f"sudo {program} diagnose"
    if group == "root":
        return f"{as_root}; {_LET_OTHERS_ASK}"
    return f"sudo usermod -aG {quote(group)} $USER, and log in again; or {as_root}"


def _kernel(evidence: HostEvidence) -> Iterable[Finding]:
    """By the agent where it answers: it is what works, and may be elsewhere."""
    agent, kernel = evidence.agent.status, evidence.kernel
    platform = kernel.platform if kernel else Platform("host")
    node = agent.node if agent and (agent.node.unavailable or agent.node.num_rmids) else kernel and kernel.node
    if not node:
        return
    if node.unavailable:
        yield _unavailable(node.unavailable, evidence)
        return
    message = f"mounted at {evidence.resctrl}, events {', '.join(node.events) or 'none'}"
    yield Finding(CheckResult.WORKS, "resctrl", message)
    yield from machine_findings(node, platform)


def _unavailable(error: MonitoringUnavailableError, evidence: HostEvidence) -> Finding:
    problem = str(error).partition("; ")[0]
    if error.reason == Reason.RESCTRL_NOT_MOUNTED and evidence.kernel and evidence.kernel.has_file_system is False:
        message = (
            f"{problem}, and can't be: /proc/filesystems does not list it, so the CPU or the hypervisor "
            "offers no monitoring, or the kernel lacks CONFIG_X86_CPU_RESCTRL or its like"
        )
        return Finding(CheckResult.FAILS, "resctrl", message, _ADVICE[Reason.MONITORING_UNSUPPORTED])
    return Finding(CheckResult.FAILS, "resctrl", problem, _ADVICE.get(error.reason, ""))


def _others(evidence: HostEvidence) -> Iterable[Finding]:
    """Groups of other programs: each has an RMID, and its threads are in no group of ours."""
    if evidence.kernel is None:
        return ()
    others = [where.path for where in evidence.kernel.others if not where.name.startswith(_OF_LIBVIRT)]
    libvirts = len(evidence.kernel.others) - len(others)
    findings = [
        Finding(
            CheckResult.NOTE,
            "others",
            f"{path} is a group of another program; cachemon leaves its threads there",
            f"cat {quote(f'{evidence.resctrl}{path}/tasks')}",
        )
        for path in others
    ]
    if libvirts:
        monitors = f"{libvirts} mon_group{'' if libvirts == 1 else 's'} of libvirt's own monitors"
        findings.insert(0, Finding(CheckResult.WORKS, "others", f"{monitors}; domstats shows their figures"))
    rest = Finding(
        CheckResult.NOTE, "others", "more groups are of other programs", f"ls {evidence.resctrl}/mon_groups"
    )
    return limited(findings, _OTHERS_SHOWN, rest)
