"""An operator with 5,000 VMs: how long until every group is bound, and what a steady stream of news costs it."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.api import (
    AGENT_FIELD_MANAGER,
    API_VERSION,
    GROUPS,
    MONITORED,
    NODES,
    READY,
    ObjectName,
)
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.times import format_time
from lab.cluster import NAMESPACE, Cluster, program
from lab.kubernetes.binaries import find
from lab.program_cache import BinariesError
from lab.server_process import ServerProcess
from tests.bench.bindings import await_bindings
from tests.bench.filling import PARALLEL, Vm, create, for_each, make_group, make_vm
from tests.bench.in_pod import command_in_pod, environment_in_pod
from tests.bench.measure import Bench, CannotRunError, Figure, cpu_seconds, peak_rss_mib

GROUPS_IN_ALL, GROUPS_PER_NODE, VCPUS = 5000, 50, 8
WRITES_PER_SECOND = 100
REPORTED = 1000
"""This number of groups is reported, again and again; the others are bound and wait."""
STEADY_SECONDS = 30
PERIOD_SECONDS = 60
TENANT = "bench"
_MIB = 1 << 20


class StandInAgents:
    """Writes what the agents of all nodes would write, at an even pace.

    Args:
        client: may write everything.
        vms: whose groups are reported, in turn.
    """

    def __init__(self, client: KubeClient, vms: Sequence[Vm]) -> None:
        self._client = client
        self._vms = vms
        self._nodes = sorted({vm.node for vm in vms})
        self._slots = asyncio.Semaphore(PARALLEL)

    async def write(self, number: int) -> None:
        """The write of this number: after the writes of a node's groups comes its heartbeat."""
        turn, place = divmod(number, GROUPS_PER_NODE + 1)
        try:
            if place == GROUPS_PER_NODE:
                await self.report_node(self._nodes[turn % len(self._nodes)])
            else:
                await self.report_group(self._vms[(turn * GROUPS_PER_NODE + place) % len(self._vms)])
        finally:
            self._slots.release()

    async def report_group(self, vm: Vm) -> None:
        """Fresh figures of a group."""
        name = ObjectName(vm.namespace, vm.name)
        await self._client.send_status(GROUPS, name, group_status(time.time()), field_manager=AGENT_FIELD_MANAGER)

    async def report_node(self, node: str) -> None:
        """A heartbeat."""
        name = ObjectName("", node)
        await self._client.send_status(NODES, name, node_status(time.time()), field_manager=AGENT_FIELD_MANAGER)

    async def run(self, seconds: float) -> float:
        """Write for some time; returns the number of writes per second."""
        began, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as writes:
            while (now := time.monotonic() - began) < seconds:
                while number < now * WRITES_PER_SECOND:
                    await self._slots.acquire()
                    writes.create_task(self.write(number))
                    number += 1
                await asyncio.sleep(0.5 / WRITES_PER_SECOND)
        return number / (time.monotonic() - began)


def group_status(now: float) -> Mapping[str, Any]:
    """What an agent says of one group with 8 vCPUs in two cache blocks."""
    held = int(now * 1000) % 32 * _MIB
    blocks = [
        {
            "level": 3,
            "id": number,
            "capacityBytes": 32 * _MIB,
            "reading": "Valid",
            "occupancyBytes": held,
            "memoryBandwidth": {"totalBytesPerSecond": held * 7, "localBytesPerSecond": held * 5},
        }
        for number in range(2)
    ]
    vcpus = list(range(VCPUS))
    group = {"name": "all", "state": "Monitored", "threads": VCPUS, "vcpus": vcpus, "cacheBlocks": blocks}
    condition = Condition(MONITORED, "True", "Monitored", "1 group monitored")
    return {
        "observedTime": format_time(now),
        "summary": {"groups": "1/1", "blocks": "0=1Mi,1=1Mi", "occupancy": "2Mi", "memoryBandwidth": "7M"},
        "groups": [group],
        "conditions": [render_condition(condition, before=(), generation=1, now="2026-11-22T08:00:00Z")],
    }


def node_status(now: float) -> Mapping[str, Any]:
    """What an agent says of its node, as far as the operator reads it."""
    ready = Condition(READY, "True", "MonitoringAvailable", "2 cache blocks")
    return {
        "observedTime": format_time(now),
        "statusPeriodSeconds": PERIOD_SECONDS * 10,
        "conditions": [render_condition(ready, before=(), generation=None, now="2026-11-22T08:00:00Z")],
    }


@asynccontextmanager
async def agents_client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    """The client that agents have, with the rights of all of them."""
    async with KubeClient(await load_credentials(cluster.control_plane.admin_kubeconfig)) as client:
        yield client


async def fill(cluster: Cluster, vms: Sequence[Vm]) -> None:
    """VMIs, pods, groups, and the nodes' agents."""
    api = cluster.control_plane

    def make(vm: Vm) -> None:
        make_vm(api, vm)
        make_group(api, vm, PERIOD_SECONDS)

    def make_node(name: str) -> None:
        body = {"apiVersion": API_VERSION, "kind": NODES.kind, "metadata": {"name": name}}
        create(api, NODES, body, field_manager=AGENT_FIELD_MANAGER)

    for_each(vms, make)
    nodes = sorted({vm.node for vm in vms})
    for_each(nodes, make_node)
    async with agents_client(cluster) as client:
        for name in nodes:
            await StandInAgents(client, ()).report_node(name)


def start_operator(cluster: Cluster) -> ServerProcess:
    """The operator as in its pod."""
    api = cluster.control_plane
    token = api.service_account_token(NAMESPACE, "cachemon-operator")
    command: list[str | Path] = [program("cachemon-operator"), "--metrics-address="]
    return ServerProcess(
        command_in_pod(command, api, token, cluster.folder),
        cluster.operator_log,
        environment_in_pod(os.environ, api),
    )


async def report(cluster: Cluster, vms: Sequence[Vm], operator: ServerProcess, seconds: float) -> float:
    """CPU seconds per second that the operator takes while agents report; they have reported all groups before."""
    async with agents_client(cluster) as client:
        agents = StandInAgents(client, vms)
        await agents.run(len(vms) / WRITES_PER_SECOND * 1.1)
        await asyncio.sleep(2)  # the last of them are judged Ready
        cpu, began = cpu_seconds(operator.pid), time.monotonic()
        pace = await agents.run(seconds)
        cpu, spent = cpu_seconds(operator.pid) - cpu, time.monotonic() - began
        if pace < 0.95 * WRITES_PER_SECOND:
            print(f"bench operator: only {pace:.0f} writes a second were made: the machine is busy", file=sys.stderr)
    return cpu / spent


def run(divisor: int) -> Iterator[Figure]:
    """5,000 groups, then 100 status writes a second."""
    if os.geteuid() != 0:
        raise CannotRunError("a pod's files need a mount namespace: it takes root")
    try:
        binaries = find()
    except BinariesError as error:
        raise CannotRunError(str(error)) from error
    number = max(2, GROUPS_IN_ALL // divisor)
    vms = [Vm(TENANT, f"vm{place}", f"node{place // GROUPS_PER_NODE:03}", VCPUS) for place in range(number)]
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        cluster.add_namespace(TENANT)
        asyncio.run(fill(cluster, vms))
        server = cluster.control_plane.pids()["kube-apiserver"]
        began, server_cpu = time.monotonic(), cpu_seconds(server)
        operator = start_operator(cluster)
        try:
            await_bindings(cluster.control_plane, seconds=600)
            yield Figure("operator.bind_5000", time.monotonic() - began, "s")
            yield Figure("operator.bind_cpu", cpu_seconds(operator.pid), "s")
            yield Figure("operator.bind_server_cpu", cpu_seconds(server) - server_cpu, "s")
            share = asyncio.run(
                report(cluster, vms[: max(1, REPORTED // divisor)], operator, STEADY_SECONDS / divisor)
            )
            yield Figure("operator.rss", peak_rss_mib(operator.pid), "MiB")
            yield Figure("operator.cpu_steady", 100 * share, "%")
        finally:
            operator.stop(10)


BENCH = Bench(
    "operator",
    "an operator with 5,000 groups, their VMIs and pods: seconds from its start until all are bound, and the CPU "
    "seconds of operator and API server meanwhile, which a busy machine changes less; memory at its most; CPU time / "
    "time at 100 status writes a second",
    run,
)
