"""Many VMs that start within a minute, and when the last of their groups is Ready."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cachemon.kube.client import KubeClient
from cachemon.kube.informer import Informer
from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, READY, ObjectName
from cachemon.model.conditions import parse_conditions
from lab.kubernetes.control_plane import ControlPlane
from lab.speed import allowance
from tests.bench.filling import Vm, make_group, make_vm
from tests.bench.stand_in_agents import agents_client, report_group

_PERIOD_SECONDS = 60
_GIVE_UP_SECONDS = 600
_WRITERS = 8


class _Agents:
    """Answers each binding of a group by its first figures, and notices when the group is Ready.

    Args:
        client: may write everything.
        vms: that start; the group of each has its name.
    """

    def __init__(self, client: KubeClient, vms: Sequence[Vm]) -> None:
        self._client = client
        self._left = {ObjectName(vm.namespace, vm.name) for vm in vms}
        self._bound = asyncio.Queue[ObjectName]()
        self._seen = set[ObjectName]()
        self.ready_at = dict[ObjectName, float]()
        self.all_ready = asyncio.Event()
        self.informer = Informer(client, GROUPS, Selector(), _node_and_ready, self._look)

    async def write(self) -> None:
        """Write the first figures of one group after the other, until cancelled."""
        while True:
            await report_group(self._client, await self._bound.get())

    def _look(self) -> None:
        for name in list(self._left):
            node, ready = self.informer.objects.get(name, ("", False))
            if node and name not in self._seen:
                self._seen.add(name)
                self._bound.put_nowait(name)
            if ready:
                self.ready_at[name] = time.monotonic()
                self._left.remove(name)
        if not self._left:
            self.all_ready.set()


async def last_ready_after(api: ControlPlane, vms: Sequence[Vm], within_seconds: float) -> float:
    """Seconds from the start of a VM until its group is Ready, of the VM that waits longest.

    Args:
        api: where they are made, each with a group.
        vms: that start, evenly.
        within_seconds: from the start of the first to that of the last.
    """
    started = dict[ObjectName, float]()
    async with agents_client(api) as client, asyncio.TaskGroup() as tasks:
        agents = _Agents(client, vms)
        running = [tasks.create_task(agents.informer.run())]
        running += [tasks.create_task(agents.write()) for _ in range(_WRITERS)]
        await agents.informer.synced.wait()
        began = time.monotonic()
        for number, vm in enumerate(vms):
            await asyncio.sleep(max(0.0, began + within_seconds * number / len(vms) - time.monotonic()))
            started[ObjectName(vm.namespace, vm.name)] = time.monotonic()
            await asyncio.to_thread(_start, api, vm)
        async with asyncio.timeout(allowance(_GIVE_UP_SECONDS)):
            await agents.all_ready.wait()
        for task in running:
            task.cancel()
    return max(agents.ready_at[name] - at for name, at in started.items())


def _start(api: ControlPlane, vm: Vm) -> None:
    make_group(api, vm, _PERIOD_SECONDS)
    make_vm(api, vm)


def _node_and_ready(obj: Mapping[str, Any]) -> tuple[str, bool]:
    status = obj.get("status") or {}
    ready = parse_conditions(status.get("conditions")).get(READY)
    return status.get("nodeName", ""), ready is not None and ready.status == "True"
