"""The history of the page, from a real Prometheus that scrapes an agent's page."""

import asyncio
import time
from pathlib import Path

import pytest

from cachemon.web.page_source import Subject
from cachemon.web.points import Track, series_of
from cachemon.web.prometheus_history import PastPoints, PrometheusHistory, read_server
from cachemon.web.prometheus_matrix import Scope
from lab.ports import LOOPBACK
from lab.prometheus import Prometheus, running
from lab.wait import until
from tests.integration.prometheus.served_page import TOKEN, served

MIB = 1 << 20
VM = 'node="node01",namespace="tenant-a",name="vm1"'
PAGE = f"""\
cachemon_vmi_cache_occupancy_bytes{{{VM},cache_id="0"}} {5 * MIB}
cachemon_vmi_cache_occupancy_bytes{{{VM},cache_id="1"}} {6 * MIB}
cachemon_cache_occupancy_bytes{{{VM},object="vm1",group="vcpus_0",cache_id="0"}} {3 * MIB}
cachemon_node_cache_occupancy_bytes{{node="node01",cache_id="0"}} {9 * MIB}
"""


def ask(server: Prometheus, subject: Subject, scope: Scope = Scope()) -> PastPoints:  # noqa: B008  it is frozen
    history = PrometheusHistory(read_server(server.address), scope)
    return asyncio.run(history.points(subject, 600, time.time()))


def last_of(found: PastPoints, track: Track) -> dict[tuple[str, int], int | None]:
    """The last occupancy of each group and block."""
    points = found.tracks[track]
    return {(it["group"], it["block"]): it["occupancy"][-1] for it in series_of({track: points}, points.times)}


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("tools")
def test_a_prometheus_answers_what_the_page_asks(tmp_path: Path) -> None:
    with served(PAGE, tmp_path / "agent.log") as port:
        token = tmp_path / "token"
        token.write_text(TOKEN)
        scrapes = [
            {
                "job_name": cluster,
                "scheme": "https",
                "tls_config": {"insecure_skip_verify": True},
                "authorization": {"credentials_file": str(token)},
                "static_configs": [{"targets": [f"{LOOPBACK}:{port}"], "labels": {"cluster": cluster}}],
            }
            for cluster in ("prod", "test")
        ]
        with running(tmp_path, {}, scrapes=scrapes) as server:
            until("both targets", lambda: all(server.targets_up(job) for job in ("prod", "test")), seconds=90)
            vm, node = Subject(vm="tenant-a/vm1"), Subject(node="node01")
            until("both clusters", lambda: "several clusters (prod, test)" in ask(server, vm).problem, seconds=60)
            until("figures", lambda: ask(server, vm, Scope(cluster="prod")).tracks)
            found = ask(server, vm, Scope(cluster="prod"))
            assert found.problem == ""
            assert last_of(found, Track("node01", "tenant-a/vm1")) == {("", 0): 5 * MIB, ("", 1): 6 * MIB}
            assert last_of(found, Track("node01", "tenant-a/vm1", "vm1")) == {("vm1/vcpus_0", 0): 3 * MIB}
            whole = ask(server, node, Scope(cluster="prod"))
            assert set(whole.tracks) == {Track("node01"), Track("node01", "tenant-a/vm1")}
            assert set(ask(server, node, Scope("tenant-b", "prod")).tracks) == {Track("node01")}
