"""Events on groups, for `kubectl describe` and `kubectl get events`: few, and only about states that last.

What is announced is the reason of `Ready`, which has the reason of whatever stands in its way, and a move to another
node. A state is announced when it has lasted for some seconds and is another than the one announced last: a VM that
starts goes through half a dozen states in a second, and only the last of them is news. An Event that can't be posted
is lost: the conditions of the object are the truth.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from cachemon.controller.decision import StoredGroup
from cachemon.controller.metrics import Metrics
from cachemon.controller.store import Change
from cachemon.controller.timers import Timers
from cachemon.kube.pace import TokenBucket
from cachemon.model.api import EVENTS, GROUPS, OPERATOR_FIELD_MANAGER, READY, CacheMonitorGroup, ObjectName, Resource
from cachemon.model.errors import KubeError
from cachemon.model.reasons import Reason

__all__ = ["MOVED", "Announcer", "EventClient", "News", "State", "news", "state_of"]

log = logging.getLogger(__name__)

MOVED = "Moved"

_LASTS_SECONDS = 5.0
_SPACING_SECONDS = 60.0
_EVENTS_PER_SECOND = 5.0
_BURST = 25
_LONGEST_NAP_SECONDS = 30.0
_LONGEST_NOTE_BYTES = 1024
"""k8s.io/kubernetes pkg/apis/core/validation/events.go: NoteLengthLimit."""

_NOTHING_WRONG = frozenset({Reason.VMI_NOT_FOUND, Reason.VMI_NOT_RUNNING})


class EventClient(Protocol):
    """What is needed of `cachemon.kube.KubeClient`."""

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Create an object."""


class State(NamedTuple):
    """What of a group is news when it changes: `Ready` and the node; all empty for a group nobody judged yet."""

    ready: str = ""
    reason: str = ""
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """One Event: its type, reason and note."""

    type: str
    reason: str
    note: str


def state_of(group: CacheMonitorGroup) -> State:
    """How a group stands by its status."""
    ready = group.conditions.get(READY)
    return State() if ready is None else State(ready.status, ready.reason, group.node_name)


def news(before: State, group: CacheMonitorGroup) -> Iterable[News]:
    """What there is to say of a group, given how it stood when something was said of it last."""
    now = state_of(group)
    if before.node_name and now.node_name and before.node_name != now.node_name:
        yield News("Normal", MOVED, f"the VMI moved from node `{before.node_name}` to node `{now.node_name}`")
    if (before.ready, before.reason) != (now.ready, now.reason):
        fine = now.ready == "True" or now.reason in _NOTHING_WRONG
        yield News("Normal" if fine else "Warning", now.reason, group.conditions[READY].message)


@dataclass(slots=True)
class _Group:
    """A group, the state that was announced last, and when the next may be announced (seconds since the epoch)."""

    group: CacheMonitorGroup
    said: State
    silent_until: float = 0.0


class Announcer:
    """Posts them.

    Args:
        client: the API server.
        metrics: counts.
        instance: which operator this is, for the Event's `reportingInstance`.
        clock: seconds since the epoch.
    """

    def __init__(
        self, client: EventClient, metrics: Metrics, *, instance: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._instance = instance
        self._clock = clock
        self._groups: dict[ObjectName, _Group] = {}
        self._timers = Timers()
        self._woken = asyncio.Event()
        self._bucket = TokenBucket(_EVENTS_PER_SECOND, _BURST, clock=asyncio.get_running_loop().time)

    def hear(self, change: Change[StoredGroup]) -> None:
        """A group came, changed or went; give this to the store. What stood when it came is no news."""
        name, after = change.name, change.after
        if after is None:
            self._groups.pop(name, None)
            self._timers.set(name, None)
            return
        known = self._groups.get(name)
        now = state_of(after.group)
        if known is None or known.group.uid != after.group.uid:
            self._groups[name] = _Group(after.group, said=now)
            self._timers.set(name, None)
            return
        before, known.group = state_of(known.group), after.group
        if now == known.said:
            self._timers.set(name, None)
        elif now != before:
            self._timers.set(name, max(self._clock() + _LASTS_SECONDS, known.silent_until))
            self._woken.set()

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            for name in self._timers.pop(self._clock()):
                await self._announce(name)
            self._woken.clear()
            seconds = self._timers.first - self._clock()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(seconds, 0.0), _LONGEST_NAP_SECONDS)):
                    await self._woken.wait()

    async def _announce(self, name: ObjectName) -> None:
        """Say what is so when our turn in the token bucket comes."""
        await asyncio.sleep(self._bucket.take())
        known = self._groups.get(name)
        if known is None:
            return
        items = tuple(news(known.said, known.group))
        known.said = state_of(known.group)
        known.silent_until = self._clock() + _SPACING_SECONDS
        for item in items:
            try:
                await self._client.create(
                    EVENTS, self._event(known.group, item), field_manager=OPERATOR_FIELD_MANAGER
                )
                self._metrics.count_event("ok")
            except KubeError as err:
                self._metrics.count_event("failed")
                log.warning("Event %s on %s: %s", item.reason, name, err)

    def _event(self, group: CacheMonitorGroup, item: News) -> dict[str, Any]:
        """An Event of events.k8s.io/v1; its name is unique as those of client-go are."""
        moment = datetime.fromtimestamp(self._clock(), UTC)
        suffix = f"{int(moment.timestamp() * 1e6):x}.{item.reason.lower()}"
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": group.name.namespace, "name": f"{group.name.name[:200].rstrip('-.')}.{suffix}"},
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": OPERATOR_FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "action": "Judge",
            "type": item.type,
            "reason": item.reason,
            "note": item.note.encode()[:_LONGEST_NOTE_BYTES].decode(errors="ignore"),
            "regarding": {
                "apiVersion": GROUPS.api_version,
                "kind": GROUPS.kind,
                "namespace": group.name.namespace,
                "name": group.name.name,
                "uid": group.uid,
                "resourceVersion": group.resource_version,
            },
        }
