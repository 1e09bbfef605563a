"""Which object's status is written next, and how many at a time. Pure: the time is an argument.

Two lanes: what is due by its period, and what changed and should be known at once. In each lane the namespaces that
have something due take turns, and within a namespace the longest due comes first. While both lanes have something
due, the lane of changes gets one write in five. So neither a flood of groups nor groups that change all the time
delay another namespace by more than one turn.

A step takes time for what is due, not for what there is.
"""

import heapq
import math
import zlib
from collections import Counter, deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

CHANGES_ONE_IN = 5  # writes of which one is for changes, while both lanes have something due

IN_FLIGHT = 4  # writes at once: one that the server takes long for holds up no other
IN_FLIGHT_OF_ONE_NAMESPACE = 2

_SLOW_SECONDS = 1.0  # a namespace whose last write took longer never gets the last slot

_STALE_ENTRIES = 16
_ROUNDING = 1e-9


def next_write_time(name: str, period_seconds: float, after: float) -> float:
    """The next periodic write of an object after a time, in monotonic seconds.

    The times of each object are a period apart, and begin anywhere within the period, as its name decides. So writes
    of many objects spread over the period, however many began at once.
    """
    phase = zlib.crc32(name.encode()) / 2**32
    begun = math.floor(after / period_seconds - phase + _ROUNDING)
    return (begun + 1 + phase) * period_seconds


class _PlannedWrite(NamedTuple):
    due: float
    serial: int
    uid: str


class _Lane:
    """Objects by due time, namespaces in turn."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[_PlannedWrite]] = {}
        self._live: dict[str, dict[str, int]] = {}  # by namespace the serial of each object's valid entry
        self._asleep: list[tuple[float, str]] = []  # when a namespace has something due; some are out of date
        self._awake: deque[str] = deque()
        self._is_awake: set[str] = set()
        self._serial = 0

    def put(self, uid: str, namespace: str, due: float) -> None:
        self._serial += 1
        live = self._live.setdefault(namespace, {})
        live[uid] = self._serial
        heap = self._heaps.setdefault(namespace, [])
        if len(heap) > 2 * len(live) + _STALE_ENTRIES:
            heap[:] = [entry for entry in heap if live.get(entry.uid) == entry.serial]
            heapq.heapify(heap)
        is_first = not heap or due < heap[0].due
        heapq.heappush(heap, _PlannedWrite(due, self._serial, uid))
        if is_first and namespace not in self._is_awake:
            if len(self._asleep) > 2 * len(self._heaps) + _STALE_ENTRIES:
                asleep = (
                    (heap[0].due, its) for its, heap in self._heaps.items() if heap and its not in self._is_awake
                )
                self._asleep = [*asleep]
                heapq.heapify(self._asleep)
            heapq.heappush(self._asleep, (due, namespace))

    def remove(self, uid: str, namespace: str) -> None:
        if live := self._live.get(namespace):
            live.pop(uid, None)

    def has_due(self, now: float, is_free: Callable[[str], bool]) -> bool:
        self._wake(now)
        for namespace in [*self._awake]:
            if not self._first_due(namespace, now):
                self._awake.remove(namespace)
            elif is_free(namespace):
                return True
        return False

    def take(self, now: float, is_free: Callable[[str], bool]) -> str | None:
        self._wake(now)
        for _ in range(len(self._awake)):
            namespace = self._awake.popleft()
            entry = self._first_due(namespace, now)
            if entry is None:
                continue
            self._awake.append(namespace)
            if is_free(namespace):
                heapq.heappop(self._heaps[namespace])
                del self._live[namespace][entry.uid]
                return entry.uid
        return None

    def _wake(self, now: float) -> None:
        while self._asleep and self._asleep[0][0] <= now:
            _, namespace = heapq.heappop(self._asleep)
            if namespace in self._heaps and namespace not in self._is_awake:
                self._is_awake.add(namespace)
                self._awake.append(namespace)

    def _first_due(self, namespace: str, now: float) -> _PlannedWrite | None:
        """The first valid entry if it is due; else the namespace is put to sleep, or forgotten."""
        heap, live = self._heaps[namespace], self._live[namespace]
        while heap and live.get(heap[0].uid) != heap[0].serial:
            heapq.heappop(heap)
        if heap and heap[0].due <= now:
            return heap[0]
        self._is_awake.discard(namespace)
        if heap:
            heapq.heappush(self._asleep, (heap[0].due, namespace))
        else:
            del self._heaps[namespace], self._live[namespace]
        return None


class WriteSchedule:
    """Objects and when they are due, each in one lane. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._by_period, self._changes = _Lane(), _Lane()
        self._places: dict[str, tuple[_Lane, str]] = {}
        self._taken = 0

    def put(self, uid: str, namespace: str, due: float) -> None:
        """Plan an object by its period; what was planned for it before is void."""
        self._put(self._by_period, uid, namespace, due)

    def put_change(self, uid: str, namespace: str) -> None:
        """Plan an object that changed: it is due whatever the time; what was planned for it before is void."""
        self._put(self._changes, uid, namespace, -math.inf)

    def _put(self, lane: _Lane, uid: str, namespace: str, due: float) -> None:
        self.remove(uid)
        lane.put(uid, namespace, due)
        self._places[uid] = (lane, namespace)

    def remove(self, uid: str) -> None:
        """Plan nothing for an object."""
        if place := self._places.pop(uid, None):
            place[0].remove(uid, place[1])

    def is_planned_as_change(self, uid: str) -> bool:
        """Whether an object waits in the lane of changes."""
        place = self._places.get(uid)
        return place is not None and place[0] is self._changes

    def has_due(self, now: float, is_free: Callable[[str], bool]) -> bool:
        """Whether `take` would answer an object."""
        return self._by_period.has_due(now, is_free) or self._changes.has_due(now, is_free)

    def take(self, now: float, is_free: Callable[[str], bool]) -> str | None:
        """The object to write now, or None; a namespace that is not free keeps its turn."""
        lanes = (self._by_period, self._changes)
        for lane in reversed(lanes) if self._taken == CHANGES_ONE_IN - 1 else lanes:
            if (uid := lane.take(now, is_free)) is not None:
                del self._places[uid]
                self._taken = (self._taken + 1) % CHANGES_ONE_IN
                return uid
        return None


class WriteSlots:
    """The writes in flight, by namespace."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._slow: set[str] = set()

    def is_free(self, namespace: str) -> bool:
        """Whether a write of this namespace may begin."""
        slots = IN_FLIGHT - 1 if namespace in self._slow else IN_FLIGHT
        return self._in_flight.total() < slots and self._in_flight[namespace] < IN_FLIGHT_OF_ONE_NAMESPACE

    def begin(self, namespace: str) -> None:
        """Take a slot."""
        self._in_flight[namespace] += 1

    def end(self, namespace: str, seconds: float) -> None:
        """Give the slot back, after a write that took this long."""
        self._in_flight[namespace] -= 1
        self._in_flight += Counter()  # keeps those above 0
        (self._slow.add if seconds > _SLOW_SECONDS else self._slow.discard)(namespace)

    def retain(self, namespaces: AbstractSet[str]) -> None:
        """Forget how slow other namespaces were."""
        self._slow &= namespaces
