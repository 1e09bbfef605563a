"""The configurations of the guide: Prometheus takes each, and scrapes by the one for hosts as it stands there."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachemon.daemon.self_signed import make_certificate
from lab.prometheus import Tools, running
from lab.repository import REPOSITORY
from lab.wait import until
from tests.integration.chart.cases import ALL_OF_PROMETHEUS
from tests.integration.chart.rendering import nested, one
from tests.integration.docs.pages import File, page_steps
from tests.integration.prometheus.monitors import snake
from tests.integration.prometheus.served_page import TOKEN, served
from tools.manifests import NAMESPACE

PAGE = REPOSITORY / "docs/guides/scrape-the-metrics.md"
FILES = {step.name: yaml.safe_load(step.text) for step in page_steps(PAGE) if isinstance(step, File)}
OF_PROMETHEUS = [name for name in FILES if name.startswith("scrape")]
COLLECTOR = FILES["collector.yaml"]


def jobs_of(configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in configuration["scrape_configs"]}


def without_discovery(job: dict[str, Any]) -> dict[str, Any]:
    """A job for Debian's build of Prometheus, which has no `kubernetes_sd_configs`."""
    rest = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    return rest if rest == job else {**rest, "static_configs": [{"targets": ["192.0.2.1:9820"]}]}


def complaint_of_promtool(tools: Tools, configuration: dict[str, Any], folder: Path) -> str:
    file = folder / "prometheus.yaml"
    jobs = [without_discovery(job) for job in configuration["scrape_configs"]]
    file.write_text(yaml.safe_dump({**configuration, "scrape_configs": jobs}))
    # without the flag promtool looks for the files that the configuration names
    command = [str(tools.promtool), "check", "config", "--syntax-only", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def test_the_guide_has_a_configuration_for_each_way() -> None:
    assert [*FILES] == ["monitors.yaml", "scrape.yaml", "scrape-checked.yaml", "scrape-hosts.yaml", "collector.yaml"]


@pytest.mark.parametrize("name", OF_PROMETHEUS)
def test_prometheus_takes_the_configuration(tools: Tools, tmp_path: Path, name: str) -> None:
    assert complaint_of_promtool(tools, FILES[name], tmp_path) == ""


@pytest.mark.parametrize("name", OF_PROMETHEUS)
def test_targets_are_found_among_the_pods_of_the_charts_namespace_or_are_named(name: str) -> None:
    for job in jobs_of(FILES[name]).values():
        (found,) = job.get("kubernetes_sd_configs") or job["static_configs"]
        assert found.keys() == {"targets"} or found == {"role": "pod", "namespaces": {"names": [NAMESPACE]}}


def test_promtool_finds_a_key_that_there_is_not(tools: Tools, tmp_path: Path) -> None:
    (job,) = FILES["scrape-hosts.yaml"]["scrape_configs"]
    assert "tsl_config" in complaint_of_promtool(tools, {"scrape_configs": [{**job, "tsl_config": {}}]}, tmp_path)


@pytest.mark.parametrize(
    ("job", "kind", "endpoints"),
    [
        ("cachemon-agent", "PodMonitor", "podMetricsEndpoints"),
        ("cachemon-operator", "ServiceMonitor", "endpoints"),
    ],
)
def test_a_plain_prometheus_believes_no_more_than_the_charts_monitors(job: str, kind: str, endpoints: str) -> None:
    (endpoint,) = one(kind, ALL_OF_PROMETHEUS)["spec"][endpoints]
    documented = jobs_of(FILES["scrape.yaml"])[job]
    assert documented["metric_relabel_configs"] == snake(endpoint["metricRelabelings"])
    by_node = {"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"}
    assert (by_node in documented["relabel_configs"]) == (by_node in snake(endpoint["relabelings"]))


def test_the_values_make_monitors_and_rules_with_the_labels() -> None:
    assert nested({f"prometheus.{name}.enabled": True for name in ("podMonitor", "serviceMonitor", "rule")}) == {
        "prometheus": {key: value for key, value in FILES["monitors.yaml"]["prometheus"].items() if key != "labels"}
    }
    labels = FILES["monitors.yaml"]["prometheus"]["labels"]
    for kind, name in (("PodMonitor", ""), ("ServiceMonitor", ""), ("PrometheusRule", "cachemon")):
        made = one(kind, {**ALL_OF_PROMETHEUS, "prometheus.labels": labels}, name)
        assert labels.items() <= made["metadata"]["labels"].items()


def test_the_collector_scrapes_by_the_job_of_prometheus_and_its_pipeline_names_its_parts(
    tools: Tools, tmp_path: Path
) -> None:
    scraping = COLLECTOR["receivers"]["prometheus"]["config"]
    assert complaint_of_promtool(tools, scraping, tmp_path) == ""
    assert scraping["scrape_configs"] == [jobs_of(FILES["scrape.yaml"])["cachemon-agent"]]
    assert "$" not in str(COLLECTOR), "a collector takes that for a variable"
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) == COLLECTOR[part].keys()


def test_a_prometheus_scrapes_a_host_as_the_guide_says(tools: Tools, tmp_path: Path) -> None:
    assert tools.prometheus.exists()
    pem = make_certificate(["localhost"], datetime.now(UTC)).decode()
    key, begin, certificate = pem.partition("-----BEGIN CERTIFICATE-----")
    tls = tmp_path / "tls"
    tls.mkdir()
    (tls / "tls.key").write_text(key)
    (tls / "tls.crt").write_text(begin + certificate)
    (tmp_path / "token").write_text(TOKEN)
    series = 'cachemon_host_rmids{use="ours"}'
    with served(f"{series} 7\n", tmp_path / "log", tls) as port:
        (documented,) = FILES["scrape-hosts.yaml"]["scrape_configs"]
        here = {
            **documented,
            "authorization": {"credentials_file": str(tmp_path / "token")},
            "tls_config": {"ca_file": str(tls / "tls.crt")},
            "static_configs": [{"targets": [f"localhost:{port}"]}],
        }
        assert all(documented[key].keys() == here[key].keys() for key in ("authorization", "tls_config"))
        with running(tmp_path, {}, scrapes=[here]) as prometheus:
            until("the host's figures", lambda: prometheus.query(series), seconds=60)
            assert prometheus.targets_up("cachemon-host") == 1
