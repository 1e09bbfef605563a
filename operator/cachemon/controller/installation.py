"""Whether cachemon works on a cluster, by what the API server shows of it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.model.api import GROUPS, NODES, POLICIES, READY
from cachemon.model.conditions import parse_conditions

_NAMED_AT_MOST = 20
_LABELLED = "agent.nodePlacement or nodeFeatureRule of the chart selects nodes by their labels"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read at one time.

    Attributes:
        served: plural names of the kinds of cachemon.dev that the API server serves.
        operator: the Deployment.
        agents: the DaemonSet.
        agent_nodes: the nodes of the agents' pods.
        statuses: the status of each CacheMonitorNode, by name.
    """

    served: frozenset[str]
    operator: Mapping[str, Any]
    agents: Mapping[str, Any]
    agent_nodes: frozenset[str]
    statuses: Mapping[str, Mapping[str, Any]]


def problems(evidence: Evidence) -> list[str]:
    """What keeps cachemon from working, a line each; empty where it works."""
    return [
        *_unserved(evidence.served),
        *_operator_problems(evidence.operator),
        *_agent_problems(evidence.agents),
        *_node_problems(evidence),
    ]


def summary(evidence: Evidence) -> list[str]:
    """Of an installation that works: the agent of each node, a line each."""
    nodes = sorted(evidence.agent_nodes)
    lines = [f"node {node}: agent {evidence.statuses[node].get('agentVersion', 'unknown')} reports" for node in nodes]
    return [*lines[:_NAMED_AT_MOST], f"{len(nodes)} nodes are monitored"]


def _unserved(served: frozenset[str]) -> Iterator[str]:
    for kind in (GROUPS, NODES, POLICIES):
        if kind.plural not in served:
            yield f"{kind.plural}.{kind.group} is not served; install the CRDs, see crds.enabled of the chart"


def _operator_problems(deployment: Mapping[str, Any]) -> Iterator[str]:
    status = deployment.get("status", {})
    if not _is_observed(deployment):
        yield "operator: Kubernetes has not acted on the Deployment yet"
    elif not (status.get("updatedReplicas") and status.get("readyReplicas")) or status.get("unavailableReplicas"):
        yield "operator: its pod is not Ready; see `kubectl describe deployment cachemon-operator` and its logs"


def _agent_problems(daemon_set: Mapping[str, Any]) -> Iterator[str]:
    status = daemon_set.get("status", {})
    if not _is_observed(daemon_set):
        yield "agents: Kubernetes has not acted on the DaemonSet yet"
        return
    wanted = status.get("desiredNumberScheduled", 0)
    if not wanted:
        yield f"agents: no node is selected; {_LABELLED}"
    for field, what in (("updatedNumberScheduled", "of this version"), ("numberReady", "Ready")):
        if (there := status.get(field, 0)) < wanted:
            yield (
                f"agents: {there} of {wanted} pods are {what}; see `kubectl describe daemonset cachemon-agent` "
                "and the pods' events"
            )


def _node_problems(evidence: Evidence) -> list[str]:
    found = [
        f"node {node}: {problem}"
        for node in sorted(evidence.agent_nodes)
        if (problem := _node_problem(evidence.statuses.get(node)))
    ]
    more = len(found) - _NAMED_AT_MOST
    return found if more <= 0 else [*found[:_NAMED_AT_MOST], f"{more} more nodes have problems"]


def _node_problem(status: Mapping[str, Any] | None) -> str:
    """Why a node with an agent is not monitored; empty where it is."""
    ready = parse_conditions((status or {}).get("conditions")).get(READY)
    if ready is None:
        return "its agent has not reported yet; see the agent's logs"
    return "" if ready.is_true else f"Ready is {ready.status}, {ready.reason}: {ready.message}"


def _is_observed(workload: Mapping[str, Any]) -> bool:
    """Whether the status is about the current spec."""
    observed = workload.get("status", {}).get("observedGeneration", 0)
    return bool(observed >= workload["metadata"]["generation"])
