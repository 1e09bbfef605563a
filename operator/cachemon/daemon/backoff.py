"""When something is written again: rows of times, growing pauses, and counts of how it went. No I/O."""

import math
import random
import zlib
from dataclasses import dataclass, field

__all__ = ["Backoff", "Writes", "jittered", "next_in_row"]

_FIRST_BACKOFF_SECONDS = 0.5
_LAST_BACKOFF_SECONDS = 15.0
_JITTER = 0.1
_ROUNDING = 1e-9


def next_in_row(name: str, period_seconds: float, after: float) -> float:
    """The next time that is this object's, in a row of times a period apart.

    The rows of different objects lie anywhere within the period: their writes spread, however many began at once.

    Args:
        name: of the object; decides where its row lies.
        period_seconds: between two times of the row.
        after: the answer is later than that, in the same monotonic seconds.
    """
    phase = zlib.crc32(name.encode()) / 2**32
    begun = math.floor(after / period_seconds - phase + _ROUNDING)
    return (begun + 1 + phase) * period_seconds


def jittered(seconds: float) -> float:
    """A pause made up to a tenth longer: clients that failed together do not return together."""
    return seconds * random.uniform(1.0, 1.0 + _JITTER)


class Backoff:
    """Pauses that double from one failure to the next, up to a limit.

    Args:
        first_seconds: the first pause.
        last_seconds: the longest.
    """

    __slots__ = ("_first", "_last", "_next")

    def __init__(
        self, first_seconds: float = _FIRST_BACKOFF_SECONDS, last_seconds: float = _LAST_BACKOFF_SECONDS
    ) -> None:
        self._first, self._last = first_seconds, last_seconds
        self._next = first_seconds

    def next_seconds(self) -> float:
        """The pause after a failure."""
        pause, self._next = self._next, min(self._last, self._next * 2)
        return pause

    def reset(self) -> None:
        """All is well again."""
        self._next = self._first


@dataclass(slots=True)
class Writes:
    """Counts of writes to the API by result."""

    results: dict[str, int] = field(default_factory=dict)

    def note(self, result: str) -> None:
        """Count one."""
        self.results[result] = self.results.get(result, 0) + 1
