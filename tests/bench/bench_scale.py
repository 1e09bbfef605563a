"""An operator of a large cluster: 20,000 VMs with 40,000 groups on 1,000 nodes."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cachemon.kube.client import KubeClient
from cachemon.model.api import ObjectName
from lab.cluster import Cluster
from lab.server_process import ServerProcess
from lab.wait import until
from tests.bench.agent_watches import AgentWatches
from tests.bench.bench_operator import start_operator
from tests.bench.bindings import await_bindings
from tests.bench.built import cluster_binaries
from tests.bench.etcd_bytes import agent_bytes, kubelet_bytes
from tests.bench.filling import Vm, for_each, make_group, make_vm
from tests.bench.measure import Bench, Figure, cpu_seconds, peak_rss_mib
from tests.bench.stand_in_agents import (
    GROUP_VCPUS,
    BoundGroup,
    StandInAgents,
    agents_client,
    report_group,
    start_agents,
)
from tests.bench.starting_vms import last_ready_after

VMS, NODES_IN_ALL, GROUPS_PER_VM = 20_000, 1000, 2
PERIOD_SECONDS = 60
STEADY_WRITES_PER_SECOND, STEADY_SECONDS, SHORTEST_SECONDS = 100, 30, 5
STARTED_VMS, STARTED_WITHIN_SECONDS = 1000, 60
COMPARED_WRITES, FEWEST_WRITES = 2000, 100
TENANT = "bench"
_BIND_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Fleet:
    """What there is: VMs, each with a number of groups.

    Attributes:
        vms: evenly on the nodes.
        groups: of all VMs, in the order of the nodes.
        nodes: their names.
    """

    vms: Sequence[Vm]
    groups: Sequence[BoundGroup]
    nodes: Sequence[str]

    @property
    def groups_per_node(self) -> int:
        """As each node has as many VMs."""
        return len(self.groups) // len(self.nodes)


def fleet(divisor: int) -> Fleet:
    """A fleet so much smaller than the full one."""
    nodes = [f"node{number:04}" for number in range(max(2, NODES_IN_ALL // divisor))]
    vms = [
        Vm(TENANT, f"vm{number}-{node}", node, GROUP_VCPUS) for node in nodes for number in range(VMS // NODES_IN_ALL)
    ]
    groups = [
        BoundGroup(ObjectName(TENANT, _group_name(vm, number)), vm.node)
        for vm in vms
        for number in range(GROUPS_PER_VM)
    ]
    return Fleet(vms, groups, nodes)


def _group_name(vm: Vm, number: int) -> str:
    return f"{vm.name}-{number}"


def fill(cluster: Cluster, wanted: Fleet) -> None:
    """VMIs, pods, groups, and the nodes' agents."""
    api = cluster.control_plane

    def make(vm: Vm) -> None:
        make_vm(api, vm)
        for number in range(GROUPS_PER_VM):
            make_group(api, vm, PERIOD_SECONDS, name=_group_name(vm, number))

    for_each(wanted.vms, make)
    asyncio.run(start_agents(api, wanted.nodes))


def _report_all(cluster: Cluster, there: Fleet) -> float:
    """Every agent writes all it knows, as after its start; returns the writes per second that the server took."""

    async def report() -> float:
        async with agents_client(cluster.control_plane) as client:
            return await _agents(client, there).report_all()

    return asyncio.run(report())


def _steady_cpu(cluster: Cluster, there: Fleet, pids: Sequence[int], seconds: float) -> list[float]:
    """The part of a core that each of these processes takes where every group is written once in its period.

    What they take without a write is measured first: an API server has work of its own.
    """

    async def report() -> float:
        async with agents_client(cluster.control_plane) as client:
            began = time.monotonic()
            pace = await _agents(client, there).run(seconds)
            if pace < 0.9 * STEADY_WRITES_PER_SECOND:
                print(f"bench scale: only {pace:.0f} writes a second were made: the machine is busy", file=sys.stderr)
            return pace * (time.monotonic() - began)

    idle = _spent_during(pids, lambda: time.sleep(seconds))
    writes: list[float] = []
    busy = _spent_during(pids, lambda: writes.append(asyncio.run(report())))
    wanted = VMS * GROUPS_PER_VM / PERIOD_SECONDS
    return [
        quiet.share + max(0.0, run.seconds - quiet.share * run.lasted) / writes[0] * wanted
        for quiet, run in zip(idle, busy, strict=True)
    ]


class _Spent(NamedTuple):
    """CPU seconds of a process, and in which time."""

    seconds: float
    lasted: float

    @property
    def share(self) -> float:
        return self.seconds / self.lasted


def _spent_during(pids: Sequence[int], act: Callable[[], None]) -> list[_Spent]:
    """What each of these processes takes during an action."""
    began, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
    act()
    lasted = time.monotonic() - began
    return [_Spent(cpu_seconds(pid) - then, lasted) for pid, then in zip(pids, before, strict=True)]


def _agents(client: KubeClient, there: Fleet) -> StandInAgents:
    return StandInAgents(
        client,
        there.groups,
        groups_per_node=there.groups_per_node,
        writes_per_second=STEADY_WRITES_PER_SECOND,
    )


def _bound_after(cluster: Cluster, name: str, node: str) -> float:
    """Seconds until a group that is made now is bound: the operator has read everything, and works."""
    began = time.monotonic()
    vm = Vm(TENANT, name, node, GROUP_VCPUS)
    make_vm(cluster.control_plane, vm)
    make_group(cluster.control_plane, vm, PERIOD_SECONDS)
    until(f"{name} to be bound", lambda: cluster.group(TENANT, name).get("status", {}).get("nodeName"), seconds=600)
    return time.monotonic() - began


def run(divisor: int) -> Iterator[Figure]:
    """A cold start, agents that report, restarts of everything, and VMs that start."""
    binaries = cluster_binaries()
    there = fleet(divisor)
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        cluster.add_namespace(TENANT)
        fill(cluster, there)
        with AgentWatches(cluster.control_plane, there.nodes) as watches:
            yield from _with_an_operator(cluster, there, divisor)
            watches.wait()
            watched = _server_ms_of_a_write(cluster, there, divisor)
        unwatched = _server_ms_of_a_write(cluster, there, divisor)
        yield Figure("operator.server_write_watched", watched, "ms")
        yield Figure("operator.server_write_unwatched", unwatched, "ms")
        yield from _written(cluster, there)


def _with_an_operator(cluster: Cluster, there: Fleet, divisor: int) -> Iterator[Figure]:
    operator = start_operator(cluster)
    try:
        yield from _from_the_start(cluster, there, operator, divisor)
        operator.stop(30)
        operator = start_operator(cluster)
        yield from _after_a_restart(cluster, there, operator)
        yield from _while_vms_start(cluster, there, divisor)
    finally:
        operator.stop(30)


def _from_the_start(cluster: Cluster, there: Fleet, operator: ServerProcess, divisor: int) -> Iterator[Figure]:
    server, began = cluster.control_plane.pids()["kube-apiserver"], time.monotonic()
    server_cpu = cpu_seconds(server)
    await_bindings(cluster.control_plane, seconds=_BIND_SECONDS)
    yield Figure("operator.bind_20000", time.monotonic() - began, "s")
    yield Figure("operator.bind_20000_cpu", cpu_seconds(operator.pid), "s")
    yield Figure("operator.bind_20000_server_cpu", cpu_seconds(server) - server_cpu, "s")
    yield Figure("operator.bind_20000_rss", peak_rss_mib(operator.pid), "MiB")
    before = cpu_seconds(operator.pid)
    _report_all(cluster, there)
    _bound_after(cluster, "after-first-reports", there.nodes[0])
    yield Figure("operator.first_reports_cpu", cpu_seconds(operator.pid) - before, "s")
    own, servers = _steady_cpu(
        cluster, there, [operator.pid, server], max(SHORTEST_SECONDS, STEADY_SECONDS / divisor)
    )
    yield Figure("operator.cpu_20000", 100 * own, "%")
    yield Figure("operator.server_cpu_20000", 100 * servers, "%")
    before = cpu_seconds(operator.pid)
    _report_all(cluster, there)
    _bound_after(cluster, "after-an-upgrade", there.nodes[0])
    yield Figure("operator.upgrade_cpu", cpu_seconds(operator.pid) - before, "s")
    yield Figure("operator.rss_20000", peak_rss_mib(operator.pid), "MiB")
    yield Figure("operator.server_rss_20000", peak_rss_mib(server), "MiB")


def _after_a_restart(cluster: Cluster, there: Fleet, operator: ServerProcess) -> Iterator[Figure]:
    yield Figure("operator.restart_20000", _bound_after(cluster, "after-a-restart", there.nodes[0]), "s")
    cluster.control_plane.stop_api_server()
    cluster.control_plane.start_api_server()
    yield Figure("operator.relist_20000", _bound_after(cluster, "after-a-relist", there.nodes[0]), "s")
    yield Figure("operator.restart_20000_rss", peak_rss_mib(operator.pid), "MiB")


def _while_vms_start(cluster: Cluster, there: Fleet, divisor: int) -> Iterator[Figure]:
    vms = [
        Vm(TENANT, f"started{number}", there.nodes[number % len(there.nodes)], GROUP_VCPUS)
        for number in range(STARTED_VMS // divisor)
    ]
    seconds = asyncio.run(last_ready_after(cluster.control_plane, vms, STARTED_WITHIN_SECONDS / divisor))
    yield Figure("operator.last_ready_of_1000", seconds, "s")


def _server_ms_of_a_write(cluster: Cluster, there: Fleet, divisor: int) -> float:
    """CPU milliseconds of the API server for one status of a group, without what it takes when idle."""
    server = cluster.control_plane.pids()["kube-apiserver"]
    number = max(FEWEST_WRITES, COMPARED_WRITES // divisor)
    idle = _spent_during([server], lambda: time.sleep(SHORTEST_SECONDS))[0]

    async def report() -> None:
        async with agents_client(cluster.control_plane) as client:
            for place in range(number):
                await report_group(client, there.groups[place % len(there.groups)].name)
        await asyncio.sleep(1)  # watches get the last of them

    busy = _spent_during([server], lambda: asyncio.run(report()))[0]
    return 1000 * (busy.seconds - idle.share * busy.lasted) / number


def _written(cluster: Cluster, there: Fleet) -> Iterator[Figure]:
    kubelet = kubelet_bytes(cluster.control_plane, there.nodes[0])
    agent = agent_bytes(cluster.control_plane, there.groups[: there.groups_per_node], PERIOD_SECONDS)
    yield Figure("operator.etcd_agent", agent / 1024, "KiB")
    yield Figure("operator.etcd_vs_kubelet", agent / kubelet, "ratio")


BENCH = Bench(
    "scale",
    "an operator with 20,000 VMs, 40,000 groups and 1,000 nodes, whose agents watch: seconds from its start until "
    "all are bound; the CPU time of operator and API server / time at one write a group a minute; the memory of "
    "both; seconds until it works after its restart and after that of the API server; seconds from the start of the "
    "last of 1,000 VMs in a minute until its group is Ready; CPU milliseconds of the API server for one status, "
    "with and without the watches of all agents; KiB a second that a node's agent has etcd write, and that / what a "
    "kubelet has it write",
    run,
)
