"""Watches which domains run, reads their XML, and brings it into the event loop. Goes on while libvirt is away.

libvirt's calls block while its daemon hangs. One thread makes all of them, and nothing waits for it.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from cachemon.libvirt.running import DomainDescription, RunningDomain, read_running
from cachemon.model.backoff import Backoff
from cachemon.model.errors import CachemonError

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LAST_PAUSE_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.02  # events come in clusters
_FIRST_RELIST_SECONDS = 1.0
_EARLY_RELIST_SECONDS = 0.1  # a guest begins to run some tenths of a second after its domain is listed


class DomainSource(Protocol):
    """The part of `cachemon.libvirt.connection.Connection` that the watcher needs. Calls block."""

    def domains(self) -> Iterable[DomainDescription]:
        """All domains."""

    def on_change(self, notify: Callable[[], None]) -> None:
        """Call it when domains may have changed, and when the connection has ended."""

    def close(self) -> None:
        """End the connection."""


OpenSource = Callable[[], DomainSource]


@dataclass(frozen=True, slots=True)
class DomainListing:
    """The running domains, as libvirt last listed them."""

    domains: tuple[RunningDomain, ...] = ()  # the running ones
    problem: str = ""  # for people, why the list may be out of date; empty while libvirt answers
    is_known: bool = False  # whether the domains have been listed since the agent started


class _DomainReader:
    """Reads the XML of running domains. Does not parse known XML again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, RunningDomain]] = {}

    def read(self, domains: Iterable[DomainDescription]) -> Iterable[RunningDomain]:
        known, self._known = self._known, {}
        for domain in domains:
            xml = domain.live_xml
            if xml is None:
                continue
            before = known.get(domain.uuid)
            if before and before[0] == xml and before[1].name == domain.name:
                running = before[1]
            else:
                running = read_running(domain.uuid, domain.name, xml)
                if running.problem:
                    log.warning("domain %s: %s", domain.name, running.problem)
            self._known[domain.uuid] = xml, running
            yield running


class _RelistPace:
    """Limits lists that were asked for: one a second, and fewer the longer they bring nothing new."""

    def __init__(self, most_seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._backoff = Backoff(_FIRST_RELIST_SECONDS, most_seconds)
        self._not_before = -math.inf

    def take(self) -> bool:
        """Whether a list may be made now; if so, the next has to wait."""
        now = self._clock()
        if now < self._not_before:
            return False
        self._not_before = now + self._backoff.next_seconds()
        return True

    def reset(self) -> None:
        """Begin with the shortest wait again, as a list brought something new."""
        self._backoff.reset()


class DomainWatcher:
    """Lists the running domains whenever they may have changed, and every `relist_seconds`.

    `on_listing` is called in the watcher's thread with each listing that differs from the one before. libvirt sends
    no event for a plugged vCPU. So `relist` is for callers that see threads which the XML does not explain.
    """

    def __init__(
        self,
        connect: OpenSource,
        on_listing: Callable[[DomainListing], None],
        *,
        relist_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._on_listing = on_listing
        self._relist_seconds = relist_seconds
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._listing = DomainListing()
        self._reader = _DomainReader()
        self._pace = _RelistPace(relist_seconds, clock)
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def relist(self) -> bool:
        """List soon, unless that was asked for lately; returns whether."""
        if may_list := self._pace.take():
            self._changed.set()
        return may_list

    def stop(self, seconds: float = 1.0) -> None:
        """End; wait this long at most for a call that hangs."""
        self._ending.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS)
        while not self._ending.is_set():
            try:
                connection = self._connect()
            except Exception as err:  # noqa: BLE001  # the next try may succeed
                self._note_failure(err)
            else:
                backoff.reset()
                try:
                    self._listen(connection)
                except Exception as err:  # noqa: BLE001
                    self._note_failure(err)
                finally:
                    connection.close()
            self._ending.wait(backoff.next_seconds())

    def _listen(self, connection: DomainSource) -> None:
        """List and wait until the connection has ended."""
        connection.on_change(self._changed.set)
        while not self._ending.is_set():
            self._changed.clear()
            self._replace_listing(DomainListing(tuple(self._reader.read(connection.domains())), is_known=True))
            self._changed.wait(self._relist_seconds)
            self._ending.wait(_SHORTEST_PAUSE_SECONDS)

    def _note_failure(self, err: Exception) -> None:
        """Keep the last listing while libvirt is away, as QEMUs run on without it."""
        problem = str(err) if isinstance(err, CachemonError) else f"libvirt: {err!r}"
        if not isinstance(err, CachemonError):
            log.error("listing domains failed; trying again", exc_info=err)
        elif problem != self._listing.problem:
            log.warning("%s; trying again", problem)
        self._replace_listing(DomainListing(self._listing.domains, problem, self._listing.is_known))

    def _replace_listing(self, listing: DomainListing) -> None:
        if listing != self._listing:
            if self._listing.problem and not listing.problem:
                log.info("domains can be listed again")
            self._listing = listing
            self._pace.reset()
            self._on_listing(listing)


class ListingFeed:
    """Keeps the newest listing, and calls `changed` after each. Make it where an event loop runs.

    Until libvirt has answered once, the domains are those of `early`: a daemon that starts domains at the boot of its
    host answers nobody meanwhile. Without any there, nothing is known.

    Args:
        connect: opens a connection to libvirt.
        changed: called in the event loop.
        early: opens what lists the running domains without libvirt.

    Attributes:
        watcher: of libvirt.
        listing: the newest.
        known: set once the running domains are known.
    """

    def __init__(self, connect: OpenSource, changed: Callable[[], None], early: OpenSource) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self.watcher = DomainWatcher(connect, lambda it: self._hand_over(self._receive, it))
        self._early = DomainWatcher(
            early, lambda it: self._hand_over(self._receive_early, it), relist_seconds=_EARLY_RELIST_SECONDS
        )
        self._answered = asyncio.Event()
        self._is_libvirts = False
        self.listing = DomainListing()
        self.known = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why the listing may be out of date, for people; empty while libvirt answers."""
        return self.listing.problem or ("" if self._is_libvirts else "libvirt has not answered yet")

    async def until_answered(self, seconds: float) -> None:
        """Wait until libvirt has answered or is away, at most this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._answered.wait()

    def start(self) -> None:
        """Start the threads."""
        self._early.start()
        self.watcher.start()

    def stop(self) -> None:
        """End; wait a second at most for a call that hangs."""
        self._early.stop(0)
        self.watcher.stop()

    def _hand_over(self, receive: Callable[[DomainListing], None], listing: DomainListing) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(receive, listing)

    def _receive(self, listing: DomainListing) -> None:
        if listing.is_known:
            self._is_libvirts = True
            self._early.stop(0)
            self._replace(listing)
        else:
            self._replace(DomainListing(self.listing.domains, listing.problem, self.listing.is_known))
        self._answered.set()
        self._changed()

    def _receive_early(self, listing: DomainListing) -> None:
        if not self._is_libvirts and (listing.domains or self.listing.is_known):
            self._replace(DomainListing(listing.domains, self.listing.problem, is_known=True))
            self._changed()

    def _replace(self, listing: DomainListing) -> None:
        self.listing = listing
        if listing.is_known:
            self.known.set()
