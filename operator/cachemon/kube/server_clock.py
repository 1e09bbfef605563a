"""The API server's clock, as far as its answers say. No I/O."""

import time
from collections.abc import Callable


class ServerClock:
    """Goes on by our monotonic clock since the last answer, so nobody who sets this machine's clock changes it.

    Before the first answer, and where answers have no `Date`, it is the wall clock of this machine.

    Args:
        monotonic: seconds.
        wall: seconds since the epoch.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._ahead_seconds: float | None = None

    def note(self, sent_at: float | None) -> None:
        """Note when an answer that has just come was sent, seconds since the epoch; None when it does not say."""
        if sent_at is not None:
            self._ahead_seconds = sent_at - self._monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._wall() if self._ahead_seconds is None else self._monotonic() + self._ahead_seconds
