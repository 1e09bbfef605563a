import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from cachemon.model.api import AGENT_FIELD_MANAGER, GROUPS, ObjectName
from cachemon.model.errors import (
    KubeError,
    KubeForbiddenError,
    KubeGoneError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeUnreachableError,
)
from cachemon.plugin.watched_objects import WatchedObjects
from tests.unit.eventually import eventually
from tests.unit.plugin.fake_api import cmg
from tests.unit.plugin.watched_api import WatchedApi

Look = Callable[[WatchedObjects, WatchedApi], Awaitable[None]]


def watching(look: Look, *, namespace: str = "", api: WatchedApi | None = None) -> list[float]:
    """Run a watch beside a test; returns the pauses after failures."""
    api = api or WatchedApi()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async def run() -> None:
        watched = WatchedObjects(api, GROUPS, namespace, pause)
        running = asyncio.create_task(watched.run())
        try:
            await look(watched, api)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(run())
    return pauses


def names(watched: WatchedObjects) -> set[str]:
    return {str(name) for name in watched.objects}


def test_objects_come_change_and_go_without_another_list() -> None:
    async def look(watched: WatchedObjects, api: WatchedApi) -> None:
        api.put(GROUPS, cmg("a"))
        await watched.known.wait()
        assert names(watched) == {"ns/a"}
        api.put(GROUPS, cmg("b"))
        await eventually("the new object", lambda: "ns/b" in names(watched))
        api.put(GROUPS, cmg("b", node="node02"))
        await eventually(
            "the change", lambda: watched.objects[ObjectName("ns", "b")]["status"]["nodeName"] == "node02"
        )
        api.remove(GROUPS, ObjectName("ns", "a"))
        await eventually("the end", lambda: names(watched) == {"ns/b"})
        assert api.watches == 1

    watching(look)


def test_only_one_namespace_is_watched() -> None:
    async def look(watched: WatchedObjects, api: WatchedApi) -> None:
        await watched.known.wait()
        api.put(GROUPS, cmg("b", namespace="other"))
        api.put(GROUPS, cmg("a"))
        await eventually("the object", lambda: names(watched) == {"ns/a"})

    watching(look, namespace="ns")


@pytest.mark.parametrize(
    ("error", "is_shown"),
    [(KubeUnreachableError("no answer"), True), (KubeGoneError("too old"), False)],
)
def test_a_watch_that_fails_begins_again_with_a_list(error: KubeError, *, is_shown: bool) -> None:
    async def look(watched: WatchedObjects, api: WatchedApi) -> None:
        api.put(GROUPS, cmg("a"))
        await watched.known.wait()
        await eventually("the watch", lambda: api.watches == 1)
        api.errors[GROUPS.kind] += [KubeUnreachableError("still none")] * is_shown
        api.end_watches(GROUPS, error)
        await eventually("another watch", lambda: api.watches == 2)
        assert names(watched) == {"ns/a"}
        assert watched.error is None

    pauses = watching(look)
    assert len(pauses) == 1 + is_shown


def test_objects_are_kept_while_the_server_is_away() -> None:
    async def look(watched: WatchedObjects, api: WatchedApi) -> None:
        api.put(GROUPS, cmg("a"))
        await watched.known.wait()
        await eventually("the watch", lambda: api.watches == 1)
        api.errors[GROUPS.kind] += [KubeUnreachableError("no answer")] * 1000
        api.end_watches(GROUPS, KubeUnreachableError("no answer"))
        await eventually("the error", lambda: watched.error is not None)
        assert (str(watched.error), names(watched)) == ("no answer", {"ns/a"})

    pauses = watching(look)
    assert pauses == sorted(pauses) or max(pauses) > 10  # they double up to a limit


def test_what_a_person_may_not_see_is_asked_for_rarely() -> None:
    api = WatchedApi()
    api.put(GROUPS, cmg("a"))
    api.errors[GROUPS.kind].append(KubeForbiddenError("forbidden"))

    async def look(watched: WatchedObjects, _: WatchedApi) -> None:
        await watched.known.wait()
        assert isinstance(watched.error, KubeForbiddenError)
        assert watched.objects == {}
        await eventually("the right, granted meanwhile", lambda: watched.error is None)
        assert names(watched) == {"ns/a"}

    (pause,) = watching(look, api=api)
    assert pause >= 60


def test_a_server_that_has_no_such_kind_is_an_answer() -> None:
    api = WatchedApi()
    api.errors[GROUPS.kind] += [KubeNotFoundError("no CRD")] * 1000

    async def look(watched: WatchedObjects, _: WatchedApi) -> None:
        await watched.known.wait()
        assert isinstance(watched.error, KubeNotFoundError)

    watching(look, api=api)


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    api = WatchedApi()
    api.errors[GROUPS.kind].append(KubeThrottledError("slower", 7.0))

    async def look(watched: WatchedObjects, _: WatchedApi) -> None:
        await eventually("the list", lambda: watched.known.is_set() and watched.error is None)

    (pause,) = watching(look, api=api)
    assert pause >= 7


def test_watches_that_end_at_once_are_a_failure() -> None:
    async def look(_: WatchedObjects, api: WatchedApi) -> None:
        await eventually("the watch", lambda: api.watches == 1)
        api.end_watches(GROUPS)
        await eventually("another watch", lambda: api.watches == 2)

    assert len(watching(look)) == 1


def test_of_managed_fields_only_the_agents_last_write_is_kept() -> None:
    def entry(manager: str, subresource: str) -> dict[str, Any]:
        return {
            "manager": manager,
            "subresource": subresource,
            "time": "2026-09-21T14:13:18Z",
            "fieldsV1": {"f:status": {}},
        }

    async def look(watched: WatchedObjects, api: WatchedApi) -> None:
        api.put(GROUPS, cmg("a", managedFields=[entry(AGENT_FIELD_MANAGER, "status"), entry("kubectl", "")]))
        await watched.known.wait()
        (obj,) = watched.objects.values()
        (kept,) = obj["metadata"]["managedFields"]
        assert kept == {"manager": AGENT_FIELD_MANAGER, "subresource": "status", "time": "2026-09-21T14:13:18Z"}

    watching(look)
