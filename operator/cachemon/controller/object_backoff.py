"""How long an object rests after its write failed: longer each time, and said once. No I/O."""

import random

from cachemon.model.api import ObjectName

__all__ = ["Rests"]


class Rests:
    """Failures in a row, by object.

    Args:
        first_seconds: the first rest; doubled each time, and varied by a fifth so that not all end at once.
        last_seconds: the longest.
    """

    def __init__(self, first_seconds: float, last_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._last_seconds = last_seconds
        self._failures: dict[ObjectName, tuple[int, str]] = {}

    def fail(self, name: ObjectName) -> float:
        """It failed once more; answers how long it rests, in seconds."""
        count, told = self._failures.get(name, (0, ""))
        self._failures[name] = count + 1, told
        doubled = self._first_seconds * 2.0 ** min(count, 30)
        return min(self._last_seconds, doubled) * random.uniform(0.8, 1.2)

    def is_news(self, name: ObjectName, message: str) -> bool:
        """Whether this was not said of it last."""
        count, told = self._failures.get(name, (0, ""))
        self._failures[name] = count, message
        return told != message

    def end(self, name: ObjectName) -> bool:
        """All is well with it, or it is gone; answers whether it had failed."""
        return self._failures.pop(name, None) is not None
