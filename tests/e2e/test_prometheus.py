"""A real Prometheus scrapes operator and agents: the queries of dashboards, alerts and docs have an answer."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cluster import Cluster
from lab.prometheus import Prometheus, PrometheusMissingError, Tools, find_tools, running
from lab.pytest_skips import found_or_skip
from lab.speed import allowance, period
from lab.wait import until
from tests.e2e.view import Start, View, Watch
from tests.integration.prometheus.metrics_pages import served
from tests.integration.prometheus.rule_files import ALERTS, OF_KUBEVIRT, RECORDING_RULES, queries, rules_of
from tools.metrics_reference import QUERIES

SCRAPES = 10
"""In the range of a query."""


@pytest.fixture(scope="module")
def tools() -> Tools:
    return found_or_skip(find_tools, PrometheusMissingError)


@pytest.fixture
def kubevirt(namespace: str) -> Iterator[str]:
    """Serves a series as virt-handler does, with its labels (KubeVirt docs/observability/metrics.md)."""

    labels = f'node="node01",namespace="{namespace}",name="vm1",os="",workload="",phase="running"'
    with served(f"kubevirt_vmi_info{{{labels}}} 1\n") as address:
        yield address


@pytest.fixture
def prometheus(cluster: Cluster, tools: Tools, kubevirt: str, tmp_path: Path) -> Iterator[Prometheus]:
    assert tools.prometheus.exists()
    jobs = {
        "cachemon-agent": [node.address for node in cluster.nodes.values()],
        "cachemon-operator": [cluster.operator_address],
        "kubevirt": [kubevirt],
    }
    with running(tmp_path, jobs, rules=[ALERTS, RECORDING_RULES], interval_seconds=period(1)) as server:
        yield server


def test_every_query_of_the_docs_the_dashboards_and_the_alerts_has_an_answer(
    namespace: str, start: Start, watch: Watch, view: View, prometheus: Prometheus
) -> None:
    began, duration = time.time(), f"{SCRAPES * prometheus.interval_seconds}s"
    vm1 = start("vm1", "node01", vcpus=2)
    start("vm2", "node01", vcpus=2)
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "0-1"}])
    watch("vm2")
    watch("vm2", [{"vcpus": "7"}], name="lacking")
    for name in ("vm1", "vm2"):
        view.until_ready(name)
    until("every target is scraped", lambda: prometheus.targets_up("cachemon-agent") == 2)
    until("the operator is scraped", lambda: prometheus.targets_up("cachemon-operator") == 1)
    until(
        "rates of traffic", lambda: prometheus.query(f"rate(cachemon_vmi_memory_traffic_bytes_total[{duration}]) > 0")
    )

    with_totals = prometheus.metadata("cachemon_agent_samples_total")
    assert (prometheus.metadata("cachemon_agent_samples"), with_totals) == (
        {"counter"},
        set(),
    )  # OpenMetrics names it so
    assert not prometheus.query('{__name__=~".+_created"}')
    assert len(prometheus.query("cachemon_build_info")) == 2
    assert len(prometheus.query("cachemon_operator_build_info")) == 1
    assert len(prometheus.query('process_cpu_seconds_total{job=~"cachemon-.+"}')) == 3

    block = prometheus.query('cachemon_cache_capacity_bytes{node="node01"}')[0]["metric"]["cache_id"]
    values = {
        "node": "node01",
        "cache_id": block,
        "namespace": namespace,
        "name": "vm1",
        "__rate_interval": duration,
        "__range": "1h",
    }
    asked = [it for uid in OF_KUBEVIRT for it in queries(uid, {**values, "cluster": _every_cluster(uid)})]
    # No VM here has a verdict; a query about one that is not valid is answered by 4xx.
    empty = [f"{title}: {query}" for title, query in asked if not prometheus.query(query)]
    assert [it for it in empty if "interference" not in it] == []
    # The nodes of this cluster have no telemetry of packages; a query about it that is not valid is answered by 4xx.
    unanswered = [query for query in QUERIES.values() if not prometheus.query(query)]
    assert [query for query in unanswered if "core_energy" not in query] == []
    for rule in rules_of(ALERTS):
        prometheus.query(rule["expr"])  # an expression that can't be evaluated is answered by 4xx
    records = [rule["record"] for rule in rules_of(RECORDING_RULES)]
    until("every recording rule has figures", lambda: all(map(prometheus.query, records)))
    unmonitored = 'ALERTS{alertname="CachemonGroupsUnmonitored", node="node01", reason="VCPUsNotInVM"}'
    until("an alert for the group", lambda: prometheus.query(unmonitored))
    [lacking] = prometheus.query('cachemon_groups{node="node01", reason="VCPUsNotInVM"}')
    assert lacking["value"][1] == "1"

    joined = prometheus.query(
        "cachemon_vmi_cache_occupancy_bytes * on (namespace, name) group_left (phase) kubevirt_vmi_info"
    )
    assert {(item["metric"]["name"], item["metric"]["phase"]) for item in joined} == {("vm1", "running")}

    vm1.delete()
    gone = f'cachemon_vmi_cache_occupancy_bytes{{namespace="{namespace}", name="vm1"}}'
    until("the series of a VM that has gone vanish", lambda: not prometheus.query(gone))
    assert prometheus.query(gone.replace("vm1", "vm2"))
    history = prometheus.query_range(gone, began, time.time(), prometheus.interval_seconds)
    assert history
    assert all(int(value) >= 0 for series in history for _, value in series["values"])


def _every_cluster(uid: str) -> str:
    """The variable `cluster` where no series has such a label."""
    return ".*" if uid == "cachemon-fleet" else ""


def test_a_vms_sum_counts_threads_of_overlapping_groups_once(
    cluster: Cluster, start: Start, watch: Watch, view: View, prometheus: Prometheus
) -> None:
    start("twice", "node01", vcpus=2)
    watch("twice", [{"vcpus": "0"}, {"vcpus": "1"}])
    watch("twice", [{"vcpus": "0-1"}], name="overlapping")
    for name in ("twice", "overlapping"):
        view.until_ready(name)
    control = cluster.nodes["node01"].emulator.control
    control.freeze()
    try:
        samples = 'cachemon_agent_samples_total{node="node01"}'
        [before] = until("a scrape", lambda: prometheus.query(samples))
        frozen = f"{samples} > {before['value'][1]} + 5"  # a page may lag a sample or two behind
        until("samples of the frozen counters", lambda: prometheus.query(frozen))
        whole = _by_block(prometheus, 'cachemon_vmi_cache_occupancy_bytes{name="twice"}')
        parts = 'sum by (cache_id) (cachemon_cache_occupancy_bytes{name="twice", object="twice"})'
        assert whole
        assert whole == _by_block(prometheus, parts)
    finally:
        control.thaw()


def _by_block(prometheus: Prometheus, query: str) -> dict[str, int]:
    return {item["metric"]["cache_id"]: int(item["value"][1]) for item in prometheus.query(query)}


def test_promtool_finds_nothing_wrong_with_the_pages(cluster: Cluster, tools: Tools) -> None:
    for address in (cluster.nodes["node01"].address, cluster.operator_address):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=allowance(10)) as answer:
            page = answer.read()
        checked = subprocess.run([tools.promtool, "check", "metrics"], input=page, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr.decode()
        assert checked.stderr == b""
