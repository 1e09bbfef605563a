"""The example for the descheduler: its query gives what that program asks for, by Prometheus' own evaluation.

kubernetes-sigs/descheduler, pkg/framework/plugins/nodeutilization: usageclients.go (`prometheusUsageClient.sync`)
wants an instant vector with a sample for every node, its name as `instance`, and values from 0 to 1. validation.go
wants the same resources in both thresholds, in percent.
"""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from cachemon.agent.metrics_page import FAMILIES
from lab.prometheus import Tools
from lab.repository import REPOSITORY
from tests.integration.prometheus.rule_files import metrics_of

POLICY = yaml.safe_load((REPOSITORY / "examples/descheduler/policy.yaml").read_text())


def arguments(plugin: str) -> dict[str, Any]:
    (found,) = [it["args"] for it in POLICY["profiles"][0]["pluginConfig"] if it["name"] == plugin]
    return dict(found)


QUERY = arguments("LowNodeUtilization")["metricsUtilization"]["prometheus"]["query"]
SERIES = {
    'cachemon_node_interference_ratio{node="judged", instance="10.0.0.1:9850", job="cachemon-agent"}': "0.2x30",
    'cachemon_node_interference_ratio{node="quiet", instance="10.0.0.2:9850", job="cachemon-agent"}': "0x30",
    'cachemon_node_interference_ratio{node="long ago", instance="10.0.0.3:9850", job="cachemon-agent"}': "1x10 _x20",
    'cachemon_monitoring_available{node="judged", instance="10.0.1.1:9850", job="cachemon-agent"}': "1x30",
    'cachemon_monitoring_available{node="quiet", instance="10.0.1.1:9850", job="cachemon-agent"}': "1x30",
    'cachemon_monitoring_available{node="long ago", instance="10.0.1.1:9850", job="cachemon-agent"}': "1x30",
    'cachemon_monitoring_available{node="unjudged", instance="10.0.1.1:9850", job="cachemon-agent"}': "1x30",
}
EXPECTED = {"judged": 0.2, "quiet": 0, "long ago": 0, "unjudged": 0}


def test_the_query_gives_each_node_one_sample_from_0_to_1_under_its_name(tools: Tools, tmp_path: Path) -> None:
    samples = [
        {"labels": f'{{instance="{node}", node="{node}"}}', "value": value} for node, value in EXPECTED.items()
    ]
    story = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in SERIES.items()],
        "promql_expr_test": [{"expr": QUERY, "eval_time": "30m", "exp_samples": samples}],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [story]}))
    command = [str(tools.promtool), "test", "rules", "test.yaml"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_query_asks_for_a_metric_that_there_is() -> None:
    assert metrics_of(QUERY)
    assert metrics_of(QUERY) <= {family.name for family in FAMILIES}


def test_the_policy_keeps_the_rules_of_the_descheduler() -> None:
    assert (POLICY["apiVersion"], POLICY["kind"]) == ("descheduler/v1alpha2", "DeschedulerPolicy")
    wanted = arguments("LowNodeUtilization")
    assert wanted["metricsUtilization"]["source"] == "Prometheus" == POLICY["metricsProviders"][0]["source"]
    assert wanted["thresholds"].keys() == wanted["targetThresholds"].keys() == {"MetricResource"}
    low, high = wanted["thresholds"]["MetricResource"], wanted["targetThresholds"]["MetricResource"]
    assert 0 <= low < high <= 100
    assert wanted["evictionLimits"] == {"node": 1}
    assert POLICY["profiles"][0]["plugins"]["balance"]["enabled"] == ["LowNodeUtilization"]
    assert arguments("DefaultEvictor")["labelSelector"] == {"matchLabels": {"kubevirt.io": "virt-launcher"}}
