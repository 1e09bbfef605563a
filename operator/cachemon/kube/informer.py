"""A watched collection: listed, kept up to date, listed again whenever that is in doubt."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, NoReturn, TypeVar

from cachemon.kube.client import KubeClient, Selector, WatchEvent
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.errors import KubeError, KubeThrottledError, KubeUnreachableError

log = logging.getLogger(__name__)

T = TypeVar("T")

_JITTER = (1.0, 1.2)
_CALM_SECONDS = 15.0  # failures that are further apart are not in a row
_SHORTEST_WATCH_SECONDS = 0.5


class _ObjectCache(Generic[T]):
    """The parsed objects of a watch, by name; each is parsed once, and nothing else is kept."""

    def __init__(self, parse: Callable[[Mapping[str, Any]], T], matters: Callable[[T], object]) -> None:
        self._parse = parse
        self._matters = matters
        self.objects: dict[ObjectName, T] = {}

    def read(self, obj: Mapping[str, Any]) -> tuple[ObjectName, T]:
        return name_of(obj), self._parse(obj)

    def take(self, event: WatchEvent) -> bool:
        """Apply an event; returns whether anything has changed that matters."""
        name = name_of(event.object)
        before = self.objects.pop(name, None)
        if event.type == "DELETED":
            return True
        value = self.objects[name] = self._parse(event.object)
        return before is None or self._matters(before) != self._matters(value)


class Informer(Generic[T]):
    """The objects of one resource that a selector takes, as the values that `parse` makes of them.

    `changed` is called in the event loop after every change of `objects` in which something differs that `matters`.
    Jitter is added to `watch_seconds`, the length of one watch, and to the pause after a failure.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        selector: Selector,
        parse: Callable[[Mapping[str, Any]], T],
        changed: Callable[[], None],
        *,
        watch_seconds: int = 300,
        backoff: Backoff | None = None,
        matters: Callable[[T], object] = lambda value: value,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._resource = resource
        self._selector = selector
        self._changed = changed
        self._watch_seconds = watch_seconds
        self._backoff = backoff or Backoff()
        self._cache = _ObjectCache(parse, matters)
        self._clock = clock
        self.synced = asyncio.Event()

    @property
    def objects(self) -> Mapping[ObjectName, T]:
        """What is known now; kept as it is while the API server is away."""
        return MappingProxyType(self._cache.objects)

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            began = self._clock()
            try:
                await self._list_and_watch()
            except KubeError as err:
                if self._clock() - began > _CALM_SECONDS:
                    self._backoff.reset()
                wait = self._backoff.next_seconds()
                if isinstance(err, KubeThrottledError):
                    wait = max(wait, err.retry_after_seconds)
                log.warning("watching %s: %s; listing again in %.1f s", self._resource.plural, err, wait)
                await asyncio.sleep(jittered(wait, _JITTER))

    async def _list_and_watch(self) -> NoReturn:
        resource_version = await self._list()
        while True:
            began = self._clock()
            resource_version = await self._watch(resource_version)
            if self._clock() - began < _SHORTEST_WATCH_SECONDS:
                raise KubeUnreachableError("the watch ended as soon as it began")

    async def _list(self) -> str:
        listing = await self._client.list(self._resource, self._selector, keep=self._cache.read)
        self._cache.objects = dict(listing.items)
        self.synced.set()
        self._changed()
        return listing.resource_version

    async def _watch(self, resource_version: str) -> str:
        seconds = round(jittered(self._watch_seconds, _JITTER))
        async for event in self._client.watch(self._resource, self._selector, resource_version, seconds=seconds):
            resource_version = event.object["metadata"]["resourceVersion"]
            if event.type == "BOOKMARK":
                continue
            if self._cache.take(event):
                self._changed()
        return resource_version
