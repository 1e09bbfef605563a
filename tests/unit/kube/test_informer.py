import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cachemon.kube.client import KubeClient, Selector
from cachemon.kube.informer import Informer
from cachemon.model.api import GROUPS
from cachemon.model.backoff import Backoff
from tests.unit.eventually import eventually
from tests.unit.kube.api_server import ApiServer, failure, make_object, serving


class Watched:
    """A running informer.

    Attributes:
        changes: how often it reported a change.
        now: its clock.
    """

    def __init__(self, client: KubeClient, **settings: Any) -> None:
        self.changes = 0
        self.now = 0.0
        self.informer = Informer(
            client,
            GROUPS,
            Selector(fields="status.nodeName=n"),
            dict,
            self._changed,
            backoff=Backoff(0.01),
            clock=lambda: self.now,
            **settings,
        )

    def _changed(self) -> None:
        self.changes += 1

    def names(self) -> set[str]:
        return {name.name for name in self.informer.objects}

    async def shows(self, *names: str) -> None:
        await eventually(f"{names}", lambda: self.names() == set(names) and self.informer.synced.is_set())


@asynccontextmanager
async def informed(server: ApiServer, client: KubeClient, **settings: Any) -> AsyncIterator[Watched]:
    watched = Watched(client, **settings)
    task = asyncio.create_task(watched.informer.run())
    try:
        await eventually("a watch", lambda: server.open_watches == 1)
        yield watched
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def play(
    scene: Callable[[ApiServer, Watched], Any], *, names: str = "", settings: Mapping[str, float] | None = None
) -> None:
    """Run a scene against an informer that shows these objects."""

    async def story() -> None:
        async with serving(**(settings or {})) as (server, client):
            for name in names:
                server.put(name)
            async with informed(server, client) as watched:
                await watched.shows(*names)
                await scene(server, watched)

    asyncio.run(story())


def logged_waits(caplog: pytest.LogCaptureFixture) -> list[object]:
    """The waits that the informer logged, in seconds."""
    return [
        record.args[2]
        for record in caplog.records
        if record.name == "cachemon.kube.informer" and isinstance(record.args, tuple)
    ]


def test_objects_come_change_and_go() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        server.put("b")
        await watched.shows("a", "b")
        server.put("a", spec={"x": 1})
        await eventually("the change", lambda: any(obj.get("spec") for obj in watched.informer.objects.values()))
        server.delete("a")
        await watched.shows("b")
        assert watched.changes == 4
        assert len(server.lists) == 1
        assert server.watches[0]["resourceVersion"] == "101"
        assert server.watches[0]["fieldSelector"] == "status.nodeName=n"

    play(scene, names="a")


def test_a_bookmark_moves_the_next_watch_on_and_is_no_object() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        watched.now += 1  # a watch that ends at once would be taken for a failure
        server.send_event("BOOKMARK", {"metadata": {"resourceVersion": "555"}})
        server.end_watches()
        await eventually("the next watch", lambda: len(server.watches) == 2)
        assert server.watches[1]["resourceVersion"] == "555"
        assert len(server.lists) == 1
        assert watched.changes == 1
        assert watched.names() == {"a"}

    play(scene, names="a")


def test_after_gone_everything_is_listed_again_and_what_was_deleted_meanwhile_vanishes() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        del server.objects["a"]
        server.objects["c"] = make_object("c", 150)
        server.version = 150
        server.send_event("ERROR", {"code": 410, "message": "too old resource version"})
        await watched.shows("b", "c")
        await eventually("the next watch", lambda: len(server.watches) == 2)
        assert server.watches[1]["resourceVersion"] == "150"

    play(scene, names="ab")


def test_a_server_that_always_says_gone_is_asked_more_and_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        for _ in range(4):
            began = len(server.watches)
            server.send_event("ERROR", {"code": 410, "message": "too old"})
            await eventually("another watch", lambda began=began: len(server.watches) > began)  # type: ignore[misc]
        assert watched.changes == len(server.lists) == 5
        waits = logged_waits(caplog)
        assert waits == pytest.approx([0.01, 0.02, 0.04, 0.08])

    play(scene, names="a")


def test_a_watch_that_lasted_makes_the_next_failure_the_first(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        for _ in range(2):
            began = len(server.watches)
            watched.now += 20
            server.send_event("ERROR", {"code": 410, "message": "too old"})
            await eventually("another watch", lambda began=began: len(server.watches) > began)  # type: ignore[misc]
        waits = logged_waits(caplog)
        assert waits == pytest.approx([0.01, 0.01])

    play(scene, names="a")


def test_a_watch_that_ends_at_once_is_a_failure_and_no_tight_loop() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        server.end_watches()
        await eventually("another list", lambda: len(server.lists) == 2)
        assert watched.names() == {"a"}

    play(scene, names="a")


def test_a_server_that_goes_away_and_comes_back_is_caught_up_with() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        await server.stop()
        await eventually("the cut", lambda: server.open_watches == 0)
        assert watched.names() == {"a", "b"}
        server.objects = {"c": make_object("c", 300)}
        await server.start()
        await watched.shows("c")

    play(scene, names="ab")


@pytest.mark.parametrize("refusals", [
    [failure(500, "etcd is away"), failure(503, "starting")],
    [failure(429, "slow down", **{"Retry-After": "0"})],
    [failure(401, "token expired"), failure(403, "no right yet")],
    [failure(410, "the continue token is too old")],
])  # fmt: skip
def test_a_list_that_is_refused_is_asked_for_again(refusals: list[Any]) -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.put("a")
            server.answers += refusals
            async with informed(server, client) as watched:
                await watched.shows("a")
                assert not server.answers
                assert len(server.requests) == len(refusals) + 2

    asyncio.run(story())


def test_nothing_is_synced_before_the_first_list() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.answers += [failure(500, "not yet")] * 1000
            watched = Watched(client)
            task = asyncio.create_task(watched.informer.run())
            await eventually("some tries", lambda: len(server.requests) >= 3)
            assert not watched.informer.synced.is_set()
            assert watched.changes == 0
            server.answers.clear()
            await watched.informer.synced.wait()
            assert watched.changes == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())


def test_a_silent_watch_is_replaced() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        await eventually("another watch", lambda: len(server.watches) >= 2)
        server.put("b")
        await watched.shows("a", "b")

    play(scene, names="a", settings={"silence_seconds": 0.3})


def test_a_cut_line_does_not_end_the_informer() -> None:
    async def scene(server: ApiServer, watched: Watched) -> None:
        server.send(b'{"type": "ADDED", "obj')
        server.end_watches()
        server.objects["b"] = make_object("b", 300)
        await watched.shows("a", "b")

    play(scene, names="a")


def test_a_change_that_does_not_matter_is_kept_and_not_reported() -> None:
    async def story() -> None:
        async with serving() as (server, client):
            server.put("a", spec=1, status=1)
            async with informed(server, client, matters=lambda obj: obj["spec"]) as watched:
                server.put("a", spec=1, status=2)
                server.put("b", spec=1, status=1)
                await watched.shows("a", "b")
                assert watched.changes == 2
                assert sorted(obj["status"] for obj in watched.informer.objects.values()) == [1, 2]
                server.put("a", spec=2, status=2)
                await eventually("the change", lambda: watched.changes == 3)

    asyncio.run(story())
