"""Watches of the plugin: events as they come, and every way in which they end."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cachemon.kube.kubectl_api import KubectlApi
from cachemon.kube.queries import Selector, WatchEvent
from cachemon.model.api import GROUPS
from cachemon.model.errors import KubeForbiddenError, KubeGoneError, KubeUnreachableError
from tests.unit.kube.unix_api import Answer, Handler, UnixServer, answer, serving


def event(kind: str, name: str = "vm3") -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def lines(*events: bytes) -> Answer:
    return 200, {"Content-Type": "application/json"}, b"".join(events)


async def watched(api: KubectlApi) -> list[WatchEvent]:
    return [it async for it in api.watch(GROUPS, Selector(labels="x=y"), "ns", since="7")]


def test_events_come_one_after_the_other_until_the_server_ends_the_watch(tmp_path: Path) -> None:
    with serving(tmp_path, lines(event("ADDED"), event("BOOKMARK", ""), event("DELETED"))) as (server, api):
        found = asyncio.run(watched(api))
    assert [it.type for it in found] == ["ADDED", "BOOKMARK", "DELETED"]
    assert found[0].object == {"metadata": {"name": "vm3"}}
    ((_, url, _),) = server.asked
    assert url == (
        "/apis/cachemon.dev/v1alpha1/namespaces/ns/cachemonitorgroups?watch=true&allowWatchBookmarks=true"
        "&resourceVersion=7&timeoutSeconds=240&labelSelector=x%3Dy"
    )


GONE = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old"}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (lines(GONE), KubeGoneError, "too old"),
        (answer(410, {"message": "too old"}), KubeGoneError, "too old"),
        (answer(403, {"message": "no right"}), KubeForbiddenError, "no right"),
        (answer(503, {"message": "away"}), KubeUnreachableError, "away"),
        ((502, {}, b"<html>"), KubeUnreachableError, "can't ask the API server"),
        (lines(b'{"type": "ADDED", "obj'), KubeUnreachableError, "cut on the way"),
        (lines(b"[]\n"), KubeUnreachableError, "cut on the way"),
        (lines(b'{"type": "ADDED"}\n'), KubeUnreachableError, "cut on the way"),
        (lines(b"[" * 100_000 + b"\n"), KubeUnreachableError, "cut on the way"),
    ],
)
def test_failures_are_named(given: Answer, error: type[Exception], message: str, tmp_path: Path) -> None:
    with serving(tmp_path, given) as (_, api), pytest.raises(error, match=message):
        asyncio.run(watched(api))


def test_without_a_proxy_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(KubeUnreachableError, match="kubectl proxy does not answer"):
        asyncio.run(watched(KubectlApi(tmp_path / "missing", request_seconds=1)))


class Endless(Handler):
    """Sends one event, and then nothing."""

    ended = threading.Event()

    def answer(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(event("ADDED"))
        self.wfile.flush()
        self.ended.wait()

    do_GET = answer  # noqa: N815


def beside_an_endless_watch(folder: Path, look: Callable[[KubectlApi], Any]) -> None:
    with UnixServer(folder / "api") as server:
        server.RequestHandlerClass = Endless
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            asyncio.run(look(KubectlApi(folder / "api", request_seconds=5)))
        finally:
            Endless.ended.set()
            server.shutdown()
            thread.join()
            Endless.ended.clear()


def test_an_event_is_there_while_the_watch_goes_on_and_leaving_ends_it(tmp_path: Path) -> None:
    async def look(api: KubectlApi) -> None:
        events = api.watch(GROUPS, Selector(), "", since="1")
        assert (await anext(events)).type == "ADDED"
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    beside_an_endless_watch(tmp_path, look)  # it would not end while a thread reads


def test_closing_the_api_ends_watches(tmp_path: Path) -> None:
    async def look(api: KubectlApi) -> None:
        events = api.watch(GROUPS, Selector(), "", since="1")
        await anext(events)
        api.close()
        assert [it async for it in events] == []

    beside_an_endless_watch(tmp_path, look)


def test_a_change_is_the_first_event_that_is_one(tmp_path: Path) -> None:
    with serving(tmp_path, lines(event("BOOKMARK", ""), event("MODIFIED"), event("ADDED"))) as (_, api):
        asyncio.run(api.wait_for_change(GROUPS, Selector(), "ns", since="7"))


def test_what_the_server_has_forgotten_counts_as_a_change(tmp_path: Path) -> None:
    with serving(tmp_path, lines(GONE)) as (_, api):
        asyncio.run(api.wait_for_change(GROUPS, Selector(), "ns", since="7"))
