"""The page of /metrics in every format, each rendered only while somebody asks for it."""

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial

from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.daemon.rendered_page import Page, RenderedPage

Prepare = Callable[[MetricsFormat], Callable[[], bytes]]
"""Called in the event loop; gives what renders the figures of now in that format, which is called in a thread."""


class ScrapedPage:
    """A RenderedPage for each format; see there."""

    def __init__(
        self, prepare: Prepare, *, fresh_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pages = {
            it: RenderedPage(partial(prepare, it), fresh_seconds=fresh_seconds, clock=clock) for it in MetricsFormat
        }

    def changed(self) -> None:
        """Have the pages rendered anew that somebody asks for, as there are new figures."""
        for page in self._pages.values():
            page.changed()

    async def newest(self, wanted: MetricsFormat) -> Page:
        """The page in a format; at once, unless there is none that is fresh."""
        return await self._pages[wanted].newest()

    async def run(self) -> None:
        """Render what is wanted until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for page in self._pages.values():
                tasks.create_task(page.run())
