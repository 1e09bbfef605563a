"""The newest listing of libvirt's domains, brought from the watcher's thread into the event loop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from cachemon.host.agent.domain_watcher import DomainListing, DomainWatcher, OpenSource

__all__ = ["ListingFeed"]


class ListingFeed:
    """Keeps the newest listing, and calls `changed` after each. Make it where an event loop runs.

    `received` is set once there is any listing, be it of libvirt's absence; `known` once libvirt has answered.
    """

    def __init__(self, connect: OpenSource, changed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self.watcher = DomainWatcher(connect, self._receive_in_thread)
        self.listing = DomainListing()
        self.received, self.known = asyncio.Event(), asyncio.Event()

    @property
    def problem(self) -> str:
        """Why the listing may be out of date, for people; empty while libvirt answers."""
        if self.listing.problem or self.listing.is_known:
            return self.listing.problem
        return "libvirt has not answered yet"

    def _receive_in_thread(self, listing: DomainListing) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._receive, listing)

    def _receive(self, listing: DomainListing) -> None:
        self.listing = listing
        self.received.set()
        if listing.is_known:
            self.known.set()
        self._changed()
