"""Writes every status of the operator, and the groups of policies: the one place that does so. Level-triggered.

A name is queued when something has changed that its decision depends on, when time alone may change the decision, or
when a write has failed. However many changes there were, it is decided once, by what is known then.

A failure concerns that object alone: it waits, longer each time, and the others go on. The writer waits as a whole
only when the API server can't be reached, or when objects of several namespaces fail in a row.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachemon.controller.api_availability import ApiAvailability, OutagePauses
from cachemon.controller.collection import PARSE_ERRORS
from cachemon.controller.decision import Apply, Decision, Delete, holds
from cachemon.controller.object_backoff import ObjectBackoff
from cachemon.controller.store import Store
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.kube.client import KubeClient
from cachemon.model.api import AGENT_FIELD_MANAGER, GROUPS, OPERATOR_FIELD_MANAGER, ObjectName, Resource
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

log = logging.getLogger(__name__)

_CONFLICT_SECONDS = 1.0
_GONE_SECONDS = 5.0  # the watch reports the deletion before that, and nothing is left to write

_CONCERNS_ONE = (KubeInternalError, KubeTimeoutError)


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much the writer writes, and how long it pauses."""

    parallel: int = 16  # writes at a time
    writes_per_second: float = 150.0  # writes on average
    burst: int = 150  # writes at once after a pause
    refused_seconds: float = 60.0  # how long an object waits after the API server refused a write
    first_pause_seconds: float = 5.0  # how long it waits after the API server failed at it; doubled up to the last
    last_pause_seconds: float = 160.0  # the longest such pause
    outage_pauses: OutagePauses = field(default_factory=OutagePauses)  # pauses of all while the API server is away


class Writer:
    """Keeps every status as decided, and the groups that policies want. All times are those of the event loop.

    `relist` makes the store complete again after the API server was away. It raises KubeError while it still is.
    """

    def __init__(
        self,
        store: Store,
        client: KubeClient,
        relist: Callable[[], Awaitable[None]],
        metrics: Metrics,
        *,
        limits: WriterLimits = WriterLimits(),
    ) -> None:
        self._store = store
        self._queue = store.queue
        self._client = client
        self._metrics = metrics
        self._clock = asyncio.get_running_loop().time
        self._limits = limits
        self._backoff = ObjectBackoff(limits.first_pause_seconds, limits.last_pause_seconds)
        self._slots = asyncio.Semaphore(limits.parallel)
        self._bucket = TokenBucket(limits.writes_per_second, limits.burst, clock=self._clock)
        self._availability = ApiAvailability(relist, limits.outage_pauses, self._clock)

    async def run(self) -> None:
        """Decide and write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            while True:
                await self._slots.acquire()
                name = await self._next()
                writes.create_task(self._write(name))

    async def _next(self) -> ObjectName:
        """The next name that needs a write."""
        while True:
            await self._availability.wait()
            name = self._queue.take(self._clock())
            if name is None:
                await self._queue.wait()
                continue
            decision = self._decide(name)
            if decision is not None and decision.writes:
                return name
            self._queue.done(name)
            await asyncio.sleep(0)  # there may be thousands, and others want to work

    def _decide(self, name: ObjectName) -> Decision | None:
        self._metrics.decisions.inc()
        try:
            decision = self._store.decide(name)
        except PARSE_ERRORS as err:
            self._failed_to_decide(name, err)
            return None
        self._queue.add_at(name, None if decision is None else decision.look_again_at)
        if decision is None:
            self._backoff.reset(name)
        return decision

    async def _write(self, name: ObjectName) -> None:
        """Write about one object, by what is known when the token bucket allows it."""
        try:
            await asyncio.sleep(self._bucket.reserve())
            if not self._availability.is_open:
                self._queue.add(name)  # another write has found out meanwhile
                return
            self._queue.discard(name)
            decision = self._decide(name)
            if decision is not None:
                await self._apply(name, decision)
                if self._backoff.reset(name):
                    log.info("%s: writes succeed again", name)
        except KubeError as err:
            self._failed(name, err)
        except PARSE_ERRORS as err:
            self._failed_to_decide(name, err)
        finally:
            self._queue.done(name)
            self._slots.release()

    async def _apply(self, name: ObjectName, decision: Decision) -> None:
        if decision.withdraw and decision.withdraw_first:
            await self._put(GROUPS, name, {}, AGENT_FIELD_MANAGER)
        if decision.status is not None:
            answer = await self._put(decision.resource, name, decision.status, OPERATOR_FIELD_MANAGER)
            if not holds(answer.get("status", {}), decision.status):
                log.error("%s: the API server stored another status than was written; is the CRD outdated?", name)
                self._retry_later(name, self._limits.refused_seconds)
            elif decision.pause_seconds:
                self._retry_later(name, decision.pause_seconds)
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
        self._store.apply_event(GROUPS, "MODIFIED", answer)
        decision = self._store.decide(name)
        if decision is not None and decision.stamp == stamp:
            log.error("%s: the API server stored another group than was written; is the CRD outdated?", name)
            self._retry_later(name, self._limits.refused_seconds)

    async def _put(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], manager: str
    ) -> dict[str, Any]:
        answer = await self._client.apply_status(resource, name, status, field_manager=manager)
        self._succeeded(name)
        self._store.apply_event(resource, "MODIFIED", answer)
        return answer

    def _succeeded(self, name: ObjectName) -> None:
        self._metrics.count_write("ok")
        self._availability.succeeded()
        self._queue.note(name.namespace, failed=False)

    def _failed(self, name: ObjectName, err: KubeError) -> None:
        """Queue the name again, now or after a pause, so that nothing is lost."""
        if isinstance(err, KubeNotFoundError):
            self._metrics.count_write("not_found")
            self._retry_later(name, _GONE_SECONDS)
        elif isinstance(err, KubeThrottledError):
            self._metrics.count_write("throttled")
            self._availability.throttled(err.retry_after_seconds)
            self._queue.add(name)
        elif isinstance(err, _CONCERNS_ONE):
            self._failed_at(name, err)
        elif isinstance(err, KubeUnreachableError):
            self._metrics.count_write("unreachable")
            log.warning("writing %s: %s", name, err)
            self._availability.unreachable()
            self._queue.add(name)
        elif isinstance(err, KubeConflictError):
            self._metrics.count_write("conflict")
            self._retry_later(name, _CONFLICT_SECONDS)
        else:
            self._metrics.count_write("refused")
            if self._backoff.is_new_failure(name, str(err)):
                log.error("writing %s: %s; retried every %g s", name, err, self._limits.refused_seconds)
            self._retry_later(name, self._limits.refused_seconds)

    def _failed_at(self, name: ObjectName, err: KubeError) -> None:
        """The API server failed at this object; the next writes show whether it fails at others."""
        self._metrics.count_write("failed")
        self._queue.note(name.namespace, failed=True)
        self._retry_later(name, self._backoff.next_seconds(name))
        if self._backoff.is_new_failure(name, str(err)):
            log.error(
                "writing %s: %s; retried with growing pauses, other objects are written. See which admission "
                "webhooks select its namespace, and whether the object is too large to be stored",
                name,
                err,
            )
        self._availability.failed(name)

    def _failed_to_decide(self, name: ObjectName, err: Exception) -> None:
        """The object is not valid; that must not end the process. Call where the error is handled."""
        self._metrics.count_write("failed")
        self._retry_later(name, self._backoff.next_seconds(name))
        if self._backoff.is_new_failure(name, f"{type(err).__name__}: {err}"):
            log.error("%s is not valid, and its status stays as it is; correct or delete it", name, exc_info=err)

    def _retry_later(self, name: ObjectName, seconds: float) -> None:
        self._queue.postpone(name, self._clock() + seconds)
