"""Events on groups and policies, for `kubectl describe` and `kubectl get events`: few, about states that last.

What is announced is the reason of `Ready`, which has the reason of whatever stands in its way, and a move to another
node. A state is announced when it has lasted for some seconds and is another than the one announced last: a VM that
starts goes through half a dozen states in a second, and only the last of them is news. An Event that can't be posted
is lost: the conditions of the object are the truth.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from cachemon.controller.decision import StoredGroup
from cachemon.controller.fair_queue import FairQueue
from cachemon.controller.stamping import StoredPolicy
from cachemon.controller.store import Change
from cachemon.controller.timers import Timers
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.daemon.waiting import wait_for
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
from cachemon.model.reasons import Reason
from cachemon.telemetry.operator_metrics import Metrics

__all__ = ["MOVED", "Announcer", "EventClient", "News", "State", "Subject", "group_subject", "news", "policy_subject"]

log = logging.getLogger(__name__)

MOVED = "Moved"

_LASTS_SECONDS = 5.0
_SPACING_SECONDS = 60.0
_EVENTS_PER_SECOND = 5.0
_BURST = 25
_PARALLEL = 4
_LONGEST_NOTE_BYTES = 1024
"""k8s.io/kubernetes pkg/apis/core/validation/events.go: NoteLengthLimit."""

_NAMESPACE_OF_THE_CLUSTERS = "default"
"""Where Events on objects without a namespace go (the same file: "involvedObject.namespace")."""

_NOTHING_WRONG = frozenset({Reason.VMI_NOT_FOUND, Reason.VMI_NOT_RUNNING})
_UNDER_WAY = frozenset({Reason.STAMPING})
"""No news yet: what becomes of it is."""


class EventClient(Protocol):
    """What is needed of `cachemon.kube.KubeClient`."""

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Create an object."""


class State(NamedTuple):
    """What of an object is news when it changes: `Ready` and the node; all empty when nobody has judged it yet."""

    ready: str = ""
    reason: str = ""
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that there may be Events about.

    Attributes:
        resource: what it is one of.
        name: metadata.
        uid: metadata.
        resource_version: metadata.
        state: how it stands by its status.
        message: that of `Ready`.
    """

    resource: Resource
    name: ObjectName
    uid: str
    resource_version: str
    state: State
    message: str


@dataclass(frozen=True, slots=True)
class News:
    """One Event: its type, reason and note."""

    type: str
    reason: str
    note: str


def group_subject(group: CacheMonitorGroup) -> Subject:
    """A group as it stands."""
    state, message = _standing(group.conditions, group.node_name)
    return Subject(GROUPS, group.name, group.uid, group.resource_version, state, message)


def policy_subject(stored: StoredPolicy) -> Subject:
    """A policy as it stands."""
    state, message = _standing(parse_conditions(stored.status.get("conditions")))
    name = ObjectName("", stored.policy.name)
    return Subject(POLICIES, name, stored.uid, stored.resource_version, state, message)


def _standing(conditions: Mapping[str, Condition], node_name: str = "") -> tuple[State, str]:
    ready = conditions.get(READY)
    return (State(), "") if ready is None else (State(ready.status, ready.reason, node_name), ready.message)


def news(before: State, subject: Subject) -> Iterable[News]:
    """What there is to say of an object, given how it stood when something was said of it last."""
    now = subject.state
    if before.node_name and now.node_name and before.node_name != now.node_name:
        yield News("Normal", MOVED, f"the VMI moved from node `{before.node_name}` to node `{now.node_name}`")
    if (before.ready, before.reason) != (now.ready, now.reason):
        fine = now.ready == "True" or now.reason in _NOTHING_WRONG
        yield News("Normal" if fine else "Warning", now.reason, subject.message)


@dataclass(slots=True)
class _Heard:
    """An object, the state that was announced last, and when the next may be announced, in monotonic seconds."""

    subject: Subject
    said: State
    silent_until: float = 0.0


class Announcer:
    """Posts them.

    Args:
        client: the API server.
        metrics: counts.
        instance: which operator this is, for the Event's `reportingInstance`.
        wall_clock: seconds since the epoch, for the Events; all else is by the event loop's clock.
    """

    def __init__(
        self, client: EventClient, metrics: Metrics, *, instance: str, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._instance = instance
        self._wall_clock = wall_clock
        self._clock = asyncio.get_running_loop().time
        self._heard: dict[ObjectName, _Heard] = {}
        self._timers = Timers()
        self._woken = asyncio.Event()
        self._queue = FairQueue(_PARALLEL)
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._bucket = TokenBucket(_EVENTS_PER_SECOND, _BURST, clock=self._clock)

    def hear_group(self, change: Change[StoredGroup]) -> None:
        """A group came, changed or went; give this to the store. What stood when it came is no news."""
        self._hear(change.name, group_subject(change.after.group) if change.after else None)

    def hear_policy(self, change: Change[StoredPolicy]) -> None:
        """The same of a policy."""
        self._hear(change.name, policy_subject(change.after) if change.after else None)

    def _hear(self, name: ObjectName, subject: Subject | None) -> None:
        if subject is None:
            self._heard.pop(name, None)
            self._timers.set(name, None)
            self._queue.discard(name)
            return
        known = self._heard.get(name)
        now = subject.state
        if known is None or known.subject.uid != subject.uid:
            self._heard[name] = _Heard(subject, said=now)
            self._timers.set(name, None)
            return
        before, known.subject = known.subject.state, subject
        if now == known.said or now.reason in _UNDER_WAY:
            self._timers.set(name, None)
        elif now != before:
            self._timers.set(name, max(self._clock() + _LASTS_SECONDS, known.silent_until))
            self._woken.set()

    async def run(self) -> None:
        """Post until cancelled; no namespace waits for another's Events."""
        async with asyncio.TaskGroup() as posts:
            while True:
                await self._slots.acquire()
                name = await self._next()
                posts.create_task(self._turn(name))

    async def _next(self) -> ObjectName:
        while True:
            for name in self._timers.pop(self._clock()):
                self._queue.add(name)
            if (due := self._queue.take()) is not None:
                return due
            self._woken.clear()
            await wait_for(self._woken, self._timers.first - self._clock())

    async def _turn(self, name: ObjectName) -> None:
        try:
            await self._announce(name)
        finally:
            self._queue.release(name)
            self._slots.release()
            self._woken.set()

    async def _announce(self, name: ObjectName) -> None:
        """Say what is so when our turn in the token bucket comes."""
        await asyncio.sleep(self._bucket.reserve())
        known = self._heard.get(name)
        if known is None or known.subject.state.reason in _UNDER_WAY:
            return
        items = tuple(news(known.said, known.subject))
        known.said = known.subject.state
        known.silent_until = self._clock() + _SPACING_SECONDS
        for item in items:
            try:
                await self._client.create(
                    EVENTS, self._event(known.subject, item), field_manager=OPERATOR_FIELD_MANAGER
                )
                self._metrics.count_event("ok")
                self._queue.note(name.namespace, failed=False)
            except KubeError as err:
                self._metrics.count_event("failed")
                self._queue.note(name.namespace, failed=True)
                log.warning("Event %s on %s: %s", item.reason, name, err)

    def _event(self, subject: Subject, item: News) -> dict[str, Any]:
        """An Event of events.k8s.io/v1; its name is unique as those of client-go are."""
        moment = datetime.fromtimestamp(self._wall_clock(), UTC)
        suffix = f"{int(moment.timestamp() * 1e6):x}.{item.reason.lower()}"
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
            "type": item.type,
            "reason": item.reason,
            "note": item.note.encode()[:_LONGEST_NOTE_BYTES].decode(errors="ignore"),
            "regarding": {
                "apiVersion": subject.resource.api_version,
                "kind": subject.resource.kind,
                **({"namespace": namespace} if namespace else {}),
                "name": name,
                "uid": subject.uid,
                "resourceVersion": subject.resource_version,
            },
        }
