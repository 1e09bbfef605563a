"""How long an object waits after its write failed: longer each time, and logged once. No I/O."""

from cachemon.model.api import ObjectName
from cachemon.model.backoff import Backoff

__all__ = ["ObjectBackoff"]

_JITTER = (0.8, 1.2)


class ObjectBackoff:
    """Failures in a row, by object.

    Args:
        first_seconds: the first pause; it doubles with each failure.
        most_seconds: the longest pause.
    """

    def __init__(self, first_seconds: float, most_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._backoffs: dict[ObjectName, Backoff] = {}
        self._messages: dict[ObjectName, str] = {}

    def fail(self, name: ObjectName) -> float:
        """Count one more failure; returns how long the object waits, in seconds."""
        backoff = self._backoffs.get(name)
        if backoff is None:
            backoff = self._backoffs[name] = Backoff(self._first_seconds, self._most_seconds, jitter=_JITTER)
        return backoff.next_seconds()

    def is_news(self, name: ObjectName, message: str) -> bool:
        """Whether this message is another than the last one about the object."""
        before, self._messages[name] = self._messages.get(name, ""), message
        return before != message

    def end(self, name: ObjectName) -> bool:
        """Forget an object that is well or gone; returns whether it had failed."""
        had_backoff = self._backoffs.pop(name, None) is not None
        return self._messages.pop(name, None) is not None or had_backoff
