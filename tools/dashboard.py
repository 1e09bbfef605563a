"""The Grafana dashboard of the chart as data: rows of panels, and their queries with the variables filled in."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.repository import REPOSITORY

__all__ = ["DASHBOARD", "Panel", "Place", "Target", "rows"]

DASHBOARD = REPOSITORY / "charts/cachemon/files/dashboards/cachemon.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is: Grafana's grid has 24 columns."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Target:
    """A query.

    Attributes:
        expression: PromQL, variables filled in.
        legend: how its series are called: `{{label}}` stands for a label's value.
    """

    expression: str
    legend: str

    def name(self, labels: Mapping[str, str]) -> str:
        """Of a series of it."""
        return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        kind: Grafana's name of what it looks like: timeseries, stat, bargauge, table, state-timeline.
        title: with the variables filled in.
        unit: Grafana's name of it: bytes, Bps, percentunit, s, short.
        stacked: whether its series lie upon each other.
        lines: names of series that don't.
    """

    kind: str
    title: str
    unit: str
    place: Place
    targets: tuple[Target, ...]
    stacked: bool
    lines: frozenset[str]


def rows(variables: Mapping[str, str], path: Path = DASHBOARD) -> dict[str, tuple[Panel, ...]]:
    """The panels of each row of the dashboard, by the first word of its title: Fleet, Node, VM.

    Args:
        variables: values of the dashboard's variables, `__rate_interval` among them.
        path: of the dashboard.
    """
    found: dict[str, list[Panel]] = {}
    panels: list[Panel] = []
    for item in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        if item["type"] == "row":
            panels = found.setdefault(item["title"].split()[0], [])
        else:
            panels.append(_panel(item, variables))
    return {title: tuple(members) for title, members in found.items()}


def _panel(item: Mapping[str, Any], variables: Mapping[str, str]) -> Panel:
    def filled(text: str) -> str:
        return re.sub(r"\$(\w+)", lambda name: variables[name[1]], text)

    config = item["fieldConfig"]
    return Panel(
        kind=item["type"],
        title=filled(item["title"]),
        unit=config["defaults"]["unit"],
        place=Place(**item["gridPos"]),
        targets=tuple(Target(filled(it["expr"]), it.get("legendFormat", "")) for it in item["targets"]),
        stacked=config["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal",
        lines=frozenset(
            override["matcher"]["options"]
            for override in config["overrides"]
            if {"id": "custom.stacking", "value": {"mode": "none"}} in override["properties"]
        ),
    )
