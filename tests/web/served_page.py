"""The page's server in a thread, so that a test can drive a browser meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cachemon.web.page_assets import read_assets
from cachemon.web.page_server import open_page
from cachemon.web.page_source import PageSource

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page that is served.

    Attributes:
        address: for the browser, with the token.
        loop: in which the source is asked.
    """

    address: str
    loop: asyncio.AbstractEventLoop

    def call(self, change: Callable[[], _T]) -> _T:
        """Call something between two requests: it changes the source."""

        async def called() -> _T:
            return change()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result()


@contextmanager
def serve_page(source: PageSource) -> Iterator[ServedPage]:
    """Serve a source while the block runs."""
    started: list[ServedPage] = []
    is_up, ends = threading.Event(), threading.Event()

    async def serve() -> None:
        async with open_page(source, read_assets()) as addresses:
            started.append(ServedPage(addresses.lasting, asyncio.get_running_loop()))
            is_up.set()
            await asyncio.to_thread(ends.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            is_up.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        is_up.wait()
        if not started:
            raise RuntimeError("the page's server does not start")
        yield started[0]
    finally:
        ends.set()
        thread.join()
