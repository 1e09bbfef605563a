import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from cachemon.agent.heartbeat import Heartbeat
from cachemon.agent.live_values import LiveValues
from cachemon.agent.status_writer import NodeStatusWriter
from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import Figures
from cachemon.interference.verdicts import Level, Verdict
from cachemon.kube.outage import FailureRun
from cachemon.kube.token_claims import NodeClaim
from cachemon.model.api import ObjectName
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)
from cachemon.model.groups import GroupKey
from cachemon.model.times import format_time
from tests.unit.agent.builders import FACTS, NODE, NOTHING_READ, make_layout
from tests.unit.agent.publishing import Server
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict


class Setting:
    """A heartbeat whose time stands still until it is moved."""

    def __init__(self, *, period: int = 60, claim: NodeClaim | None = None) -> None:
        self.now = 1000.0
        self.server = Server(lambda: self.now)
        self.writes = Counter[str]()
        self.failure_run = FailureRun()
        writer = NodeStatusWriter(
            self.server,  # type: ignore[arg-type]
            NODE,
            claim,
            period,
            writes=self.writes,
            wall_clock=lambda: 1.8e9 + self.now,
        )
        self.live_value = ""
        self.heartbeat = Heartbeat(
            writer,
            run=self.failure_run,
            live=LiveValues(lambda: 1.8e9 + self.now),
            live_value=lambda: self.live_value,
            clock=lambda: self.now,
        )

    def beat(self, layout: BoundLayout | None = None, figures: Figures = NOTHING_READ) -> float:
        return asyncio.run(self.heartbeat.beat(layout or make_layout(), figures))


def failing(setting: Setting, error: KubeError | None) -> None:
    setting.server.refuse = lambda _name, _status: error


def test_the_node_is_written_at_once_and_then_once_a_period() -> None:
    setting = Setting(period=10)
    times = []
    for _ in range(600):
        setting.beat()
        times += [applied.at for applied in setting.server.applied]
        setting.server.applied.clear()
        setting.now += 0.25
    assert times[0] == 1000
    assert 15 <= len(times) <= 16
    assert {later - earlier for earlier, later in pairwise(times[1:])} == {10}


def test_a_node_that_somebody_watches_is_written_every_two_seconds_until_its_time_has_come() -> None:
    setting = Setting(period=60)
    setting.beat()
    setting.now += 90
    setting.server.applied.clear()
    setting.live_value = format_time(1.8e9 + setting.now + 60)
    for _ in range(200):
        setting.beat()
        setting.now += 1
    live = [applied for applied in setting.server.applied if "live" in applied.status]
    assert live[0].status["live"] == {"until": setting.live_value, "periodSeconds": 2}
    assert live[0].at == 1090
    assert {later.at - earlier.at for earlier, later in pairwise(live[1:])} == {2}
    assert 30 <= len(live) <= 31
    assert len(setting.server.applied) - len(live) in (2, 3, 4)
    assert {applied.status["statusPeriodSeconds"] for applied in setting.server.applied} == {60}


def test_a_value_that_is_not_valid_is_in_the_nodes_status_at_once() -> None:
    setting = Setting(period=60)
    setting.beat()
    setting.now += 1
    setting.live_value = "soon"
    setting.beat()
    assert [*setting.server.applied[-1].status["live"]] == ["message"]
    setting.now += 10
    setting.beat()
    assert len(setting.server.applied) == 2


def test_a_verdict_that_opens_is_raised_or_ends_is_written_at_once_and_other_slowdowns_with_the_period() -> None:
    setting = Setting(period=3600)

    def written(*verdicts: Verdict) -> int:
        setting.server.applied.clear()
        for _ in range(20):
            setting.beat(figures=replace(NOTHING_READ, verdicts=make_node_verdicts(*map(make_logged, verdicts))))
            setting.now += 1
        return len(setting.server.applied)

    assert written() == 1
    assert written(make_verdict()) == 1
    assert written(make_verdict(slowdown_ratio=0.4)) == 0
    assert written(make_verdict(level=Level.CONFIRMED)) == 1
    assert written() == 1


def test_only_a_changed_node_or_annotation_is_news_between_two_reports() -> None:
    setting = Setting()
    heartbeat, changed = setting.heartbeat, make_layout(node=replace(FACTS, other_rmids=7))
    assert heartbeat.has_news(make_layout(), NOTHING_READ)
    setting.beat()
    assert not heartbeat.has_news(make_layout(), NOTHING_READ)
    assert heartbeat.has_news(changed, NOTHING_READ)
    setting.live_value = "soon"
    assert heartbeat.has_news(make_layout(), NOTHING_READ)
    setting.beat()
    assert not heartbeat.has_news(make_layout(), NOTHING_READ)


def test_nothing_is_written_before_the_first_sample() -> None:
    setting = Setting()
    setting.beat(figures=Figures())
    assert not setting.server.attempts


def test_a_node_that_changes_is_written_at_once_but_not_all_the_time() -> None:
    setting = Setting(period=3600)
    for number in range(100):
        setting.beat(make_layout(node=replace(FACTS, own_mon_groups=number)))
        setting.now += 0.1
    assert 15 <= len(setting.server.applied) <= 20


@pytest.mark.parametrize(
    ("error", "wait"), [(KubeUnreachableError("away"), 0.5), (KubeThrottledError("slow down", 7.0), 7.0)]
)
def test_a_server_that_is_away_or_busy_is_left_alone_for_a_while(error: KubeError, wait: float) -> None:
    setting = Setting()
    failing(setting, error)
    pause = setting.beat()
    assert wait <= pause <= wait * 1.1
    failing(setting, None)
    setting.now += wait - 0.01
    setting.beat()
    assert setting.server.applied == []
    setting.now += pause
    setting.beat()
    assert setting.server.names() == [NODE]


def test_a_node_that_changes_before_its_counters_are_read_is_written_then_and_again_with_its_figures() -> None:
    setting = Setting()
    setting.beat()
    more = make_layout(node=replace(FACTS, own_mon_groups=3))
    for figures in (replace(NOTHING_READ, unread=frozenset([GroupKey("uid", "a")])), NOTHING_READ):
        setting.now += 1
        setting.server.applied.clear()
        setting.beat(more, figures)
        assert len(setting.server.applied) == 1
    setting.server.applied.clear()
    setting.now += 1
    setting.beat(more)
    assert setting.server.applied == []


def test_a_server_that_stays_away_is_asked_more_and_more_rarely() -> None:
    setting = Setting()
    failing(setting, KubeUnreachableError("away"))
    waits = []
    for _ in range(8):
        waits.append(setting.beat())
        setting.now += waits[-1]
    assert waits[:6] == sorted(waits[:6])
    assert 15 <= waits[-1] <= 16.6


@pytest.mark.parametrize(
    "error", [KubeInternalError("webhook"), KubeForbiddenError("policy"), KubeRejectedError("no")]
)
def test_a_refusal_is_tried_again_after_seconds(error: KubeError) -> None:
    setting = Setting()
    failing(setting, error)
    assert setting.beat() == pytest.approx(5)
    setting.now += 4.9
    setting.beat()
    assert setting.server.attempts[NODE] == 1
    setting.now += 0.2
    failing(setting, None)
    setting.beat()
    assert setting.server.names() == [NODE]


def test_a_success_shows_that_the_server_is_not_away() -> None:
    setting = Setting()
    for number in range(4):
        setting.failure_run.failed(ObjectName(f"tenant-{number}", "vm"))
    setting.beat()
    assert not setting.failure_run.failed(ObjectName("tenant-9", "vm"))


def node_missing_until_created(setting: Setting) -> None:
    setting.server.refuse = lambda name, _status: None if setting.server.created else KubeNotFoundError(str(name))


def test_a_node_that_has_no_object_gets_one_that_the_node_owns() -> None:
    setting = Setting(claim=NodeClaim(NODE, "uid-of-node"))
    node_missing_until_created(setting)
    setting.beat()
    assert setting.server.names() == [NODE]
    (body,) = setting.server.created
    assert body["kind"] == "CacheMonitorNode"
    assert body["metadata"]["name"] == NODE
    assert body["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": "uid-of-node"}
    ]


def test_without_a_claim_the_nodes_object_has_no_owner() -> None:
    setting = Setting()
    node_missing_until_created(setting)
    setting.beat()
    assert "ownerReferences" not in setting.server.created[0]["metadata"]


@pytest.mark.parametrize(
    "error",
    [KubeForbiddenError("no right"), KubeNotFoundError("no CRD"), KubeRejectedError("no"), KubeConflictError("x")],
)
def test_a_node_object_that_cant_be_made_is_tried_again(error: KubeError) -> None:
    setting = Setting()
    failing(setting, KubeNotFoundError("none"))
    setting.server.refuse_creation = error
    assert setting.beat() == pytest.approx(5)


def test_the_nodes_condition_keeps_its_time_from_write_to_write() -> None:
    setting = Setting()
    setting.beat()
    setting.now += 61
    setting.beat()
    times = [status["conditions"][0]["lastTransitionTime"] for _, _, status, _ in setting.server.applied]
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
        setting.beat()
        setting.now += 61
    times = [status["conditions"][0]["lastTransitionTime"] for _, _, status, _ in setting.server.applied]
    assert times == ["2026-01-01T00:00:00Z"] * 2
    assert setting.server.gets == 1


def test_the_nodes_condition_has_a_new_time_when_its_status_changed_between_two_agents() -> None:
    setting = Setting()
    setting.server.node = old_condition("False")
    setting.beat()
    ((_, _, status, _),) = setting.server.applied
    assert status["conditions"][0]["lastTransitionTime"] > "2027"


@pytest.mark.parametrize("error", [KubeNotFoundError("gone"), KubeForbiddenError("no")])
def test_a_node_object_that_cant_be_read_is_written_all_the_same(error: KubeError) -> None:
    setting = Setting()
    setting.server.node = error
    setting.beat()
    assert setting.server.names() == [NODE]


def test_an_api_server_that_is_away_is_asked_for_the_conditions_again() -> None:
    setting = Setting()
    setting.server.node = KubeUnreachableError("away")
    setting.beat()
    assert setting.server.names() == []
    setting.server.node = old_condition("True")
    setting.now += 60
    setting.beat()
    assert setting.server.applied[0][2]["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
