"""The page of /metrics in one format: rendered in a thread, once for all clients, and only while there are some."""

import asyncio
import gzip
import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger(__name__)

_WANTED_SECONDS = 5 * 60.0
"""How long the page is kept new after a scrape; Prometheus advises intervals of at most two minutes."""
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
    page older than `fresh_seconds` is rendered anew before it is given; by default only one that was not kept new,
    because nobody had asked for minutes.
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
        self._asked_at = -math.inf
        self._page: Page | None = None
        self._wanted = asyncio.Event()
        self._rendered = asyncio.Condition()

    def changed(self) -> None:
        """Have the page rendered anew, as there are new figures."""
        if self._clock() - self._asked_at < _WANTED_SECONDS:
            self._wanted.set()

    async def newest(self) -> Page:
        """The page; at once, unless there is none that is fresh."""
        now = self._clock()
        was_wanted = now - self._asked_at < _WANTED_SECONDS
        self._asked_at = now
        page = self._page
        if page is not None and was_wanted and now - page.made_at < self._fresh_seconds:
            return page
        self._wanted.set()
        async with self._rendered:
            await self._rendered.wait_for(lambda: self._page is not None and self._page is not page)
        assert self._page is not None
        return self._page

    async def run(self) -> None:
        """Render what is wanted until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            began = self._clock()
            try:
                self._page = await asyncio.to_thread(_render, self._prepare(), began)
            except Exception:
                log.exception("the page of metrics could not be rendered; trying again")
                self._wanted.set()
                await asyncio.sleep(1)
                continue
            async with self._rendered:
                self._rendered.notify_all()
            await asyncio.sleep(min((self._clock() - began) * _PAUSE_PER_RENDERING, _LONGEST_PAUSE_SECONDS))


def _render(render: Callable[[], bytes], now: float) -> Page:
    text = render()
    return Page(text, gzip.compress(text, _FASTEST, mtime=0), now)
