"""kopf's requests: the pauses between their tries, and how long one has been without an answer."""

import itertools
from collections.abc import Callable, Iterator


class KopfRequests:
    """Pauses before kopf retries a request. They never run out, so no outage ends a watch.

    kopf begins an iteration with each request, and drops it when the request is answered or given up
    (_cogs/clients/api.py, request). So an iteration that lives is a request without an answer. A watch is answered
    when it begins, before its first event.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._begun: dict[int, float] = {}

    def __iter__(self) -> Iterator[float]:
        number = next(self._numbers)
        self._begun[number] = self._clock()
        try:
            yield from (0.5, 1.0, 2.0)
            while True:
                yield 4.0
        finally:
            del self._begun[number]

    @property
    def unanswered_seconds(self) -> float:
        """How long the oldest request has been without an answer; 0 when all are answered."""
        return self._clock() - min(self._begun.values()) if self._begun else 0.0
