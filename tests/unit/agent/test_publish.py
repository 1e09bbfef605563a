import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.agent.publish import Publisher
from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import BlockFigure, Figures
from cachemon.engine.layout import GroupState, TargetLayout
from cachemon.kube.pace import TokenBucket
from cachemon.kube.token import NodeClaim
from cachemon.model.api import NODES, ObjectName, Resource
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing, Reading
from cachemon.model.reasons import Reason
from tests.unit.agent.builders import (
    BLOCKS,
    NODE,
    NOTHING_READ,
    cell,
    make_group,
    make_layout,
    make_object,
    make_target,
)


class Server:
    """Notes what is written, and refuses what it is told to.

    Attributes:
        applied: (plural, name, status) of every accepted apply.
        created: bodies of every accepted create.
        refuse: called with (plural, name) before each apply; an answer is raised.
    """

    def __init__(self) -> None:
        self.applied: list[tuple[str, str, Mapping[str, Any]]] = []
        self.created: list[Mapping[str, Any]] = []
        self.attempts = 0
        self.refuse: Callable[[str, str], KubeError | None] = lambda _plural, _name: None
        self.refuse_creation: KubeError | None = None
        self.node: dict[str, Any] | KubeError = KubeNotFoundError("not found")
        self.gets = 0

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        assert (resource, name) == (NODES, ObjectName("", NODE))
        self.gets += 1
        if isinstance(self.node, KubeError):
            raise self.node
        return self.node

    async def send_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        self.attempts += 1
        if error := self.refuse(resource.plural, name.name):
            raise error
        assert field_manager == "cachemon-agent"
        self.applied.append((resource.plural, name.name, status))

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        assert resource is NODES
        assert field_manager == "cachemon-agent"
        if self.refuse_creation:
            raise self.refuse_creation
        self.created.append(body)
        return {}

    def names(self) -> list[str]:
        """Names of what was applied, and forget."""
        names = [name for _, name, _ in self.applied]
        self.applied.clear()
        return names


class Setting:
    """A publisher whose time stands still until it is moved."""

    def __init__(self, *, node_period: int = 60, claim: NodeClaim | None = None) -> None:
        self.now = 1000.0
        self.server = Server()
        self.publisher = Publisher(
            self.server,  # type: ignore[arg-type]
            NODE,
            claim,
            node_period,
            bucket=TokenBucket(1000, 1000, lambda: self.now),
            clock=lambda: self.now,
            wall_clock=lambda: 1.8e9 + self.now,
        )

    def publish(self, layout: BoundLayout, figures: Figures = NOTHING_READ) -> float:
        return asyncio.run(self.publisher.publish(layout, figures))


def layout_of(*names: str, state: GroupState = GroupState.MONITORED, period: int = 60) -> BoundLayout:
    spec = {"statusPeriodSeconds": period}
    return make_layout(
        *((make_target(make_object(name, spec=spec)), [make_group("a", [cell(0)], state)]) for name in names)
    )


def test_everything_is_written_at_first_the_node_before_the_objects() -> None:
    setting = Setting()
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.names() == [NODE, "vm1", "vm2"]


def test_nothing_is_written_before_the_first_sample() -> None:
    setting = Setting()
    setting.publish(layout_of("vm1"), Figures())
    assert setting.server.attempts == 0


def test_an_object_that_another_node_reports_is_not_written() -> None:
    setting = Setting()
    layout = make_layout((make_target(reports=False), [make_group("a", [cell(0)])]))
    setting.publish(layout)
    assert setting.server.names() == [NODE]


def test_the_source_of_a_migration_says_nothing_once_its_qemu_has_left() -> None:
    placements = [
        {"nodeName": NODE, "podUID": "pod-a", "role": "Active"},
        {"nodeName": "node02", "podUID": "pod-b", "role": "MigrationTarget"},
    ]
    target = make_target(make_object("vm1", status={"placements": placements}))
    here = make_layout((target, [make_group("a", [cell(0)])]))
    waiting = (replace(make_group("a", [], GroupState.WAITING), reason=Reason.QEMU_NOT_FOUND),)
    gone = replace(here, targets=(TargetLayout(target, waiting, (), has_all_vcpus=False),))
    setting = Setting(node_period=3600)
    setting.publish(here)
    assert "vm1" in setting.server.names()
    setting.now += 61
    setting.publish(gone)
    assert setting.server.names() == []
    setting.publish(here)
    assert setting.server.names() == ["vm1"], "the migration failed: the source goes on"


@pytest.mark.parametrize("period", [10, 60, 3600])
def test_objects_that_began_together_are_due_at_times_spread_over_the_period(period: int) -> None:
    waits = []
    for number in range(100):
        setting = Setting(node_period=36000)
        waits.append(setting.publish(layout_of(f"vm{number}", period=period)))
    assert all(0 < wait <= period for wait in waits)
    tenths = Counter(int(wait / period * 10) for wait in waits)
    assert all(3 <= tenths[tenth] <= 25 for tenth in range(10))


@pytest.mark.parametrize("period", [10, 60])
def test_from_then_on_an_object_is_due_once_a_period_whatever_happened_in_between(period: int) -> None:
    setting = Setting(node_period=36000)
    states = (GroupState.MONITORED, GroupState.DEGRADED)
    setting.now += setting.publish(layout_of("vm1", period=period))
    row = setting.now
    for number in range(1, 50):
        wait = setting.publish(layout_of("vm1", state=states[number % 2], period=period))
        setting.now += wait / 3
        wait = setting.publish(layout_of("vm1", state=states[(number + 1) % 2], period=period))
        setting.now += wait
        assert setting.now == pytest.approx(row + number * period)


def test_an_object_is_written_once_a_period_and_at_once_when_its_state_changes() -> None:
    setting = Setting(node_period=3600)
    setting.publish(layout_of("vm1"))
    setting.server.names()
    setting.now += 1
    setting.publish(layout_of("vm1"))
    assert setting.server.names() == []
    setting.publish(layout_of("vm1", state=GroupState.DEGRADED))
    assert setting.server.names() == ["vm1"]
    setting.now += 61
    setting.publish(layout_of("vm1", state=GroupState.DEGRADED))
    assert setting.server.names() == ["vm1"]


@pytest.mark.pitfall(29)
@pytest.mark.parametrize(
    ("error", "wait"), [(KubeUnreachableError("away"), 0.5), (KubeThrottledError("slow down", 7.0), 7.0)]
)
def test_what_could_not_be_written_stays_due_and_is_caught_up(error: KubeError, wait: float) -> None:
    setting = Setting()
    setting.server.refuse = lambda _plural, name: error if name == "vm1" else None
    told = setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.names() == [NODE]
    assert wait <= told <= wait * 1.1 + 0.01
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.attempts == 2  # nothing is tried while the server is left alone
    setting.now += told
    setting.server.refuse = lambda _plural, _name: None
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.names() == ["vm1", "vm2"]


def test_a_server_that_stays_away_is_asked_more_and_more_rarely() -> None:
    setting = Setting()
    setting.server.refuse = lambda _plural, _name: KubeUnreachableError("away")
    waits = []
    for _ in range(8):
        waits.append(setting.publish(layout_of("vm1")))
        setting.now += waits[-1]
    assert waits[:6] == sorted(waits[:6])
    assert 15 <= waits[-1] <= 16.6
    setting.server.refuse = lambda _plural, _name: None
    setting.publish(layout_of("vm1"))
    setting.server.refuse = lambda _plural, _name: KubeUnreachableError("away again")
    setting.now += 100
    assert setting.publish(layout_of("vm1")) < 1


@pytest.mark.pitfall(29)
@pytest.mark.parametrize(
    "error", [KubeForbiddenError("policy"), KubeRejectedError("schema"), KubeConflictError("race")]
)
def test_a_refused_object_does_not_keep_the_others_from_being_written(error: KubeError) -> None:
    setting = Setting()
    setting.server.refuse = lambda _plural, name: error if name == "vm1" else None
    wait = setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.names() == [NODE, "vm2"]
    assert wait == pytest.approx(5)
    setting.now += 1
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.attempts == 3
    assert setting.publisher.writes.results == {"written": 2, "refused": 1}
    setting.now += 4.1
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.attempts == 4


@pytest.mark.pitfall(29)
def test_an_object_that_is_gone_is_let_go() -> None:
    setting = Setting()
    setting.server.refuse = lambda _plural, name: KubeNotFoundError(name) if name == "vm1" else None
    setting.publish(layout_of("vm1", "vm2"))
    assert setting.server.names() == [NODE, "vm2"]
    assert setting.publisher.writes.results["gone"] == 1


def test_an_object_that_comes_back_is_written_at_once() -> None:
    setting = Setting()
    setting.publish(layout_of("vm1"))
    setting.publish(layout_of())
    setting.server.names()
    setting.publish(layout_of("vm1"))
    assert setting.server.names() == ["vm1"]


def node_missing_until_created(setting: Setting) -> None:
    setting.server.refuse = lambda plural, name: (
        KubeNotFoundError(name) if plural == NODES.plural and not setting.server.created else None
    )


def test_a_node_that_has_no_object_gets_one_that_the_node_owns() -> None:
    setting = Setting(claim=NodeClaim(NODE, "uid-of-node"))
    node_missing_until_created(setting)
    setting.publish(layout_of("vm1"))
    assert setting.server.names() == [NODE, "vm1"]
    (body,) = setting.server.created
    assert body["kind"] == "CacheMonitorNode"
    assert body["metadata"]["name"] == NODE
    assert body["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": "uid-of-node"}
    ]


def test_without_a_claim_the_nodes_object_has_no_owner() -> None:
    setting = Setting()
    node_missing_until_created(setting)
    setting.publish(layout_of())
    assert "ownerReferences" not in setting.server.created[0]["metadata"]


@pytest.mark.parametrize(
    "error",
    [KubeForbiddenError("no right"), KubeNotFoundError("no CRD"), KubeRejectedError("no"), KubeConflictError("x")],
)
def test_a_node_object_that_cant_be_made_does_not_keep_the_groups_from_being_written(error: KubeError) -> None:
    setting = Setting()
    setting.server.refuse = lambda plural, name: KubeNotFoundError(name) if plural == NODES.plural else None
    setting.server.refuse_creation = error
    wait = setting.publish(layout_of("vm1"))
    assert setting.server.names() == ["vm1"]
    assert wait == pytest.approx(5)


def test_the_nodes_condition_keeps_its_time_from_write_to_write() -> None:
    setting = Setting()
    setting.publish(layout_of())
    setting.now += 61
    setting.publish(layout_of())
    times = [status["conditions"][0]["lastTransitionTime"] for _, _, status in setting.server.applied]
    assert len(times) == 2
    assert len(set(times)) == 1


def old_condition(status: str) -> dict[str, Any]:
    return {
        "status": {
            "conditions": [
                {"type": "Ready", "status": status, "reason": "MonitoringAvailable", "message": "as before",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}
            ]
        }
    }  # fmt: skip


def test_the_nodes_condition_keeps_its_time_when_an_agent_starts_anew() -> None:
    setting = Setting()
    setting.server.node = old_condition("True")
    for _ in range(2):
        setting.publish(layout_of())
        setting.now += 61
    times = [status["conditions"][0]["lastTransitionTime"] for _, _, status in setting.server.applied]
    assert times == ["2026-01-01T00:00:00Z"] * 2
    assert setting.server.gets == 1


def test_the_nodes_condition_has_a_new_time_when_its_status_changed_between_two_agents() -> None:
    setting = Setting()
    setting.server.node = old_condition("False")
    setting.publish(layout_of())
    ((_, _, status),) = setting.server.applied
    assert status["conditions"][0]["lastTransitionTime"] > "2027"


@pytest.mark.parametrize("error", [KubeNotFoundError("gone"), KubeForbiddenError("no")])
def test_a_node_object_that_cant_be_read_is_written_all_the_same(error: KubeError) -> None:
    setting = Setting()
    setting.server.node = error
    setting.publish(layout_of())
    assert setting.server.names() == [NODE]


def test_an_api_server_that_is_away_is_asked_for_the_conditions_again() -> None:
    setting = Setting()
    setting.server.node = KubeUnreachableError("away")
    setting.publish(layout_of())
    assert setting.server.names() == []
    setting.server.node = old_condition("True")
    setting.now += 60
    setting.publish(layout_of())
    assert setting.server.applied[0][2]["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def occupancy(layout: BoundLayout, reading: Reading) -> Figures:
    """Figures of which all groups have this one."""
    keys = [GroupKey(target.uid, group.group.name) for target in layout.targets for group in target.groups]
    return Figures(
        wall_time=1.8e9,
        groups={key: (BlockFigure(BLOCKS[0], reading, {}),) for key in keys},
        lacking=frozenset(keys) if isinstance(reading, Missing) else frozenset(),
    )


def test_a_reading_that_comes_and_goes_with_every_sample_is_told_every_few_seconds() -> None:
    setting, layout = Setting(node_period=3600), layout_of("vm1", "vm2", period=3600)
    setting.publish(layout, occupancy(layout, 5))
    setting.server.names()
    times: dict[str, list[float]] = {"vm1": [], "vm2": []}
    for second in range(30):
        setting.now += 1
        setting.publish(layout, occupancy(layout, 5 if second % 2 else Missing.UNAVAILABLE))
        for name in setting.server.names():
            times[name].append(setting.now)
    for written in times.values():
        assert written[0] == 1001  # at once when it is the first
        assert 5 <= len(written) <= 6
        assert all(5 <= later - earlier <= 6 for earlier, later in pairwise(written))


def test_a_reading_that_stays_away_is_told_once_and_so_is_its_return() -> None:
    setting, layout = Setting(node_period=3600), layout_of("vm1", period=3600)
    setting.publish(layout, occupancy(layout, 5))
    setting.server.names()
    for reading in (Missing.ERROR, 7):
        for _ in range(20):
            setting.now += 1
            setting.publish(layout, occupancy(layout, reading))
        assert setting.server.names() == ["vm1"]


def test_a_state_that_changes_is_told_at_once_while_a_reading_comes_and_goes() -> None:
    setting, well = Setting(node_period=3600), layout_of("vm1", period=3600)
    waiting = layout_of("vm1", state=GroupState.WAITING, period=3600)
    setting.publish(well, occupancy(well, 5))
    setting.publish(well, occupancy(well, Missing.ERROR))
    setting.server.names()
    for layout in (waiting, well, waiting):
        setting.now += 1
        setting.publish(layout, occupancy(layout, 5))
        assert setting.server.names() == ["vm1"]


SECONDS = st.tuples(
    st.sampled_from([GroupState.MONITORED, GroupState.MONITORED, GroupState.WAITING]),
    st.sampled_from([5, 5, 7, Missing.ERROR, Missing.OFFLINE]),
    st.sampled_from(["ok", "ok", "ok", "away", "refused"]),
)


@given(st.lists(SECONDS, max_size=40))
def test_a_layout_that_is_the_very_same_is_told_as_one_that_only_says_the_same(
    seconds: list[tuple[GroupState, Reading, str]],
) -> None:
    answers = {"ok": None, "away": KubeUnreachableError("away"), "refused": KubeForbiddenError("no")}
    layouts = {state: layout_of("vm1", "vm2", state=state, period=7) for state in GroupState}
    ours, plain = Setting(), Setting()
    for state, reading, answer in seconds:
        for setting, layout in ((ours, layouts[state]), (plain, layout_of("vm1", "vm2", state=state, period=7))):
            setting.now += 1
            setting.publisher._hold_until = 0.0  # with its jitter
            setting.server.refuse = lambda _plural, _name, answer=answer: answers[answer]  # type: ignore[misc]
            setting.publish(layout, occupancy(layout, reading))
        assert ours.server.attempts == plain.server.attempts
        assert ours.server.applied == plain.server.applied


def test_writes_come_no_faster_than_the_bucket_fills() -> None:
    now = 0.0
    bucket = TokenBucket(per_second=10, burst=3, clock=lambda: now)
    assert [bucket.take() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    now = 100.0
    assert [bucket.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])
