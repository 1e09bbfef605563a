"""A real Prometheus scrapes the agent of a libvirt host: dashboard and alerts see what is wrong there."""

from functools import partial
from pathlib import Path

from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.ports import LOOPBACK, free_port
from lab.prometheus import PrometheusMissingError, find_tools, running
from lab.pytest_skips import found_or_skip
from lab.wait import until
from tests.integration.host.scene import Scene, metadata
from tests.integration.prometheus.rule_files import HOST_ALERTS, HOSTS, queries, rules_of


def test_every_query_of_the_dashboard_has_an_answer_and_alerts_become_active(
    host: LibvirtHost, resctrl: Emulator, tmp_path: Path
) -> None:
    found_or_skip(find_tools, PrometheusMissingError)
    address = f"{LOOPBACK}:{free_port()}"
    with (
        AgentProcess(host, resctrl, f"--metrics-address={address}") as agent,
        running(tmp_path, {"machines": [address]}, rules=[HOST_ALERTS]) as prometheus,
    ):
        agent.start()
        scene = Scene(host, resctrl, agent)
        scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"', 'id="lacking" vcpus="7"')))
        scene.until_monitored("vm1", "web")
        traffic = "rate(cachemon_host_domain_memory_traffic_bytes_total[10s]) > 0"
        until("rates of traffic", lambda: prometheus.query(traffic))
        values = {
            "instance": address,
            "domain": "vm1",
            "cache_id": prometheus.query("cachemon_host_cache_capacity_bytes")[0]["metric"]["cache_id"],
            "__rate_interval": "10s",
            "__range": "1h",
        }
        # No domain here has a verdict; a query about one that is not valid is answered by 4xx.
        empty = [f"{title}: {query}" for title, query in queries(HOSTS, values) if not prometheus.query(query)]
        assert [it for it in empty if "interference" not in it] == []
        [lacking] = prometheus.query('cachemon_host_groups{reason="VCPUsNotInVM"}')
        assert lacking["value"][1] == "1"
        for rule in rules_of(HOST_ALERTS):
            prometheus.query(rule["expr"])  # an expression that can't be evaluated is answered by 4xx
        unmonitored = 'ALERTS{alertname="CachemonHostGroupsUnmonitored", reason="VCPUsNotInVM"}'
        until("an alert for the group", lambda: prometheus.query(unmonitored))
        assert {it["metric"]["alertname"] for it in prometheus.query("ALERTS")} == {"CachemonHostGroupsUnmonitored"}
        agent.stop()
        for alert in ("CachemonHostAgentDown", "CachemonHostAllAgentsDown"):
            until(alert, partial(prometheus.query, f'ALERTS{{alertname="{alert}"}}'))
        host.clear()
