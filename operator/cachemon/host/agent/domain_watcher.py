"""Watches libvirt: which domains run, and what their XML says. Survives libvirt's absence.

libvirt's calls block, for as long as its daemon hangs: they are all made in one thread, which nothing waits for.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cachemon.libvirt.running import RunningDomain, read_running
from cachemon.model.backoff import Backoff
from cachemon.model.errors import CachemonError

__all__ = ["Connect", "DomainWatcher", "Libvirt", "Listing"]

log = logging.getLogger(__name__)

_RELIST_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.5
_LAST_PAUSE_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.02
"""Events come in clusters."""
_LOOK_AGAIN_SECONDS = 1.0


class Described(Protocol):
    """What is needed of `cachemon.libvirt.connection.Domain`."""

    @property
    def uuid(self) -> str:
        """Lower case with dashes."""

    @property
    def name(self) -> str:
        """Of the domain."""

    @property
    def live_xml(self) -> bytes | None:
        """As it runs; None while it does not."""


class Libvirt(Protocol):
    """What is needed of `cachemon.libvirt.connection.Connection`. Calls block."""

    def domains(self) -> Iterable[Described]:
        """All domains."""

    def on_change(self, told: Callable[[], None]) -> None:
        """Have it called when domains may have changed, and when the connection has ended."""

    def close(self) -> None:
        """End the connection."""


Connect = Callable[[], Libvirt]


@dataclass(frozen=True, slots=True)
class Listing:
    """What libvirt said last.

    Attributes:
        domains: the running ones.
        problem: why they may be others by now, for people; empty while libvirt answers.
        was_told: whether libvirt has answered since the agent started. If not, nothing is known.
    """

    domains: tuple[RunningDomain, ...] = ()
    problem: str = ""
    was_told: bool = False


class DomainWatcher:
    """Lists the running domains whenever they may have changed, and tells when they have.

    No event tells of a plugged vCPU: `look_again` is for whoever sees threads that the XML does not explain.

    Args:
        connect: opens a connection.
        tell: called from the watcher's thread with each listing that differs from the one before.
        relist_seconds: how often without an event.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        connect: Connect,
        tell: Callable[[Listing], None],
        *,
        relist_seconds: float = _RELIST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._tell = tell
        self._relist_seconds = relist_seconds
        self._clock = clock
        self._changed = threading.Event()
        self._ending = threading.Event()
        self._listing = Listing()
        self._known: dict[str, tuple[bytes, RunningDomain]] = {}
        self._look_again_at = -math.inf
        self._relist_backoff = Backoff(_LOOK_AGAIN_SECONDS, relist_seconds)
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look_again(self) -> bool:
        """List soon; at most once a second, and less often the longer that changes nothing. Answers whether."""
        now = self._clock()
        if now < self._look_again_at:
            return False
        self._look_again_at = now + self._relist_backoff.next_seconds()
        self._changed.set()
        return True

    def stop(self, seconds: float = 1.0) -> None:
        """End; a call that hangs is not waited for any longer than this."""
        self._ending.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        backoff = Backoff(_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS)
        while not self._ending.is_set():
            try:
                connection = self._connect()
            except Exception as err:  # noqa: BLE001  # whatever it is, the next try may succeed
                self._lose(err)
            else:
                backoff.reset()
                try:
                    self._listen(connection)
                except Exception as err:  # noqa: BLE001
                    self._lose(err)
                finally:
                    connection.close()
            self._ending.wait(backoff.next_seconds())

    def _listen(self, connection: Libvirt) -> None:
        """List and wait, until the connection has ended."""
        connection.on_change(self._changed.set)
        while not self._ending.is_set():
            self._changed.clear()
            self._become(Listing(tuple(self._read(connection.domains())), was_told=True))
            self._changed.wait(self._relist_seconds)
            self._ending.wait(_SHORTEST_PAUSE_SECONDS)

    def _read(self, domains: Iterable[Described]) -> Iterable[RunningDomain]:
        """The running ones; XML that was read before is not read again."""
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

    def _lose(self, err: Exception) -> None:
        """Libvirt is away: what it said last stands, as QEMUs run on without it."""
        problem = str(err) if isinstance(err, CachemonError) else f"libvirt: {err!r}"
        if not isinstance(err, CachemonError):
            log.error("watching libvirt failed; trying again", exc_info=err)
        elif problem != self._listing.problem:
            log.warning("%s; trying again", problem)
        self._become(Listing(self._listing.domains, problem, self._listing.was_told))

    def _become(self, listing: Listing) -> None:
        if listing != self._listing:
            if self._listing.problem and not listing.problem:
                log.info("libvirt answers again")
            self._listing = listing
            self._relist_backoff.reset()
            self._tell(listing)
