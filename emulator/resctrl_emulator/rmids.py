"""RMIDs: free, used, and in limbo until the cache has evicted their lines."""

import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

NS_PER_SECOND = 1_000_000_000


class OutOfRmidsError(Exception):
    """No RMID is free; `errno` is EBUSY while one may become free by itself, else ENOSPC."""

    def __init__(self, number: int) -> None:
        super().__init__("no free RMID")
        self.errno = number


@dataclass(frozen=True, slots=True)
class _Waiting:
    rmid: int
    until_ns: int


class Rmids:
    """The allocator of fs/resctrl/monitor.c: least recently used first, RMID 0 is the default group's.

    Args:
        count: RMIDs of the machine, RMID 0 included.
        now_ns: a monotonic clock.
        is_dirty: whether an RMID still holds too much of a cache to be freed.
        limbo_seconds: how long a freed RMID waits at least.
    """

    def __init__(
        self,
        count: int,
        now_ns: Callable[[], int],
        is_dirty: Callable[[int], bool],
        limbo_seconds: float = 1.1,
    ) -> None:
        self.count = count
        self._now_ns = now_ns
        self.is_dirty = is_dirty
        self._limbo_ns = int(limbo_seconds * NS_PER_SECOND)
        self._free = deque(range(1, count))
        self._limbo: list[_Waiting] = []

    @property
    def free(self) -> tuple[int, ...]:
        """Free RMIDs in the order in which groups get them."""
        self.let_out()
        return tuple(self._free)

    @property
    def limbo(self) -> tuple[int, ...]:
        """RMIDs of removed groups that are not free yet."""
        self.let_out()
        return tuple(waiting.rmid for waiting in self._limbo)

    def take(self) -> int:
        """Allocate an RMID.

        Raises:
            OutOfRmidsError: none is free.
        """
        self.let_out()
        if not self._free:
            raise OutOfRmidsError(errno.EBUSY if self._limbo else errno.ENOSPC)
        return self._free.popleft()

    def give_back(self, rmid: int, *, through_limbo: bool) -> None:
        """Free an RMID, into limbo or straight to the end of the queue."""
        if through_limbo:
            self._limbo.append(_Waiting(rmid, self._now_ns() + self._limbo_ns))
        else:
            self._free.append(rmid)

    def let_out(self) -> None:
        """Free the RMIDs whose time in limbo is over and whose lines are gone."""
        now = self._now_ns()
        still: list[_Waiting] = []
        for waiting in self._limbo:
            if now < waiting.until_ns or self.is_dirty(waiting.rmid):
                still.append(waiting)
            else:
                self._free.append(waiting.rmid)
        self._limbo = still
