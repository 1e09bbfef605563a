"""Reports that change nothing cost no decision, and no decision is missing because of that."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.report_times import Moment
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NODES, PODS, VMIS, ObjectName
from tests.unit.controller.builders import (
    NOW,
    at,
    figures,
    group_object,
    node_object,
    pod_object,
    vmi_object,
)

G = ObjectName("tenant", "g")


class World:
    """The operator's store, and an API server that has what it decides at once.

    Attributes:
        now: seconds from NOW, on every clock but the node's.
        ahead: by how much the node's clock is ahead.
        decisions: how many were made.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.ahead = 0.0
        self.decisions = 0
        self._version = 1
        self._group = group_object(status={"nodeName": "a", **figures(0)})
        self._node = node_object()
        self._look_again_at: float | None = None
        self.store = Store(lambda: Moment(NOW + self.now, NOW + self.now))
        for resource, obj in ((VMIS, vmi_object()), (PODS, pod_object())):
            self.store.apply_event(resource, "ADDED", obj)
        self.heartbeat()
        self.report()

    def report(self, **status: Any) -> None:
        """The agent writes the group's status."""
        self._group["status"] |= {"observedTime": at(self.now + self.ahead), **status}
        self._stored(self._group)
        self.store.apply_event(GROUPS, "MODIFIED", copy.deepcopy(self._group))
        self.work()

    def heartbeat(self, ready: str = "True") -> None:
        """The agent writes the node's."""
        self._node = node_object(seen=self.now + self.ahead, ready=ready)
        self._stored(self._node)
        self.store.apply_event(NODES, "MODIFIED", copy.deepcopy(self._node))
        self.work()

    def wait(self, seconds: float) -> None:
        """Time goes by; what was to be decided again is."""
        end = self.now + seconds
        while self._look_again_at is not None and self._look_again_at - NOW <= end:
            self.now = max(self.now, self._look_again_at - NOW)
            self.store.queue.add(G)
            self.work()
        self.now = end

    def work(self) -> None:
        """Decide what is queued, and store it."""
        while G in [*self.store.queue]:
            self.store.queue.discard(G)
            self.decisions += 1
            decision = self.store.decide(G)
            assert decision
            self._look_again_at = decision.look_again_at
            if decision.status is None:
                continue
            status = self._group["status"]
            own = decision.status["conditions"]
            theirs = [item for item in status["conditions"] if item["type"] == "Monitored"]
            self._group["status"] = {**status, **decision.status, "conditions": [*own, *theirs]}
            self._stored(self._group)
            self.store.apply_event(GROUPS, "MODIFIED", copy.deepcopy(self._group))

    @property
    def ready(self) -> tuple[str, str]:
        found = next(item for item in self._group["status"]["conditions"] if item["type"] == "Ready")
        return found["status"], found["message"]

    @property
    def is_as_decided_now(self) -> bool:
        decision = self.store.decide(G)
        return decision is not None and decision.status is None

    def _stored(self, obj: dict[str, Any]) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)


def test_an_agent_that_reports_every_two_seconds_costs_few_decisions_and_stays_ready() -> None:
    world = World()
    assert world.ready[0] == "True"
    before = world.decisions
    for number in range(450):
        world.wait(2)
        world.report()
        if number % 30 == 0:
            world.heartbeat()
        assert world.ready[0] == "True"
    assert world.decisions - before <= 12


def test_fast_reports_that_end_do_not_make_ready_blink() -> None:
    world = World()
    for _ in range(30):
        world.wait(2)
        world.report()
    for _ in range(10):
        world.wait(60)
        world.report()
        world.heartbeat()
        assert world.ready[0] == "True"


def test_an_agent_that_ends_while_it_is_watched_is_silent_three_periods_later() -> None:
    world = World()
    for _ in range(30):
        world.wait(2)
        world.report()
        world.heartbeat()
    world.wait(170)
    assert world.ready[0] == "True"
    world.wait(20)
    assert world.ready[0] == "Unknown"
    world.heartbeat()
    world.report()
    assert world.ready[0] == "True"


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_a_clock_that_goes_wrong_is_named_although_reports_are_usual(ahead: float) -> None:
    world = World()
    world.ahead = ahead
    for _ in range(6):
        world.wait(60)
        world.report()
        world.heartbeat()
    assert "10 min" in world.ready[1]
    world.ahead = 0.0
    for _ in range(6):
        world.wait(60)
        world.report()
        world.heartbeat()
    assert "10 min" not in world.ready[1]


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 30.0, 60.0, 100.0, 181.0, 400.0])),
    st.tuples(st.just("report"), st.sampled_from([{}, {"statusPeriodSeconds": 60}, {"statusPeriodSeconds": 200}])),
    st.tuples(st.just("heartbeat"), st.sampled_from(["True", "False"])),
    st.tuples(st.just("clock"), st.sampled_from([0.0, 600.0, -600.0])),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_reported_when_the_status_is_as_it_would_be_decided_now(steps: list[tuple[str, Any]]) -> None:
    world = World()
    for what, how in steps:
        if what == "wait":
            world.wait(how)
        elif what == "report":
            world.report(**how)
        elif what == "heartbeat":
            world.heartbeat(how)
        else:
            world.ahead = how
        assert world.is_as_decided_now
