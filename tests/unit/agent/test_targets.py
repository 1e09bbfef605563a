import json
import math
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cachemon.agent.targets import Departures, judged_guests, limited, parse_bound_group, targets_of
from cachemon.engine.guest_windows import WindowGuest
from cachemon.model.api import CacheMonitorGroup, ObjectName
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.stamps import POLICY_LABEL
from tests.unit.agent.builders import NODE, make_layout, make_object, make_target


def named(*objects: Mapping[str, Any]) -> dict[ObjectName, CacheMonitorGroup]:
    groups = map(parse_bound_group, objects)
    return {group.name: group for group in groups}


def test_the_node_of_the_binding_reports() -> None:
    (target,) = targets_of(NODE, named(make_object()), {})
    assert target.reports
    assert target.owner_uids == ("pod-of-vm3",)


def test_a_node_that_will_run_the_vm_prepares_and_does_not_report() -> None:
    placements = [
        {"nodeName": "node02", "podUID": "old", "role": "Active"},
        {"nodeName": NODE, "podUID": "new", "role": "MigrationTarget"},
    ]
    moving = make_object(status={"nodeName": "node02", "migrationTargetNodeName": NODE, "placements": placements})
    (target,) = targets_of(NODE, {}, named(moving))
    assert (target.reports, target.owner_uids) == (False, ("new",))


def test_a_bound_object_without_a_pod_here_still_reports() -> None:
    (target,) = targets_of(NODE, named(make_object(status={"placements": []})))
    assert (target.reports, target.owner_uids) == (True, ())


def test_an_object_that_has_moved_on_is_no_target() -> None:
    gone = make_object(status={"nodeName": "node02", "placements": []})
    assert targets_of(NODE, named(gone)) == ()


def test_of_two_watches_the_newer_object_counts_in_either_order() -> None:
    old, new = make_object(version=99), make_object(version=100, status={"nodeName": "node02"})
    for watched in ((named(old), named(new)), (named(new), named(old))):
        (target,) = targets_of(NODE, *watched)
        assert not target.reports


def test_targets_come_oldest_first() -> None:
    objects = [make_object("b"), make_object("c"), make_object("a", created="2026-12-01T00:00:00Z")]
    assert [target.object.name.name for target in targets_of(NODE, named(*objects))] == ["b", "c", "a"]


def test_an_object_that_is_not_valid_is_a_target_with_a_problem() -> None:
    (target,) = targets_of(NODE, named(make_object(spec={"groups": [{"vcpus": "3-1"}]})))
    assert target.object.groups == ()
    assert "backwards" in str(target.object.problem)


def what_matters(**changes: Any) -> CacheMonitorGroup:
    return parse_bound_group(make_object(**changes)).without_news()


def test_what_an_agent_writes_binds_nothing() -> None:
    condition = {
        "type": "Monitored",
        "status": "True",
        "reason": "Monitored",
        "message": "",
        "lastTransitionTime": "t",
    }
    written = {"observedTime": "2026-11-22T09:00:00Z", "summary": {}, "groups": [], "conditions": [condition]}
    assert what_matters(version=101, status=written) == what_matters()


def test_a_new_binding_spec_or_object_binds() -> None:
    before = what_matters()
    assert what_matters(generation=2) != before
    assert what_matters(status={"vcpuCount": 8}) != before
    assert what_matters(status={"placements": []}) != before
    other = {**make_object(), "metadata": {**make_object()["metadata"], "uid": "another"}}
    assert parse_bound_group(other).without_news() != before


def test_of_an_objects_conditions_no_message_is_kept() -> None:
    conditions = [
        {"type": kind, "status": "False", "reason": "r", "message": "long" * 999, "lastTransitionTime": "t"}
        for kind in ("Bound", "Monitored", "Ready")
    ]
    group = parse_bound_group(make_object(status={"conditions": conditions}))
    assert group.raw_conditions == ({"type": "Monitored", "status": "False", "lastTransitionTime": "t"},)
    assert group.conditions == {}


def test_a_condition_keeps_the_time_of_its_last_change_as_the_agent_has_the_object() -> None:
    monitored = {"type": "Monitored", "status": "True", "reason": "R", "message": "M", "lastTransitionTime": "then"}
    kept = parse_bound_group(make_object(status={"conditions": [monitored]})).raw_conditions
    now = Condition("Monitored", "True", "Monitored", "1 group monitored")
    assert render_condition(now, before=kept, generation=1, now="now")["lastTransitionTime"] == "then"
    changed = replace(now, status="False")
    assert render_condition(changed, before=kept, generation=1, now="now")["lastTransitionTime"] == "now"


def test_the_conditions_of_the_operator_are_not_kept() -> None:
    conditions = [
        {"type": kind, "status": "True", "reason": "R", "message": "M", "lastTransitionTime": "then"}
        for kind in ("Bound", "Monitored", "Undisturbed", "Ready")
    ]
    kept = parse_bound_group(make_object(status={"conditions": conditions})).raw_conditions
    assert [item["type"] for item in kept] == ["Monitored", "Undisturbed"]


MOVING = [
    {"nodeName": NODE, "podUID": "here", "role": "Active"},
    {"nodeName": "node02", "podUID": "there", "role": "MigrationTarget"},
]


@pytest.mark.parametrize(
    ("status", "reports", "is_unsteady"),
    [({}, True, False), ({"placements": MOVING}, True, True), ({}, False, True)],
)
def test_a_vm_that_moves_is_unsteady_on_both_nodes(
    status: dict[str, Any],
    reports: bool,  # noqa: FBT001
    is_unsteady: bool,  # noqa: FBT001
) -> None:
    layout = make_layout((make_target(make_object("vm3", status=status), reports=reports), []))
    assert judged_guests(layout) == {"tenant-a_vm3": WindowGuest("tenant-a/vm3", is_unsteady)}


def spec_of(number: int) -> dict[str, Any]:
    return {"vmiName": "vm3", "groups": [{"name": f"g{place}", "vcpus": "0"} for place in range(number)]}


def test_a_vmi_has_no_more_groups_than_it_may_have_over_all_its_objects() -> None:
    policy = make_object("vm3.gold", created="2026-11-25T08:00:00Z", spec=spec_of(2))
    policy["metadata"]["labels"] = {POLICY_LABEL: "gold"}
    objects = [
        make_object("young", created="2026-11-24T08:00:00Z", spec=spec_of(1)),
        make_object("old", created="2026-11-22T08:00:00Z", spec=spec_of(60)),
        make_object("middle", created="2026-11-23T08:00:00Z", spec=spec_of(3)),
        policy,
        make_object("other", created="2026-11-26T08:00:00Z", spec=spec_of(64) | {"vmiName": "vm4"}),
    ]
    targets = {target.object.name.name: target for target in limited(targets_of(NODE, named(*objects)))}
    counts = {name: (len(it.object.groups), [group.name for group in it.refused]) for name, it in targets.items()}
    assert counts == {
        "vm3.gold": (2, []),
        "old": (60, []),
        "middle": (2, ["g2"]),
        "young": (0, ["g0"]),
        "other": (64, []),
    }


def test_an_object_that_has_just_left_keeps_its_place_while_its_mon_groups_are_kept() -> None:
    moments = Moments()
    departures = Departures(2.0, moments)
    both = named(
        make_object("a", spec=spec_of(64)), make_object("b", created="2026-12-01T00:00:00Z", spec=spec_of(1))
    )
    limited(departures.with_departed(targets_of(NODE, both)))
    left = named(make_object("b", created="2026-12-01T00:00:00Z", spec=spec_of(1)))
    (stays, _) = limited(departures.with_departed(targets_of(NODE, left)))
    assert len(stays.refused) == 1
    moments.now += 2.0
    (stays,) = limited(departures.with_departed(targets_of(NODE, left)))
    assert stays.refused == ()


WIDE = [{"name": f"g{number}", "vcpus": "0-16383"} for number in range(64)]


def bytes_of(number: int, spec: Mapping[str, Any]) -> int:
    """What the agent keeps of this many objects of one VMI, and has in a pass over them."""
    tracemalloc.start()
    try:
        texts = [json.dumps(make_object(f"o{place}", spec={"vmiName": "vm", **spec})) for place in range(number)]
        before = tracemalloc.get_traced_memory()[0]
        groups = [parse_bound_group(json.loads(text)) for text in texts]
        targets = limited(targets_of(NODE, {group.name: group for group in groups}))
        assert len(targets) == number
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_an_object_of_64_wide_groups_costs_the_agent_no_more_than_its_text() -> None:
    text = len(json.dumps(WIDE))
    assert bytes_of(300, {"groups": WIDE}) - bytes_of(300, {}) < 300 * text


class Moments:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_an_object_between_two_watches_keeps_its_mon_groups_and_reports_nothing_meanwhile() -> None:
    clock = Moments()
    departures = Departures(2, clock)
    (target,) = departures.with_departed(targets_of(NODE, named(make_object())))
    clock.now += 60
    (with_departed,) = departures.with_departed(())
    assert (with_departed.object, with_departed.owner_uids) == (target.object, target.owner_uids)
    assert not with_departed.reports
    assert departures.ends_in() == 2
    clock.now += 1.9
    assert len(departures.with_departed(())) == 1
    back = targets_of(NODE, named(make_object(version=101)))
    assert departures.with_departed(back) == back
    assert departures.ends_in() == math.inf


def test_an_object_that_does_not_come_back_is_let_go() -> None:
    clock = Moments()
    departures = Departures(2, clock)
    departures.with_departed(targets_of(NODE, named(make_object("a"), make_object("b"))))
    stays = targets_of(NODE, named(make_object("b")))
    assert [target.object.name.name for target in departures.with_departed(stays)] == ["b", "a"]
    clock.now += 2
    assert departures.with_departed(stays) == stays
    assert departures.ends_in() == math.inf
