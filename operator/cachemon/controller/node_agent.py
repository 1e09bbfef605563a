"""What the operator reads of a CacheMonitorNode: whether a node's agent is there, and whether it can work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS, READY, STALE_AFTER_PERIODS
from cachemon.model.conditions import Condition, parse_conditions
from cachemon.model.times import parse_time

__all__ = ["ALLOWANCE_SECONDS", "NodeAgent", "parse_node_agent", "seconds_of", "silent_from"]

ALLOWANCE_SECONDS = 2.0
"""On top of the periods: times in the API have whole seconds, a write takes its time, clocks differ a little."""


def seconds_of(observed_time: str) -> float | None:
    """An `observedTime` as seconds since the epoch; None when there is none."""
    try:
        return parse_time(observed_time) if observed_time else None
    except ValueError:
        return None


def silent_from(observed: float, period_seconds: float) -> float:
    """When an agent that reported last at `observed` counts as silent, seconds since the epoch."""
    return observed + STALE_AFTER_PERIODS * period_seconds + ALLOWANCE_SECONDS


@dataclass(frozen=True, slots=True)
class NodeAgent:
    """The agent of one node, by what it says about itself.

    Attributes:
        observed_time: its heartbeat, RFC 3339; empty before the first.
        period_seconds: how often it promises to renew it.
        ready: its condition Ready, or None.
    """

    observed_time: str
    period_seconds: int
    ready: Condition | None

    @property
    def silent_from(self) -> float:
        """When it counts as silent, seconds since the epoch."""
        observed = seconds_of(self.observed_time)
        return 0.0 if observed is None else silent_from(observed, self.period_seconds)


def parse_node_agent(obj: Mapping[str, Any]) -> NodeAgent:
    """A CacheMonitorNode as the API server hands it out."""
    status = obj.get("status", {})
    return NodeAgent(
        observed_time=status.get("observedTime", ""),
        period_seconds=status.get("statusPeriodSeconds", DEFAULT_STATUS_PERIOD_SECONDS),
        ready=parse_conditions(status.get("conditions", ())).get(READY),
    )
