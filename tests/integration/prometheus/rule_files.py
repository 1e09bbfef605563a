"""The queries of the alerts and of the dashboards."""

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
DASHBOARDS = tuple(sorted(path.stem for path in (FILES / "dashboards").iterdir()))
"""Their ids, which are the names of their files."""

HOSTS = "cachemon-hosts"
OF_KUBEVIRT = tuple(uid for uid in DASHBOARDS if uid != HOSTS)


def rules_of(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def dashboard(uid: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    board: dict[str, Any] = json.loads((FILES / f"dashboards/{uid}.json").read_text(encoding="utf-8"))
    return board


def panels(uid: str) -> list[dict[str, Any]]:
    """Those of a dashboard that show something."""
    return [panel for panel in dashboard(uid)["panels"] if panel["type"] != "row"]


def every_panel() -> list[tuple[str, dict[str, Any]]]:
    """The panels of all dashboards, each with the id of its dashboard."""
    return [(uid, panel) for uid in DASHBOARDS for panel in panels(uid)]


def one_panel(uid: str, title: str) -> dict[str, Any]:
    """The first panel with this title."""
    return next(panel for panel in panels(uid) if panel["title"] == title)


def queries(uid: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Title of a panel and each of its queries, with the dashboard's variables replaced."""
    for panel in panels(uid):
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$([a-z_]\w*)", lambda match: values[match[1]], target["expr"])


def metrics_of(expression: str) -> set[str]:
    """Names of our metrics in an expression."""
    return set(re.findall(r"\bcachemon_\w+", expression))
