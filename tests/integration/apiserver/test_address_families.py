"""Operator, agent and plugin on API servers of IPv6 alone and of both families, as pods and by kubeconfig."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from lab.cluster import NAMESPACE, program
from lab.kubernetes.address_families import (
    DUAL_STACK_IPV4_FIRST,
    DUAL_STACK_IPV6_FIRST,
    IPV6_ONLY,
    LOOPBACK_IPV6,
    ServerAddresses,
)
from lab.kubernetes.binaries import find
from lab.kubernetes.cluster_api import kubectl_program
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import prepare
from lab.ports import LOOPBACK, free_ports
from lab.repository import SOURCES
from lab.server_process import ServerProcess
from lab.wait import until
from tests.integration.apiserver.examples import group_object, groups_path, nodes_path
from tests.integration.apiserver.in_pod import InPod

HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()
SCRAPER = "cachemon-scraper"

pytestmark = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")


@pytest.fixture(
    scope="module",
    params=[IPV6_ONLY, DUAL_STACK_IPV4_FIRST, DUAL_STACK_IPV6_FIRST],
    ids=["IPv6 only", "dual stack, IPv4 first", "dual stack, IPv6 first"],
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that listens so."""
    addresses: ServerAddresses = request.param
    with ControlPlane(tmp_path_factory.mktemp("server"), find(), addresses) as running:
        prepare(running)
        yield running


def flags_of(name: str, folder: Path, port: int, health_port: int) -> list[str]:
    """As the chart has them, with other ports."""
    own = ["--node-name=cachemon-agent", f"--resctrl={folder}"] if name == "cachemon-agent" else []
    return [f"--metrics-address=[::]:{port}", f"--health-address=[::]:{health_port}", "--insecure-metrics=true", *own]


def answer(host: str, port: int, path: str) -> tuple[int, bytes]:
    """Status and text; status 0 while nobody listens."""
    try:
        with closing(HTTPConnection(host, port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
    except OSError:
        return 0, b""


def is_well(host: str, port: int) -> bool:
    """Whether /healthz says so there."""
    return answer(host, port, "/healthz")[0] == 200


def judges(server: ControlPlane, name: str) -> bool:
    """Whether the operator has written a condition of a group."""
    return bool(server.request("GET", groups_path("default", name)).get("status", {}).get("conditions"))


def heartbeat(server: ControlPlane) -> bool:
    """Whether the agent has reported its node."""
    items = server.request("GET", nodes_path())["items"]
    return any(item["status"].get("observedTime") for item in items if item["metadata"]["name"] == "cachemon-agent")


@pytest.mark.timeout(240)
def test_programs_in_pods_take_the_bare_address_and_serve_both_families(server: ControlPlane, tmp_path: Path) -> None:
    server.request("POST", groups_path("default"), group_object("in-pods", {"vmiName": "in-pods"}))
    running: list[InPod] = []
    try:
        for name, series in (("cachemon-operator", b"relists"), ("cachemon-agent", b"samples")):
            folder = tmp_path / name
            folder.mkdir()
            port, health_port = free_ports(2)
            flags = flags_of(name, folder, port, health_port)
            running.append(InPod(server, folder, name, program(name), *flags))
            for host in (LOOPBACK, LOOPBACK_IPV6):
                until("its health", partial(is_well, host, health_port), seconds=60)
                status, page = answer(host, port, "/metrics")
                assert (status, series in page) == (200, True)
        until("the operator's word", lambda: judges(server, "in-pods"))
        until("the agent's heartbeat", lambda: heartbeat(server))
    finally:
        for one in running:
            one.process.stop(10)
        server.request("DELETE", groups_path("default", "in-pods"))
        server.request("DELETE", nodes_path("cachemon-agent"))


@pytest.mark.timeout(240)
def test_programs_with_a_kubeconfig_take_the_bracketed_address(server: ControlPlane, tmp_path: Path) -> None:
    server.request("POST", groups_path("default"), group_object("configured", {"vmiName": "configured"}))
    server.add_node("cachemon-agent")
    running: list[ServerProcess] = []
    try:
        for name in ("cachemon-operator", "cachemon-agent"):
            pod = server.add_agent_pod("cachemon-agent", service_account=name)
            token = server.service_account_token(NAMESPACE, name, bound_pod=pod)
            flags = [*flags_of(name, tmp_path, *free_ports(2)), f"--kubeconfig={server.kubeconfig(name, token)}"]
            running.append(ServerProcess([program(name), *flags], tmp_path / f"{name}.log"))
        until("the operator's word", lambda: judges(server, "configured"), seconds=60)
        until("the agent's heartbeat", lambda: heartbeat(server), seconds=60)
    finally:
        for one in running:
            one.stop(10)
        server.request("DELETE", groups_path("default", "configured"))
        server.request("DELETE", nodes_path("cachemon-agent"))


def run_plugin(server: ControlPlane, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{kubectl_program().parent}:{os.environ['PATH']}"
    return subprocess.run(
        [program("kubectl-cachemon"), *arguments],
        env={"PATH": path, "PYTHONPATH": SOURCES, "HOME": str(server.work)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plugin_asks_the_server_of_the_kubeconfig_and_of_the_flag(server: ControlPlane) -> None:
    server.request("POST", groups_path("default"), group_object("asked", {"vmiName": "asked"}))
    try:
        by_file = run_plugin(server, "cpu-resource", "asked", "-o", "name", KUBECONFIG=str(server.admin_kubeconfig))
        flags = [
            f"--server={server.url}",
            f"--certificate-authority={server.ca_file}",
            f"--token={server.admin_token}",
        ]
        by_flag = run_plugin(server, "cpu-resource", "asked", "-o", "name", *flags)
    finally:
        server.request("DELETE", groups_path("default", "asked"))
    assert by_file.stdout == by_flag.stdout == "cachemonitorgroup.cachemon.dev/asked\n", (
        by_file.stderr + by_flag.stderr
    )


def test_a_server_that_does_not_answer_is_named_with_its_brackets(server: ControlPlane) -> None:
    (port,) = free_ports(1)
    done = run_plugin(server, "nodes", f"--server=https://[::1]:{port}", "--token=abc")
    assert done.returncode == 1
    assert f"[::1]:{port}" in done.stderr


def test_a_program_names_an_address_that_is_taken_with_its_brackets(server: ControlPlane) -> None:
    with socket.create_server((LOOPBACK_IPV6, 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [
                program("cachemon-operator"),
                f"--kubeconfig={server.admin_kubeconfig}",
                f"--metrics-address=[{LOOPBACK_IPV6}]:{port}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert f"--metrics-address [{LOOPBACK_IPV6}]:{port}: Address already in use" in done.stderr + done.stdout
