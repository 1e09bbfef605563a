"""Programs and connections that fail: every program reaches the API server through a proxy that can do harm."""

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.books import booked_occupancy, frozen_status, reported_occupancy, wanted_tids
from lab.cluster import Cluster, Node
from lab.kubernetes.binaries import find
from lab.kubernetes.fault_proxy import FaultProxy
from lab.speed import period
from lab.wait import until
from tests.e2e.blinks import check_ready
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

STATUS_WRITES = r"^PATCH .*/status"
LISTS = r"^GET /apis/[^?]*\?limit="


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-outages-"))
    with Cluster(folder, find(), faulty=True) as running:
        running.start_operator()
        for name in ("node01", "node02"):
            running.add_node(name, agent_flags=agent_flags()).start_agent()
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def healed(cluster: Cluster) -> Iterator[None]:
    yield
    for proxy in proxies(cluster):
        proxy.heal()
    assert all(node.agent_exit_status is None for node in cluster.nodes.values()), "an agent ended by itself"


def proxies(cluster: Cluster) -> list[FaultProxy]:
    found = [cluster.proxy, *(node.proxy for node in cluster.nodes.values())]
    return [proxy for proxy in found if proxy]


def proxy_of(owner: Cluster | Node) -> FaultProxy:
    assert owner.proxy
    return owner.proxy


def samples(node: Node) -> float:
    line = next(line for line in node.metrics().splitlines() if line.startswith("cachemon_agent_samples_total"))
    return float(line.rpartition(" ")[2])


def inodes(node: Node) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (node.emulator.mountpoint / "mon_groups").iterdir()}


@contextmanager
def frozen(node: Node) -> Iterator[None]:
    node.emulator.control.freeze()
    try:
        yield
    finally:
        node.emulator.control.thaw()


@pytest.mark.pitfall(7)
def test_the_second_agent_on_a_node_waits_for_the_end_of_the_first_and_disturbs_nothing(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1", [{"vcpus": "0"}, {"vcpus": "0-1"}])
    view.until_ready("vm1")
    node = cluster.nodes["node01"]
    before = inodes(node)
    node.emulator.control.heal()  # counts calls from here
    successor = node.another_agent()
    try:
        until("some work of both", lambda: samples(successor) > 5 and samples(node) > 5)
        view.until_renewed("vm1")
        assert 'cachemon_agent_api_writes_total{node="node01"' not in successor.metrics()
        assert "another agent works on" in successor.log.read_text()
        calls = node.emulator.control.calls()
        assert inodes(node) == before
        assert [calls.get(name, 0) for name in ("mkdir", "rmdir", "rename", "write")] == [0, 0, 0, 0]
        with frozen(node):
            status = frozen_status(cluster, namespace, "vm1")
            books = node.emulator.control.books()
            for group, vcpus in (("vcpus_0", {0}), ("vcpus_0-1", {0, 1})):
                assert reported_occupancy(status, group) == booked_occupancy(books, wanted_tids(vmi, vcpus))
        node.kill_agent()
        view.until_renewed("vm1")
        assert inodes(node) == before
        watch("vm1", [{"vcpus": "1"}])
        until("the successor to work", lambda: view.status("vm1")["groups"][0]["name"] == "vcpus_1")
    finally:
        successor.stop_agent()
        node.start_agent()
    view.until_ready("vm1")


def test_an_upgraded_agent_adopts_the_mon_groups_and_never_makes_ready_blink(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    name = f"node-{secrets.token_hex(3)}"
    node = cluster.add_node(name, agent_flags=agent_flags(10))  # three of its periods are longer than an upgrade
    try:
        node.start_agent()
        vmi = start("vm1", name)
        watch("vm1", statusPeriodSeconds=period(10))
        view.until_ready("vm1", node=name)
        before, held = inodes(node), booked(node, view, vmi)
        node.stop_agent()
        node.start_agent()
        view.until_renewed("vm1")
        assert inodes(node) == before
        assert sum(booked(node, view, vmi).values()) >= sum(held.values()), "the counters of before go on"
        check_ready(view.writes_since_ready("vm1"))
        with frozen(node):
            status = frozen_status(cluster, namespace, "vm1")
            books = node.emulator.control.books()
            assert reported_occupancy(status, "vcpus_all") == booked_occupancy(books, wanted_tids(vmi, {0, 1}))
    finally:
        node.stop()
        del cluster.nodes[name]


def booked(node: Node, view: "View", vmi: Any) -> dict[int, int]:
    """Bytes moved so far by the VM's mon_groups, by cache block."""
    groups = node.emulator.control.books().groups
    names = view.own_mon_groups(node.name, vmi)
    ours = [group for path, group in groups.items() if path.rpartition("/")[2] in names]
    return {block: sum(int(group.blocks[block]["mbm_total_bytes"]) for group in ours) for block in (0, 1)}


@pytest.mark.parametrize(
    "seconds", [1, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.timeout(900)], id="ten minutes")]
)
def test_what_happened_while_the_operator_was_away_is_caught_up_with(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", seconds: int
) -> None:
    quiet, moves, ends, restarts = (start(name, "node01") for name in ("quiet", "moves", "ends", "restarts"))
    for vmi in (quiet, moves, ends, restarts):
        watch(vmi.name)
    for vmi in (quiet, moves, ends, restarts):
        view.until_ready(vmi.name)
    cluster.kill_operator()
    try:
        view.until_renewed("quiet")
        moves.migrate("node02")
        ends.delete()
        restarts.delete()
        restarts.start("node02")
        start("comes", "node02")
        watch("comes")
        watch("absent")
        watch("quiet", [{"vcpus": "1"}])
        until("the agent to go on alone", lambda: view.status("quiet")["groups"][0]["name"] == "vcpus_1")
        node = cluster.nodes["node01"]
        sampled = samples(node)
        until("samples, one a second", lambda: samples(node) >= sampled + seconds, seconds=20 + 1.2 * seconds)
        view.until_renewed("quiet")
        assert view.status("moves")["nodeName"] == "node01"
    finally:
        cluster.start_operator()
    view.until_ready("quiet", node="node01", seconds=45)
    view.until_ready("moves", node="node02", seconds=45)
    view.until_ready("comes", node="node02", seconds=45)
    assert view.until_ready("restarts", node="node02", seconds=45)["vmiUID"] == restarts.uid
    view.until_condition("ends", "Ready", "False", "VMINotFound")
    view.until_condition("absent", "Ready", "False", "VMINotFound")
    until("the figures of the ended VM to go", lambda: "groups" not in view.status("ends"))
    assert view.status("quiet")["observedGeneration"] == 2
    until("no mon_group of what is gone", lambda: not view.own_mon_groups("node01", ends))
    until("no mon_group of what moved", lambda: len(inodes(cluster.nodes["node01"])) == 1)


@pytest.mark.pitfall(29)
def test_an_api_server_that_hangs_stops_neither_samples_nor_metrics(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    node, server = cluster.nodes["node01"], cluster.control_plane.pids()["kube-apiserver"]
    os.kill(server, signal.SIGSTOP)
    try:
        before = samples(node)
        until("samples all the same", lambda: samples(node) >= before + 4)
    finally:
        os.kill(server, signal.SIGCONT)
    view.until_renewed("vm1")
    view.until_ready("vm1")


def test_an_api_server_that_comes_back_with_its_data_finds_everything_in_order(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    node = cluster.nodes["node01"]
    before = inodes(node)
    cluster.control_plane.stop_api_server()
    cluster.control_plane.start_api_server()
    view.until_renewed("vm1")
    start("vm2", "node02")
    watch("vm2")
    view.until_ready("vm2", seconds=45)
    assert inodes(node) == before


def test_programs_wait_as_long_as_the_server_asks(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    both = (proxy_of(cluster), proxy_of(cluster.nodes["node01"]))
    began = time.monotonic()
    for proxy in both:
        proxy.throttle(3, where=STATUS_WRITES)
    watch("vm1", [{"vcpus": "1"}])

    def tries(proxy: FaultProxy) -> list[float]:
        """Of groups: the node's heartbeat has a pace of its own."""
        wanted = (
            request
            for request in proxy.requests
            if request[1].startswith("PATCH ") and "/cachemonitorgroups/" in request[1]
        )
        return [when for when, _ in wanted if when > began]

    until("three tries of each", lambda: all(len(tries(proxy)) >= 3 for proxy in both), seconds=40)
    for proxy in both:
        first, second, third = tries(proxy)[:3]
        assert second - first > 2.9
        assert third - second > 2.9
        proxy.heal()
    until("the edit to be seen", lambda: view.status("vm1")["groups"][0]["name"] == "vcpus_1")
    view.until_renewed("vm1")
    view.until_ready("vm1")


@pytest.mark.pitfall(29)
@pytest.mark.parametrize("status", [401, 404, 409, 500])
def test_writes_that_fail_for_a_while_are_made_up_for(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", status: int
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    both = (proxy_of(cluster), proxy_of(cluster.nodes["node01"]))
    struck = [proxy.struck for proxy in both]
    for proxy in both:
        proxy.answer(status, where=STATUS_WRITES, times=2)
    watch("vm1", [{"vcpus": "1"}])
    for proxy, before in zip(both, struck, strict=True):
        until("both faults", lambda proxy=proxy, before=before: proxy.struck == before + 2)  # type: ignore[misc]
    until("the edit to be seen", lambda: view.status("vm1")["groups"][0]["name"] == "vcpus_1")
    until("the edit to be judged", lambda: view.status("vm1")["observedGeneration"] == 2)
    view.until_ready("vm1")


def test_watches_that_end_with_an_error_and_lists_that_are_too_old_are_begun_anew(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1")
    struck = {proxy: proxy.struck for proxy in proxies(cluster)}
    for proxy in struck:
        proxy.answer(410, where=LISTS, times=1)
        proxy.end_watches(410, times=1)
        proxy.end_watches(500, times=1)
        proxy.hang_up()
    for proxy, before in struck.items():
        until("faults", lambda proxy=proxy, before=before: proxy.struck > before)  # type: ignore[misc]
    for node in cluster.nodes.values():
        until("lists again", lambda node=node: proxy_of(node).struck >= struck[proxy_of(node)] + 3)  # type: ignore[misc]
    until("kopf to give up over it, and the operator with it", lambda: cluster.operator_exit_status == 1)
    proxy_of(cluster).heal()
    cluster.start_operator()  # as the kubelet does
    watch("vm1", [{"vcpus": "1"}])
    start("vm2", "node02")
    watch("vm2")
    until("the edit to be seen", lambda: view.status("vm1")["groups"][0]["name"] == "vcpus_1")
    until("the edit to be judged", lambda: view.status("vm1")["observedGeneration"] == 2)
    view.until_ready("vm2", seconds=40)
