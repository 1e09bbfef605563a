"""What one namespace's groups, or an object that can't be stored, cost the others on a node: nothing."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cachemon.agent.status_size import MOST_STATUS_BYTES
from lab.cluster import MIB, Cluster, Node
from lab.kubernetes.binaries import find
from lab.kubernetes.fault_proxy import FaultProxy
from lab.speed import period
from lab.wait import until
from tests.e2e.other_tenant import asked_period, calm_tenant, make_group
from tests.e2e.view import View, agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, Watch

FLOOD = 60
"""Groups that each ask for a write a second: three times what a node's agent writes."""
PERIOD_SECONDS = 4
"""Of the other tenant's group."""
BLOCKS = 24
MANY = 63
"""Groups of one object; another object on the VM has one more, and 64 are all that a VMI may have."""
MANY_BLOCKS = dict.fromkeys(range(BLOCKS), 4 * MIB)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-writes-"))
    with Cluster(folder, find(), faulty=True) as running:
        running.start_operator()
        running.add_node("node01", agent_flags=agent_flags()).start_agent()
        running.add_node("large", emulator={"blocks": MANY_BLOCKS}, agent_flags=agent_flags()).start_agent()
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def healed(cluster: Cluster) -> Iterator[None]:
    yield
    for node in cluster.nodes.values():
        proxy_of(node).heal()
        assert node.agent_exit_status is None, "an agent ended by itself"


@pytest.fixture
def calm(cluster: Cluster, namespace: str) -> Iterator[View]:
    """Another tenant's namespace, with one group of one VM on node01."""
    with calm_tenant(cluster, namespace, period(PERIOD_SECONDS)) as view:
        yield view


def proxy_of(node: Node) -> FaultProxy:
    assert node.proxy
    return node.proxy


def writes(node: Node, name: str, since: float) -> list[float]:
    """When the agent asked to write an object's status."""
    wanted = re.compile(rf"^PATCH .*/{name}/status")
    return [when for when, line in [*proxy_of(node).requests] if when >= since and wanted.search(line)]


def node_period(cluster: Cluster) -> int:
    return int(cluster.control_plane.kubectl("get", "cmn", "node01", "-o", "jsonpath={.status.statusPeriodSeconds}"))


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.timeout(300)
def test_a_flood_in_one_namespace_delays_neither_another_tenants_group_nor_the_heartbeat(
    cluster: Cluster, namespace: str, start: "Start", view: View, calm: View
) -> None:
    start("vm1", "node01")
    node, began = cluster.nodes["node01"], time.monotonic()
    for number in range(FLOOD):
        make_group(cluster, namespace, f"flood{number}", "vm1", 1)
    last = f"flood{FLOOD - 1}"
    until("the flood to show its period", lambda: view.status(last).get("statusPeriodSeconds", 0) > 2, seconds=60)
    count = len(writes(node, "calm", began))
    every, beat = asked_period(cluster, calm), node_period(cluster)
    until("six more periods", lambda: len(writes(node, "calm", began)) >= count + 6, seconds=12 * every)
    assert longest_gap(writes(node, "calm", began)) <= 1.5 * every
    assert longest_gap(writes(node, "node01", began)) <= 1.5 * beat
    assert calm.status("calm")["statusPeriodSeconds"] == every
    assert calm.condition("calm", "Ready")["status"] == "True"
    message = view.condition(last, "Monitored")["message"]
    assert f"renewed every {view.status(last)['statusPeriodSeconds']} s instead of 1 s" in message
    view.until_ready(last)
    assert f"every {view.status(last)['statusPeriodSeconds']} s" in view.condition(last, "Ready")["message"]


@pytest.mark.pitfall(29)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("message", ["a webhook failed", "etcdserver: request is too large"])
def test_an_object_that_can_not_be_written_rests_and_the_others_go_on(
    cluster: Cluster, start: "Start", watch: "Watch", view: View, message: str
) -> None:
    start("vm1", "node01")
    node = cluster.nodes["node01"]
    for name in ("bad", "good"):
        watch("vm1", name=name)
        view.until_ready(name)
    began, log_chars = time.monotonic(), len(node.log.read_text())
    proxy_of(node).answer(500, message, where="^PATCH .*/bad/status")
    until("20 writes of the other", lambda: len(writes(node, "good", began)) >= 20, seconds=60)
    assert longest_gap(writes(node, "good", began)) <= 3
    tries = writes(node, "bad", began)
    assert 3 <= len(tries) <= 13
    assert tries[-1] - tries[-2] > 1.9, "it rests longer and longer"
    assert node.log.read_text()[log_chars:].count("/bad can't be written") == 1
    proxy_of(node).heal()
    view.until_renewed("bad", seconds=60)
    view.until_ready("bad")


@pytest.mark.pitfall(29)
@pytest.mark.timeout(400)
def test_a_status_that_would_be_too_large_is_written_smaller_and_says_what_is_left_out(
    start: "Start", watch: "Watch", view: View
) -> None:
    start("vm1", "large")
    watch("vm1", [{"name": f"g{number}", "vcpus": "0"} for number in range(MANY)], statusPeriodSeconds=5)
    watch("vm1", [{"name": "other", "vcpus": "0"}], name="small")
    view.until_ready("vm1", seconds=120)
    status = view.status("vm1")
    assert len(str(status)) < 1.2 * MOST_STATUS_BYTES
    whole = [group for group in status["groups"] if "cacheBlocks" in group]
    assert 5 < len(whole) < MANY
    assert all(len(group["cacheBlocks"]) == BLOCKS for group in whole)
    assert [group["state"] for group in status["groups"]] == ["Monitored"] * MANY
    assert f"the figures by cache block of {MANY - len(whole)} of {MANY} groups" in status["omitted"]
    assert status["omitted"] in view.condition("vm1", "Monitored")["message"]
    assert status["summary"]["groups"] == f"{MANY}/{MANY}"
    assert len(view.group("small", "other")["cacheBlocks"]) == BLOCKS
    view.until_renewed("small")
    view.until_renewed("vm1", seconds=120)
