import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from cachemon.model.errors import InvalidInputError
from cachemon.web.page_server import PageLimits, open_page
from cachemon.web.page_state import PageState
from tests.unit.web.fixed_source import FixedSource
from tests.unit.web.raw_client import ASSETS, INDEX, RawClient, page


def visit(look: Callable[[RawClient], Awaitable[None]], limits: PageLimits | None = None) -> None:
    async def run() -> None:
        async with page(FixedSource(), limits) as client:
            await look(client)

    asyncio.run(run())


def test_the_page_is_at_the_address_with_the_token() -> None:
    async def look(client: RawClient) -> None:
        answer = await client.ask("")
        assert (answer.status, answer.body) == (200, INDEX)
        without_slash = await client.ask(client.home.rstrip("/"))
        assert (without_slash.status, without_slash.fields["Location"]) == (303, client.home)

    visit(look)


def test_nothing_is_anywhere_else() -> None:
    async def look(client: RawClient) -> None:
        for path in (
            "/",
            "/state.json",
            "/wrong/",
            "/wrong/state.json",
            "/" + "x" * 43 + "/",
            "/open/x",
            "/index.html",
        ):
            answer = await client.ask(path)
            assert (answer.status, answer.body) == (404, b"404 Not Found\n")

    visit(look)


def test_a_site_whose_name_resolves_to_loopback_gets_nothing() -> None:
    async def look(client: RawClient) -> None:
        for host in ("evil.example", f"evil.example:{client.port}", "127.0.0.1", ""):
            assert (await client.ask("state.json", host=host)).status == 403
            assert (await client.ask(client.once, host=host)).status == 403
        assert (await client.ask(client.once)).status == 303  # and it has not used the address up

    visit(look)


def test_a_browser_is_led_to_the_page_once() -> None:
    async def look(client: RawClient) -> None:
        first, second = [await client.ask(client.once) for _ in range(2)]
        assert (first.status, first.fields["Location"]) == (303, client.home)
        assert (second.status, second.fields.get("Location")) == (404, None)

    visit(look)


def test_the_port_is_on_loopback_alone() -> None:
    async def look(client: RawClient) -> None:
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.2", client.port)

    visit(look)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    async def look(client: RawClient) -> None:
        assert (await client.ask("", method=method)).status == 400

    visit(look)


def test_a_head_that_never_ends_is_not_waited_for() -> None:
    async def look(client: RawClient) -> None:
        assert await client.send(b"GET / HTTP/1.1\r\nHost: ") == b""

    visit(look, PageLimits(head_seconds=0.01))


def test_a_head_that_is_too_long_is_not_kept() -> None:
    async def look(client: RawClient) -> None:
        assert await client.send(b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 70_000) == b""

    visit(look)


def test_bytes_that_are_no_request_are_answered_as_such() -> None:
    async def look(client: RawClient) -> None:
        assert (await client.send(b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 Bad Request\r\n")

    visit(look)


def test_many_connections_that_say_nothing_shut_nobody_out() -> None:
    async def look(client: RawClient) -> None:
        silent = [await client.connect() for _ in range(20)]
        assert (await client.ask("")).status == 200
        assert await silent[0][0].read() == b""  # the oldest has made room
        for _, writer in silent:
            writer.transport.abort()

    visit(look, PageLimits(connections=4, head_seconds=3600.0))


class SlowSource(FixedSource):
    """Never answers `why`."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Semaphore(0)

    async def why(self, vm: str) -> None:
        del vm
        self.waiting.release()
        await asyncio.Event().wait()


def test_connections_that_have_shown_the_token_stay_and_have_a_limit() -> None:
    async def run() -> None:
        source = SlowSource()
        async with page(source, PageLimits(connections=2)) as client:
            asked = [asyncio.create_task(client.ask("why.json?vm=a")) for _ in range(2)]
            for _ in asked:
                await source.waiting.acquire()
            assert await client.send(b"GET / HTTP/1.1\r\n\r\n") == b""
            assert not any(task.done() for task in asked)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_at_the_end_is_closed_too(turns: int) -> None:
    clients: list[socket.socket] = []

    async def run() -> None:
        async with page(FixedSource()) as client:
            clients.extend(socket.create_connection(("127.0.0.1", client.port)) for _ in range(3))
            for _turn in range(turns):
                await asyncio.sleep(0)

    asyncio.run(run())
    gc.collect()  # a socket that is still open is reported, and fails the test
    for connection in clients:
        with connection, suppress(ConnectionResetError):
            assert connection.recv(1) == b""


class LongSource(FixedSource):
    """Has a state that no buffer holds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for_state = asyncio.Event()

    def state(self) -> PageState:
        self.asked_for_state.set()
        return {**self.current, "remarks": ["x" * (1 << 24)]}


def test_a_client_that_does_not_read_is_given_up() -> None:
    async def run() -> None:
        source = LongSource()
        async with page(source, PageLimits(connections=1, answer_seconds=0.2)) as client:
            _, writer = await client.connect()
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a transport that reads
            writer.write(f"GET {client.home}state.json HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode())
            await source.asked_for_state.wait()
            while not await client.send(b"GET / HTTP/1.1\r\n\r\n"):
                pass  # there is no room yet
            writer.transport.abort()

    asyncio.run(run())


def test_an_error_in_the_program_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        source = FixedSource()
        source.current = None  # type: ignore[assignment]  # a mistake
        async with page(source) as client:
            assert (await client.ask("state.json")).status == 500
            assert (await client.ask("")).status == 200
            assert client.home.strip("/") not in caplog.text

    asyncio.run(run())
    assert "answering state.json failed" in caplog.text


def test_a_port_that_is_taken_is_named() -> None:
    async def run(port: int) -> None:
        with pytest.raises(InvalidInputError, match=rf"--port {port}: Address already in use; choose another one"):
            async with open_page(FixedSource(), ASSETS, port=port):
                pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(run(taken.getsockname()[1]))
