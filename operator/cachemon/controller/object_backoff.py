"""How long an object waits after its write failed. No I/O."""

from cachemon.model.api import ObjectName
from cachemon.model.backoff import Backoff

_JITTER = (0.8, 1.2)


class ObjectBackoff:
    """Failures in a row, by object: the pause doubles with each, up to the longest."""

    def __init__(self, first_seconds: float, most_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._backoffs: dict[ObjectName, Backoff] = {}
        self._messages: dict[ObjectName, str] = {}

    def next_seconds(self, name: ObjectName) -> float:
        """The pause after one more failure."""
        backoff = self._backoffs.get(name)
        if backoff is None:
            backoff = self._backoffs[name] = Backoff(self._first_seconds, self._most_seconds, jitter=_JITTER)
        return backoff.next_seconds()

    def is_new_failure(self, name: ObjectName, message: str) -> bool:
        """Whether this message differs from the last one about the object, so that it is worth a log line."""
        before, self._messages[name] = self._messages.get(name, ""), message
        return before != message

    def reset(self, name: ObjectName) -> bool:
        """Forget the failures of an object; answers whether there were any."""
        had_backoff = self._backoffs.pop(name, None) is not None
        return self._messages.pop(name, None) is not None or had_backoff
