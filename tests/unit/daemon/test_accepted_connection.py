import asyncio
import socket
import ssl

import pytest

from cachemon.daemon.accepted_connection import AcceptedConnection


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(10)
    return ours, theirs


@pytest.mark.parametrize("when", ["before it has begun", "while it waits", "while it serves"])
def test_a_connection_can_be_ended_at_any_time_and_reports_it(when: str) -> None:
    async def story() -> None:
        ours, theirs = pair()
        ended = asyncio.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if when == "while it waits" else None
        connection = AcceptedConnection(asyncio.Protocol(), ended.set)
        connection.begin(ours, context)
        if when != "before it has begun":
            for _ in range(5):
                await asyncio.sleep(0)
        connection.end()
        async with asyncio.timeout(10):
            await ended.wait()
        assert theirs.recv(1) == b""
        theirs.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    "sent", [b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x02a"]
)
def test_what_is_no_whole_tls_record_is_hung_up_on_before_tls_begins(sent: bytes) -> None:
    async def story() -> None:
        ours, theirs = pair()
        ended = asyncio.Event()
        AcceptedConnection(asyncio.Protocol(), ended.set).begin(ours, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(10):
            await ended.wait()
        theirs.close()

    asyncio.run(story())
