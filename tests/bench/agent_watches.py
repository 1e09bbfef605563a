"""The watches that the agents of a cluster keep open.

The API server compares every change of a group with every one of them: it has no index of the watches of custom
objects (kubernetes/enhancements issue 6034, open with Kubernetes 1.36). A process of its own reads what comes and
throws it away: `python -m tests.bench.agent_watches`. It ends with its standard input.
"""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import aiohttp

from cachemon.kube.queries import path_of
from cachemon.model.api import GROUPS, ObjectName
from lab.kubernetes.cluster_api import ClusterApi
from lab.wait import until
from tests.bench.measure import CannotRunError

FIELDS = ("status.nodeName", "status.migrationTargetNodeName")
"""By which an agent selects its groups, with one watch for each: agent/bound_groups.py."""
_AT_ONCE = 16
"""Watches that are being opened."""
_WATCH_SECONDS = 3600
_PAUSE_SECONDS = 2.0
_OPEN_SECONDS = 600


class AgentWatches:
    """The watches of the agents of some nodes. They last as long as this context, and are opened again when they end.

    Args:
        api: what they watch.
        nodes: the names of the nodes.
    """

    def __init__(self, api: ClusterApi, nodes: Sequence[str]) -> None:
        self._api, self._nodes = api, nodes

    def __enter__(self) -> Self:
        collection = self._api.url + path_of(GROUPS, ObjectName("", ""))
        orders = json.dumps([collection, str(self._api.ca_file), self._api.admin_token, list(self._nodes)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.agent_watches"], stdin=subprocess.PIPE, text=True
        )
        if self._process.stdin is None:
            raise ValueError("the process was started without a pipe")
        self._process.stdin.write(orders + "\n")
        self._process.stdin.flush()
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def wait(self) -> None:
        """Return when the API server has them all."""
        wanted = len(self._nodes) * len(FIELDS)
        until(f"{wanted} watches", lambda: self._open_now() >= wanted, seconds=_OPEN_SECONDS, poll_seconds=1)

    def _open_now(self) -> float:
        if self._process.poll() is not None:
            raise CannotRunError("the process that keeps the watches of the agents open has ended")
        page: str = self._api.request("GET", "/metrics")
        lines = (line for line in page.splitlines() if line.startswith("apiserver_longrunning_requests{"))
        return sum(float(line.split()[-1]) for line in lines if f'resource="{GROUPS.plural}"' in line)


async def _keep_open(
    session: aiohttp.ClientSession, collection: str, selector: str, slots: asyncio.Semaphore
) -> None:
    """Watch, and watch again when the server has ended it, until cancelled."""
    while True:
        with suppress(aiohttp.ClientError):
            await _watch(session, collection, selector, slots)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _watch(session: aiohttp.ClientSession, collection: str, selector: str, slots: asyncio.Semaphore) -> None:
    async with slots:
        async with session.get(collection, params={"fieldSelector": selector, "limit": "1"}) as listed:
            version = (await listed.json())["metadata"]["resourceVersion"]
        query = {
            "fieldSelector": selector,
            "resourceVersion": version,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        response = await session.get(collection, params=query)
    async with response:
        async for _part in response.content.iter_any():
            pass


async def main() -> None:
    """Keep the watches of the orders on standard input open until that ends, each on a connection of its own."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    collection, certificates, token, nodes = json.loads(await lines.readline())
    slots = asyncio.Semaphore(_AT_ONCE)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificates), limit=0),
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=None),
            raise_for_status=True,
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        watches = [
            tasks.create_task(_keep_open(session, collection, f"{field}={node}", slots))
            for node in nodes
            for field in FIELDS
        ]
        await lines.read()
        for watch in watches:
            watch.cancel()


if __name__ == "__main__":
    asyncio.run(main())
