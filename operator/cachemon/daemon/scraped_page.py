"""The page of /metrics in every format, each rendered only when somebody asks for it."""

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
        """Have each page rendered anew for the next who asks, as there are new figures."""
        for page in self._pages.values():
            page.changed()

    async def newest(self, wanted: MetricsFormat) -> Page:
        """The page of now in a format; see RenderedPage."""
        return await self._pages[wanted].newest()
