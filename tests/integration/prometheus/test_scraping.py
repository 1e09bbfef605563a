"""A real Prometheus scrapes as the chart's monitors say: by HTTPS, with a token, and without believing the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ports import LOOPBACK
from lab.prometheus import Prometheus, PrometheusMissingError, find_tools, running
from lab.pytest_skips import found_or_skip
from lab.wait import until
from tests.integration.chart.cases import ALL_OF_PROMETHEUS
from tests.integration.chart.rendering import one
from tests.integration.prometheus.monitors import scrape_config
from tests.integration.prometheus.served_page import TOKEN, served

HONEST = "cachemon_vmi_cache_occupancy_bytes"
FORGED = f"""\
{HONEST}{{node="broken",namespace="tenant-a",name="vm1",cache_id="0"}} 1
{HONEST}{{node="victim",namespace="tenant-b",name="vm2",cache_id="0",job="other",instance="other:1"}} 2
cachemon_operator_groups{{ready="True"}} 99
cachemon_host_rmids{{use="ours"}} 99
kubevirt_vmi_info{{node="victim",namespace="tenant-b",name="vm2"}} 1
up{{job="cachemon-operator"}} 1
node_load1 99
"""


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[list[int]]:
    """The ports of two programs of which each serves what it likes."""
    with served(FORGED, tmp_path / "agent.log") as agent, served(FORGED, tmp_path / "operator.log") as operator:
        yield [agent, operator]


@pytest.fixture
def prometheus(pages: list[int], tmp_path: Path) -> Iterator[Prometheus]:
    found_or_skip(find_tools, PrometheusMissingError)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    (agent,) = one("PodMonitor", ALL_OF_PROMETHEUS)["spec"]["podMetricsEndpoints"]
    (operator,) = one("ServiceMonitor", ALL_OF_PROMETHEUS)["spec"]["endpoints"]
    meta = {"namespace": "cachemon-system", "pod_name": "p", "pod_container_name": "c", "pod_node_name": "node01"}
    scrapes = [
        scrape_config(endpoint, f"{LOOPBACK}:{port}", token, meta)
        for endpoint, port in zip((agent, operator), pages, strict=True)
    ]
    with running(tmp_path, {}, scrapes=scrapes) as server:
        yield server


@pytest.mark.timeout(240)
def test_a_broken_node_forges_no_other_node_and_no_other_program(prometheus: Prometheus) -> None:
    until("both targets", lambda: prometheus.targets_up("cachemon-agent") == 1, seconds=90)
    until("the operator's target", lambda: prometheus.targets_up("cachemon-operator") == 1, seconds=90)
    series = [item["metric"] for item in prometheus.query('{__name__=~"cachemon_.*|kubevirt_.*|node_.*"}')]
    agents = [it for it in series if it["job"] == "cachemon-agent"]
    assert {it["__name__"] for it in agents} == {HONEST}
    assert {it["node"] for it in agents} == {"node01"}
    assert [(it["namespace"], it["name"]) for it in agents] == [("tenant-a", "vm1"), ("tenant-b", "vm2")]
    assert all(it.keys() == {"__name__", "job", "instance", "node", "namespace", "name", "cache_id"} for it in agents)
    operators = [it for it in series if it["job"] == "cachemon-operator"]
    assert {it["__name__"] for it in operators} == {"cachemon_operator_groups"}
    assert all(it.keys() == {"__name__", "job", "instance", "ready"} for it in operators)
    assert {it["job"] for it in series} == {"cachemon-agent", "cachemon-operator"}
    assert {it["value"][1] for it in prometheus.query("up")} == {"1"}
    assert {it["metric"].get("node") for it in prometheus.query('up{job="cachemon-agent"}')} == {"node01"}


def test_without_the_token_nothing_is_scraped(pages: list[int], tmp_path: Path) -> None:
    found_or_skip(find_tools, PrometheusMissingError)
    scrape = {
        "job_name": "stranger",
        "scheme": "https",
        "tls_config": {"insecure_skip_verify": True},
        "static_configs": [{"targets": [f"{LOOPBACK}:{pages[0]}"]}],
    }
    with running(tmp_path, {}, scrapes=[scrape]) as server:
        until("a scrape that failed", lambda: server.query('up{job="stranger"} == 0'))
        assert not server.query(HONEST)
