"""Whether the API server accepts writes, and the wait until it does."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cachemon.kube.outage import FailureRun
from cachemon.model.api import ObjectName
from cachemon.model.backoff import Backoff
from cachemon.model.errors import KubeError, KubeThrottledError

log = logging.getLogger(__name__)

_JITTER = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class OutagePauses:
    """Pauses while the API server is away."""

    first_backoff_seconds: float = 0.5  # before the first try; doubled until a write has worked
    last_backoff_seconds: float = 15.0  # the longest such pause
    first_spacing_seconds: float = 30.0  # from one list of everything to the next; doubled with each
    last_spacing_seconds: float = 300.0  # the longest; after twice that time without a list, the first counts again


class ApiAvailability:
    """Counts how requests end, and allows no write while the server is away or asks to wait.

    After an outage, everything is listed before anything is decided from what may have changed meanwhile. But lists
    of everything cost the API server more than all else that we do. A server may answer them and yet take no write.
    Then the next write shows whether it is back, and lists become rarer and rarer.

    `relist` lists everything, or raises KubeError; `clock` gives monotonic seconds.
    """

    def __init__(
        self, relist: Callable[[], Awaitable[None]], pauses: OutagePauses, clock: Callable[[], float]
    ) -> None:
        self._relist = relist
        self._pauses = pauses
        self._clock = clock
        self._run = FailureRun()
        self._away = False
        self._throttled_until = -math.inf
        self._backoff = Backoff(pauses.first_backoff_seconds, pauses.last_backoff_seconds, jitter=_JITTER)
        self._relisted_at = -math.inf
        self._spacing_seconds = pauses.first_spacing_seconds

    @property
    def is_open(self) -> bool:
        """Whether a write may be tried now."""
        return not self._away and self._clock() >= self._throttled_until

    def succeeded(self) -> None:
        """A write has worked."""
        self._run.succeeded()
        self._backoff.reset()

    def throttled(self, seconds: float) -> None:
        """The server asks to wait."""
        self._throttled_until = self._clock() + seconds

    def unreachable(self) -> None:
        """The server is away."""
        self._away = True

    def failed(self, name: ObjectName) -> None:
        """A write of this object failed; after failures in several namespaces in a row the server counts as away."""
        if self._run.failed(name):
            log.warning("the API server fails at objects of several namespaces; it counts as away")
            self._run = FailureRun()
            self._away = True

    async def wait(self) -> None:
        """Return when a write may be tried."""
        await asyncio.sleep(max(0.0, self._throttled_until - self._clock()))
        while self._away:
            await asyncio.sleep(self._backoff.next_seconds())
            try:
                await self._list_everything()
                self._away = False
            except KubeThrottledError as err:
                await asyncio.sleep(err.retry_after_seconds)
            except KubeError as err:
                log.warning("the API server is away: %s", err)

    async def _list_everything(self) -> None:
        calm_seconds = self._clock() - self._relisted_at
        if calm_seconds > 2 * self._pauses.last_spacing_seconds:
            self._spacing_seconds = self._pauses.first_spacing_seconds
        if calm_seconds >= self._spacing_seconds:
            await self._relist()
            self._relisted_at = self._clock()
            self._spacing_seconds = min(self._pauses.last_spacing_seconds, self._spacing_seconds * 2)
