"""Stories of rules for promtool, and the variations in which each is played: other jobs, two
clusters, and two jobs at once.

A story is a test of promtool's unit tests of rules. What each rule adds to every alert (its labels without templates,
`runbook_url`) is added here to what a story expects.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.prometheus import Tools

Story = dict[str, Any]
Labels = dict[str, str]
_SERIES = re.compile(r"([\w:]+)\{(.*)\}")
_OTHER_JOBS = {
    "cachemon-agent": "kubernetes-pods",
    "cachemon-operator": "monitoring/all",
    "cachemon-host": "machines",
}
_CLUSTERS = ("east", "west")


def stories_of(path: Path) -> list[Story]:
    """The stories of a file."""
    found: list[Story] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def as_written(story: Story) -> Story:
    """With the labels of the documented settings."""
    return _changed(story, lambda labels: [labels])


def in_another_job(story: Story) -> Story:
    """As if all targets were scraped by jobs with names of the user's."""

    def rename(labels: Labels) -> list[Labels]:
        return [{**labels, "job": _OTHER_JOBS.get(labels["job"], labels["job"])} if "job" in labels else labels]

    return _changed(story, rename)


def in_two_clusters(story: Story) -> Story:
    """As if it happened in two clusters at once, whose nodes and VMs have the same names."""
    return _changed(story, lambda labels: [{**labels, "cluster": cluster} for cluster in _CLUSTERS])


def by_two_jobs(story: Story) -> Story:
    """As if a second job scraped the same targets: what names no job is expected once."""
    return _changed(story, lambda labels: [labels, {**labels, "job": "again"}] if "job" in labels else [labels])


Variation = Callable[[Story], Story]
VARIATIONS: tuple[Variation, ...] = (as_written, in_another_job, in_two_clusters, by_two_jobs)


def _changed(story: Story, change: Callable[[Labels], list[Labels]]) -> Story:
    """Every series and every expected alert or sample once for each label set that `change` makes of its own."""
    new = {key: value for key, value in story.items() if key != "only_once"}
    new["input_series"] = [
        {**series, "series": text} for series in story["input_series"] for text in _series(series["series"], change)
    ]
    for test in ("alert_rule_test", "promql_expr_test"):
        if test in story:
            new[test] = [_expected(item, change) for item in story[test]]
    return new


def _expected(test: Mapping[str, Any], change: Callable[[Labels], list[Labels]]) -> dict[str, Any]:
    if "exp_alerts" in test:
        alerts = [{**it, "exp_labels": labels} for it in test["exp_alerts"] for labels in change(it["exp_labels"])]
        return {**test, "exp_alerts": [_in_its_cluster(alert) for alert in alerts]}
    return {
        **test,
        "exp_samples": [
            {**it, "labels": text} for it in test["exp_samples"] for text in _series(it["labels"], change)
        ],
    }


def _in_its_cluster(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert about all of a cluster names it, as no other label says where it is."""
    annotations = alert["exp_annotations"]
    if alert["exp_labels"].keys() == {"cluster"}:
        cluster = alert["exp_labels"]["cluster"]
        summary = annotations["summary"].replace("can be scraped.", f"can be scraped in the cluster {cluster}.")
        assert summary != annotations["summary"]
        annotations = {**annotations, "summary": summary}
    return {**alert, "exp_annotations": annotations}


def _series(text: str, change: Callable[[Labels], list[Labels]]) -> Iterator[str]:
    matched = _SERIES.fullmatch(text)
    assert matched, text
    labels = dict(re.findall(r'(\w+)="([^"]*)"', matched[2]))
    for changed in change(labels):
        yield matched[1] + "{" + ", ".join(f'{name}="{value}"' for name, value in changed.items()) + "}"


def complaint_of_promtool(tools: Tools, folder: Path, rules: Path, stories: list[Story]) -> str:
    """Play stories by promtool.

    Args:
        tools: where promtool is.
        folder: an empty folder.
        rules: a file of rules.
        stories: what happens, and what is expected.

    Returns:
        What promtool says of expectations that are not met; empty when all are.
    """
    by_name = {rule["alert"]: rule for group in _groups(rules) for rule in group["rules"] if "alert" in rule}
    tests = [{**story, "alert_rule_test": [*_completed(story, by_name)]} for story in stories]
    file = folder / "stories.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([tools.promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _groups(rules: Path) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    return groups


def _completed(story: Story, by_name: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for test in story.get("alert_rule_test", ()):
        rule = by_name[test["alertname"]]
        runbook = {"runbook_url": rule["annotations"]["runbook_url"]}
        yield {
            **test,
            "exp_alerts": [
                {
                    "exp_labels": {**it["exp_labels"], **rule["labels"]},
                    "exp_annotations": {**it["exp_annotations"], **runbook},
                }
                for it in test["exp_alerts"]
            ],
        }
