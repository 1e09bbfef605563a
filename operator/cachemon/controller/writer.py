"""The one place that writes: takes dirty groups and policies, decides, and applies what differs. Level-triggered.

A name is dirty when something that its decision rests on has changed, when the decision said that time alone may
change it, or when a write failed. However many changes there were, it is decided once, by what is known then.

A failure is that object's alone: it rests, longer each time, and the others go on. Only when the API server can't be
reached, or objects of several namespaces fail in a row, does the writer wait as a whole.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachemon.controller.api_availability import Presence, WaitLimits
from cachemon.controller.collection import ODD
from cachemon.controller.decision import Apply, Decision, Delete, holds
from cachemon.controller.object_backoff import ObjectBackoff
from cachemon.controller.store import Store
from cachemon.controller.timers import Timers
from cachemon.controller.write_client import WriteClient
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.daemon.waiting import wait_for
from cachemon.model.api import (
    AGENT_FIELD_MANAGER,
    GROUPS,
    OPERATOR_FIELD_MANAGER,
    ObjectName,
    Resource,
)
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeUnreachableError,
)
from cachemon.telemetry.operator_metrics import Metrics

__all__ = ["Limits", "Writer"]

log = logging.getLogger(__name__)

_CONFLICT_SECONDS = 1.0
_GONE_SECONDS = 5.0
"""The watch tells of a deletion before that, and nothing is left to write."""

_CONCERNS_ONE = (KubeInternalError, KubeTimeoutError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard the writer works.

    Attributes:
        parallel: groups that are written at a time.
        writes_per_second: writes in the mean.
        burst: writes at once after a rest.
        refused_seconds: how long a group rests after the API server refused what we wrote.
        first_rest_seconds: how long it rests after the API server failed at it; doubled up to the last.
        last_rest_seconds: the longest such rest.
        waits: how long all wait when the API server is away.
    """

    parallel: int = 16
    writes_per_second: float = 150.0
    burst: int = 150
    refused_seconds: float = 60.0
    first_rest_seconds: float = 5.0
    last_rest_seconds: float = 160.0
    waits: WaitLimits = field(default_factory=WaitLimits)


class Writer:
    """Keeps every status as decided, and the groups that policies stamp. All its times are those of the event loop.

    Args:
        store: what is known; what is dirty is taken from its queue.
        client: the API server.
        relist: makes the store complete again; called after the API server was away, before anything is decided
            from what may have changed meanwhile. Raises KubeError while it is still away.
        metrics: counts.
        limits: how hard it works.
    """

    def __init__(
        self,
        store: Store,
        client: WriteClient,
        relist: Callable[[], Awaitable[None]],
        metrics: Metrics,
        *,
        limits: Limits = Limits(),
    ) -> None:
        self._store = store
        self._queue = store.queue
        self._client = client
        self._metrics = metrics
        self._clock = asyncio.get_running_loop().time
        self._limits = limits
        self._timers = Timers()
        self._backoff = ObjectBackoff(limits.first_rest_seconds, limits.last_rest_seconds)
        self._resting: set[ObjectName] = set()
        self._busy: set[ObjectName] = set()
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(limits.parallel)
        self._bucket = TokenBucket(limits.writes_per_second, limits.burst, clock=self._clock)
        self._server = Presence(relist, limits.waits, self._clock)

    def wake(self) -> None:
        """Something may be dirty; give this to the store."""
        self._woken.set()

    async def run(self) -> None:
        """Decide and write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            while True:
                await self._slots.acquire()
                name = await self._next()
                writes.create_task(self._turn(name))

    async def _next(self) -> ObjectName:
        """The next name that there is something to write about."""
        while True:
            await self._server.wait()
            self._ring()
            name = self._queue.take()
            if name is None:
                await self._nap()
                continue
            self._busy.add(name)
            decision = self._look(name)
            if decision is not None and decision.writes:
                return name
            self._put_down(name)
            await asyncio.sleep(0)  # there may be thousands, and others want to work

    def _ring(self) -> None:
        """What has rested, and what time may have changed, is dirty now."""
        for name in self._timers.pop(self._clock()):
            if name in self._resting:
                self._resting.discard(name)
                if name not in self._busy:
                    self._queue.release(name)
            self._store.mark([name])

    def _put_down(self, name: ObjectName) -> None:
        """The look at it, or the write, is over."""
        self._busy.discard(name)
        if name in self._resting:
            self._queue.rest(name)
        else:
            self._queue.release(name)

    def _look(self, name: ObjectName) -> Decision | None:
        self._metrics.decisions.inc()
        try:
            decision = self._store.decide(name)
        except ODD as err:
            self._is_odd(name, err)
            return None
        self._timers.set(name, None if decision is None else decision.look_again_at)
        if decision is None:
            self._backoff.end(name)
        return decision

    async def _nap(self) -> None:
        """Wait for news or for the next timer."""
        self._woken.clear()
        await wait_for(self._woken, self._timers.first - self._clock())

    async def _turn(self, name: ObjectName) -> None:
        """Write about one, by what is known when its turn in the token bucket comes."""
        try:
            await asyncio.sleep(self._bucket.reserve())
            if not self._server.is_open:
                self._store.mark([name])  # another write has found out meanwhile
                return
            self._queue.discard(name)
            decision = self._look(name)
            if decision is not None:
                await self._apply(name, decision)
                if self._backoff.end(name):
                    log.info("%s is written again", name)
        except KubeError as err:
            self._failed(name, err)
        except ODD as err:
            self._is_odd(name, err)
        finally:
            self._put_down(name)
            self._slots.release()
            self.wake()

    async def _apply(self, name: ObjectName, decision: Decision) -> None:
        if decision.withdraw and decision.withdraw_first:
            await self._put(GROUPS, name, {}, AGENT_FIELD_MANAGER)
        if decision.status is not None:
            answer = await self._put(decision.resource, name, decision.status, OPERATOR_FIELD_MANAGER)
            if not holds(answer.get("status", {}), decision.status):
                log.error("%s: the API server keeps another status than was written; is the CRD old?", name)
                self._rest(name, self._limits.refused_seconds)
            elif decision.rest_seconds:
                self._rest(name, decision.rest_seconds)
        if decision.withdraw and not decision.withdraw_first:
            await asyncio.sleep(self._bucket.reserve())
            await self._put(GROUPS, name, {}, AGENT_FIELD_MANAGER)
        if decision.stamp is not None:
            if decision.withdraw or decision.status is not None:
                await asyncio.sleep(self._bucket.reserve())
            await self._stamp(name, decision.stamp)

    async def _stamp(self, name: ObjectName, stamp: Apply | Delete) -> None:
        if isinstance(stamp, Delete):
            await self._client.delete(GROUPS, name, uid=stamp.uid)
            self._succeeded(name)
            return
        try:
            answer = await self._client.apply(GROUPS, stamp.body, field_manager=OPERATOR_FIELD_MANAGER)
        except (KubeForbiddenError, KubeRejectedError, *_CONCERNS_ONE) as err:
            self._store.note_refusal(name, str(err))
            raise
        self._succeeded(name)
        self._store.hear(GROUPS, "MODIFIED", answer)
        decision = self._store.decide(name)
        if decision is not None and decision.stamp == stamp:
            log.error("%s: the API server keeps another group than was written; is the CRD old?", name)
            self._rest(name, self._limits.refused_seconds)

    async def _put(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], manager: str
    ) -> dict[str, Any]:
        answer = await self._client.apply_status(resource, name, status, field_manager=manager)
        self._succeeded(name)
        self._store.hear(resource, "MODIFIED", answer)
        return answer

    def _succeeded(self, name: ObjectName) -> None:
        self._metrics.count_write("ok")
        self._server.succeeded()
        self._queue.note(name.namespace, failed=False)

    def _failed(self, name: ObjectName, err: KubeError) -> None:
        """Nothing is lost: the name is dirty again, now or when its rest is over."""
        if isinstance(err, KubeNotFoundError):
            self._metrics.count_write("not_found")
            self._rest(name, _GONE_SECONDS)
        elif isinstance(err, KubeThrottledError):
            self._metrics.count_write("throttled")
            self._server.throttled(err.retry_after_seconds)
            self._store.mark([name])
        elif isinstance(err, _CONCERNS_ONE):
            self._failed_at(name, err)
        elif isinstance(err, KubeUnreachableError):
            self._metrics.count_write("unreachable")
            log.warning("writing %s: %s", name, err)
            self._server.unreachable()
            self._store.mark([name])
        elif isinstance(err, KubeConflictError):
            self._metrics.count_write("conflict")
            self._rest(name, _CONFLICT_SECONDS)
        else:
            self._metrics.count_write("refused")
            if self._backoff.is_news(name, str(err)):
                log.error("writing %s: %s; tried again every %g s", name, err, self._limits.refused_seconds)
            self._rest(name, self._limits.refused_seconds)

    def _failed_at(self, name: ObjectName, err: KubeError) -> None:
        """The API server failed at this object; whether at others as well, the next ones show."""
        self._metrics.count_write("failed")
        self._queue.note(name.namespace, failed=True)
        self._rest(name, self._backoff.fail(name))
        if self._backoff.is_news(name, str(err)):
            log.error(
                "writing %s: %s; the others go on, and it is tried again with growing pauses. See which admission "
                "webhooks select its namespace, and whether the object is too large to be stored",
                name,
                err,
            )
        self._server.failed(name)

    def _is_odd(self, name: ObjectName, err: Exception) -> None:
        """It makes no sense to us; that must not end the process. Call where the error is handled."""
        self._metrics.count_write("failed")
        self._rest(name, self._backoff.fail(name))
        if self._backoff.is_news(name, f"{type(err).__name__}: {err}"):
            log.error("%s can't be judged and is left as it is; correct or delete it", name, exc_info=err)

    def _rest(self, name: ObjectName, seconds: float) -> None:
        self._resting.add(name)
        self._timers.set(name, self._clock() + seconds)
