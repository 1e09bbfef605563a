"""How often somebody may do something: token buckets that refuse instead of waiting. Pure but for the clock."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["Allowance", "Allowances"]


class Allowance:
    """One bucket.

    Args:
        per_second: how often in the mean.
        burst: how often at once after a rest.
        clock: monotonic seconds.
    """

    __slots__ = ("_burst", "_clock", "_filled_at", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def take(self) -> bool:
        """Whether it may be done once more now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Allowances:
    """A bucket for everybody.

    Args:
        per_second: for one, how often in the mean.
        burst: for one, how often at once.
        most: number of buckets kept; the one that was used longest ago goes first.
        clock: monotonic seconds.
    """

    def __init__(
        self, per_second: float, burst: int, *, most: int = 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Allowance] = OrderedDict()

    def take(self, who: Hashable) -> bool:
        """Whether this one may do it once more now."""
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = Allowance(self._per_second, self._burst, self._clock)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        return bucket.take()
