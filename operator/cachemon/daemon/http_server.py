"""The HTTP server of every program: few connections, short waits, nothing that grows with who asks.

aiohttp has one limit of time on heads, `keepalive_timeout`, which is the limit of idle connections as well
(aiohttp 3.14 web_protocol.py, `connection_made`: "there's no other protection against a dead connection"), and none
on the number of connections. So connections are accepted here, counted by `ConnectionLimiter`, and then passed to
aiohttp.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from cachemon.daemon.accepted_connection import TLS_CLOSE_SECONDS, AcceptedConnection
from cachemon.daemon.connection_limits import ConnectionLimiter, OpenConnection, ServerLimits, peer_of
from cachemon.daemon.settings import Address
from cachemon.model.errors import InvalidInputError

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BACKLOG = 128
_ANY = "::"
_SWEEP_SECONDS = 1.0
_NO_DESCRIPTOR_SECONDS = 1.0
_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LONGEST_LINE_BYTES = 2048
_LONGEST_FIELD_BYTES = 8190
_MOST_FIELDS = 32
_PEER = web.RequestKey("peer", str)


def listen(
    address: Address, flag: str, open_socket: Callable[[int, int], socket.socket] = socket.socket
) -> socket.socket:
    """A listening TCP socket; InvalidInputError, which names the flag, when the address can't be had.

    `::` is every address of IPv4 and IPv6, and of IPv4 alone where the kernel has no IPv6.
    """
    try:
        found = socket.getaddrinfo(
            address.host or None,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV,
        )
        family, _, _, _, where = found[0]
        try:
            listener = open_socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as err:
            if address.host != _ANY or err.errno != errno.EAFNOSUPPORT:
                raise
            family, where = socket.AF_INET, ("", address.port)
            listener = open_socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except OSError as err:
        raise InvalidInputError(f"{flag} {address}: {err.strerror}") from err
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address.host != _ANY))
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as err:
        listener.close()
        raise InvalidInputError(f"{flag} {address}: {err.strerror}") from err
    return listener


def peer_name(request: web.Request) -> str:
    """Who asks, as the limits count: an address, a part of one, or the user of a local socket."""
    return request[_PEER]


class HttpServer:
    """Answers requests on some sockets, which it closes at the end.

    `tls` gives the context for the next connection; without it plain HTTP is served. The middlewares are around the
    handlers, inside the limits.
    """

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        routes: Sequence[web.RouteDef],
        *,
        limits: ServerLimits | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        self._listeners = list(listeners)
        self._limits = limits or ServerLimits()
        self._tls = tls
        self._limiter = ConnectionLimiter(self._limits)
        self._accepted: dict[OpenConnection, AcceptedConnection] = {}
        self._by_protocol: dict[object, OpenConnection] = {}

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(client_max_size=self._limits.body_bytes, middlewares=[guard, *middlewares])
        app.add_routes(routes)
        app.on_response_prepare.append(_hide_versions)
        quiet = logging.getLogger(f"{__name__}.protocol")
        quiet.setLevel(logging.CRITICAL)  # a traceback for every head that is none: strangers would fill the log
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=quiet,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=0,
            max_line_size=_LONGEST_LINE_BYTES,
            max_field_size=_LONGEST_FIELD_BYTES,
            max_headers=_MOST_FIELDS,
            shutdown_timeout=TLS_CLOSE_SECONDS,
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self._runner.setup()
            async with asyncio.TaskGroup() as tasks:
                for listener in self._listeners:
                    listener.settimeout(0)
                    tasks.create_task(self._accept(listener))
                tasks.create_task(self._sweep())
        finally:
            self.close()
            for accepted in list(self._accepted.values()):
                accepted.end()
            await self._runner.cleanup()

    def close(self) -> None:
        """Listen no longer; `run` does it at its end."""
        for listener in self._listeners:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as err:
                if err.errno in _NOTHING_LEFT:
                    log.warning("can't accept a connection: %s", err.strerror)
                    await asyncio.sleep(_NO_DESCRIPTOR_SECONDS)
                continue  # else the client has gone meanwhile (accept(2)): strangers could choose how often
            self._take(accepted, _peer(accepted, address))
            await asyncio.sleep(0)  # sock_accept does not when one is waiting: others have their turn

    def _take(self, accepted: socket.socket, peer: str) -> None:
        connection, replaced = self._limiter.accept(peer)
        if replaced is not None:
            self._end(replaced)
        if connection is None:
            accepted.close()
            return
        assert self._runner.server is not None
        inner = self._runner.server()
        handler = AcceptedConnection(inner, lambda: self._forget(connection, inner))
        self._accepted[connection] = handler
        self._by_protocol[inner] = connection
        handler.begin(accepted, self._tls() if self._tls else None)

    def _end(self, connection: OpenConnection) -> None:
        accepted = self._accepted.get(connection)
        if accepted is not None:
            accepted.end()

    def _forget(self, connection: OpenConnection, inner: object) -> None:
        self._limiter.remove(connection)
        self._accepted.pop(connection, None)
        self._by_protocol.pop(inner, None)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for connection in self._limiter.overdue():
                self._end(connection)

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every request; the answer is sent in here, so that its time counts as well."""
        connection = self._by_protocol.get(request.protocol)
        if connection is None:  # ended while its request was on the way
            raise ConnectionResetError
        request[_PEER] = connection.peer
        self._limiter.answering(connection)
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                response = await self._answer(request, handler)
        except TimeoutError as err:
            self._end(connection)
            raise ConnectionResetError from err
        await response.prepare(request)
        await response.write_eof()
        self._limiter.answered(connection)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as err:
            response = web.Response(text=f"{err.status}: {err.reason}\n", status=err.status)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            log.exception("answering %s failed", request.path)
            response = web.Response(text="500: Internal Server Error\n", status=500)
        if response.status >= 400:
            response.force_close()
        return response


async def _hide_versions(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "cachemon"


def _peer(accepted: socket.socket, address: Any) -> str:
    if accepted.family == socket.AF_UNIX:
        with suppress(OSError):
            _, uid, _ = struct.unpack("3i", accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return f"uid {uid}"
        return "uid ?"
    return peer_of(os.fsdecode(address[0]))
