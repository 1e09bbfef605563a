"""The alerts, by promtool; and their runbooks."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.metrics_page import FAMILIES as AGENT
from cachemon.host.agent.host_metrics import FAMILIES as HOST
from cachemon.telemetry.operator_metrics import Metrics
from lab.prometheus import Tools
from lab.repository import REPOSITORY
from tests.integration.prometheus.rule_files import ALERTS, HOST_ALERTS, RUNBOOK_URL, metrics_of, rules_of
from tests.integration.prometheus.rule_stories import (
    VARIATIONS,
    Variation,
    as_written,
    complaint_of_promtool,
    stories_of,
)

METRICS = {family.name for family in (*AGENT, *HOST)} | {
    sample.name for family in Metrics().registry.collect() for sample in family.samples
}
HERE = Path(__file__).parent
STORIES = {
    ALERTS: stories_of(HERE / "alert_stories.yaml"),
    HOST_ALERTS: stories_of(HERE / "host_alert_stories.yaml"),
}
RULES = [(path, rule) for path in STORIES for rule in rules_of(path)]
RUNBOOKS = REPOSITORY / "docs/runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
PROGRAMS = ("cachemon-agent", "cachemon-operator", "cachemon-host-agent")

every_rule = pytest.mark.parametrize("rule", [rule for _, rule in RULES], ids=lambda rule: rule["alert"])
every_file = pytest.mark.parametrize("path", STORIES, ids=lambda path: path.name)


@every_file
def test_promtool_finds_nothing_wrong_with_the_rules(tools: Tools, path: Path) -> None:
    answer = subprocess.run([tools.promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert f"{len(rules_of(path))} rules found" in answer.stdout


@every_file
@pytest.mark.parametrize("play", VARIATIONS, ids=lambda play: play.__name__)
def test_every_alert_fires_for_what_it_is_for(tools: Tools, tmp_path: Path, path: Path, play: Variation) -> None:
    stories = [(as_written if story.get("only_once") else play)(story) for story in STORIES[path]]
    assert complaint_of_promtool(tools, tmp_path, path, stories) == ""


@every_file
def test_every_alert_is_seen_to_fire_and_not_to_fire_in_those_stories(path: Path) -> None:
    tests = [test for story in STORIES[path] for test in story["alert_rule_test"]]
    named = {rule["alert"] for rule in rules_of(path)}
    assert {test["alertname"] for test in tests if test["exp_alerts"]} == named
    assert {test["alertname"] for test in tests if not test["exp_alerts"]} == named


@every_rule
def test_an_alert_has_the_labels_and_annotations_of_kubevirts_guidelines(rule: dict[str, Any]) -> None:
    labels = rule["labels"]
    assert labels["severity"] in ("critical", "warning", "info")
    assert labels["operator_health_impact"] in ("critical", "warning", "none")
    assert labels["kubernetes_operator_part_of"] == "cachemon"
    assert labels["kubernetes_operator_component"] in PROGRAMS
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == RUNBOOK_URL % rule["alert"]
    assert (RUNBOOKS / f"{rule['alert']}.md").is_file()


@every_rule
def test_an_alert_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    assert metrics_of(rule["expr"])
    assert metrics_of(rule["expr"]) <= METRICS


@every_rule
def test_an_alert_has_a_time_to_pass_by_itself(rule: dict[str, Any]) -> None:
    assert rule["for"].endswith("m")


@every_rule
def test_an_alert_keeps_clusters_apart(rule: dict[str, Any]) -> None:
    for labels in re.findall(r"\b(?:by|on) \(([^)]+)\)", rule["expr"]):
        assert labels.startswith("cluster")


def test_every_runbook_has_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for _, rule in RULES}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_meaning_impact_diagnosis_and_mitigation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
