"""The recording rules, by promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.metrics_page import FAMILIES
from lab.prometheus import Tools
from tests.integration.prometheus.rule_files import RECORDING_RULES, metrics_of, rules_of
from tests.integration.prometheus.rule_stories import VARIATIONS, Variation, complaint_of_promtool, stories_of

STORIES = stories_of(Path(__file__).with_name("recording_stories.yaml"))
RULES = rules_of(RECORDING_RULES)


def test_promtool_finds_nothing_wrong_with_the_rules(tools: Tools) -> None:
    command = [str(tools.promtool), "check", "rules", "--lint=all", "--lint-fatal", str(RECORDING_RULES)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("play", VARIATIONS, ids=lambda play: play.__name__)
def test_every_rule_gives_what_it_is_for(tools: Tools, tmp_path: Path, play: Variation) -> None:
    assert complaint_of_promtool(tools, tmp_path, RECORDING_RULES, [play(story) for story in STORIES]) == ""


def test_every_rule_is_in_those_stories() -> None:
    assert {test["expr"] for story in STORIES for test in story["promql_expr_test"]} == {it["record"] for it in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["record"])
def test_a_rule_is_named_by_its_labels_metric_and_operation(rule: dict[str, Any]) -> None:
    level, metric, operation = rule["record"].split(":")
    assert operation in ("sum", "ratio", "rate5m")
    assert metric.startswith("cachemon_")
    first = re.search(r"by \(([^)]+)\)", rule["expr"])
    assert first
    assert level == first[1].replace(", ", "_")
    assert metrics_of(rule["expr"]) <= {family.name for family in FAMILIES}
