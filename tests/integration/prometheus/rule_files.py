"""The queries of the alerts and of the dashboard."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.repository import REPOSITORY

FILES = REPOSITORY / "charts/cachemon/files"
ALERTS = FILES / "alerts.yaml"
RECORDING_RULES = FILES / "recording-rules.yaml"
HOST_ALERTS = REPOSITORY / "operator/cachemon/host/agent/host-alerts.yaml"
RUNBOOK_URL = "https://cachemon.dev/runbooks/%s"
DASHBOARD = FILES / "dashboards/cachemon.json"


def rules_of(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return board


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rows() -> dict[str, list[dict[str, Any]]]:
    """The panels of each row, by the first word of the row's title."""
    found: dict[str, list[dict[str, Any]]] = {}
    for panel in dashboard()["panels"]:
        if panel["type"] == "row":
            found[panel["title"].split()[0]] = members = []
        else:
            members.append(panel)
    return found


def queries(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Title of a panel and each of its queries, with the dashboard's variables replaced."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$(\w+)", lambda match: values[match[1]], target["expr"])


def metrics_of(expression: str) -> set[str]:
    """Names of our metrics in an expression."""
    return set(re.findall(r"\bcachemon_\w+", expression))
