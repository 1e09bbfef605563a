"""The HTTP server of the page, on 127.0.0.1: few connections, short waits, one request for each connection.

It stands on the standard library alone: the plugin has no other. A slow or hostile client costs one connection and
some kilobytes, and that connection makes room for newer ones until it has shown the token.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from cachemon.model.errors import InvalidInputError
from cachemon.web.browser_entry import BrowserEntry
from cachemon.web.page_answer import PageAnswer, redirection, refusal
from cachemon.web.page_assets import Asset
from cachemon.web.page_guard import PageGuard, make_token
from cachemon.web.page_request import LONGEST_HEAD_BYTES, MalformedRequestError, PageRequest, parse_request
from cachemon.web.page_routes import PageRoutes
from cachemon.web.page_source import PageSource
from cachemon.web.peer_user import user_of

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_LAST_TURNS = 4
"""Of the event loop: asyncio takes three from an accepted socket to `connected`, and one to close a socket that ends
(asyncio/selector_events.py, `_accept_connection` and `_call_connection_lost`)."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What clients may take.

    Attributes:
        connections: open at the same time.
        head_seconds: from a connection to the end of the request.
        answer_seconds: from there to the end of the answer.
    """

    connections: int = 64
    head_seconds: float = 5.0
    answer_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class PageAddresses:
    """Where the page is.

    Attributes:
        lasting: has the token, for a person.
        once: for the command line of a browser; it works once.
    """

    lasting: str
    once: str


@asynccontextmanager
async def open_page(
    source: PageSource, assets: Mapping[str, Asset], *, port: int = 0, limits: PageLimits | None = None
) -> AsyncIterator[PageAddresses]:
    """Serve a page while the block runs.

    Args:
        source: of the figures.
        assets: the files of the page.
        port: on 127.0.0.1; 0 for any.
        limits: what clients may take.

    Raises:
        InvalidInputError: the port can't be had.
    """
    server = _PageServer(PageRoutes(source, assets), limits or PageLimits())
    try:
        listener = await asyncio.start_server(server.connected, _HOST, port, limit=LONGEST_HEAD_BYTES)
    except OSError as err:
        problem = err.strerror if err.errno is None else os.strerror(err.errno)  # asyncio adds the address to its own
        raise InvalidInputError(f"--port {port}: {problem}; choose another one, or leave --port out") from err
    guard = PageGuard(listener.sockets[0].getsockname()[1], make_token())
    server.guard = guard
    try:
        yield PageAddresses(guard.address, f"http://{_HOST}:{guard.port}{server.entry.path}")
    finally:
        await server.close(listener)


class _PageServer:
    """The connections of a page."""

    def __init__(self, routes: PageRoutes, limits: PageLimits) -> None:
        self._routes = routes
        self._limits = limits
        self._strangers: dict[asyncio.StreamWriter, None] = {}
        self._known: set[asyncio.StreamWriter] = set()
        self._is_closing = False
        self.entry = BrowserEntry()
        self.guard = PageGuard(0, make_token())

    async def close(self, listener: asyncio.Server) -> None:
        """Accept no more, end all connections, and wait until their sockets are closed.

        A server that is closed loses the socket of a connection that it accepted just before (CPython 3.11,
        asyncio/base_events.py, the assertion of `Server._attach`). So it is closed after these have ended.
        """
        self._is_closing = True
        for accepting in listener.sockets:
            asyncio.get_running_loop().remove_reader(accepting)
        writers = (*self._strangers, *self._known)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        for _turn in range(_LAST_TURNS):
            await asyncio.sleep(0)
        listener.close()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if self._is_closing or not self._has_room():
            writer.transport.abort()
            return
        self._strangers[writer] = None
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                head = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(self._limits.answer_seconds):
                writer.write(await self._answer_bytes(head, writer))
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that is gone, slow, or no browser
        finally:
            writer.transport.abort()
            self._strangers.pop(writer, None)
            self._known.discard(writer)

    def _has_room(self) -> bool:
        """The oldest connection that has not shown the token makes room."""
        if len(self._strangers) + len(self._known) < self._limits.connections:
            return True
        oldest = next(iter(self._strangers), None)
        if oldest is None:
            return False
        del self._strangers[oldest]
        oldest.transport.abort()
        return True

    async def _answer_bytes(self, head: bytes, writer: asyncio.StreamWriter) -> bytes:
        try:
            request = parse_request(head)
        except MalformedRequestError:
            return refusal(HTTPStatus.BAD_REQUEST).encode(accepts_gzip=False)
        try:
            answer = await self._answer(request, writer)
        except Exception:
            log.exception("answering %s failed", request.path.rpartition("/")[2])
            answer = refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        return answer.encode(accepts_gzip=request.accepts_gzip)

    async def _answer(self, request: PageRequest, writer: asyncio.StreamWriter) -> PageAnswer:
        guard = self.guard
        if not guard.is_our_host(request):
            return refusal(HTTPStatus.FORBIDDEN)
        ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        if request.method == "GET" and self.entry.admits(request.path, partial(user_of, *ends)):
            return redirection(guard.home)
        path = guard.path_within(request)
        if path is None:
            return refusal(HTTPStatus.NOT_FOUND)
        self._strangers.pop(writer, None)
        self._known.add(writer)
        if path == "" and not request.path.endswith("/"):
            return redirection(guard.home)
        return await self._routes.answer(path, request, may_ask=guard.is_same_origin(request))
