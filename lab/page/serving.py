"""Serves the page from any source, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from cachemon.model.errors import CachemonError
from cachemon.web.page_assets import read_assets
from cachemon.web.page_server import PageAddresses, PageLimits, open_page
from cachemon.web.page_source import PageSource
from lab.repository import REPOSITORY

ASSETS = REPOSITORY / "operator/cachemon/web/assets"


@contextmanager
def serve(
    source: PageSource, assets: Path = ASSETS, *, port: int = 0, limits: PageLimits | None = None
) -> Iterator[PageAddresses]:
    """Serve a page while the block runs.

    Args:
        source: of the figures; its methods run in the thread.
        assets: folder with the files of the page.
        port: on 127.0.0.1; 0 for any.
        limits: what clients may take.

    Raises:
        CachemonError: the page can't be served.
    """
    started: SimpleQueue[tuple[PageAddresses, asyncio.AbstractEventLoop, asyncio.Event] | CachemonError] = (
        SimpleQueue()
    )

    async def run() -> None:
        stop = asyncio.Event()
        try:
            async with open_page(source, read_assets(assets), port=port, limits=limits) as addresses:
                started.put((addresses, asyncio.get_running_loop(), stop))
                await stop.wait()
        except CachemonError as err:
            started.put(err)

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="page")
    thread.start()
    answer = started.get()
    if isinstance(answer, CachemonError):
        thread.join()
        raise answer
    addresses, loop, stop = answer
    try:
        yield addresses
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
