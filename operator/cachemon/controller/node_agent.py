"""The agent of a node, by its CacheMonitorNode: whether it is alive, and whether it can work.

The agent that wrote the object may be broken, so fields that are not valid never raise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from cachemon.controller.node_interference import NodeVerdict, parse_node_verdicts
from cachemon.controller.report_times import AgentReport, LatestReport
from cachemon.model.api import READY, name_of, text_of, whole_period
from cachemon.model.clocks import read_at
from cachemon.model.conditions import Condition, parse_conditions


@dataclass(frozen=True, slots=True)
class NodeAgent:
    """The agent of one node, by what it says about itself."""

    report: AgentReport  # its heartbeat
    period_seconds: int  # how often it promises to renew it
    ready: Condition | None  # its condition Ready, or None
    latest: LatestReport | None = None  # the latest heartbeat that the operator received; None before the first
    uid: str = ""  # of the CacheMonitorNode
    verdicts: tuple[NodeVerdict, ...] = ()  # which of its VMs disturb each other

    @property
    def silent_from(self) -> float:
        """When it counts as silent, monotonic seconds."""
        return -math.inf if self.latest is None else self.latest.silent_from(self.period_seconds)

    def with_latest(self, latest: LatestReport | None) -> Self:
        """The same with the latest heartbeat that the operator received."""
        return replace(self, latest=latest)


def parse_node_agent(obj: Mapping[str, Any]) -> NodeAgent:
    """A CacheMonitorNode as the API server hands it out."""
    status = obj.get("status")
    status = status if isinstance(status, Mapping) else {}
    return NodeAgent(
        report=AgentReport(text_of(status.get("observedTime")), read_at(obj), name_of(obj).name),
        period_seconds=whole_period(status.get("statusPeriodSeconds")),
        ready=parse_conditions(status.get("conditions")).get(READY),
        uid=text_of(obj["metadata"].get("uid")),
        verdicts=parse_node_verdicts(status),
    )
