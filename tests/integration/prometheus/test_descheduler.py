"""The descheduler's policy on the page of interference: its query gives what the descheduler takes."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachemon.agent.metrics_page import FAMILIES
from lab.prometheus import PrometheusMissingError, Tools, find_tools
from lab.repository import REPOSITORY
from tests.integration.prometheus.rule_files import metrics_of

PAGE = REPOSITORY / "docs/interference.md"
SERIES = {
    'cachemon_node_interference_ratio{node="busy",instance="10.0.0.1:9820"}': "0.25x10",
    'cachemon_node_interference_ratio{node="calm",instance="10.0.0.2:9820"}': "0x10",
    'cachemon_monitoring_available{node="busy",instance="10.0.0.1:9820"}': "1x10",
    'cachemon_monitoring_available{node="calm",instance="10.0.0.2:9820"}': "1x10",
    'cachemon_monitoring_available{node="new",instance="10.0.0.3:9820"}': "1x10",
}


@pytest.fixture
def policy() -> dict[str, Any]:
    (shown,) = re.findall(r"```yaml\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    loaded: dict[str, Any] = yaml.safe_load(shown)
    return loaded


@pytest.fixture
def balancing(policy: dict[str, Any]) -> dict[str, Any]:
    """The arguments of LowNodeUtilization."""
    (profile,) = policy["profiles"]
    arguments = {plugin["name"]: plugin["args"] for plugin in profile["pluginConfig"]}
    assert profile["plugins"]["balance"]["enabled"] == ["LowNodeUtilization"]
    found: dict[str, Any] = arguments["LowNodeUtilization"]
    return found


@pytest.fixture
def tools() -> Tools:
    try:
        return find_tools()
    except PrometheusMissingError as err:
        pytest.skip(str(err))


def query(balancing: dict[str, Any]) -> str:
    text: str = balancing["metricsUtilization"]["prometheus"]["query"]
    return text


def test_the_query_names_metrics_that_agents_have(balancing: dict[str, Any]) -> None:
    named = metrics_of(query(balancing))
    assert named
    assert named <= {family.name for family in FAMILIES}


def test_the_thresholds_are_those_of_one_metric_in_percent(balancing: dict[str, Any]) -> None:
    """With a query, the descheduler takes exactly the resource `MetricResource` (usageclients.go)."""
    (low,), (high,) = balancing["thresholds"].items(), balancing["targetThresholds"].items()
    assert low[0] == high[0] == "MetricResource"
    assert 0 < low[1] < high[1] <= 100


def test_every_node_with_an_agent_has_one_value_from_0_to_1_by_its_name(
    balancing: dict[str, Any], tools: Tools, tmp_path: Path
) -> None:
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in SERIES.items()],
        "promql_expr_test": [
            {
                "expr": query(balancing),
                "eval_time": "5m",
                "exp_samples": [
                    {"labels": f'{{instance="{node}",node="{node}"}}', "value": value}
                    for node, value in (("busy", 0.25), ("calm", 0), ("new", 0))
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    answer = subprocess.run(
        [tools.promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
