from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachemon.agent.object_reports import WRITES_PER_SECOND
from cachemon.agent.status_size import LEAST_STATUS_BYTES
from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import BlockFigure, Figures
from cachemon.engine.layout import GroupState, TargetLayout
from cachemon.interference.verdict_log import LoggedVerdict
from cachemon.interference.verdicts import Judgement
from cachemon.model.api import ObjectName
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeTooLargeError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing, Reading
from cachemon.model.reasons import Reason
from cachemon.model.tallies import Moment
from tests.unit.agent.builders import (
    BLOCKS,
    NODE,
    NOTHING_READ,
    make_group,
    make_layout,
    make_object,
    make_target,
    mon_group,
)
from tests.unit.agent.publishing import Applied, Scene, layout_of, together
from tests.unit.interference.made_verdicts import SINCE, make_logged, make_node_verdicts, make_verdict


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def refusing(scene: Scene, name: str, error: KubeError) -> None:
    scene.server.refuse = lambda its, _status: error if its.name == name else None


def test_everything_is_written_at_first(scene: Scene) -> None:
    scene.sample(layout_of("vm1", "vm2"))
    assert scene.server.names() == ["vm1", "vm2"]


def test_nothing_is_written_before_the_first_sample(scene: Scene) -> None:
    scene.sample(layout_of("vm1"), Figures())
    assert not scene.server.attempts


def test_an_object_that_another_node_reports_is_not_written(scene: Scene) -> None:
    scene.sample(make_layout((make_target(reports=False), [make_group("a", [mon_group(0)])])))
    assert not scene.server.attempts


def test_the_source_of_a_migration_says_nothing_once_its_qemu_has_left(scene: Scene) -> None:
    placements = [
        {"nodeName": NODE, "podUID": "pod-a", "role": "Active"},
        {"nodeName": "node02", "podUID": "pod-b", "role": "MigrationTarget"},
    ]
    target = make_target(make_object("vm1", status={"placements": placements}))
    here = make_layout((target, [make_group("a", [mon_group(0)])]))
    waiting = (replace(make_group("a", [], GroupState.WAITING), reason=Reason.QEMU_NOT_FOUND),)
    gone = replace(here, targets=(TargetLayout(target, waiting, (), has_all_vcpus=False),))
    scene.sample(here)
    assert scene.server.names() == ["vm1"]
    scene.samples(130, gone)
    assert scene.server.names() == []
    scene.sample(here)
    assert scene.server.names() == ["vm1"], "the migration failed: the source goes on"


def test_a_migration_that_begins_while_a_write_is_on_its_way_is_followed_by_no_other(scene: Scene) -> None:
    placements = [{"nodeName": "node02", "podUID": "pod-b", "role": "MigrationTarget"}]
    target = make_target(make_object("vm1", spec={"statusPeriodSeconds": 1}, status={"placements": placements}))
    here = make_layout((target, [make_group("a", [mon_group(0)])]))
    gone = replace(here, targets=(TargetLayout(target, (), (), has_all_vcpus=False),))
    scene.server.seconds = lambda _name: 1.5
    scene.sample(here)
    scene.samples(10, gone)
    assert scene.server.attempts == {"vm1": 1}


@pytest.mark.parametrize("period", [10, 60, 3600])
def test_objects_that_began_together_are_due_at_times_spread_over_the_period(scene: Scene, period: int) -> None:
    layout = layout_of(*(f"vm{number}" for number in range(100)), period=period)
    scene.samples(6, layout)  # the first of all
    scene.server.applied.clear()
    began = scene.now
    scene.samples(period + 1, layout)
    tenths = Counter(int((applied.at - began) / period * 10) for applied in scene.server.applied)
    assert all(3 <= tenths[tenth] <= 25 for tenth in range(10))


@pytest.mark.parametrize("period", [1, 2, 10])
def test_an_object_is_written_once_a_period_whatever_happened_in_between(scene: Scene, period: int) -> None:
    states = (GroupState.MONITORED, GroupState.DEGRADED)
    layouts = [layout_of("vm1", state=state, period=period) for state in states]
    scene.samples(30, layouts[0])
    scene.server.names()
    for number in range(10 * period):
        scene.sample(layouts[(number // (3 * period)) % 2])  # three times another state
    assert 10 <= len(scene.server.applied) <= 14
    scene.server.names()
    scene.samples(10 * period, layouts[0])
    times = scene.server.times("vm1")
    assert all(later - earlier == pytest.approx(period) for earlier, later in pairwise(times[1:]))


def test_a_wall_clock_that_is_set_back_and_forth_changes_neither_periods_nor_rests(scene: Scene) -> None:
    refusing(scene, "bad", KubeInternalError("webhook"))
    layout = layout_of("good", "bad", period=10)
    for _ in range(12):
        scene.wall_seconds += 3600
        scene.samples(5, layout)
        scene.wall_seconds -= 7200
        scene.samples(5, layout)
    times = scene.server.times("good")
    assert len(times) >= 12
    assert max(later - earlier for earlier, later in pairwise(times)) <= 11
    assert 6 <= scene.server.attempts["bad"] <= 8


def test_samples_that_come_a_little_early_or_late_leave_no_period_out(scene: Scene) -> None:
    layout = layout_of("vm1", period=1)
    for number in range(200):
        scene.sample(layout, seconds=(0.97, 1.06, 1.0, 0.99)[number % 4])
    times = scene.server.times("vm1")
    assert max(later - earlier for earlier, later in pairwise(times)) < 1.5


def test_an_object_is_written_once_a_period_and_at_once_when_its_state_changes(scene: Scene) -> None:
    well, degraded = layout_of("vm1"), layout_of("vm1", state=GroupState.DEGRADED)
    scene.sample(well)
    scene.server.names()
    scene.sample(degraded)
    assert scene.server.names() == ["vm1"]
    scene.samples(60, degraded)
    assert scene.server.names() == ["vm1"]


def judged(*verdicts: LoggedVerdict) -> Figures:
    known = make_node_verdicts(*verdicts, judgements={"tenant-a/vm1": Judgement.UNDISTURBED})
    return replace(NOTHING_READ, verdicts=known, minute_verdicts=known)


def test_a_vm_that_is_disturbed_is_reported_at_once_and_so_is_the_end_of_it(scene: Scene) -> None:
    layout = layout_of("vm1", "vm2", period=3600)
    well, disturbed = judged(), judged(make_logged(make_verdict("tenant-a/vm1")))
    scene.samples(5, layout, well)
    scene.server.names()
    scene.samples(5, layout, disturbed)
    (applied,) = scene.server.applied
    assert applied.status["interference"]["level"] == "Likely"
    assert applied.status["conditions"][1]["status"] == "False"
    scene.server.applied.clear()
    scene.samples(5, layout, judged(make_logged(make_verdict("tenant-a/vm1", slowdown_ratio=0.4))))
    assert scene.server.names() == [], "another slowdown waits for the period"
    scene.samples(5, layout, judged(make_logged(make_verdict("tenant-a/vm1", "tenant-a/vm2", since=SINCE + 300))))
    (applied,) = scene.server.applied
    assert applied.status["interference"]["neighbour"] == "tenant-a/vm2", "another neighbour does not"
    scene.server.applied.clear()
    scene.samples(5, layout, well)
    (applied,) = scene.server.applied
    assert "interference" not in applied.status


def test_where_nobody_judges_nothing_is_reported_of_it(scene: Scene) -> None:
    scene.sample(layout_of("vm1"))
    (applied,) = scene.server.applied
    assert [condition["type"] for condition in applied.status["conditions"]] == ["Monitored"]
    assert "interference" not in {**applied.status, **applied.status["summary"]}


@pytest.mark.pitfall(29)
@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (KubeUnreachableError("away"), 0.5),
        (KubeUnauthorizedError("who are you"), 0.5),
        (KubeThrottledError("slow down", 7.0), 7.0),
    ],
)
def test_what_could_not_be_written_stays_due_and_is_caught_up(scene: Scene, error: KubeError, wait: float) -> None:
    layout, began = layout_of("vm1", "vm2", period=3600), scene.now
    scene.server.refuse = lambda _name, _status: error if scene.now < began + 0.1 else None
    scene.samples(9, layout)
    assert sorted(scene.server.attempts.values()) == [2, 2], "nothing is tried while the server is left alone"
    for name in ("vm1", "vm2"):
        (written,) = scene.server.times(name)
        assert wait <= written - began <= wait * 1.1 + 1


def test_a_server_that_stays_away_is_asked_more_and_more_rarely(scene: Scene) -> None:
    layout = layout_of("vm1", period=1)
    asked: list[float] = []

    def away(_name: ObjectName, _status: Mapping[str, Any]) -> KubeError:
        asked.append(scene.now)
        return KubeUnreachableError("away")

    scene.server.refuse = away
    scene.samples(120, layout)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[0] < 2
    assert pauses[1] < pauses[3] < pauses[5]
    assert 15 <= pauses[-1] <= 17.5
    scene.server.refuse = lambda _name, _status: None
    scene.samples(20, layout)
    began = scene.now
    scene.server.refuse = lambda name, status: away(name, status) if scene.now < began + 0.5 else None
    scene.samples(3, layout)
    assert len(scene.server.times("vm1")) >= 3


REFUSALS = [KubeForbiddenError("policy"), KubeRejectedError("schema"), KubeConflictError("race")]
FAILURES = [KubeInternalError("webhook"), KubeTooLargeError("too large")]


@pytest.mark.pitfall(29)
@pytest.mark.parametrize("error", [*REFUSALS, *FAILURES, KubeNotFoundError("gone")])
def test_an_object_that_can_not_be_written_rests_longer_and_longer_and_delays_no_other(
    scene: Scene, error: KubeError, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    def refuse(name: ObjectName, _status: Mapping[str, Any]) -> KubeError | None:
        if name.name != "vm1":
            return None
        tries.append(scene.now)
        return error

    scene.server.refuse = refuse
    layout = layout_of("vm1", "vm2", "vm3", period=1)
    scene.samples(900, layout)
    assert min(len(scene.server.times(name)) for name in ("vm2", "vm3")) >= 899
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    growing = pauses[-8:]
    assert growing == sorted(growing)
    assert 250 < growing[-1] < 332
    assert len(tries) < 20
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (0 if isinstance(error, KubeNotFoundError) else 1)
    assert all("tenant-a/vm1" in record.message for record in warnings)
    scene.server.refuse = lambda _name, _status: None
    scene.samples(340, layout)
    assert len(scene.server.times("vm1")) >= 2, "it is tried again, and then all is as before"


def test_a_state_that_changes_ends_no_rest(scene: Scene) -> None:
    refusing(scene, "vm1", KubeInternalError("webhook"))
    states = (GroupState.MONITORED, GroupState.DEGRADED)
    for number in range(300):
        scene.sample(layout_of("vm1", state=states[number % 2]))
    assert scene.server.attempts["vm1"] < 12


def test_several_objects_of_several_namespaces_that_fail_in_a_row_mean_that_the_server_is_away(scene: Scene) -> None:
    scene.server.refuse = lambda _name, _status: KubeInternalError("etcd has no leader")
    layout = together(*(layout_of(f"vm{place}", period=1, namespace=f"tenant-{place}") for place in range(40)))
    scene.samples(3, layout)
    assert sum(scene.server.attempts.values()) < 20, "the others are not tried one by one"
    scene.server.refuse = lambda _name, _status: None
    scene.samples(40, layout)
    assert len({applied.name for applied in scene.server.applied}) == 40


def test_one_namespace_whose_objects_all_fail_delays_no_other(scene: Scene) -> None:
    scene.server.refuse = lambda name, _status: KubeInternalError("hook") if name.namespace == "bad" else None
    bad = layout_of(*(f"vm{number}" for number in range(40)), period=1, namespace="bad")
    layout = together(bad, layout_of("good", period=1, namespace="good"))
    scene.samples(300, layout)
    times = scene.server.times("good")
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.5


def test_an_object_that_never_gets_an_answer_delays_no_other(scene: Scene) -> None:
    scene.server.seconds = lambda name: 30.0 if name.name == "hangs" else 0.005
    refusing(scene, "hangs", KubeUnreachableError("no answer in time"))
    scene.samples(200, layout_of("hangs", "vm1", period=1))
    times = scene.server.times("vm1")
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.5
    assert 2 <= scene.server.attempts["hangs"] <= 7


def test_namespaces_whose_writes_are_all_slow_delay_no_other_and_show_their_period(
    scene: Scene,
) -> None:
    scene.server.seconds = lambda name: 10.0 if "slow" in name.namespace else 0.005
    names = [f"vm{number}" for number in range(20)]
    slow = together(*(layout_of(*names, period=1, namespace=f"slow{number}") for number in range(3)))
    scene.samples(900, together(slow, layout_of("good", period=1, namespace="good")))
    times = scene.server.times("good")
    assert max(later - earlier for earlier, later in pairwise(times[20:])) <= 1.5
    last = {applied.name: applied for applied in scene.server.applied if "slow" in applied.name.namespace}
    assert len(last) == 60
    assert all(applied.status["statusPeriodSeconds"] >= 200 for applied in last.values()), "60 x 10 s / 3 at once"


def test_a_status_that_is_too_large_is_written_smaller_and_says_so(scene: Scene) -> None:
    obj = make_object("vm1", spec={"statusPeriodSeconds": 1})
    groups = [replace(make_group(f"g{number}", []), vcpus=(*range(9500, 10_000),)) for number in range(40)]
    layout = make_layout((make_target(obj), groups))

    def takes_less(_name: ObjectName, status: Mapping[str, Any]) -> KubeError | None:
        return KubeTooLargeError("etcdserver: request is too large") if len(str(status)) > 100_000 else None

    scene.server.refuse = takes_less
    scene.samples(20, layout)
    status = scene.server.applied[-1].status
    assert "all but the state of" in status["omitted"]
    assert status["omitted"] in status["conditions"][0]["message"]
    assert status["summary"]["groups"] == "40/40"
    assert len(scene.server.applied) >= 18, "found within a few tries, and kept"
    scene.server.refuse = lambda _name, _status: None
    for _ in range(70):
        scene.sample(layout, seconds=10)
    assert "omitted" not in scene.server.applied[-1].status, "what the server takes again is whole again"


def test_an_object_that_is_too_large_by_itself_rests(scene: Scene) -> None:
    scene.server.refuse = lambda _name, _status: KubeTooLargeError("etcdserver: request is too large")
    scene.samples(100, layout_of("vm1", period=1))
    assert scene.server.attempts["vm1"] < 20
    assert scene.writer._plan._reports.popitem()[1].size.most_bytes <= LEAST_STATUS_BYTES


@pytest.mark.pitfall(29)
def test_an_object_that_is_gone_is_let_go(scene: Scene) -> None:
    refusing(scene, "vm1", KubeNotFoundError("vm1"))
    scene.sample(layout_of("vm1", "vm2"))
    assert scene.server.names() == ["vm2"]
    assert scene.writes == {"gone": 1, "written": 1}


def test_an_object_that_comes_back_is_written_at_once_and_nothing_is_kept_of_one_that_went(scene: Scene) -> None:
    scene.server.seconds = lambda _name: 2.5  # so that it goes and comes while a write is on its way
    scene.sample(layout_of("vm1", period=3600))
    scene.sample(layout_of())
    assert not scene.writer._plan._reports
    assert not scene.writer._plan._schedule._places
    scene.samples(9, layout_of("vm1", period=3600))
    assert scene.server.names() == ["vm1", "vm1"]


def flood(number: int, period: int = 1, namespace: str = "flood") -> BoundLayout:
    return layout_of(*(f"flood{place}" for place in range(number)), period=period, namespace=namespace)


def test_another_tenants_group_is_never_late_beside_a_flood_and_the_flood_shows_its_period(scene: Scene) -> None:
    layout = together(flood(1500), layout_of("good", period=2, namespace="good"))
    scene.server.seconds = lambda _name: 0.02
    scene.samples(300, layout)
    times = scene.server.times("good")
    assert max(later - earlier for earlier, later in pairwise(times)) <= 3.0
    assert {
        applied.status["statusPeriodSeconds"] for applied in scene.server.applied if applied.name.name == "good"
    } == {2}
    last = {applied.name.name: applied for applied in scene.server.applied if applied.name.namespace == "flood"}
    assert len(last) == 1500
    (period,) = {applied.status["statusPeriodSeconds"] for applied in last.values()}
    assert 90 <= period <= 110
    message = last["flood7"].status["conditions"][0]["message"]
    assert f"renewed every {period} s instead of 1 s" in message
    assert len(scene.server.applied) <= 300 * WRITES_PER_SECOND + WRITES_PER_SECOND
    second = [applied.at for applied in scene.server.applied if applied.name.name == "flood7"][1:]
    assert all(later - earlier <= period + 2 for earlier, later in pairwise(second))


def test_a_flood_that_ends_gives_the_others_of_its_namespace_their_period_back(scene: Scene) -> None:
    alone = layout_of("calm", period=1, namespace="flood")
    scene.samples(120, together(flood(200), alone))
    scene.server.names()
    scene.samples(20, alone)
    assert len(scene.server.times("calm")) >= 18


def test_groups_that_change_all_the_time_delay_no_other_namespace(scene: Scene) -> None:
    names = [f"flaps{number}" for number in range(300)]
    states = (GroupState.MONITORED, GroupState.DEGRADED)
    flapping = [layout_of(*names, state=state, period=60, namespace="flapping") for state in states]
    calm = layout_of("calm", period=1, namespace="calm")
    well, ill = (layout_of("other", state=state, period=3600, namespace="other") for state in states)
    for number in range(120):
        scene.sample(together(flapping[number % 2], calm, ill if number == 100 else well))
    times = scene.server.times("calm")
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.5
    assert any(1100 <= at <= 1101.5 for at in scene.server.times("other")), "another one's change is known at once"


def test_a_sample_examines_no_object_that_is_as_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = flood(300, period=3600)
    scene.samples(20, layout)
    looked: list[object] = []
    monkeypatch.setattr(scene.writer._plan, "_examine", lambda report, _now: looked.append(report))
    scene.samples(5, layout)
    assert looked == []
    scene.sample(layout, replace(occupancy(layout, 5), lacking=frozenset([GroupKey(layout.targets[7].uid, "a")])))
    assert len(looked) == 1


def occupancy(layout: BoundLayout, reading: Reading) -> Figures:
    """Figures of which all groups have this one."""
    keys = [GroupKey(target.uid, group.group.name) for target in layout.targets for group in target.groups]
    return Figures(
        wall_time=1.8e9,
        groups={key: (BlockFigure(BLOCKS[0], reading, {}),) for key in keys},
        lacking=frozenset(keys) if isinstance(reading, Missing) else frozenset(),
    )


def test_a_reading_that_comes_and_goes_with_every_sample_is_written_every_few_seconds(scene: Scene) -> None:
    layout = layout_of("vm1", "vm2", period=3600)
    scene.sample(layout, occupancy(layout, 5))
    scene.server.names()
    began = scene.now
    for second in range(30):
        scene.sample(layout, occupancy(layout, 5 if second % 2 else Missing.UNAVAILABLE))
    for name in ("vm1", "vm2"):
        written = scene.server.times(name)
        assert written[0] - began < 0.5  # at once when it is the first
        assert 5 <= len(written) <= 6
        assert all(4.9 <= later - earlier <= 6.1 for earlier, later in pairwise(written))


def test_a_reading_that_stays_away_is_written_once_and_so_is_its_return(scene: Scene) -> None:
    layout = layout_of("vm1", period=3600)
    scene.sample(layout, occupancy(layout, 5))
    scene.server.names()
    for reading in (Missing.ERROR, 7):
        scene.samples(20, layout, occupancy(layout, reading))
        assert scene.server.names() == ["vm1"]


def test_a_state_that_changes_is_written_at_once_while_a_reading_comes_and_goes(scene: Scene) -> None:
    well = layout_of("vm1", period=3600)
    waiting = layout_of("vm1", state=GroupState.WAITING, period=3600)
    scene.sample(well, occupancy(well, 5))
    scene.sample(well, occupancy(well, Missing.ERROR))
    scene.server.names()
    for layout in (waiting, well, waiting):
        scene.sample(layout, occupancy(layout, 5))
        assert scene.server.names() == ["vm1"]


def test_a_state_that_changes_during_a_write_is_written_after_it(scene: Scene) -> None:
    scene.server.seconds = lambda _name: 1.5
    scene.sample(layout_of("vm1"))
    scene.samples(5, layout_of("vm1", state=GroupState.DEGRADED))
    assert [applied.status["groups"][0]["state"] for applied in scene.server.applied] == ["Monitored", "Degraded"]


def states(scene: Scene, layout: BoundLayout, figures: Figures, seconds: float = 1.0) -> None:
    """States whose sample has not ended, and time."""
    scene.sample(layout, figures, seconds, is_sample=False)


def read(layout: BoundLayout, reading: Reading = 5) -> Figures:
    """A sample of a second ago, by the clock of the writer."""
    return replace(occupancy(layout, reading), moment=Moment(1, 999.0))


def unread(layout: BoundLayout) -> Figures:
    """No group of the layout was read."""
    return replace(NOTHING_READ, unread=frozenset(occupancy(layout, 5).groups))


def test_a_state_is_written_before_its_counters_are_read_and_its_figures_once_they_are(scene: Scene) -> None:
    waiting, well = layout_of("vm1", state=GroupState.WAITING, period=3600), layout_of("vm1", period=3600)
    scene.sample(waiting)
    scene.server.applied.clear()
    states(scene, well, unread(well), 60)
    (first,) = scene.server.applied
    assert first.status["groups"][0]["state"] == "Monitored"
    assert "cacheBlocks" not in first.status["groups"][0]
    assert "observedTime" not in first.status
    scene.sample(well, read(well))
    assert [it.status["groups"][0]["cacheBlocks"][0]["occupancyBytes"] for it in scene.server.applied[1:]] == [5]
    assert "observedTime" in scene.server.applied[-1].status


def test_what_is_due_by_its_period_waits_for_its_sample_while_a_state_does_not(scene: Scene) -> None:
    layout = together(layout_of("vm1", period=5), layout_of("vm2", period=5))
    scene.samples(10, layout, read(layout))
    scene.server.applied.clear()
    for number in range(20):
        state = GroupState.DEGRADED if number % 2 else GroupState.WAITING
        states(scene, together(layout_of("vm1", state=state, period=5), layout_of("vm2", period=5)), read(layout))
    assert set(scene.server.names()) == {"vm1"}
    scene.sample(layout, read(layout))
    assert set(scene.server.names()) == {"vm1", "vm2"}


def test_a_state_leaves_the_figures_due_that_had_to_wait_for_their_sample(scene: Scene) -> None:
    well, degraded = layout_of("vm1", period=5), layout_of("vm1", state=GroupState.DEGRADED, period=5)
    scene.samples(10, well, read(well))
    states(scene, well, read(well), 20)
    scene.server.applied.clear()
    states(scene, degraded, read(degraded))
    assert scene.server.names() == ["vm1"]
    scene.sample(degraded, read(degraded))
    assert scene.server.names() == ["vm1"], "the period is over, and these figures are the first since"


def test_a_status_says_how_old_its_figures_are_once_they_are_old(scene: Scene) -> None:
    well, degraded = layout_of("vm1", period=3600), layout_of("vm1", state=GroupState.DEGRADED, period=3600)
    scene.sample(well, read(well))
    assert "figuresAgeSeconds" not in scene.server.applied[-1].status
    age = scene.now + 40 - 999.0
    states(scene, well, read(well), 40)
    states(scene, degraded, read(well))
    assert scene.server.applied[-1].status["figuresAgeSeconds"] == int(age)
    assert scene.server.applied[-1].status["observedTime"] == scene.server.applied[0].status["observedTime"]


def by_time_and_name(applied: Applied) -> tuple[float, ObjectName]:
    return applied.at, applied.name


SECONDS = st.tuples(
    st.sampled_from([GroupState.MONITORED, GroupState.MONITORED, GroupState.WAITING]),
    st.sampled_from([5, 5, 7, Missing.ERROR, Missing.OFFLINE]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(SECONDS, max_size=40))
def test_the_same_layout_and_an_equal_one_give_the_same_status(
    seconds: list[tuple[GroupState, Reading]],
) -> None:
    layouts = {state: layout_of("vm1", "vm2", state=state, period=7) for state in GroupState}
    ours, plain = Scene(), Scene()
    try:
        for state, reading in seconds:
            for scene, layout in ((ours, layouts[state]), (plain, layout_of("vm1", "vm2", state=state, period=7))):
                scene.sample(layout, occupancy(layout, reading))
            assert sorted(ours.server.applied, key=by_time_and_name) == sorted(
                plain.server.applied, key=by_time_and_name
            )
    finally:
        ours.close()
        plain.close()
