"""The API server of fake_api.py, whose objects can be watched."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from cachemon.kube.queries import Selector, WatchEvent
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.errors import KubeError
from tests.unit.plugin.fake_api import FakeApi


class WatchedApi(FakeApi):
    """Sends events to watches.

    Attributes:
        watch_errors: raised in turn by watches that begin, by kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._events: list[tuple[int, str, WatchEvent]] = []
        self._news = asyncio.Event()
        self.watch_errors: dict[str, list[KubeError]] = {}
        self.watches = 0

    def put(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        is_known = name_of(obj) in self.objects[resource.kind]
        stored = super().put(resource, obj)
        self._tell("MODIFIED" if is_known else "ADDED", resource, stored)
        return stored

    def remove(self, resource: Resource, name: ObjectName) -> None:
        gone = self.objects[resource.kind].pop(name)
        self._version += 1
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._tell("DELETED", resource, gone)

    def end_watches(self, resource: Resource, error: KubeError | None = None) -> None:
        """Have all watches of a kind end, with an error if one is given."""
        if error is not None:
            self.watch_errors.setdefault(resource.kind, []).append(error)
        self._tell("END", resource, {})

    async def watch(
        self, resource: Resource, selector: Selector, namespace: str, *, since: str
    ) -> AsyncGenerator[WatchEvent, None]:
        del selector
        self.watches += 1
        seen, place = int(since), len(self._events) if since == str(self._version) else 0
        while True:
            while place < len(self._events):
                version, kind, event = self._events[place]
                place += 1
                if kind != resource.kind or version <= seen:
                    continue
                if event.type == "END":
                    if errors := self.watch_errors.get(kind):
                        raise errors.pop(0)
                    return
                if namespace in ("", event.object["metadata"].get("namespace", "")):
                    yield event
            self._news.clear()
            await self._news.wait()

    def _tell(self, what: str, resource: Resource, obj: dict[str, Any]) -> None:
        if what == "END":
            self._version += 1
        self._events.append((self._version, resource.kind, WatchEvent(what, obj)))
        self._news.set()
