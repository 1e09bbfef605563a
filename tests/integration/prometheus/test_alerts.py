"""The alerts, by promtool; and their runbooks."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.prometheus import Tools
from lab.repository import REPOSITORY
from tests.integration.prometheus.rule_files import ALERTS, alerts

UNIT_TESTS = Path(__file__).with_name("alerts_test.yaml")
RUNBOOKS = REPOSITORY / "docs/runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_promtool_finds_nothing_wrong_with_the_rules(tools: Tools) -> None:
    answer = subprocess.run([tools.promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert f"{len(alerts())} rules found" in answer.stdout


def test_every_alert_fires_for_what_it_is_for(tools: Tools, tmp_path: Path) -> None:
    for file in (ALERTS, UNIT_TESTS):
        shutil.copy(file, tmp_path)
    answer = subprocess.run(
        [tools.promtool, "test", "rules", UNIT_TESTS.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_is_seen_to_fire_in_those_tests() -> None:
    fired = {
        test["alertname"]
        for story in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
        for test in story["alert_rule_test"]
        if test["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in alerts()}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_meaning_impact_diagnosis_and_mitigation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_summary_and_a_time_to_pass_by_itself(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"]
    assert rule["for"].endswith("m")
