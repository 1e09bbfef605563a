"""How long nothing is written after the API server was away or asked to wait. No I/O."""

import math
from collections.abc import Callable

from cachemon.kube.outage import FailureRun
from cachemon.model.api import ObjectName
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.errors import KubeError, KubeThrottledError


class ApiPause:
    """Judges from the results of writes whether the API server is there.

    All writers of the agent share `run`, the failures of single objects in a row.
    """

    def __init__(self, run: FailureRun, clock: Callable[[], float]) -> None:
        self._run = run
        self._clock = clock
        self._until = -math.inf
        self._backoff = Backoff()
        self._answered_at = -math.inf

    @property
    def left_seconds(self) -> float:
        """Seconds until a write may begin; not above 0 when it may begin now."""
        return self._until - self._clock()

    def has_answered_since(self, began: float) -> bool:
        """Whether the server has answered a write after this time."""
        return self._answered_at > began

    def answered(self) -> None:
        """Note an answer about an object: the server is there."""
        self._answered_at = self._clock()
        self._run.succeeded()

    def succeeded(self) -> None:
        """Note a write that worked."""
        self.answered()
        self._backoff.reset()

    def is_away(self, name: ObjectName) -> bool:
        """Note that the server failed at this object; returns whether it counts as away."""
        return self._run.failed(name)

    def begin(self, err: KubeError) -> float:
        """Begin a pause; returns its seconds, 0 when an earlier one goes on and covers it."""
        if isinstance(err, KubeThrottledError):
            wait = err.retry_after_seconds
        elif self.left_seconds > 0:  # several writes were in flight: one failure of the server
            return 0.0
        else:
            wait = self._backoff.next_seconds()
        now = self._clock()
        self._until = max(self._until, now + jittered(wait))
        return self._until - now
