"""Events about VMs that disturb each other, on groups, VMIs and nodes.

A verdict has one when it becomes Likely or Confirmed, and when it is over. The recorder compares states, so a restart
and a new list cause none.
"""

from collections.abc import Iterable

from cachemon.controller.cluster_objects import ClusterObjects
from cachemon.controller.collection import Change
from cachemon.controller.decision import StoredGroup
from cachemon.controller.events import EventFields, EventRecorder, EventSubject
from cachemon.controller.interference_notes import (
    NodeState,
    VmiFacts,
    VmiState,
    node_events,
    node_state,
    vmi_events,
    vmi_state,
)
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.node_interference import NodeVerdict
from cachemon.model.api import GROUPS, NODES, UNDISTURBED, VMIS, ObjectName

State = VmiState | NodeState
Subject = EventSubject[State]

_VMI_PREFIX = "vmi/"
"""Keeps the key of a VMI apart from that of a group with its name: no name has a slash."""


class InterferenceEvents:
    """Has the Events posted; give its methods to the store.

    Args:
        objects: the objects of the cluster.
        recorder: posts them, with `InterferenceNotes.between`.
    """

    def __init__(self, objects: ClusterObjects, recorder: EventRecorder[State]) -> None:
        self._objects = objects
        self._recorder = recorder

    def group_changed(self, change: Change[StoredGroup]) -> None:
        """Follow a group, and its VMI."""
        stored = change.after
        self._recorder.follow(change.name, _group_subject(stored) if stored else None)
        for vmi in {each.group.vmi for each in (change.before, stored) if each is not None}:
            self._follow_vmi(vmi)

    def node_changed(self, change: Change[NodeAgent]) -> None:
        """Follow a node."""
        agent = change.after
        self._recorder.follow(change.name, _node_subject(change.name, agent) if agent else None)

    def _follow_vmi(self, name: ObjectName) -> None:
        vmi = self._objects.vmis.get(name)
        groups = [it for group in self._objects.groups_of_vmi[name] if (it := self._objects.groups.get(group))]
        key = ObjectName(name.namespace, _VMI_PREFIX + name.name)
        if vmi is None or not groups:
            self._recorder.follow(key, None)
            return
        state = max(map(_state_of, groups), key=lambda state: state.rank)
        self._recorder.follow(key, EventSubject(VMIS, name, vmi.uid, "", state))


class InterferenceNotes:
    """Finds out what to say when an Event is due, by what is known then; `objects` as above."""

    def __init__(self, objects: ClusterObjects) -> None:
        self._objects = objects

    def between(self, before: State, subject: Subject) -> Iterable[EventFields]:
        """The Events to post about an object, given the state that was recorded last."""
        if isinstance(before, NodeState):
            return node_events(before, subject.name.name, self._verdicts(subject.name.name))
        names = [subject.name] if subject.resource == GROUPS else self._objects.groups_of_vmi[subject.name]
        groups = [it for name in names if (it := self._objects.groups.get(name))]
        if not groups:
            return ()
        group = max(groups, key=lambda stored: _state_of(stored).rank)
        return vmi_events(before, self._facts(group, self._verdicts(before.node_name)))

    def _facts(self, stored: StoredGroup, before: Iterable[NodeVerdict]) -> VmiFacts:
        group = stored.group
        condition = group.conditions.get(UNDISTURBED)
        return VmiFacts(group.vmi, group.node_name, stored.interference, condition, tuple(before))

    def _verdicts(self, node_name: str) -> tuple[NodeVerdict, ...]:
        agent = self._objects.agents.get(ObjectName("", node_name))
        return agent.verdicts if agent else ()


def _state_of(stored: StoredGroup) -> VmiState:
    return vmi_state(stored.interference, stored.group.node_name)


def _group_subject(stored: StoredGroup) -> Subject:
    group = stored.group
    return EventSubject(GROUPS, group.name, group.uid, group.resource_version, _state_of(stored))


def _node_subject(name: ObjectName, agent: NodeAgent) -> Subject:
    return EventSubject(NODES, name, agent.uid, "", node_state(agent.verdicts))
