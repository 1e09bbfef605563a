"""Which connections a server keeps, and which it ends. Pure but for the clock.

The number of connections is limited, so that strangers can't make a program hold many. When the limit is reached, a
new connection replaces an older one that waits for its client. So connections without a request keep nobody out.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from cachemon.daemon.token_buckets import TokenBuckets

_PREFIX_OF_ONE_MACHINE_BITS = 64
"""An IPv6 host chooses its addresses freely below its prefix (RFC 4291 section 2.5.1)."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What clients may cost a server."""

    connections: int = 64  # open at once
    connections_of_peer: int = 16  # of one address
    new_per_second: float = 50.0  # of one address; more are closed at once
    new_at_once: int = 100  # of one address, after a rest
    head_seconds: float = 10.0  # from the connection to its first complete request, TLS handshake included
    answer_seconds: float = 30.0  # from a complete head to the end of the answer
    idle_seconds: float = 75.0  # from an answer to the end of the next head
    body_bytes: int = 1024  # of a request


class ConnectionState(Enum):
    """What a connection waits for."""

    NEW = auto()  # for its first complete request
    ANSWERING = auto()  # for us, or for its client to take the answer
    IDLE = auto()  # for its next request


@dataclass(slots=True, eq=False)
class OpenConnection:
    """A connection that was accepted."""

    peer: str  # the client, as `peer_of` names it
    state: ConnectionState  # what it waits for
    since: float  # when that state began, in monotonic seconds


class Acceptance(NamedTuple):
    """What to do with a new connection."""

    connection: OpenConnection | None  # the new one; None when it has to be closed
    replaced: OpenConnection | None = None  # another one that has to be ended for it


class ConnectionLimiter:
    """Decides which connections to keep."""

    def __init__(self, limits: ServerLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._connections: dict[OpenConnection, None] = {}  # in order of arrival
        self._new = TokenBuckets(limits.new_per_second, limits.new_at_once, clock=clock)

    def accept(self, peer: str) -> Acceptance:
        """Decide about a new connection."""
        if not self._new.take(peer):
            return Acceptance(None)
        replaced: OpenConnection | None = None
        of_peer = [connection for connection in self._connections if connection.peer == peer]
        if len(of_peer) >= self._limits.connections_of_peer:
            replaced = _cheapest(of_peer)
        elif len(self._connections) >= self._limits.connections:
            replaced = _cheapest(self._connections)
        else:
            return Acceptance(self._add(peer))
        if replaced is None:
            return Acceptance(None)
        self._connections.pop(replaced, None)
        return Acceptance(self._add(peer), replaced)

    def answering(self, connection: OpenConnection) -> None:
        """Note that a complete request has arrived."""
        connection.state, connection.since = ConnectionState.ANSWERING, self._clock()

    def answered(self, connection: OpenConnection) -> None:
        """Note that the answer is sent."""
        connection.state, connection.since = ConnectionState.IDLE, self._clock()

    def remove(self, connection: OpenConnection) -> None:
        """Forget a connection that has ended; it may have been removed before."""
        self._connections.pop(connection, None)

    def overdue(self) -> list[OpenConnection]:
        """Remove and return the connections that exceed the limit of their state."""
        now = self._clock()
        seconds = {
            ConnectionState.NEW: self._limits.head_seconds,
            ConnectionState.ANSWERING: self._limits.answer_seconds,
            ConnectionState.IDLE: self._limits.idle_seconds,
        }
        late = [connection for connection in self._connections if now - connection.since > seconds[connection.state]]
        for connection in late:
            del self._connections[connection]
        return late

    def _add(self, peer: str) -> OpenConnection:
        connection = OpenConnection(peer, ConnectionState.NEW, self._clock())
        self._connections[connection] = None
        return connection


def _cheapest(connections: Collection[OpenConnection]) -> OpenConnection | None:
    """The one to give up: one without a request, else one that is idle; None when all get their answer.

    Of those, the oldest of the peer with the most connections: a flood does not displace a single scraper.
    """
    numbers = Tally(connection.peer for connection in connections)
    for state in (ConnectionState.NEW, ConnectionState.IDLE):
        if waiting := [connection for connection in connections if connection.state is state]:
            return min(waiting, key=lambda connection: (-numbers[connection.peer], connection.since))
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
