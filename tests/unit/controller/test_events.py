import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.events import EventRecorder
from cachemon.controller.ready_events import ReadyEvents, ReadyState, events_between, group_subject
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, POLICIES, Resource
from cachemon.model.errors import KubeForbiddenError, KubeUnreachableError
from cachemon.telemetry.operator_metrics import Metrics
from tests.unit import virtual_time
from tests.unit.controller.builders import NOW, at, condition, group, group_object, policy_object
from tests.unit.controller.event_stories import Events, play

Object = dict[str, Any]


class Story:
    """A recorder at a store, in virtual time."""

    def __init__(self) -> None:
        self.events = Events()
        self.metrics = Metrics()
        self.wall_ahead = 0.0
        self.recorder = EventRecorder(
            self.events,  # type: ignore[arg-type]
            self.metrics,
            events_between,
            instance="pod-1",
            wall_clock=lambda: NOW + virtual_time.time() + self.wall_ahead,
        )
        self.store = Store()
        follower = ReadyEvents(self.recorder)
        self.store.on_group = follower.group_changed
        self.store.on_policy = follower.policy_changed
        self._version = 0

    def group(
        self,
        status: str = "",
        reason: str = "",
        *,
        node: str = "a",
        name: str = "g",
        namespace: str = "tenant",
        uid: str = "",
        **more: Any,
    ) -> None:
        """The group stands so now; without a status nobody has judged it yet."""
        self._version += 1
        conditions = [condition("Ready", status, reason)] if status else []
        obj = group_object(name, version=self._version, status={"nodeName": node, "conditions": conditions, **more})
        obj["metadata"]["namespace"] = namespace
        if uid:
            obj["metadata"]["uid"] = uid
        self.store.apply_event(GROUPS, "MODIFIED", obj)

    def policy(self, status: str, reason: str) -> None:
        """The policy stands so now."""
        self._version += 1
        ready = condition("Ready", status, reason) | {"message": "what to do"}
        self.store.apply_event(
            POLICIES, "MODIFIED", policy_object(version=self._version, status={"conditions": [ready]})
        )

    def delete(self) -> None:
        self._version += 1
        self.store.apply_event(GROUPS, "DELETED", group_object("g", version=self._version))


def test_a_vm_that_starts_is_one_event_though_it_goes_through_many_states() -> None:
    async def story(stage: Story) -> None:
        stage.group()
        for reason in ("VMINotFound", "VMINotRunning", "WaitingForAgent", "QEMUNotFound", "VCPUThreadMissing"):
            stage.group("False", reason)
            await asyncio.sleep(0.5)
        stage.group("True", "FiguresFresh")
        await asyncio.sleep(1000)

    assert play(Story, story).events.reasons == [("Normal", "FiguresFresh")]


def test_what_stands_wrong_for_some_seconds_is_a_warning_with_the_conditions_message() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh")
        stage.group("False", "OutOfRMIDs")
        await asyncio.sleep(10)

    stage = play(Story, story)
    assert stage.events.reasons == [("Warning", "OutOfRMIDs")]
    [event] = stage.events.posted
    assert event["regarding"] == {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorGroup",
        "namespace": "tenant",
        "name": "g",
        "uid": "uid-g",
        "resourceVersion": "2",
    }


def test_a_policy_that_lacks_a_group_is_a_warning_on_the_policy() -> None:
    async def story(stage: Story) -> None:
        stage.policy("True", "GroupsStamped")
        stage.policy("False", "NameTaken")
        await asyncio.sleep(70)
        stage.policy("True", "GroupsStamped")
        await asyncio.sleep(70)

    stage = play(Story, story)
    assert stage.events.reasons == [("Warning", "NameTaken"), ("Normal", "GroupsStamped")]
    event = stage.events.posted[0]
    assert event["metadata"]["namespace"] == "default", "where Events on objects without a namespace have to be"
    assert event["note"] == "what to do"
    assert event["regarding"] == {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorPolicy",
        "name": "gold",
        "uid": "uid-gold",
        "resourceVersion": "2",
    }


def test_a_policy_at_work_is_no_news_only_what_becomes_of_it() -> None:
    async def story(stage: Story) -> None:
        stage.policy("True", "NoVMIMatches")
        stage.policy("False", "Stamping")
        await asyncio.sleep(100)
        stage.policy("True", "GroupsStamped")
        await asyncio.sleep(100)
        stage.policy("False", "Stamping")
        await asyncio.sleep(100)
        stage.policy("True", "GroupsStamped")
        await asyncio.sleep(100)

    assert play(Story, story).events.reasons == [("Normal", "GroupsStamped")]


def test_what_is_being_corrected_when_its_turn_comes_gets_no_event() -> None:
    async def story(stage: Story) -> None:
        stage.policy("True", "GroupsStamped")
        stage.policy("False", "GroupsRefused")
        await asyncio.sleep(3)
        stage.policy("False", "Stamping")
        await asyncio.sleep(100)

    assert play(Story, story).events.reasons == []


def test_a_state_that_passes_is_no_news() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh")
        stage.group("Unknown", "AgentNotReporting")
        await asyncio.sleep(3)
        stage.group("True", "FiguresFresh")
        await asyncio.sleep(1000)

    assert play(Story, story).events.reasons == []


def test_figures_that_change_are_no_news() -> None:
    async def story(stage: Story) -> None:
        for _ in range(1000):
            stage.group("True", "FiguresFresh", observedTime="2026-11-22T08:00:00Z")
            await asyncio.sleep(1)

    assert play(Story, story).events.reasons == []


def test_a_move_is_news_even_when_nothing_else_changed() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh", node="a")
        stage.group("True", "FiguresFresh", node="b")
        await asyncio.sleep(10)

    stage = play(Story, story)
    assert stage.events.reasons == [("Normal", "Moved")]
    assert "from node `a` to node `b`" in stage.events.posted[0]["note"]


def test_a_group_that_flaps_gets_at_most_one_event_a_minute() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh")
        for turn in range(60):
            stage.group("False" if turn % 2 else "True", "OutOfRMIDs" if turn % 2 else "FiguresFresh")
            await asyncio.sleep(10)

    assert 1 <= len(play(Story, story).events.reasons) <= 10


def test_what_stood_when_the_operator_came_is_no_news_but_what_it_finds_out_is() -> None:
    async def story(stage: Story) -> None:
        stage.group("False", "NodeUnsupported")
        stage.group("True", "FiguresFresh", name="other")
        await asyncio.sleep(100)
        assert stage.events.reasons == []
        stage.group("True", "FiguresFresh")
        await asyncio.sleep(100)

    assert play(Story, story).events.reasons == [("Normal", "FiguresFresh")]


def test_a_deleted_group_is_not_spoken_of() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh")
        stage.group("False", "OutOfRMIDs")
        stage.delete()
        await asyncio.sleep(100)
        stage.group("True", "FiguresFresh", uid="another")
        await asyncio.sleep(100)

    assert play(Story, story).events.reasons == []


def test_an_event_that_cannot_be_posted_is_counted_and_the_next_one_is_tried() -> None:
    async def story(stage: Story) -> None:
        stage.events.errors = [KubeForbiddenError("namespace is being deleted"), KubeUnreachableError("away")]
        stage.group("True", "FiguresFresh")
        for reason in ("OutOfRMIDs", "NoAgent", "NodeUnsupported"):
            stage.group("False", reason)
            await asyncio.sleep(100)

    stage = play(Story, story)
    assert stage.events.reasons == [("Warning", "NodeUnsupported")]
    failed = stage.metrics.registry.get_sample_value("cachemon_operator_events_total", {"result": "failed"})
    assert failed == 2


STATES = st.builds(
    ReadyState,
    ready=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["FiguresFresh", "OutOfRMIDs", "VMINotFound"]),
    node_name=st.sampled_from(["", "a", "b"]),
)


@given(STATES, STATES)
def test_there_is_news_exactly_when_the_state_of_a_placed_group_is_another(
    before: ReadyState, after: ReadyState
) -> None:
    status = {"nodeName": after.node_name, "conditions": [condition("Ready", after.ready, after.reason)]}
    now = group_subject(group(status))
    assert now.state == after
    moved = bool(before.node_name and after.node_name) and before.node_name != after.node_name
    judged = (before.ready, before.reason) != (after.ready, after.reason)
    assert len(tuple(events_between(before, now))) == moved + judged


def test_a_namespace_whose_events_hang_holds_up_nobody_elses() -> None:
    async def story(stage: Story) -> None:
        create = stage.events.create

        async def slow(resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> Object:
            if body["metadata"]["namespace"] == "bad":
                await asyncio.sleep(30)
                raise KubeUnreachableError("a webhook hangs")
            return await create(resource, body, field_manager=field_manager)

        stage.events.create = slow  # type: ignore[method-assign]
        for number in range(100):
            stage.group("True", "FiguresFresh", name=f"g{number}", namespace="bad")
            stage.group("False", "NoAgent", name=f"g{number}", namespace="bad")
        stage.group("True", "FiguresFresh")
        stage.group("False", "NoAgent")
        await asyncio.sleep(8)
        assert stage.events.reasons == [("Warning", "NoAgent")]

    play(Story, story)


def test_a_wall_clock_that_is_set_back_delays_no_event() -> None:
    async def story(stage: Story) -> None:
        stage.group("True", "FiguresFresh")
        stage.group("False", "NoAgent")
        stage.wall_ahead = -3600.0
        await asyncio.sleep(8)
        assert stage.events.reasons == [("Warning", "NoAgent")]
        assert stage.events.posted[0]["eventTime"] < at(0)

    play(Story, story)
