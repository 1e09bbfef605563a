"""What the agents of many nodes write, at a pace: one process stands in for all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.api import AGENT_FIELD_MANAGER, API_VERSION, GROUPS, MONITORED, NODES, READY, ObjectName
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.times import format_time
from lab.kubernetes.cluster_api import ClusterApi
from tests.bench.filling import PARALLEL, create, for_each

GROUP_VCPUS = 8
_MIB = 1 << 20
_HEARTBEAT_SECONDS = 600


class BoundGroup(NamedTuple):
    """A CacheMonitorGroup and the node that its VM runs on."""

    name: ObjectName
    node: str


class StandInAgents:
    """Writes what the agents of all nodes would write, at an even pace.

    Args:
        client: may write everything.
        groups: that are reported, in turn.
        groups_per_node: after this number of groups comes a heartbeat.
        writes_per_second: of all nodes together.
    """

    def __init__(
        self, client: KubeClient, groups: Sequence[BoundGroup], *, groups_per_node: int, writes_per_second: int
    ) -> None:
        self._client = client
        self._groups = groups
        self._nodes = sorted({group.node for group in groups})
        self._groups_per_node = groups_per_node
        self._pace = writes_per_second
        self._slots = asyncio.Semaphore(PARALLEL)

    async def run(self, seconds: float) -> float:
        """Write for some time; returns the number of writes per second."""
        began, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as writes:
            while (now := time.monotonic() - began) < seconds:
                while number < now * self._pace:
                    await self._slots.acquire()
                    writes.create_task(self._write(number))
                    number += 1
                await asyncio.sleep(0.5 / self._pace)
        return number / (time.monotonic() - began)

    async def report_all(self) -> float:
        """Write every group and every node once, as fast as the API server takes it; returns writes per second."""
        began = time.monotonic()
        number = len(self._nodes) * (self._groups_per_node + 1)
        async with asyncio.TaskGroup() as writes:
            for place in range(number):
                await self._slots.acquire()
                writes.create_task(self._write(place))
        return number / (time.monotonic() - began)

    async def _write(self, number: int) -> None:
        """The write of this number: after the writes of a node's groups comes its heartbeat."""
        turn, place = divmod(number, self._groups_per_node + 1)
        try:
            if place == self._groups_per_node:
                await report_node(self._client, self._nodes[turn % len(self._nodes)])
            else:
                group = self._groups[(turn * self._groups_per_node + place) % len(self._groups)]
                await report_group(self._client, group.name)
        finally:
            self._slots.release()


@asynccontextmanager
async def agents_client(api: ClusterApi) -> AsyncIterator[KubeClient]:
    """The client that agents have, with the rights of all of them."""
    async with KubeClient(await load_credentials(api.admin_kubeconfig)) as client:
        yield client


async def report_group(client: KubeClient, name: ObjectName) -> None:
    """Fresh figures of a group."""
    await client.send_status(GROUPS, name, group_status(time.time()), field_manager=AGENT_FIELD_MANAGER)


async def report_node(client: KubeClient, node: str) -> None:
    """A heartbeat."""
    status = node_status(time.time())
    await client.send_status(NODES, ObjectName("", node), status, field_manager=AGENT_FIELD_MANAGER)


async def start_agents(api: ClusterApi, nodes: Sequence[str]) -> None:
    """Make the nodes' own objects, each with its first heartbeat."""

    def make(name: str) -> None:
        body = {"apiVersion": API_VERSION, "kind": NODES.kind, "metadata": {"name": name}}
        create(api, NODES, body, field_manager=AGENT_FIELD_MANAGER)

    for_each(nodes, make)
    async with agents_client(api) as client:
        for name in nodes:
            await report_node(client, name)


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
    vcpus = list(range(GROUP_VCPUS))
    group = {"name": "all", "state": "Monitored", "threads": GROUP_VCPUS, "vcpus": vcpus, "cacheBlocks": blocks}
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
        "statusPeriodSeconds": _HEARTBEAT_SECONDS,
        "conditions": [render_condition(ready, before=(), generation=None, now="2026-11-22T08:00:00Z")],
    }
