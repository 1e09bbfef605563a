"""Which connections a server keeps, and which it ends. Pure but for the clock.

Connections are few, so that strangers can't make a program hold many. A new one is always let in while an older one
waits for nothing but its own client: that one ends. So connections that send no request keep nobody out.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from cachemon.daemon.token_buckets import TokenBuckets

__all__ = ["Admission", "Doorkeeper", "Limits", "State", "Visit", "peer_of"]

_PREFIX_OF_ONE_MACHINE_BITS = 64
"""An IPv6 host chooses its addresses freely below its prefix (RFC 4291 section 2.5.1)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may cost a server.

    Attributes:
        connections: open at once.
        connections_of_peer: of one address.
        new_per_second: of one address; more are closed at once.
        new_at_once: of one address, after a rest.
        head_seconds: from the connection to its first complete request, TLS handshake included.
        answer_seconds: from a complete head to the end of the answer.
        idle_seconds: from an answer to the end of the next head.
        body_bytes: of a request.
    """

    connections: int = 64
    connections_of_peer: int = 16
    new_per_second: float = 50.0
    new_at_once: int = 100
    head_seconds: float = 10.0
    answer_seconds: float = 30.0
    idle_seconds: float = 75.0
    body_bytes: int = 1024


class State(Enum):
    """What a connection waits for."""

    NEW = auto()
    """For its first complete request."""
    ANSWERING = auto()
    """For us, or for its client to take the answer."""
    IDLE = auto()
    """For its next request."""


@dataclass(slots=True, eq=False)
class Visit:
    """A connection that was let in.

    Attributes:
        peer: who.
        state: what it waits for.
        since: the monotonic time when that began.
    """

    peer: str
    state: State
    since: float


class Admission(NamedTuple):
    """Answer to a new connection.

    Attributes:
        visit: the connection as it is kept; None when it is to be closed.
        ended: another connection, to be ended in its favour.
    """

    visit: Visit | None
    ended: Visit | None = None


class Doorkeeper:
    """Decides about connections.

    Args:
        limits: what clients may cost.
        clock: monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._visits: dict[Visit, None] = {}  # in the order of their coming
        self._new = TokenBuckets(limits.new_per_second, limits.new_at_once, clock=clock)

    def admit(self, peer: str) -> Admission:
        """Decide about a new connection."""
        if not self._new.take(peer):
            return Admission(None)
        ended: Visit | None = None
        of_peer = [visit for visit in self._visits if visit.peer == peer]
        if len(of_peer) >= self._limits.connections_of_peer:
            ended = _oldest_that_waits(of_peer)
        elif len(self._visits) >= self._limits.connections:
            ended = self._cheapest()
        else:
            return Admission(self._add(peer))
        if ended is None:
            return Admission(None)
        self._visits.pop(ended, None)
        return Admission(self._add(peer), ended)

    def answering(self, visit: Visit) -> None:
        """A complete request has come."""
        visit.state, visit.since = State.ANSWERING, self._clock()

    def answered(self, visit: Visit) -> None:
        """The answer has gone out."""
        visit.state, visit.since = State.IDLE, self._clock()

    def left(self, visit: Visit) -> None:
        """The connection has ended; it may have been forgotten before."""
        self._visits.pop(visit, None)

    def overdue(self) -> list[Visit]:
        """Connections that have had their time; they are forgotten."""
        now = self._clock()
        seconds = {
            State.NEW: self._limits.head_seconds,
            State.ANSWERING: self._limits.answer_seconds,
            State.IDLE: self._limits.idle_seconds,
        }
        late = [visit for visit in self._visits if now - visit.since > seconds[visit.state]]
        for visit in late:
            del self._visits[visit]
        return late

    def _add(self, peer: str) -> Visit:
        visit = Visit(peer, State.NEW, self._clock())
        self._visits[visit] = None
        return visit

    def _cheapest(self) -> Visit | None:
        """Of the address with the most connections: who comes with one is not pushed out by who comes with many."""
        numbers = Tally(visit.peer for visit in self._visits)
        for state in (State.NEW, State.IDLE):
            waiting = [visit for visit in self._visits if visit.state is state]
            if waiting:
                return min(waiting, key=lambda visit: (-numbers[visit.peer], visit.since))
        return None


def _oldest_that_waits(visits: list[Visit]) -> Visit | None:
    """The oldest without a request, else the oldest that is idle."""
    for state in (State.NEW, State.IDLE):
        waiting = [visit for visit in visits if visit.state is state]
        if waiting:
            return min(waiting, key=lambda visit: visit.since)
    return None


def peer_of(address: str) -> str:
    """What of an address counts as one machine: an IPv4 address, or the first half of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> _PREFIX_OF_ONE_MACHINE_BITS << _PREFIX_OF_ONE_MACHINE_BITS))
