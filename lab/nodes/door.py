"""A door into a network namespace: what comes to a port on loopback is handed to an address in there.

    python -m lab.nodes.door PORT NAMESPACE HOST PORT

NAMESPACE is a file such as /proc/PID/ns/net. A socket stays in the namespace that it was made in: the door opens
its port here, then moves over for good.
"""

import asyncio
import ctypes
import os
import socket
import sys
from contextlib import suppress

from lab.ports import LOOPBACK

_CHUNK_BYTES = 1 << 16


async def serve(listening: socket.socket, host: str, port: int) -> None:
    """Hand over every connection, until the process is killed."""

    async def hand_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(host, port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer), return_exceptions=True)
            inner_writer.close()
        writer.close()

    async with await asyncio.start_server(hand_over, sock=listening) as server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


def enter(namespace: str) -> None:
    """Move this process into a namespace; os.setns comes with Python 3.12 only."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"{namespace}: {os.strerror(number)}")
    os.close(descriptor)


def main() -> None:
    """Open the door."""
    port, namespace, host, inner_port = sys.argv[1:]
    listening = socket.create_server((LOOPBACK, int(port)), backlog=128)
    enter(namespace)
    asyncio.run(serve(listening, host, int(inner_port)))


if __name__ == "__main__":
    main()
