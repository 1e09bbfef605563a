"""An HTTP server on loopback that speaks the API server's list and watch, and does what a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from cachemon.kube.client import KubeClient
from cachemon.kube.credentials import Credentials

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_object(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)}, **more}


class ApiServer:
    """A collection of objects, its versions, and its open watches.

    Attributes:
        objects: what a list answers.
        version: resourceVersion of the collection.
        lists: queries of the lists that were asked for.
        watches: queries of the watches that were asked for.
        requests: all requests as (method, path, query, headers, body).
        answers: taken instead of the usual answer, first one first, for any request.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.lists: list[dict[str, str]] = []
        self.watches: list[dict[str, str]] = []
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str], bytes]] = []
        self.answers: list[Handler] = []
        self._open: set[asyncio.Queue[bytes | None]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def open_watches(self) -> int:
        return len(self._open)

    def put(self, name: str, **more: Any) -> None:
        """Create or change an object, and send it to the watches."""
        self.version += 1
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = make_object(name, self.version, **more)
        self.send_event(kind, self.objects[name])

    def delete(self, name: str) -> None:
        """Delete an object, and send its deletion to the watches."""
        self.version += 1
        gone = self.objects.pop(name)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self.send_event("DELETED", gone)

    def send_event(self, kind: str, obj: dict[str, Any]) -> None:
        """Send an event to every open watch."""
        self.send(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """Send bytes to every open watch."""
        for watch in self._open:
            watch.put_nowait(data)

    def end_watches(self) -> None:
        """End every open watch, as the server does after timeoutSeconds."""
        for watch in self._open:
            watch.put_nowait(None)

    async def start(self) -> None:
        """Listen, on the port of before if there was one."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections and cut those that are open."""
        self.end_watches()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        body = await request.read()
        self.requests.append((request.method, request.path, query, dict(request.headers), body))
        if self.answers:
            return await self.answers.pop(0)(request)
        if query.get("watch"):
            self.watches.append(query)
            return await self._watch(request)
        self.lists.append(query)
        items = list(self.objects.values())
        return web.json_response({"items": items, "metadata": {"resourceVersion": str(self.version)}})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._open.add(events)
        try:
            while (data := await events.get()) is not None:
                await response.write(data)
        finally:
            self._open.discard(events)
        return response


def answer(status: int, body: Any = None, **headers: str) -> Handler:
    """A handler that gives this answer."""

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return handle


def failure(status: int, message: str, **headers: str) -> Handler:
    """A handler that refuses as the API server does."""
    return answer(status, {"kind": "Status", "code": status, "message": message}, **headers)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[tuple[ApiServer, KubeClient]]:
    """A running server and a client of it."""
    server = ApiServer()
    await server.start()

    async def token() -> str:
        return "secret"

    try:
        async with KubeClient(Credentials(f"http://127.0.0.1:{server.port}", token), **settings) as client:
            yield server, client
    finally:
        await server.stop()
