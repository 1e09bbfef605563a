import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cachemon.agent.own_node import OwnNode
from cachemon.kube.client import Selector, WatchEvent
from cachemon.model.api import NODES, ObjectName, Resource
from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError
from cachemon.model.live_figures import LIVE_ANNOTATION
from tests.unit.agent.builders import NODE
from tests.unit.virtual_time import VirtualLoop


def node(value: str, version: int = 5) -> dict[str, Any]:
    return {"metadata": {"name": NODE, "resourceVersion": str(version), "annotations": {LIVE_ANNOTATION: value}}}


class Server:
    """Answers a get with what comes next, and sends the events of one watch."""

    def __init__(self, *found: dict[str, Any] | Exception, refuses_watch: bool = False) -> None:
        self._found = [*found]
        self._refuses_watch = refuses_watch
        self.events: asyncio.Queue[WatchEvent] = asyncio.Queue()
        self.gets = 0

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        assert (resource, name) == (NODES, ObjectName("", NODE))
        self.gets += 1
        answer = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(
        self, resource: Resource, selector: Selector, version: str, *, seconds: int, metadata_only: bool
    ) -> AsyncIterator[WatchEvent]:
        assert (resource, selector.fields, version) == (NODES, f"metadata.name={NODE}", "5")
        assert metadata_only
        assert seconds > 0
        if self._refuses_watch:
            raise KubeForbiddenError("cannot watch")
        while True:
            yield await self.events.get()


def play(server: Server, *events: WatchEvent, seconds: float = 10) -> list[str]:
    """The annotation after the beginning, and after each event."""
    loop, values = VirtualLoop(now=100.0), []
    own = OwnNode(server, NODE)  # type: ignore[arg-type]
    running = loop.create_task(own.run())
    loop.run_until_complete(asyncio.sleep(seconds))
    values.append(own.live_value)
    for event in events:
        server.events.put_nowait(event)
        loop.run_until_complete(asyncio.sleep(1))
        values.append(own.live_value)
    running.cancel()
    loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
    loop.close()
    return values


def test_the_annotation_is_read_at_first_and_followed_by_a_watch_of_this_object_alone() -> None:
    bookmark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    events = (WatchEvent("MODIFIED", node("b")), bookmark, WatchEvent("DELETED", node("b")))
    assert play(Server(node("a")), *events) == ["a", "b", "b", ""]


def test_a_node_that_is_not_there_yet_is_read_again() -> None:
    assert play(Server(KubeNotFoundError("no"), KubeNotFoundError("no"), node("a"))) == ["a"]


def test_where_the_watch_is_refused_it_is_read_now_and_then_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(node("a"), refuses_watch=True)
    assert play(server, seconds=3600) == ["a"]
    assert 10 <= server.gets <= 30
    assert "nobody can have fresh figures of this node: cannot watch" in caplog.text
