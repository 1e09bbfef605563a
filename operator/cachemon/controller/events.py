"""Events on objects, for `kubectl describe` and `kubectl get events`: few, about states that last.

A state is recorded when it has lasted
for some seconds and differs from the one recorded last. A VM that starts goes through half a dozen states in
a second, and only the last of them matters. An Event that can't be posted is lost: the conditions have the truth.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from cachemon.controller.work_queue import WorkQueue
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.kube.client import KubeClient
from cachemon.model.api import EVENTS, OPERATOR_FIELD_MANAGER, ObjectName, Resource
from cachemon.model.errors import KubeError
from cachemon.model.fitted_text import fit_bytes
from cachemon.telemetry.operator_metrics import Metrics

log = logging.getLogger(__name__)

_LASTS_SECONDS = 5.0
_SPACING_SECONDS = 60.0
_EVENTS_PER_SECOND = 5.0
_BURST = 25
_PARALLEL = 4
LONGEST_NOTE_BYTES = 1024  # k8s.io/kubernetes pkg/apis/core/validation/events.go: NoteLengthLimit

_NAMESPACE_OF_THE_CLUSTERS = "default"
"""Where Events on objects without a namespace go (the same file: "involvedObject.namespace")."""


class EventState(Protocol):
    """The part of an object whose changes cause Events. States are compared by `==`."""

    @property
    def is_under_way(self) -> bool:
        """Whether no Event is about this state: the one that follows has one."""


S = TypeVar("S", bound=EventState)


@dataclass(frozen=True, slots=True)
class EventSubject(Generic[S]):
    """An object that Events are about."""

    resource: Resource
    name: ObjectName
    uid: str
    resource_version: str  # empty when it is not kept
    state: S
    message: str = ""  # for the Event


@dataclass(frozen=True, slots=True)
class EventFields:
    """Type, reason and note of one Event."""

    type: str
    reason: str
    note: str


@dataclass(slots=True)
class _Record(Generic[S]):
    """An object, the state recorded last, and when the next may be recorded, in monotonic seconds."""

    subject: EventSubject[S]
    recorded: S
    silent_until: float = 0.0


class EventRecorder(Generic[S]):
    """Posts the Events of objects that it follows.

    Args:
        client: posts them.
        metrics: counts them.
        between: the Events to post about an object, given the state that was recorded last.
        instance: their `reportingInstance`.
        wall_clock: gives their time, in seconds since the epoch; all else is by the event loop's clock.
    """

    def __init__(
        self,
        client: KubeClient,
        metrics: Metrics,
        between: Callable[[S, EventSubject[S]], Iterable[EventFields]],
        *,
        instance: str,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._between = between
        self._instance = instance
        self._wall_clock = wall_clock
        self._clock = asyncio.get_running_loop().time
        self._records: dict[ObjectName, _Record[S]] = {}
        self._queue = WorkQueue(_PARALLEL)
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._bucket = TokenBucket(_EVENTS_PER_SECOND, _BURST, clock=self._clock)

    def follow(self, key: ObjectName, subject: EventSubject[S] | None) -> None:
        """Take over the present state of an object. The first one that is known causes no Event.

        Args:
            key: identifies the object here; its namespace is the one whose turn it is.
            subject: the object; None when it is gone.
        """
        if subject is None:
            self._records.pop(key, None)
            self._queue.add_at(key, None)
            self._queue.discard(key)
            return
        known = self._records.get(key)
        now = subject.state
        if known is None or known.subject.uid != subject.uid:
            self._records[key] = _Record(subject, recorded=now)
            self._queue.add_at(key, None)
            return
        before, known.subject = known.subject.state, subject
        if now == known.recorded or now.is_under_way:
            self._queue.add_at(key, None)
        elif now != before:
            self._queue.add_at(key, max(self._clock() + _LASTS_SECONDS, known.silent_until))

    async def run(self) -> None:
        """Post until cancelled; no namespace waits for another's Events."""
        async with asyncio.TaskGroup() as posts:
            while True:
                await self._slots.acquire()
                while (name := self._queue.take(self._clock())) is None:
                    await self._queue.wait()
                posts.create_task(self._record(name))

    async def _record(self, name: ObjectName) -> None:
        try:
            await asyncio.sleep(self._bucket.reserve())
            await self._post(name)
        finally:
            self._queue.done(name)
            self._slots.release()

    async def _post(self, name: ObjectName) -> None:
        """Post about the state of now, which may differ from the one that was queued."""
        known = self._records.get(name)
        if known is None or known.subject.state.is_under_way:
            return
        events = tuple(self._between(known.recorded, known.subject))
        known.recorded = known.subject.state
        known.silent_until = self._clock() + _SPACING_SECONDS
        for fields in events:
            try:
                await self._client.create(
                    EVENTS, self._render(known.subject, fields), field_manager=OPERATOR_FIELD_MANAGER
                )
                self._metrics.count_event("ok")
                self._queue.note(name.namespace, failed=False)
            except KubeError as err:
                self._metrics.count_event("failed")
                self._queue.note(name.namespace, failed=True)
                log.warning("Event %s on %s: %s", fields.reason, name, err)

    def _render(self, subject: EventSubject[S], fields: EventFields) -> dict[str, Any]:
        """An Event of events.k8s.io/v1; its name is unique as those of client-go are."""
        moment = datetime.fromtimestamp(self._wall_clock(), UTC)
        suffix = f"{int(moment.timestamp() * 1e6):x}.{fields.reason.lower()}"
        namespace, name = subject.name
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "namespace": namespace or _NAMESPACE_OF_THE_CLUSTERS,
                "name": f"{name[:200].rstrip('-.')}.{suffix}",
            },
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": OPERATOR_FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "action": "Judge",
            "type": fields.type,
            "reason": fields.reason,
            "note": fit_bytes(fields.note, LONGEST_NOTE_BYTES),
            "regarding": {
                "apiVersion": subject.resource.api_version,
                "kind": subject.resource.kind,
                **({"namespace": namespace} if namespace else {}),
                "name": name,
                "uid": subject.uid,
                **({"resourceVersion": subject.resource_version} if subject.resource_version else {}),
            },
        }
