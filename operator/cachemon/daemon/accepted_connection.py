"""One accepted connection: its TLS handshake, and its end at any time."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

TLS_CLOSE_SECONDS = 1.0  # time for the client to confirm the end of TLS

_HANDSHAKE_SECONDS = 5.0
_RECORD_HEADER_BYTES = 5
_HANDSHAKE_RECORD = 22
_LONGEST_RECORD_BYTES = 2**14  # RFC 8446 section 5.1: TLSPlaintext


class AcceptedConnection(asyncio.Protocol):
    """Passes everything to the `inner` protocol, and calls `on_end` at the end, at least once."""

    def __init__(self, inner: asyncio.Protocol, on_end: Callable[[], None]) -> None:
        self._inner = inner
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._beginning: asyncio.Task[None] | None = None

    def begin(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        """Do the TLS handshake, then serve."""
        self._beginning = asyncio.create_task(self._begin(accepted, context))
        self._beginning.add_done_callback(lambda task: self._begun(task, accepted))

    def end(self) -> None:
        """End the connection at once, also in the middle of an answer."""
        if self._transport is not None:
            self._transport.abort()
        elif self._beginning is not None:
            self._beginning.cancel()

    async def _begin(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        limits: dict[str, Any] = {}
        if context is not None:
            await _wait_for_hello(accepted)
            limits = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS, "ssl_shutdown_timeout": TLS_CLOSE_SECONDS}
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, accepted, ssl=context, **limits)

    def _begun(self, task: "asyncio.Task[None]", accepted: socket.socket) -> None:
        """Also of a task that was cancelled before its first step."""
        self._beginning = None  # its error would keep all of this until the next garbage collection
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError):
            log.error("a connection could not begin", exc_info=error)
        if error is not None or task.cancelled():  # no TLS, too slow a handshake, a client that has gone, or `end`
            accepted.close()
            self._on_end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which `end` needs."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, and report the end."""
        self._inner.connection_lost(exc)
        self._on_end()


async def _wait_for_hello(accepted: socket.socket) -> None:
    """Wait for the whole first record of the client; ConnectionError when it is no TLS handshake.

    asyncio allocates 256 KiB for each TLS connection at once (CPython 3.11 sslproto.py, `SSLProtocol.max_size`). A
    client that sends nothing, or half a record, costs a socket only.
    """
    header = await _peek(accepted, _RECORD_HEADER_BYTES)
    length = int.from_bytes(header[3:], "big")
    if header[0] != _HANDSHAKE_RECORD or length > _LONGEST_RECORD_BYTES:
        raise ConnectionError
    await _peek(accepted, _RECORD_HEADER_BYTES + length)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _peek(accepted: socket.socket, number: int) -> bytes:
    """Return the next bytes and leave them unread; ConnectionError when the connection ends before."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, number)  # poll(2) heeds it: no wake-up per byte
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(accepted, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(accepted)
    found = accepted.recv(number, socket.MSG_PEEK)
    if len(found) < number:
        raise ConnectionError
    return found
