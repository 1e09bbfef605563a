"""Events on groups and policies, for `kubectl describe` and `kubectl get events`: few, about states that last.

An Event has the reason of `Ready`, or says that the VMI moved to another node. A state is recorded when it has lasted
for some seconds and differs from the one recorded last. A VM that starts goes through half a dozen states in
a second, and only the last of them matters. An Event that can't be posted is lost: the conditions have the truth.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cachemon.controller.collection import Change
from cachemon.controller.decision import StoredGroup
from cachemon.controller.stamping import StoredPolicy
from cachemon.controller.work_queue import WorkQueue
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.kube.client import KubeClient
from cachemon.model.api import (
    EVENTS,
    GROUPS,
    OPERATOR_FIELD_MANAGER,
    POLICIES,
    READY,
    CacheMonitorGroup,
    ObjectName,
    Resource,
)
from cachemon.model.conditions import Condition, parse_conditions
from cachemon.model.errors import KubeError
from cachemon.model.fitted_text import fit_bytes
from cachemon.model.reasons import Reason
from cachemon.telemetry.operator_metrics import Metrics

log = logging.getLogger(__name__)

MOVED = "Moved"

_LASTS_SECONDS = 5.0
_SPACING_SECONDS = 60.0
_EVENTS_PER_SECOND = 5.0
_BURST = 25
_PARALLEL = 4
_LONGEST_NOTE_BYTES = 1024  # k8s.io/kubernetes pkg/apis/core/validation/events.go: NoteLengthLimit

_NAMESPACE_OF_THE_CLUSTERS = "default"
"""Where Events on objects without a namespace go (the same file: "involvedObject.namespace")."""

_NOTHING_WRONG = frozenset({Reason.VMI_NOT_FOUND, Reason.VMI_NOT_RUNNING})
_UNDER_WAY = frozenset({Reason.STAMPING})  # states without an Event: the state that follows has one


class ReadyState(NamedTuple):
    """The part of an object whose changes cause Events: `Ready` and the node; all empty before the first decision."""

    ready: str = ""
    reason: str = ""
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class EventSubject:
    """An object that Events are about."""

    resource: Resource
    name: ObjectName
    uid: str
    resource_version: str
    state: ReadyState
    message: str  # that of `Ready`


@dataclass(frozen=True, slots=True)
class EventFields:
    """Type, reason and note of one Event."""

    type: str
    reason: str
    note: str


def group_subject(group: CacheMonitorGroup) -> EventSubject:
    """A group in its present state."""
    state, message = _ready_state(group.conditions, group.node_name)
    return EventSubject(GROUPS, group.name, group.uid, group.resource_version, state, message)


def policy_subject(stored: StoredPolicy) -> EventSubject:
    """A policy in its present state."""
    state, message = _ready_state(parse_conditions(stored.status.get("conditions")))
    name = ObjectName("", stored.policy.name)
    return EventSubject(POLICIES, name, stored.uid, stored.resource_version, state, message)


def _ready_state(conditions: Mapping[str, Condition], node_name: str = "") -> tuple[ReadyState, str]:
    ready = conditions.get(READY)
    if ready is None:
        return ReadyState(), ""
    return ReadyState(ready.status, ready.reason, node_name), ready.message


def events_between(before: ReadyState, subject: EventSubject) -> Iterable[EventFields]:
    """The Events to post about an object, given the state that was recorded last."""
    now = subject.state
    if before.node_name and now.node_name and before.node_name != now.node_name:
        yield EventFields("Normal", MOVED, f"the VMI moved from node `{before.node_name}` to node `{now.node_name}`")
    if (before.ready, before.reason) != (now.ready, now.reason):
        fine = now.ready == "True" or now.reason in _NOTHING_WRONG
        yield EventFields("Normal" if fine else "Warning", now.reason, subject.message)


@dataclass(slots=True)
class _Record:
    """An object, the state recorded last, and when the next may be recorded, in monotonic seconds."""

    subject: EventSubject
    recorded: ReadyState
    silent_until: float = 0.0


class EventRecorder:
    """Posts the Events; `instance` is their `reportingInstance`.

    `wall_clock` gives their time, in seconds since the epoch; all else is by the event loop's clock.
    """

    def __init__(
        self, client: KubeClient, metrics: Metrics, *, instance: str, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._instance = instance
        self._wall_clock = wall_clock
        self._clock = asyncio.get_running_loop().time
        self._records: dict[ObjectName, _Record] = {}
        self._queue = WorkQueue(_PARALLEL)
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._bucket = TokenBucket(_EVENTS_PER_SECOND, _BURST, clock=self._clock)

    def group_changed(self, change: Change[StoredGroup]) -> None:
        """Follow a group; give this to the store. Its first known state causes no Event."""
        self._changed(change.name, group_subject(change.after.group) if change.after else None)

    def policy_changed(self, change: Change[StoredPolicy]) -> None:
        """Follow a policy in the same way."""
        self._changed(change.name, policy_subject(change.after) if change.after else None)

    def _changed(self, name: ObjectName, subject: EventSubject | None) -> None:
        if subject is None:
            self._records.pop(name, None)
            self._queue.add_at(name, None)
            self._queue.discard(name)
            return
        known = self._records.get(name)
        now = subject.state
        if known is None or known.subject.uid != subject.uid:
            self._records[name] = _Record(subject, recorded=now)
            self._queue.add_at(name, None)
            return
        before, known.subject = known.subject.state, subject
        if now == known.recorded or now.reason in _UNDER_WAY:
            self._queue.add_at(name, None)
        elif now != before:
            self._queue.add_at(name, max(self._clock() + _LASTS_SECONDS, known.silent_until))

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
        if known is None or known.subject.state.reason in _UNDER_WAY:
            return
        events = tuple(events_between(known.recorded, known.subject))
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

    def _render(self, subject: EventSubject, fields: EventFields) -> dict[str, Any]:
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
            "note": fit_bytes(fields.note, _LONGEST_NOTE_BYTES),
            "regarding": {
                "apiVersion": subject.resource.api_version,
                "kind": subject.resource.kind,
                **({"namespace": namespace} if namespace else {}),
                "name": name,
                "uid": subject.uid,
                "resourceVersion": subject.resource_version,
            },
        }
