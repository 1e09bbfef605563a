from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cachemon.controller.installation import Evidence, problems, summary

KINDS = frozenset({"cachemonitorgroups", "cachemonitornodes", "cachemonitorpolicies"})


def workload(**status: int) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, **status}}


def reported(ready: str = "True", reason: str = "MonitoringAvailable", message: str = "") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
    return {"agentVersion": "1.2.3", "conditions": [condition]}


WORKS = Evidence(
    served=KINDS | {"others"},
    operator=workload(replicas=1, updatedReplicas=1, readyReplicas=1),
    agents=workload(desiredNumberScheduled=2, updatedNumberScheduled=2, numberReady=2),
    agent_nodes=frozenset({"a", "b"}),
    statuses={"a": reported(), "b": reported(), "left long ago": reported("Unknown")},
)


def test_what_works_has_no_problems_and_names_each_node() -> None:
    assert problems(WORKS) == []
    assert summary(WORKS) == [
        "node a: agent 1.2.3 reports",
        "node b: agent 1.2.3 reports",
        "2 nodes are monitored",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"served": KINDS - {"cachemonitorpolicies"}}, "cachemonitorpolicies.cachemon.dev is not served"),
        (
            {"operator": {"metadata": {"generation": 3}, "status": {"observedGeneration": 2}}},
            "operator: Kubernetes has",
        ),
        ({"operator": {"metadata": {"generation": 1}}}, "operator: Kubernetes has"),
        ({"operator": workload(replicas=1, updatedReplicas=1)}, "operator: its pod is not Ready"),
        ({"operator": workload(replicas=1, readyReplicas=1)}, "operator: its pod is not Ready"),
        ({"operator": workload(updatedReplicas=1, readyReplicas=1, unavailableReplicas=1)}, "its pod is not Ready"),
        ({"agents": {"metadata": {"generation": 1}}}, "agents: Kubernetes has"),
        ({"agents": workload(), "agent_nodes": frozenset()}, "agents: no node is selected"),
        (
            {"agents": workload(desiredNumberScheduled=3, updatedNumberScheduled=3, numberReady=2)},
            "2 of 3 pods are Ready",
        ),
        (
            {"agents": workload(desiredNumberScheduled=2, updatedNumberScheduled=1, numberReady=2)},
            "1 of 2 pods are of this version",
        ),
        ({"statuses": {"a": reported()}}, "node b: its agent has not reported yet"),
        ({"statuses": {"a": reported(), "b": {}}}, "node b: its agent has not reported yet"),
        (
            {"statuses": {"a": reported(), "b": reported("False", "ResctrlNotMounted", "mount resctrl")}},
            "node b: Ready is False, ResctrlNotMounted: mount resctrl",
        ),
        (
            {"statuses": {"a": reported(), "b": reported("Unknown", "AgentNotReporting", "silent")}},
            "node b: Ready is Unknown, AgentNotReporting: silent",
        ),
    ],
)
def test_each_thing_that_does_not_work_is_named_alone(change: Mapping[str, Any], words: str) -> None:
    (found,) = problems(replace(WORKS, **change))
    assert words in found


def test_of_very_many_nodes_the_first_are_named_and_the_others_counted() -> None:
    nodes = [f"n{number:03}" for number in range(500)]
    everywhere = replace(WORKS, agent_nodes=frozenset(nodes), statuses={name: reported() for name in nodes})
    assert (len(summary(everywhere)), summary(everywhere)[-1]) == (21, "500 nodes are monitored")
    nowhere = problems(replace(everywhere, statuses={}))
    assert (len(nowhere), nowhere[-1]) == (21, "480 more nodes have problems")
