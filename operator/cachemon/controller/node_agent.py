"""What the operator reads of a CacheMonitorNode: whether a node's agent is there, and whether it can work.

The object is as its agent wrote it, and that may be a broken one: odd fields never raise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from cachemon.controller.report_times import Report, Sighting
from cachemon.model.api import READY, name_of, text_of, whole_period
from cachemon.model.clocks import written_at
from cachemon.model.conditions import Condition, parse_conditions

__all__ = ["NodeAgent", "parse_node_agent"]


@dataclass(frozen=True, slots=True)
class NodeAgent:
    """The agent of one node, by what it says about itself.

    Attributes:
        report: its heartbeat.
        period_seconds: how often it promises to renew it.
        ready: its condition Ready, or None.
        sighting: when the operator saw the heartbeat; None before the first.
    """

    report: Report
    period_seconds: int
    ready: Condition | None
    sighting: Sighting | None = None

    @property
    def silent_from(self) -> float:
        """When it counts as silent, monotonic seconds."""
        return -math.inf if self.sighting is None else self.sighting.silent_from(self.period_seconds)

    def seen(self, sighting: Sighting | None) -> Self:
        """The same with what the operator saw of it."""
        return replace(self, sighting=sighting)


def parse_node_agent(obj: Mapping[str, Any]) -> NodeAgent:
    """A CacheMonitorNode as the API server hands it out."""
    status = obj.get("status")
    status = status if isinstance(status, Mapping) else {}
    return NodeAgent(
        report=Report(text_of(status.get("observedTime")), written_at(obj), name_of(obj).name),
        period_seconds=whole_period(status.get("statusPeriodSeconds")),
        ready=parse_conditions(status.get("conditions")).get(READY),
    )
