"""An operator with 5,000 VMs: how long until every group is bound, and what a steady stream of news costs it."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cachemon.model.api import ObjectName
from lab.cluster import NAMESPACE, Cluster, program
from lab.server_process import ServerProcess
from tests.bench.bindings import await_bindings
from tests.bench.built import cluster_binaries
from tests.bench.filling import Vm, for_each, make_group, make_vm
from tests.bench.in_pod import command_in_pod, environment_in_pod
from tests.bench.measure import Bench, Figure, cpu_seconds, peak_rss_mib
from tests.bench.stand_in_agents import GROUP_VCPUS, BoundGroup, StandInAgents, agents_client, start_agents

GROUPS_IN_ALL, GROUPS_PER_NODE = 5000, 50
WRITES_PER_SECOND = 100
REPORTED = 1000
"""This number of groups is reported, again and again; the others are bound and wait."""
STEADY_SECONDS = 30
PERIOD_SECONDS = 60
TENANT = "bench"


def fill(cluster: Cluster, vms: Sequence[Vm]) -> None:
    """VMIs, pods, groups, and the nodes' agents."""
    api = cluster.control_plane

    def make(vm: Vm) -> None:
        make_vm(api, vm)
        make_group(api, vm, PERIOD_SECONDS)

    for_each(vms, make)
    asyncio.run(start_agents(api, sorted({vm.node for vm in vms})))


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
    groups = [BoundGroup(ObjectName(vm.namespace, vm.name), vm.node) for vm in vms]
    async with agents_client(cluster.control_plane) as client:
        agents = StandInAgents(client, groups, groups_per_node=GROUPS_PER_NODE, writes_per_second=WRITES_PER_SECOND)
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
    binaries = cluster_binaries()
    number = max(2, GROUPS_IN_ALL // divisor)
    vms = [Vm(TENANT, f"vm{place}", f"node{place // GROUPS_PER_NODE:03}", GROUP_VCPUS) for place in range(number)]
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        cluster.add_namespace(TENANT)
        fill(cluster, vms)
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
