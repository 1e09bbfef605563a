"""Objects of one kind, listed once and then watched, for a page that shows them all the time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.queries import Selector
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.clocks import is_agents_entry
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeGoneError,
    KubeThrottledError,
    KubeUnreachableError,
)

_REFUSED_PAUSE_SECONDS = 60.0
_CALM_SECONDS = 15.0  # failures that are further apart are not in a row
_SHORTEST_WATCH_SECONDS = 0.5
_KEPT_OF_ENTRY = ("manager", "subresource", "time")


class WatchedObjects:
    """Keeps the objects of a kind; `run` renews them until it is cancelled.

    Args:
        api: the API server.
        resource: of which kind.
        namespace: where; empty for everywhere.
        sleep: waits.

    Attributes:
        objects: as last known, by name; kept while the API server is away, and none where it refuses them.
        error: why they are not renewed; None when they are.
        known: set once there was a first answer: objects or an error.
    """

    def __init__(
        self,
        api: KubectlApi,
        resource: Resource,
        namespace: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._sleep = sleep
        self._backoff = Backoff()
        self.objects: dict[ObjectName, Mapping[str, Any]] = {}
        self.error: KubeError | None = None
        self.known = asyncio.Event()

    async def run(self) -> None:
        """List, and watch from there; again whenever that fails."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._list_and_watch()
            except KubeError as err:
                if loop.time() - began > _CALM_SECONDS:
                    self._backoff.reset()
                await self._sleep(self._pause_after(err))

    def _pause_after(self, err: KubeError) -> float:
        """Note the error, and say for how long to rest."""
        if not isinstance(err, KubeGoneError):  # the server forgets where a watch was: that is usual
            self.error = err
            self.known.set()
        if isinstance(err, KubeForbiddenError):
            self.objects = {}
            return jittered(_REFUSED_PAUSE_SECONDS)
        pause = self._backoff.next_seconds()
        return jittered(max(pause, err.retry_after_seconds) if isinstance(err, KubeThrottledError) else pause)

    async def _list_and_watch(self) -> NoReturn:
        listing = await self._api.list(self._resource, Selector(), self._namespace)
        self.objects = {name_of(obj): _without_ballast(obj) for obj in listing.items}
        self.error = None
        self.known.set()
        loop = asyncio.get_running_loop()
        version = listing.resource_version
        while True:
            began = loop.time()
            version = await self._watch(version)
            if loop.time() - began < _SHORTEST_WATCH_SECONDS:
                raise KubeUnreachableError("the watch ended as soon as it began")

    async def _watch(self, version: str) -> str:
        async for event in self._api.watch(self._resource, Selector(), self._namespace, since=version):
            version = event.object["metadata"]["resourceVersion"]
            if event.type == "DELETED":
                self.objects.pop(name_of(event.object), None)
            elif event.type != "BOOKMARK":
                self.objects[name_of(event.object)] = _without_ballast(event.object)
        return version


def _without_ballast(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object without most of `managedFields`, which is the larger part of it.

    When an agent last wrote stays: the age of figures is measured by it (`cachemon.model.clocks.written_at`).
    """
    metadata = obj["metadata"]
    entries = [
        {key: entry[key] for key in _KEPT_OF_ENTRY if key in entry}
        for entry in metadata.get("managedFields", ())
        if is_agents_entry(entry)
    ]
    return {**obj, "metadata": {**metadata, "managedFields": entries}}
