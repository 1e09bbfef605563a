"""Requests to the page's server, byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from cachemon.web.page_assets import Asset
from cachemon.web.page_server import PageAddresses, PageLimits, open_page
from cachemon.web.page_source import PageSource

INDEX = b"<!doctype html><title>cachemon</title>"
ASSETS = {
    "index.html": Asset("text/html", INDEX, b""),
    "main.js": Asset("text/javascript", b"main", b""),
}


class RawAnswer(NamedTuple):
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def value(self) -> object:
        return json.loads(self.body)


class RawClient:
    """Talks to a page at an address."""

    def __init__(self, addresses: PageAddresses) -> None:
        self.addresses = addresses
        where = urlsplit(addresses.lasting)
        assert where.hostname is not None
        assert where.port is not None
        self.port = where.port
        self.host = where.netloc
        self.home = where.path
        self.once = urlsplit(addresses.once).path

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, head: bytes) -> bytes:
        """All that the server answers to some bytes; empty when it hangs up."""
        reader, writer = await self.connect()
        try:
            writer.write(head)
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.transport.abort()

    async def ask(self, path: str, *, method: str = "GET", host: str | None = None, **fields: str) -> RawAnswer:
        """The answer for a path after the token, or for one from the root where it starts with a slash."""
        target = path if path.startswith("/") else self.home + path
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host if host is None else host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        head, _, body = (await self.send("\r\n".join([*lines, "", ""]).encode())).partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return RawAnswer(int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body)


@asynccontextmanager
async def page(source: PageSource, limits: PageLimits | None = None) -> AsyncIterator[RawClient]:
    async with open_page(source, ASSETS, limits=limits) as addresses:
        yield RawClient(addresses)
