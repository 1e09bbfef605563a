"""The page of /metrics in one format: rendered in a thread when somebody asks, once for all who ask meanwhile."""

import asyncio
import gzip
import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger(__name__)

_PAUSE_PER_RENDERING = 4.0  # rendering takes at most a fifth of one processor, whatever the page holds
_LONGEST_PAUSE_SECONDS = 30.0
_FASTEST = 1  # gzip: a tenth of the size all the same


class Page(NamedTuple):
    """What a scrape gets."""

    text: bytes  # as it was rendered
    compressed: bytes  # the same, with gzip
    made_at: float  # monotonic seconds


class RenderedPage:
    """Keeps the newest page.

    `prepare` is called in the event loop, and gives what renders the figures of now, which is called in a thread. A
    page is given again until the figures change, until it is `fresh_seconds` old, and while the next one may not be
    rendered yet.
    """

    def __init__(
        self,
        prepare: Callable[[], Callable[[], bytes]],
        *,
        fresh_seconds: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prepare = prepare
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._page: Page | None = None
        self._has_newest_figures = False
        self._next_at = -math.inf
        self._rendering: asyncio.Task[Page] | None = None

    def changed(self) -> None:
        """Have the page rendered anew for the next who asks, as there are new figures."""
        self._has_newest_figures = False

    async def newest(self) -> Page:
        """The page of now; of the moment before while it may not be rendered again."""
        now = self._clock()
        if self._page is not None:
            is_fresh = self._has_newest_figures and now - self._page.made_at < self._fresh_seconds
            if is_fresh or now < self._next_at:
                return self._page
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render())
        return await asyncio.shield(self._rendering)

    async def _render(self) -> Page:
        try:
            while True:
                began, self._has_newest_figures = self._clock(), True
                try:
                    self._page = page = await asyncio.to_thread(_render, self._prepare(), began)
                except Exception:
                    log.exception("the page of metrics could not be rendered; trying again")
                    await asyncio.sleep(1)
                    continue
                now = self._clock()
                self._next_at = now + min((now - began) * _PAUSE_PER_RENDERING, _LONGEST_PAUSE_SECONDS)
                return page
        finally:
            self._rendering = None


def _render(render: Callable[[], bytes], now: float) -> Page:
    text = render()
    return Page(text, gzip.compress(text, _FASTEST, mtime=0), now)
