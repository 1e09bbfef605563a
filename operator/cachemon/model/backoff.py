"""Pauses between tries: they double from failure to failure, and vary at random. No I/O."""

import random

_UP_TO_A_TENTH_LONGER = (1.0, 1.1)


def jittered(seconds: float, jitter: tuple[float, float] = _UP_TO_A_TENTH_LONGER) -> float:
    """Vary a pause, so that clients that failed together do not return together.

    Args:
        seconds: the pause.
        jitter: smallest and largest factor.
    """
    return seconds * random.uniform(*jitter)


class Backoff:
    """Pauses that double from one failure to the next, up to a limit.

    Args:
        first_seconds: the first pause.
        most_seconds: the longest, before jitter.
        jitter: smallest and largest factor of each pause.
    """

    __slots__ = ("_first_seconds", "_jitter", "_most_seconds", "_next_seconds")

    def __init__(
        self, first_seconds: float = 0.5, most_seconds: float = 15.0, *, jitter: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        self._first_seconds, self._most_seconds = first_seconds, most_seconds
        self._jitter = jitter
        self._next_seconds = first_seconds

    def next_seconds(self) -> float:
        """The pause after one more failure."""
        pause, self._next_seconds = self._next_seconds, min(self._most_seconds, self._next_seconds * 2)
        return jittered(pause, self._jitter)

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._next_seconds = self._first_seconds
