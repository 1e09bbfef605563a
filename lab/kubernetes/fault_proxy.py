"""A proxy between one program and the API server that can do what networks and busy servers do.

It ends TLS with the API server's own certificate, so for a client it is the server; it listens on loopback.
"""

import asyncio
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web
from yarl import URL

from lab.ports import LOOPBACK, free_port
from lab.speed import allowance

T = TypeVar("T")

WATCHES = r"[?&]watch=true"
EVERYTHING = ""

_OF_ONE_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length", "host", "keep-alive"})
_MOST_REMEMBERED = 10_000
_CALL_SECONDS = 20


@dataclass(slots=True)
class _Rule:
    """What happens to requests: `METHOD /path?query` is searched for `where`."""

    where: re.Pattern[str]
    times: int | None
    delay_seconds: float = 0.0
    status: int = 0
    message: str = ""
    headers: Mapping[str, str] | None = None
    error_event: bool = False
    cut: bool = False
    held_until: asyncio.Event | None = None


class FaultProxy:
    """Runs in a thread from the constructor to `stop`, and passes everything on until a method adds a fault.

    Args:
        upstream: the API server, `https://127.0.0.1:PORT`.
        certificate: its certificate (PEM); the key is beside it, with the suffix `.key`.

    Attributes:
        url: where it listens.
        requests: the last ones: when they came, in monotonic seconds, and `METHOD /path?query`.
        struck: how many requests a fault has struck.
    """

    def __init__(self, upstream: str, certificate: Path) -> None:
        self._upstream = upstream
        self._port = free_port()
        self.url = f"https://{LOOPBACK}:{self._port}"
        self.requests: deque[tuple[float, str]] = deque(maxlen=_MOST_REMEMBERED)
        self.struck = 0
        self._rules: list[_Rule] = []
        self._number = 0
        self._stalling = False
        self._dead_below = 0
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._client_tls = ssl.create_default_context(cafile=str(certificate))
        self._site: web.TCPSite | None = None
        self._stop_asked = asyncio.Event()
        opened: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="fault-proxy", daemon=True)
        self._thread.start()
        self._loop = opened.result(allowance(_CALL_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(
        self,
        status: int,
        message: str = "by the fault proxy",
        *,
        where: str = EVERYTHING,
        times: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer requests with an error as the API server writes it, and pass them on to nobody."""
        self._rules.append(_Rule(re.compile(where), times, status=status, message=message, headers=headers))

    def throttle(self, retry_after_seconds: int, *, where: str = EVERYTHING, times: int | None = None) -> None:
        """429, as API Priority and Fairness answers when its queues are full."""
        self.answer(
            429, "too many requests", where=where, times=times, headers={"Retry-After": str(retry_after_seconds)}
        )

    def end_watches(self, code: int, *, where: str = WATCHES, times: int | None = None) -> None:
        """Answer watches with an ERROR event; 410 is how the API server says that a resourceVersion is too old."""
        self._rules.append(_Rule(re.compile(where), times, status=code, message="too old", error_event=True))

    def delay(self, seconds: float, *, where: str = EVERYTHING, times: int | None = None) -> None:
        """Let requests wait before they are passed on."""
        self._rules.append(_Rule(re.compile(where), times, delay_seconds=seconds))

    def hold(self, *, where: str = EVERYTHING) -> None:
        """Let requests wait for `heal` before they are passed on."""
        self._rules.append(_Rule(re.compile(where), None, held_until=asyncio.Event()))

    def cut(self, *, where: str = EVERYTHING, times: int | None = None) -> None:
        """Close the connection when a request has come."""
        self._rules.append(_Rule(re.compile(where), times, cut=True))

    def stall_watches(self) -> None:
        """Pass nothing on in watches and close none, as after a firewall forgot them; `heal` helps only new ones."""
        self._stalling = True

    def hang_up(self) -> None:
        """Cut every connection, once."""
        self._call(self._hang_up())

    def refuse(self) -> None:
        """Cut every connection and listen no more."""
        self._call(self._close_door())

    def heal(self) -> None:
        """Pass everything on again. Watches that were stalled stay as they are."""
        if self._stalling:
            self._dead_below = self._number + 1
        self._stalling = False
        held = [rule.held_until for rule in self._rules if rule.held_until]
        self._rules.clear()
        for event in held:
            self._loop.call_soon_threadsafe(event.set)
        self._call(self._open_door())

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop_asked.set)
        self._thread.join()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(allowance(_CALL_SECONDS))

    def _run(self, opened: "Future[asyncio.AbstractEventLoop]") -> None:
        asyncio.run(self._live(opened))  # which also waits for the handlers that were cut off

    async def _live(self, opened: "Future[asyncio.AbstractEventLoop]") -> None:
        try:
            await self._open()
        except BaseException as err:
            opened.set_exception(err)
            raise
        opened.set_result(asyncio.get_running_loop())
        await self._stop_asked.wait()
        await self._close()

    async def _open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._client_tls),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open_door()

    async def _close(self) -> None:
        await self._hang_up()
        await self._runner.cleanup()
        await self._session.close()

    async def _open_door(self) -> None:
        if self._site is None:
            self._site = web.TCPSite(self._runner, LOOPBACK, self._port, ssl_context=self._server_tls)
            await self._site.start()

    async def _close_door(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None
        await self._hang_up()

    async def _hang_up(self) -> None:
        server = self._runner.server
        for connection in list(server.connections) if server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._number += 1
        number, request_line = self._number, f"{request.method} {request.raw_path}"
        self.requests.append((time.monotonic(), request_line))
        rule = self._rule_for(request_line)
        if rule is not None:
            await asyncio.sleep(rule.delay_seconds)
            if rule.held_until:
                await rule.held_until.wait()
            if rule.cut:
                return _cut(request)
            if rule.error_event:
                event = {"type": "ERROR", "object": _status(rule)}
                return web.json_response(event)
            if rule.status:
                return web.json_response(_status(rule), status=rule.status, headers=rule.headers)
        try:
            return await self._pass_on(request, number)
        except (aiohttp.ClientError, OSError):
            return _cut(request)

    def _rule_for(self, request_line: str) -> _Rule | None:
        for rule in self._rules:
            if rule.times != 0 and rule.where.search(request_line):
                rule.times = None if rule.times is None else rule.times - 1
                self.struck += 1
                return rule
        return None

    async def _pass_on(self, request: web.Request, number: int) -> web.StreamResponse:
        is_watch = re.search(WATCHES, request.raw_path) is not None
        url = URL(self._upstream + request.raw_path, encoded=True)
        headers = _passed_on(request.headers)
        body = await request.read()
        async with (
            self._session.request(request.method, url, headers=headers, data=body or None) as answer,
            _hanging_up(answer),
        ):
            response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
            if not (is_watch and self._stalling):
                await response.prepare(request)
            async for part in answer.content.iter_any():
                if is_watch and (self._stalling or number < self._dead_below):
                    self.struck += 1
                else:
                    await response.write(part)
            if is_watch and (self._stalling or number < self._dead_below):
                await asyncio.Event().wait()  # until the client hangs up
            await response.write_eof()
            return response


@asynccontextmanager
async def _hanging_up(answer: aiohttp.ClientResponse) -> AsyncIterator[None]:
    """Where passing on ends early, cut the connection at once: TLS's closing handshake would outlast the proxy."""
    try:
        yield
    except BaseException:
        if answer.connection is not None and answer.connection.transport is not None:
            answer.connection.transport.abort()
        raise


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def _status(rule: _Rule) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": rule.status, "message": rule.message}


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION}
