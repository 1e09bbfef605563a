"""The annotation of this node's own CacheMonitorNode: whether a person asks for fresh figures of the node."""

import asyncio
import logging

from cachemon.kube.client import KubeClient, Selector
from cachemon.model.api import NODES, ObjectName
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.errors import KubeError, KubeForbiddenError, KubeNotFoundError
from cachemon.model.live_figures import live_value

log = logging.getLogger(__name__)

_WATCH_SECONDS = 300
_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 300.0


class OwnNode:
    """Watches one object by its name, and only its metadata: an agent may not list nodes.

    Attributes:
        live_value: the annotation as it is now; empty without one, and until it was read.
    """

    def __init__(self, client: KubeClient, node_name: str) -> None:
        self._client = client
        self._name = ObjectName("", node_name)
        self._backoff = Backoff(_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS)
        self.live_value = ""

    async def run(self) -> None:
        """Read and watch until cancelled. Where that fails, the node is reported at the usual rate."""
        while True:
            try:
                await self._watch()
            except KubeNotFoundError:
                log.debug("no CacheMonitorNode %s yet", self._name)  # the first heartbeat creates it
            except KubeForbiddenError as err:
                log.warning("nobody can have fresh figures of this node: %s; compare the roles with the chart's", err)
            except KubeError as err:
                log.warning("watching CacheMonitorNode %s: %s", self._name, err)
            await asyncio.sleep(jittered(self._backoff.next_seconds()))

    async def _watch(self) -> None:
        node = await self._client.get(NODES, self._name)
        self.live_value, version = live_value(node), node["metadata"]["resourceVersion"]
        mine = Selector(fields=f"metadata.name={self._name.name}")
        async for event in self._client.watch(NODES, mine, version, seconds=_WATCH_SECONDS, metadata_only=True):
            self._backoff.reset()
            if event.type != "BOOKMARK":
                self.live_value = "" if event.type == "DELETED" else live_value(event.object)
