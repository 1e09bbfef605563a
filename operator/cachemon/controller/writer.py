"""The one place that writes: takes dirty groups and policies, decides, and applies what differs. Level-triggered.

A name is dirty when something that its decision rests on has changed, when the decision said that time alone may
change it, or when a write failed. However many changes there were, it is decided once, by what is known then.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cachemon.controller.decision import Apply, Decision, Delete
from cachemon.controller.metrics import Metrics
from cachemon.controller.store import Store
from cachemon.controller.timers import Timers
from cachemon.kube.pace import TokenBucket
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
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)

__all__ = ["Limits", "WriteClient", "Writer"]

log = logging.getLogger(__name__)

_LONGEST_NAP_SECONDS = 30.0
"""The wall clock may be set meanwhile: deadlines are looked at at least this often."""

_CONFLICT_SECONDS = 1.0
_GONE_SECONDS = 5.0
"""The watch tells of a deletion before that, and nothing is left to write."""


class WriteClient(Protocol):
    """What the writer needs of `cachemon.kube.KubeClient`."""

    async def apply(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Server-side apply of an object; answers the object."""

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete an object if it is this one."""

    async def apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> dict[str, Any]:
        """Server-side apply of a status; answers the object."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard the writer works.

    Attributes:
        parallel: groups that are written at a time.
        writes_per_second: writes in the mean.
        burst: writes at once after a rest.
        refused_seconds: how long a group rests after the API server refused what we wrote.
        first_backoff_seconds: the first wait when the API server is away; doubled up to the last.
        last_backoff_seconds: the longest such wait.
    """

    parallel: int = 16
    writes_per_second: float = 150.0
    burst: int = 150
    refused_seconds: float = 60.0
    first_backoff_seconds: float = 0.5
    last_backoff_seconds: float = 15.0


class Writer:
    """Keeps every status as decided, and the groups that policies stamp.

    Args:
        store: what is known; what is dirty is taken from it.
        client: the API server.
        relist: makes the store complete again; called after the API server was away, before anything is decided
            from what may have changed meanwhile. Raises KubeError while it is still away.
        metrics: counts.
        clock: seconds since the epoch.
        limits: how hard it works.
    """

    def __init__(
        self,
        store: Store,
        client: WriteClient,
        relist: Callable[[], Awaitable[None]],
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        limits: Limits = Limits(),
    ) -> None:
        self._store = store
        self._client = client
        self._relist = relist
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._timers = Timers()
        self._resting: dict[ObjectName, float] = {}
        self._busy: set[ObjectName] = set()
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(limits.parallel)
        self._bucket = TokenBucket(limits.writes_per_second, limits.burst, clock=asyncio.get_running_loop().time)
        self._throttled_until = 0.0
        self._away = False
        self._backoff_seconds = limits.first_backoff_seconds

    def wake(self) -> None:
        """Something may be dirty; give this to the store."""
        self._woken.set()

    async def run(self) -> None:
        """Decide and write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            while True:
                await self._slots.acquire()
                name = await self._next()
                self._busy.add(name)
                writes.create_task(self._turn(name))

    async def _next(self) -> ObjectName:
        """The next name that there is something to write about."""
        while True:
            await self._wait_for_the_api_server()
            name = self._due()
            if name is None:
                await self._nap()
            else:
                self._store.take(name)
                decision = self._look(name)
                if decision is not None and decision.writes:
                    return name
                await asyncio.sleep(0)  # there may be thousands, and others want to work

    def _due(self) -> ObjectName | None:
        """The first dirty one that is neither being written nor resting; those are not lost."""
        now = self._clock()
        self._store.mark(self._timers.pop(now))
        resting = []
        due = None
        for name in self._store.waiting():
            if self._resting.get(name, now) > now:
                resting.append(name)
            elif name not in self._busy:
                due = name
                break
        for name in resting:
            self._store.take(name)  # its timer brings it back
        if due is not None:
            self._resting.pop(due, None)
        return due

    def _look(self, name: ObjectName) -> Decision | None:
        decision = self._store.decide(name, self._clock())
        self._metrics.decisions.inc()
        self._timers.set(name, None if decision is None else decision.look_again_at)
        return decision

    async def _nap(self) -> None:
        """Wait for news or for the next timer."""
        self._woken.clear()
        seconds = self._timers.first - self._clock()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(seconds, 0.0), _LONGEST_NAP_SECONDS)):
                await self._woken.wait()

    async def _turn(self, name: ObjectName) -> None:
        """Write about one, by what is known when its turn in the token bucket comes."""
        try:
            await asyncio.sleep(self._bucket.take())
            if self._away or self._seconds_throttled:
                self._store.mark([name])  # another write has found out meanwhile
                return
            self._store.take(name)
            decision = self._look(name)
            if decision is not None:
                await self._apply(name, decision)
        except KubeError as err:
            self._failed(name, err)
        finally:
            self._busy.discard(name)
            self._slots.release()
            self.wake()

    async def _apply(self, name: ObjectName, decision: Decision) -> None:
        if decision.withdraw and decision.withdraw_first:
            await self._put(GROUPS, name, {}, AGENT_FIELD_MANAGER)
        if decision.status is not None:
            answer = await self._put(decision.resource, name, decision.status, OPERATOR_FIELD_MANAGER)
            if not _holds(answer.get("status", {}), decision.status):
                log.error("%s: the API server keeps another status than was written; is the CRD old?", name)
                self._rest(name, self._limits.refused_seconds)
            elif decision.rest_seconds:
                self._rest(name, decision.rest_seconds)
        if decision.withdraw and not decision.withdraw_first:
            await asyncio.sleep(self._bucket.take())
            await self._put(GROUPS, name, {}, AGENT_FIELD_MANAGER)
        if decision.stamp is not None:
            if decision.withdraw or decision.status is not None:
                await asyncio.sleep(self._bucket.take())
            await self._stamp(name, decision.stamp)

    async def _stamp(self, name: ObjectName, stamp: Apply | Delete) -> None:
        if isinstance(stamp, Delete):
            await self._client.delete(GROUPS, name, uid=stamp.uid)
            self._succeeded()
            return
        try:
            answer = await self._client.apply(GROUPS, stamp.body, field_manager=OPERATOR_FIELD_MANAGER)
        except (KubeForbiddenError, KubeRejectedError) as err:
            self._store.note_refusal(name, str(err))
            raise
        self._succeeded()
        self._store.hear(GROUPS, "MODIFIED", answer)
        decision = self._store.decide(name, self._clock())
        if decision is not None and decision.stamp == stamp:
            log.error("%s: the API server keeps another group than was written; is the CRD old?", name)
            self._rest(name, self._limits.refused_seconds)

    async def _put(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], manager: str
    ) -> dict[str, Any]:
        answer = await self._client.apply_status(resource, name, status, field_manager=manager)
        self._succeeded()
        self._store.hear(resource, "MODIFIED", answer)
        return answer

    def _succeeded(self) -> None:
        self._metrics.count_write("ok")
        self._backoff_seconds = self._limits.first_backoff_seconds

    def _failed(self, name: ObjectName, err: KubeError) -> None:
        """Nothing is lost: the name is dirty again, now or when its rest is over."""
        if isinstance(err, KubeNotFoundError):
            self._metrics.count_write("not_found")
            self._rest(name, _GONE_SECONDS)
        elif isinstance(err, KubeThrottledError):
            self._metrics.count_write("throttled")
            self._throttled_until = asyncio.get_running_loop().time() + err.retry_after_seconds
            self._store.mark([name])
        elif isinstance(err, KubeUnreachableError):
            self._metrics.count_write("unreachable")
            log.warning("writing %s: %s", name, err)
            self._away = True
            self._store.mark([name])
        else:
            conflict = isinstance(err, KubeConflictError)
            self._metrics.count_write("conflict" if conflict else "refused")
            seconds = _CONFLICT_SECONDS if conflict else self._limits.refused_seconds
            log.error("writing %s: %s; next try in %g s", name, err, seconds)
            self._rest(name, seconds)

    def _rest(self, name: ObjectName, seconds: float) -> None:
        self._resting[name] = self._clock() + seconds
        self._timers.set(name, self._resting[name])

    @property
    def _seconds_throttled(self) -> float:
        return max(0.0, self._throttled_until - asyncio.get_running_loop().time())

    async def _wait_for_the_api_server(self) -> None:
        """Obey 429; after an outage make the store complete before anything is decided from it."""
        await asyncio.sleep(self._seconds_throttled)
        while self._away:
            await asyncio.sleep(self._backoff_seconds * random.uniform(0.8, 1.2))
            self._backoff_seconds = min(self._limits.last_backoff_seconds, self._backoff_seconds * 2)
            try:
                await self._relist()
                self._away = False
            except KubeThrottledError as err:
                await asyncio.sleep(err.retry_after_seconds)
            except KubeError as err:
                log.warning("listing everything before the next write: %s", err)


def _holds(status: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Whether a status has everything that was written; its conditions are a list that others write in too."""
    conditions = status.get("conditions", ())
    return all(condition in conditions for condition in written["conditions"]) and all(
        status.get(name) == value for name, value in written.items() if name != "conditions"
    )
