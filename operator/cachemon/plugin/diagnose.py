"""`diagnose NODE`: what works on a node, what does not, and the command to type next."""

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Any

from cachemon.commands.findings import CheckResult, Finding, limited, print_findings
from cachemon.kube.queries import Selector
from cachemon.model.age import format_age
from cachemon.model.api import NODES, PODS, PROGRAM_LABEL, ObjectName, Resource
from cachemon.model.clocks import clock_problem, read_at
from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError
from cachemon.model.reasons import Reason
from cachemon.model.times import read_time
from cachemon.plugin.advice import ADVICE
from cachemon.plugin.node_findings import node_findings
from cachemon.plugin.node_usage import NodeRow, node_rows
from cachemon.plugin.session import Session
from cachemon.plugin.usage import condition_of, group_age

_KUBERNETES_NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
_AGENT_PODS = f"{PROGRAM_LABEL}=agent"
_PROBLEMS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the API says about a node.

    Attributes:
        name: of the node.
        exists: whether Kubernetes has the node; None without the right to read it.
        pods: the agent's pods there; None without the right to list them.
        node: its CacheMonitorNode, or None.
        node_read_at: when that had been read, seconds since the epoch: a slow answer after it makes no agent silent.
        groups: CacheMonitorGroups bound to it.
        machine: its Node; empty without the right to read it.
    """

    name: str
    exists: bool | None
    pods: Sequence[Mapping[str, Any]] | None
    node: Mapping[str, Any] | None
    node_read_at: float
    groups: Sequence[Mapping[str, Any]]
    machine: Mapping[str, Any] = field(default_factory=dict)


_SEE_OPERATOR = f"kubectl get pods -A -l {PROGRAM_LABEL}=operator"
_SEE_CLOCKS = "timedatectl on the node and here"


async def run(args: Namespace, session: Session) -> int:
    """Print the findings.

    Returns:
        0 when everything works, 1 when something does not.
    """
    found = examine(await _collect(args.node, session), session.clock())
    findings = [replace(item, next=session.advise(item.next)) for item in found]
    return print_findings(session, ("node", args.node), findings, args.output)


async def _collect(name: str, session: Session) -> Evidence:
    exists: bool | None = True
    machine: dict[str, Any] = {}
    try:
        machine = await session.api.get(_KUBERNETES_NODES, ObjectName("", name))
    except KubeNotFoundError:
        exists = False
    except KubeForbiddenError:
        exists = None
    try:
        selector = Selector(fields=f"spec.nodeName={name}", labels=_AGENT_PODS)
        pods: list[dict[str, Any]] | None = (await session.api.list(PODS, selector)).items
    except KubeForbiddenError:
        pods = None
    try:
        node: dict[str, Any] | None = await session.api.get(NODES, ObjectName("", name))
    except KubeNotFoundError:
        node = None
    read_at = session.clock()
    return Evidence(name, exists, pods, node, read_at, await session.groups(node=name), machine)


def examine(evidence: Evidence, now: float) -> list[Finding]:
    """Findings, causes before their effects.

    Args:
        evidence: the objects.
        now: when the groups had been read, seconds since the epoch.
    """
    findings = [*_existence(evidence), *_agent(evidence)]
    if evidence.node is not None and not any(finding.verdict is CheckResult.FAILS for finding in findings):
        findings += node_findings(evidence.node, evidence.machine)
    return [*findings, *_groups(evidence, now)]


def _existence(evidence: Evidence) -> Iterable[Finding]:
    if evidence.exists is False:
        yield Finding(CheckResult.FAILS, "node", "Kubernetes has no node of this name", "kubectl get nodes")


def _agent(evidence: Evidence) -> Iterable[Finding]:
    pods = evidence.pods
    running = [pod for pod in pods or () if pod.get("status", {}).get("phase") == "Running"]
    command = _pod_command(evidence)
    if evidence.node is None:
        if pods:
            message = f"its pod is {_phase(pods[0])}, and it has never reported"
            yield Finding(CheckResult.FAILS, "agent", message, command)
        else:
            where = "node selector and tolerations of the DaemonSet must let a pod run here: "
            yield Finding(CheckResult.FAILS, "agent", "it has never reported from this node", where + command)
        return
    row: NodeRow = node_rows([evidence.node], evidence.node_read_at)[0]
    age = "never" if row.age is None else f"{format_age(max(0.0, row.age.seconds))} ago"
    version = evidence.node.get("status", {}).get("agentVersion", "unknown")
    if row.reason == Reason.UNINSTALLED:
        message = f"{condition_of(evidence.node)['message']}; it reported {age}"
        yield Finding(CheckResult.FAILS, "agent", message, ADVICE[Reason.UNINSTALLED])
        return
    if row.ready == "Unknown":
        state = (
            ""
            if pods is None or running
            else f", and {'no pod of it is here' if not pods else 'its pod is ' + _phase(pods[0])}"
        )
        yield Finding(
            CheckResult.FAILS, "agent", f"silent: it reported {age}{state}; figures are as of then", command
        )
        yield from _clock(evidence, row)
        return
    yield Finding(CheckResult.WORKS, "agent", f"version {version}, reported {age}")
    yield from _clock(evidence, row)
    ready = condition_of(evidence.node)
    if row.ready != "True":
        message = f"{ready.get('reason', '')}: {ready.get('message', '')}"
        yield Finding(CheckResult.FAILS, "resctrl", message, ADVICE.get(row.reason, command))
    else:
        yield Finding(CheckResult.WORKS, "resctrl", str(ready.get("message", "mounted")))


def _clock(evidence: Evidence, row: NodeRow) -> Iterable[Finding]:
    """The node's clock against the API server's: the time in a status, and when the server took it."""
    node = evidence.node or {}
    observed_time, taken = node.get("status", {}).get("observedTime"), read_at(node)
    if observed_time is None or taken is None:
        if row.age is not None and row.age.is_ahead:
            yield Finding(CheckResult.FAILS, "clock", row.age.problem, "on the node: timedatectl")
        return
    observed = read_time(observed_time)
    problem = clock_problem(evidence.name, None if observed is None else observed - taken)
    if problem:
        message, _, advice = problem.partition("; ")
        slow = ", or its agent takes long to write" if observed is not None and observed < taken else ""
        yield Finding(CheckResult.NOTE, "clock", f"{message}{slow}; figures are right, times are not", advice)


def _pod_command(evidence: Evidence) -> str:
    if evidence.pods:
        pod = evidence.pods[0]["metadata"]
        return f"kubectl -n {quote(pod['namespace'])} logs {quote(pod['name'])} --tail=50"
    return f"kubectl get pods -A -l {_AGENT_PODS} --field-selector {quote(f'spec.nodeName={evidence.name}')}"


def _phase(pod: Mapping[str, Any]) -> str:
    """The pod's phase, or what its container waits for, as `kubectl get pods` says."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        if reason := container.get("state", {}).get("waiting", {}).get("reason"):
            return str(reason)
    return str(status.get("phase", "Unknown"))


def _wrong_age(obj: Mapping[str, Any], now: float) -> tuple[str, str]:
    """Why the age of the figures contradicts a Ready that is True, and what to do; empty when it does not."""
    age = group_age(obj, now)
    if age is None or condition_of(obj).get("status") != "True" or not age.problem:
        return "", ""
    if age.is_stale:
        return f"{age.problem}, yet Ready is True: the operator does not run", _SEE_OPERATOR
    return age.problem, _SEE_CLOCKS


def _groups(evidence: Evidence, now: float) -> Iterable[Finding]:
    lacking = [obj for obj in evidence.groups if condition_of(obj).get("status") != "True" or _wrong_age(obj, now)[0]]
    if not evidence.groups:
        yield Finding(
            CheckResult.NOTE,
            "groups",
            "no VMI here has groups",
            "kubectl cachemon cpu-resource VMI -n NAMESPACE --create --vcpulist all --config",
        )
    elif not lacking:
        ages = [age for obj in evidence.groups if (age := group_age(obj, now)) is not None]
        oldest = f", figures at most {max(ages).label} old" if ages else ""
        yield Finding(CheckResult.WORKS, "groups", f"{len(evidence.groups)} objects bound here, all Ready{oldest}")
    selected = quote(f"status.nodeName={evidence.name}")
    command = f"kubectl get cmg -A --field-selector {selected}"
    problems = [_problem(obj, now) for obj in lacking]
    yield from limited(problems, _PROBLEMS_SHOWN, Finding(CheckResult.FAILS, "groups", "more are not Ready", command))


def _problem(obj: Mapping[str, Any], now: float) -> Finding:
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    ready = condition_of(obj)
    message = f"{ready.get('reason', 'no condition yet')}: {ready.get('message', 'the operator has not set it')}"
    advice = ADVICE.get(ready.get("reason", ""), "")
    wrong, remedy = _wrong_age(obj, now)
    if wrong:
        message, advice = wrong, remedy
    command = f"kubectl -n {quote(namespace)} describe cmg {quote(name)}"
    return Finding(
        CheckResult.FAILS, f"group {namespace}/{name}", message, "; ".join(filter(None, (advice, command)))
    )
