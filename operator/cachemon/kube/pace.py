"""How fast to write: the API server is everybody's."""

import time
from collections.abc import Callable

__all__ = ["TokenBucket"]


class TokenBucket:
    """Allows so many writes a second in the mean, a few more at once.

    Args:
        per_second: writes.
        burst: writes at once after a rest.
        clock: monotonic seconds.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()

    def take(self) -> float:
        """Take one token, if need be one of the future: seconds to wait until it is there."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second) - 1
        self._filled_at = now
        return max(0.0, -self._tokens / self._per_second)
