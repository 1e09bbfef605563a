"""Events about `Ready` of groups and policies, and about VMIs that moved to another node."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cachemon.controller.collection import Change
from cachemon.controller.decision import StoredGroup
from cachemon.controller.events import EventFields, EventRecorder, EventSubject
from cachemon.controller.stamping import StoredPolicy
from cachemon.model.api import GROUPS, POLICIES, READY, CacheMonitorGroup, ObjectName
from cachemon.model.conditions import Condition, parse_conditions
from cachemon.model.reasons import Reason

MOVED = "Moved"

_NOTHING_WRONG = frozenset({Reason.VMI_NOT_FOUND, Reason.VMI_NOT_RUNNING})
_UNDER_WAY = frozenset({Reason.STAMPING})


class ReadyState(NamedTuple):
    """The part of a group or policy: `Ready` and the node; all empty before the first decision."""

    ready: str = ""
    reason: str = ""
    node_name: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether the operator is still at work on a policy."""
        return self.reason in _UNDER_WAY


def group_subject(group: CacheMonitorGroup) -> EventSubject[ReadyState]:
    """A group in its present state."""
    state, message = _ready_state(group.conditions, group.node_name)
    return EventSubject(GROUPS, group.name, group.uid, group.resource_version, state, message)


def policy_subject(stored: StoredPolicy) -> EventSubject[ReadyState]:
    """A policy in its present state."""
    state, message = _ready_state(parse_conditions(stored.status.get("conditions")))
    name = ObjectName("", stored.policy.name)
    return EventSubject(POLICIES, name, stored.uid, stored.resource_version, state, message)


def _ready_state(conditions: Mapping[str, Condition], node_name: str = "") -> tuple[ReadyState, str]:
    ready = conditions.get(READY)
    if ready is None:
        return ReadyState(), ""
    return ReadyState(ready.status, ready.reason, node_name), ready.message


def events_between(before: ReadyState, subject: EventSubject[ReadyState]) -> Iterable[EventFields]:
    """The Events to post about an object, given the state that was recorded last."""
    now = subject.state
    if before.node_name and now.node_name and before.node_name != now.node_name:
        yield EventFields("Normal", MOVED, f"the VMI moved from node `{before.node_name}` to node `{now.node_name}`")
    if (before.ready, before.reason) != (now.ready, now.reason):
        fine = now.ready == "True" or now.reason in _NOTHING_WRONG
        yield EventFields("Normal" if fine else "Warning", now.reason, subject.message)


class ReadyEvents:
    """Has Events posted about groups and policies; give its methods to the store."""

    def __init__(self, recorder: EventRecorder[ReadyState]) -> None:
        self._recorder = recorder

    def group_changed(self, change: Change[StoredGroup]) -> None:
        """Follow a group."""
        self._recorder.follow(change.name, group_subject(change.after.group) if change.after else None)

    def policy_changed(self, change: Change[StoredPolicy]) -> None:
        """Follow a policy."""
        self._recorder.follow(change.name, policy_subject(change.after) if change.after else None)
